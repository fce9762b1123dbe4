#!/usr/bin/env python3
"""Runs training steps on a stand-in driver (stand-in/README.md), without a GPU: which kernels are compiled, whether
NVIDIA's assembler accepts them, their registers, launches, memory and copies. Standard library and a C compiler.

    python3 tools/gpu/dry_run.py --binary target/release/lungs

Kernels are assembled by `ptxas`, from PTXAS, PATH or the PyPI package nvidia-cuda-nvcc. Exits with code 1 when a
limit below is exceeded.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import two_devices
from commands import json_lines, run, write_atomically
from stand_in import Record, build_stand_in, plain_name, stand_in_environment

# The most that a run may have: that of I3D at full size (220x224x224, width 1).
LIMITS = {
    "failures": 0,
    "invalid launches": 0,
    "modules": 100,
    "registers": 255,
    "spilled bytes": 300,
    "launches per step": 850,
    "moved GB per step": 50,
    "copied MiB per step": 1,
    "peak GiB, batch 1": 3.5,
    "peak GiB, batch 2": 6.5,
}
# The most that a run of a small residual network with the pool of Sybil may have.
RESIDUAL_LIMITS = {"failures": 0, "invalid launches": 0, "registers": 255, "spilled bytes": 400}
RESIDUAL = ["--network", "r3d-18", "--pool", "sybil", "--size", "16x64x64"]
COLUMNS = [
    "network", "capability", "precision", "batch", "modules", "failures", "registers", "spilled bytes",
    "launches per step", "invalid launches", "peak GiB", "moved GB per step", "copied MiB per step", "first step, s",
]  # fmt: skip


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=Path("target/release/lungs"))
    parser.add_argument("--out", type=Path, default=Path("target/gpu-dry"))
    parser.add_argument("--size", default="220x224x224")
    parser.add_argument("--width", default="1.0")
    parser.add_argument("--batches", default="1,2")
    parser.add_argument("--precisions", default="f32,tf32,bf16")
    parser.add_argument("--capabilities", default="80,90,100", help="80 (A100), 90 (H100, H200), 100 (B200)")
    parser.add_argument("--pass", dest="pass_name", default="step", choices=["step", "step-checkpointed"])
    parser.add_argument("--seconds", type=float, default=1800, help="limit of a run")
    parser.add_argument("--two-devices", action="store_true", help="only check two devices")
    parser.add_argument("--one-device", action="store_true", help="leave out the check of two devices")
    return parser.parse_args()


def find_ptxas():
    """NVIDIA's assembler, or None."""
    candidates = [os.environ.get("PTXAS"), shutil.which("ptxas")]
    package = importlib.util.find_spec("nvidia")
    for root in (package.submodule_search_locations or []) if package else []:
        candidates += sorted(str(path) for path in Path(root).glob("*/bin/ptxas"))
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


def assemble(ptxas, path):
    """Assembles a module for the target it names: success, registers, spilled bytes, message."""
    text = path.read_text()
    target = re.search(r"^\.target\s+(\w+)", text, re.MULTILINE)
    line = [ptxas, f"-arch={target[1]}", "-v", "-o", path.with_suffix(".cubin"), path]
    ended = subprocess.run(["nice", *line], capture_output=True, text=True)
    registers = re.search(r"Used (\d+) registers", ended.stderr)
    spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", ended.stderr)
    return {
        "ok": ended.returncode == 0,
        "registers": int(registers[1]) if registers else 0,
        "spilled": int(spills[1]) + int(spills[2]) if spills else 0,
        "message": ended.stderr[:500] if ended.returncode else "",
    }


class Assembler:
    """Assembles modules; a text that several runs share is assembled once."""

    def __init__(self, ptxas):
        self.ptxas = ptxas
        self.known = {}

    def all(self, paths):
        if not self.ptxas:
            return {}
        keys = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
        new = {key: path for path, key in keys.items() if key not in self.known}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda path: assemble(self.ptxas, path), new.values())
            self.known |= dict(zip(new, results))
        return {path: self.known[key] for path, key in keys.items()}


def dry_step(choice, driver, assembler, capability, precision, batch, network=()):
    """Three steps on the stand-in driver: one line of the table. `network` overrides options of `lungs bench`."""
    name = network[1] if network else "i3d"
    record_folder = choice.out.resolve() / f"{name}-sm{capability}-{precision}-{batch}"
    environment = stand_in_environment(driver, record_folder, CAPABILITY=capability)
    line = [choice.binary.resolve(), "bench", "--json", "--batch", batch]
    line += network or ["--size", choice.size]
    line += ["--width", choice.width, "--precision", precision, "--device", "cuda"]
    line += ["--pass", choice.pass_name, "--steps", 3]
    ended = run(line, choice.seconds, environment)
    row = {"network": name, "capability": capability, "precision": precision, "batch": batch}
    if ended["exit_code"] != 0:
        row["error"] = ended["killed"] or ended["stderr"].strip()[-1000:]
    passes = json_lines(ended["stdout"])
    if passes:
        row["first step, s"] = round(passes[0]["seconds"], 1)
    record = Record(record_folder)
    step = record.step(batch)
    kernels = assembler.all(record.modules())
    row |= {
        "modules": len(record.modules()),
        "invalid launches": len(record.of("invalid")),
        "peak GiB": round(record.peak_bytes() / (1 << 30), 2),
        "heaviest kernels": heaviest(record, kernels),
    }
    if step is not None:
        row["launches per step"] = sum(call[0] == "launch" for call in step)
        row["launches by kernel"] = launches_by_kernel(record, step)
        copied = sum(int(call[3]) for call in step if call[0] == "copy")
        row["copied MiB per step"] = round(copied / (1 << 20), 2)
        row["moved GB per step"] = round(record.moved_bytes(step) / 1e9, 1)
    if kernels:
        row["failures"] = sum(not kernel["ok"] for kernel in kernels.values())
        row["registers"] = max(kernel["registers"] for kernel in kernels.values())
        row["spilled bytes"] = sum(kernel["spilled"] for kernel in kernels.values())
        row["messages"] = [kernel["message"] for kernel in kernels.values() if not kernel["ok"]][:5]
    return row


def launches_by_kernel(record, calls):
    """The launches of each kernel, most first. A kernel's variants count as one."""
    kernels = record.kernels()
    names = (kernels.get(call[2], "?") for call in calls if call[0] == "launch")
    return dict(collections.Counter(map(plain_name, names)).most_common())


def heaviest(record, kernels):
    """The ten kernels with the most spilled bytes or registers: name, registers, spilled bytes."""
    names = record.kernels()
    rows = [
        (kernel["spilled"], kernel["registers"], names.get(path.stem.split("-")[1], path.stem))
        for path, kernel in kernels.items()
    ]
    top = sorted(rows, reverse=True)[:10]
    return [{"kernel": name, "registers": registers, "spilled": spilled} for spilled, registers, name in top]


def exceeded(row):
    """The limits that a line of the table exceeds, in words."""
    where = f"{row['network']}, capability {row['capability']}, {row['precision']}, batch {row['batch']}"
    found = [f"{where}: {row['error']}"] if "error" in row else []
    limits = LIMITS if row["network"] == "i3d" else RESIDUAL_LIMITS
    for name, limit in limits.items():
        column, _, batch = name.partition(", batch ")
        if limit is None or (batch and int(batch) != row["batch"]) or row.get(column) is None:
            continue
        if row[column] > limit:
            found.append(f"{where}: {column} is {row[column]}, the limit is {limit}")
    return found


def markdown(rows):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return lines + ["| " + " | ".join(str(row.get(column, "–")) for column in COLUMNS) + " |" for row in rows]


def steps(choice):
    """Capability, precision, batch and network of each run."""
    if choice.two_devices:
        return
    for capability in choice.capabilities.split(","):
        for precision in choice.precisions.split(","):
            for batch in choice.batches.split(","):
                yield capability, precision, int(batch), ()
            yield capability, precision, 1, RESIDUAL


def main():
    choice = options()
    driver = build_stand_in(choice.out)
    assembler = Assembler(find_ptxas())
    if not assembler.ptxas:
        print("ptxas not found: kernels are not assembled (pip install nvidia-cuda-nvcc, or PTXAS=PATH)")
    results, problems = {"rows": []}, []
    for capability, precision, batch, network in steps(choice):
        row = dry_step(choice, driver, assembler, capability, precision, batch, network)
        results["rows"].append(row)
        problems += exceeded(row)
        print(f"{row['network']}, capability {capability}, {precision}, batch {batch}: done", flush=True)
    if not choice.one_device:
        results["two devices"] = two_devices.train(choice.binary, choice.out, driver, choice.seconds)
        problems += two_devices.exceeded(results["two devices"])
    write_atomically(choice.out / "dry.json", json.dumps(results, indent=1) + "\n")
    print("\n".join(markdown(results["rows"])))
    if "two devices" in results:
        print(f"two devices: {json.dumps(results['two devices'])}")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
