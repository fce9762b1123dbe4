"""The checks of kit.py: parity with the CPU, repeatability, failures, resuming."""

import csv
import hashlib
import os
import platform
import shutil

# Limits of the deviation from the CPU in f32: of the loss, and of all gradients as one vector (relative
# error). In tf32 and bf16, the gradients may deviate that many times as much as bf16 on the CPU does; TF32 has
# three more bits of mantissa than bf16.
LOSS_LIMITS = {"f32": 1e-3, "tf32": 2e-2, "bf16": 5e-2}
F32_GRADIENT_LIMIT = 1e-2
GRADIENT_FACTORS = {"tf32": 1.0, "bf16": 2.0}
# Where bf16 on the CPU deviates by more than this, the comparison cannot tell rounding from a fault: gradients
# that are all zero have a relative error of 1.
USABLE_GRADIENT_ERROR = 0.4

# A short demo.
DEMO = {"data.phantom.patients": 30, "train.epochs": 6, "train.checkpoint_minutes": 0.02}

PYTORCH_FACTS = """
import json, torch
from torch.backends import cudnn
device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
versions = {"pytorch": torch.__version__, "cuda": torch.version.cuda, "cudnn": cudnn.version(), "device": device}
print(json.dumps(versions))
"""


def facts(kit, result):
    """The machine, its driver and libraries, PyTorch, and the program."""
    query = "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem,mig.mode.current"
    commands = {
        "gpus": ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
        "driver": ["sh", "-c", "nvidia-smi | grep -o 'CUDA Version: [0-9.]*'"],
        "libraries": ["sh", "-c", "ldconfig -p | grep -E 'libcuda.so|libcudnn.so|libnvrtc.so|libnccl.so'"],
        "toolkit": ["sh", "-c", "ls -d /usr/local/cuda* /opt/cuda* 2>&1; command -v nvcc ncu nsys"],
        "pytorch": [kit.choice.python, "-c", PYTORCH_FACTS],
        "lungs": [kit.lungs, "--version"],
    }
    for name, line in commands.items():
        try:
            ended = kit.run(line, 25 if name == "pytorch" else 10)
            result[name] = (ended["stdout"].strip() or ended["stderr"].strip())[-1000:]
        except FileNotFoundError as error:
            result[name] = f"not found: {error.filename}"
    result["glibc"] = platform.libc_ver()[1]
    result["cpus"] = os.cpu_count()
    result["libraries of the pack"] = "LD_LIBRARY_PATH" in kit.environment
    result["opens"] = kit.bench(30, size="16x32x32", batch=1, width=0.1, **{"pass": "forward"})


def dump(kit, name, limit, **choice):
    """One pass at the size of the comparisons: how it ended, and its arrays."""
    from arrays import read_safetensors

    path = kit.work / f"{name}.safetensors"
    path.unlink(missing_ok=True)
    ended = kit.bench(limit, size=kit.choice.parity_size, dump=path, **choice)
    return ended, read_safetensors(path) if path.exists() else None


def parity(kit, result):
    """Logits, loss and gradients of each precision, with and without gradient checkpointing, against the CPU
    in f32. The CPU in bf16 tells how far that precision deviates by itself."""
    from arrays import differences

    ended, reference = dump(kit, "cpu", 60, device="cpu")
    result["cpu"] = ended
    if reference is None:
        return
    rows = result["rows"] = {}

    def compare(name, **choice):
        ended, arrays = dump(kit, name.replace(" ", "-"), 45, **choice)
        rows[name] = ended | (differences(reference, arrays) if arrays else {})
        return rows[name]

    on_cpu = compare("bf16 on the CPU", device="cpu", precision="bf16")
    for pass_name in ("step", "step-checkpointed"):
        for precision in ("f32", "tf32", "bf16"):
            name = precision if pass_name == "step" else f"{precision} checkpointed"
            row = compare(name, precision=precision, **{"pass": pass_name})
            row["agrees"] = agrees(row, precision, on_cpu)


def agrees(row, precision, on_cpu):
    """Whether a deviation is one of rounding, given that of bf16 on the CPU; None if that one is unknown, or
    too large to tell."""
    if "loss" not in row or row["not_finite"] or row["all_zero"]:
        return False
    limit = F32_GRADIENT_LIMIT
    if precision != "f32":
        error = on_cpu.get("gradient_all")
        if error is None or error > USABLE_GRADIENT_ERROR or on_cpu["loss"] > LOSS_LIMITS["bf16"]:
            return None
        limit = max(limit, GRADIENT_FACTORS[precision] * error)
    return row["loss"] <= LOSS_LIMITS[precision] and row["gradient_all"] <= limit


def same_bytes(kit, result):
    """Whether two processes compute the same gradients and losses, to the byte."""
    for precision in ("f32", "bf16"):
        hashes, losses = [], []
        for number in (1, 2):
            path = kit.work / f"same-{number}.safetensors"
            path.unlink(missing_ok=True)
            ended = kit.bench(30, size=kit.choice.parity_size, precision=precision, steps=4, dump=path)
            if ended["exit_code"] != 0:
                result[precision] = ended
                break
            hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
            losses.append([step["loss"] for step in ended["passes"]])
        else:
            result[precision] = {
                "gradients": hashes[0] == hashes[1],
                "losses": losses[0] == losses[1],
                "values": losses,
            }


def no_toolkit(kit, result):
    """Training steps where CUDA_PATH names no toolkit, as on a machine that has the driver alone."""
    nowhere = {name: "/nowhere" for name in ("CUDA_PATH", "CUDA_HOME", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR")}
    choice = {"size": "16x32x32", "batch": 2, "width": 0.25, "steps": 2}
    result["step"] = kit.bench(35, environment=nowhere, **choice)
    result["works"] = result["step"]["exit_code"] == 0


def out_of_memory(kit, result):
    """A batch that does not fit: the exit code, the advice, and the time until they come."""
    if not kit.on_gpu:
        result["ended"] = "skipped: without a GPU the memory of the machine would be used up"
        return
    batch = impossible_batch(kit)
    ended = kit.bench(38, batch=batch)
    message = ended.get("message", "")
    result |= ended
    result["batch"] = batch
    result["says out of memory"] = "out of memory" in message
    result["advises"] = "smaller --batch" in message
    result["as expected"] = ended["exit_code"] == 1 and result["says out of memory"] and result["advises"]


def impossible_batch(kit):
    """A batch of about 1.5 times the memory of the GPU, from the memory that a measured step took."""
    steps = kit.results["parts"].get("steps", {}).get("variants", {})
    row = steps.get("step f32 batch 2 lungs", {})
    # The memory of the GPU: "NVIDIA H200, 570.86, 143771 MiB, ...".
    fields = kit.results["parts"].get("facts", {}).get("gpus", "").split(",")
    total = int(fields[2].split()[0]) << 20 if len(fields) > 2 else 0
    if not total or not row.get("device_bytes"):
        return 64
    return max(4, round(1.5 * total / (row["device_bytes"] / 2)))


def metrics_file(folder):
    """metrics.csv of the folder's run, or None."""
    files = sorted(folder.glob("results/**/metrics.csv"))
    return files[-1] if files else None


def metrics(folder):
    """The rows of the folder's metrics.csv."""
    path = metrics_file(folder)
    if not path:
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def describe(ended, folder):
    """What the results keep of a run of the demo."""
    rows = metrics(folder)
    return {
        "exit_code": ended["exit_code"],
        "killed": ended["killed"],
        "seconds": ended["seconds"],
        "epochs": len({row["epoch"] for row in rows}),
        "last": rows[-1] if rows else None,
        "message": ended["stderr"].strip()[-800:],
    }


def demo(kit, result):
    """A whole experiment: synthetic CT, preparation, training, evaluation, report."""
    folder = kit.demo_folder("demo")
    result |= describe(kit.lungs_run(folder, 58, DEMO), folder)
    result["report"] = bool(list(folder.glob("results/**/report.html")))


def kill(kit, result):
    """The demo killed after its first epoch and continued, against the demo that was not killed."""
    whole, folder = kit.work / "demo", kit.demo_folder("kill")
    if not metrics(whole):
        result["ended"] = "skipped: the demo did not finish an epoch"
        return
    # The same synthetic CT, prepared already.
    for name in ("data", ".lungs-cache"):
        if (whole / name).exists():
            shutil.copytree(whole / name, folder / name, dirs_exist_ok=True)
    result["killed run"] = describe(kit.lungs_run(folder, 45, DEMO, observe=lambda _: bool(metrics(folder))), folder)
    if not result["killed run"]["killed"]:
        result["ended"] = "the run ended before it was killed"
        return
    result["continued run"] = describe(kit.lungs_run(folder, 45, DEMO), folder)
    result |= compare_metrics(metrics(whole), metrics(folder))


def compare_metrics(whole, continued):
    """The cells of metrics.csv that differ between two runs, and the largest relative difference."""
    cells = []
    largest = 0.0
    for one, other in zip(whole, continued):
        for column in one:
            if one[column] == other.get(column):
                continue
            cells.append(f"epoch {one['epoch']}, {column}: {one[column]} and {other.get(column)}")
            try:
                values = float(one[column]), float(other[column])
                largest = max(largest, abs(values[0] - values[1]) / max(abs(values[0]), 1e-12))
            except (TypeError, ValueError):
                largest = float("inf")
    same = not cells and len(whole) == len(continued)
    return {"same metrics": same, "largest difference": largest, "cells": len(cells), "examples": cells[:6]}
