#!/usr/bin/env python3
"""Measures and checks `lungs` on a GPU in at most ten minutes: README.md. Needs numpy; PyTorch for its side."""

import argparse
import lzma
import os
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import checks
import measurements
import table
from commands import Clock, NoTime, json_lines, run, write_atomically

FOLDER = Path(__file__).resolve().parent

# Name, function and limit in seconds, in the order of worth: what does not fit into the time is the end.
PARTS = [
    ("facts", checks.facts, 40),
    ("parity", checks.parity, 120),
    ("first step", measurements.first_step, 100),
    ("steps", measurements.steps, 200),
    ("same bytes", checks.same_bytes, 40),
    ("no toolkit", checks.no_toolkit, 40),
    ("out of memory", checks.out_of_memory, 40),
    ("demo", checks.demo, 60),
    ("kill", checks.kill, 80),
    ("profile", measurements.profile, 80),
]


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", default=FOLDER, type=Path, help="folder that pack.sh wrote")
    parser.add_argument("--binary", type=Path, help="use this program instead of the pack's")
    parser.add_argument("--out", default=os.environ.get("OUT", "kit-out"), type=Path)
    parser.add_argument("--work", default="kit-work", type=Path, help="folder for temporary files")
    parser.add_argument("--seconds", default=570.0, type=float)
    parser.add_argument("--only", default="", help="parts to run, separated by commas")
    parser.add_argument("--device", default="cuda", help="cpu or cubecl-cpu tries the kit without a GPU")
    parser.add_argument("--size", default="220x224x224", help="volume of the measurements")
    parser.add_argument("--parity-size", default="32x112x112", help="volume of the comparisons with the CPU")
    parser.add_argument("--width", default="1.0", help="width multiplier of the network")
    parser.add_argument("--slow", default=1.0, type=float, help="factor for all limits of time, on slow machines")
    parser.add_argument("--python", default=sys.executable, help="Python with PyTorch")
    return parser.parse_args()


class Kit:
    """The program under test, the results so far, and the time that is left."""

    def __init__(self, choice):
        self.choice = choice
        self.clock = self.part_clock = Clock(choice.seconds * choice.slow)
        self.out, self.work = choice.out.resolve(), choice.work.resolve()
        self.pack = choice.pack.resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.results = {"device": choice.device, "size": choice.size, "width": choice.width, "parts": {}}
        self.environment = {
            "CUDA_CACHE_PATH": str(self.work / "cuda-cache"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.work / "inductor"),
            "NO_COLOR": "1",
        }
        self.lungs = self.unpack()

    @property
    def on_gpu(self):
        return self.choice.device.startswith("cuda")

    def unpack(self):
        """The program, ready to run. The libraries of the pack are used only where the machine lacks some."""
        if self.choice.binary:
            return self.choice.binary.resolve()
        program = self.work / "lungs"
        with lzma.open(self.pack / "lungs.xz") as packed, open(program, "wb") as file:
            shutil.copyfileobj(packed, file)
        program.chmod(0o755)
        if subprocess.run([program, "--version"], capture_output=True).returncode != 0:
            libraries = [str(self.pack / "libs"), os.environ.get("LD_LIBRARY_PATH", "")]
            self.environment["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
        return program

    def run(self, line, limit, **more):
        """Runs a command within the part's time. Saves the results before it."""
        self.save()
        environment = {**self.environment, **more.pop("environment", {})}
        return run(line, self.part_clock.limit(limit * self.choice.slow), environment, **more)

    def bench(self, limit, environment=None, before=(), **choice):
        """`lungs bench`: its passes, how it ended, and its message if it failed. `before` is a command that
        runs it, such as a profiler."""
        words = {"size": self.choice.size, "batch": 2, "channels": 1, "width": self.choice.width}
        words |= {"precision": "f32", "device": self.choice.device, "pass": "step", "steps": 1, "seed": 37}
        words |= choice
        line = [*before, self.lungs, "bench", "--json"]
        for name, value in words.items():
            line += [f"--{name}", value]
        return self.finished(self.run(line, limit, environment=environment or {}))

    def finished(self, ended):
        """What the results keep of a command that prints passes."""
        result = {name: ended[name] for name in ("exit_code", "killed", "seconds")}
        result["passes"] = json_lines(ended["stdout"])
        if ended["exit_code"] != 0:
            result["message"] = ended["stderr"].strip()[-1500:]
        return result

    def lungs_run(self, folder, limit, keys, **more):
        """`lungs run demo.toml` with other values of some keys, in a folder that `demo_folder` made."""
        line = [self.lungs, "run", "demo.toml"]
        for key, value in (keys | {"runtime.device": self.choice.device}).items():
            line += ["--set", f"{key}={value}"]
        return self.run(line, limit, folder=folder, **more)

    def demo_folder(self, name):
        """A folder with the demo's spec and initial weights."""
        folder = self.work / name
        (folder / "experiments").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.pack / "demo.toml", folder)
        shutil.copy(self.pack / "demo-weights.safetensors", folder / "experiments")
        return folder

    def save(self):
        self.results["elapsed_seconds"] = round(self.clock.elapsed(), 1)
        write_atomically(self.out / "kit.json", table.as_json(self.results))
        write_atomically(self.out / "table.md", table.as_markdown(self.results))

    def perform(self, name, part, limit):
        """Runs a part. Whatever happens in it, its results so far stay and the next part runs."""
        result = self.results["parts"][name] = {}
        self.part_clock = Clock(limit * self.choice.slow, self.clock)
        try:
            # Ends a part that computes too long itself.
            signal.alarm(max(1, int(self.part_clock.left() + 15)))
            part(self, result)
        except NoTime:
            result["ended"] = "no time is left"
        except Exception:
            result["ended"] = traceback.format_exc(limit=-3)
        result["elapsed_seconds"] = round(self.part_clock.elapsed(), 1)
        signal.alarm(0)
        self.save()
        print(f"{self.clock.elapsed():5.0f} s  {name}: {table.summary(result)}", flush=True)


def end_part(*_):
    raise NoTime


def main():
    choice = options()
    kit = Kit(choice)
    only = [name.strip() for name in choice.only.split(",") if name.strip()]
    unknown = set(only) - {name for name, _, _ in PARTS}
    if unknown:
        sys.exit(f"--only: unknown part {sorted(unknown)[0]!r}; known: {', '.join(name for name, _, _ in PARTS)}")
    signal.signal(signal.SIGALRM, end_part)
    # As an exception, so that a running command is killed too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name, part, limit in PARTS:
        if only and name not in only:
            continue
        kit.perform(name, part, limit)
    print(f"{kit.out / 'kit.json'}\n{kit.out / 'table.md'}")


if __name__ == "__main__":
    main()
