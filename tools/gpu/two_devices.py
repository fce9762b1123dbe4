"""Trains on two stand-in devices: nothing may grow with the number of steps."""

import collections
import csv
import re
import shutil
import statistics
from pathlib import Path

from commands import run
from stand_in import FOLDER, Record, stand_in_environment

# A tiny network on tiny volumes: streams, pools and threads are those of a full-size training.
TINY_RUN = {
    "data.phantom.patients": 30,
    "preprocess.size": [32, 32, 32],
    "model.slices": 32,
    "model.width": 0.1,
    "model.init": '"random"',
    "train.batch_size": 1,
    "train.accumulate": 2,
    "train.epochs": 20,
    "train.early_stopping.patience": 20,
    "runtime.device": '["cuda:0", "cuda:1"]',
}
STEPS = 200
# The growth allowed between the two halves of the training: streams, blocks of device memory and their bytes at
# the end of each half, threads and memory of the process as medians of samples.
GROWTH_LIMITS = {"streams": 0, "device blocks": 0, "device MiB": 0, "threads": 0, "process MiB": 8}
# The most that one of them may be at the end.
LIMITS = {"streams": 4, "device blocks": 40, "device MiB": 400, "threads": 40, "launches per step": 2000}


class Samples:
    """Threads and resident memory of a process, and the bytes of its record, every 0.1 s."""

    def __init__(self, record):
        self.record = record
        self.rows = []

    def __call__(self, process):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            position = (self.record / "calls.txt").stat().st_size
        except OSError:
            return False
        numbers = [re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("Threads", "VmRSS")]
        if all(numbers):
            self.rows.append((position, int(numbers[0][1]), int(numbers[1][1]) / 1024))
        return False

    def medians(self, start, end):
        """Threads and MiB while the record had `start` to `end` bytes."""
        rows = [row for row in self.rows if start <= row[0] < end]
        if not rows:
            return None, None
        return round(statistics.median(row[1] for row in rows)), round(statistics.median(row[2] for row in rows))


def train(binary, out, driver, seconds):
    """Trains a tiny network on two devices, and compares the halves of the training."""
    folder = out.resolve() / "two-devices"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(FOLDER.parents[1] / "experiments" / "demo.toml", folder)
    line = [binary.resolve(), "run", "demo.toml"]
    for key, value in TINY_RUN.items():
        line += ["--set", f"{key}={value}"]
    record = folder / "record"
    samples = Samples(record)
    environment = stand_in_environment(driver, record, DEVICES=2)
    ended = run(line, seconds, environment, folder=folder, observe=samples)
    result = {"exit_code": ended["exit_code"], "killed": ended["killed"], "seconds": ended["seconds"]}
    if ended["exit_code"] != 0:
        result["message"] = ended["stderr"].strip()[-1500:]
    result["steps"] = steps_done(folder)
    if (record / "calls.txt").exists():
        result |= halves(Record(record).calls, samples)
        result["launches per step"] = round(result["launches"] / max(result["steps"], 1))
    return result


def steps_done(folder):
    """Optimizer steps in the table of the run."""
    tables = list(folder.glob("results/*/*/steps.csv"))
    return sum(1 for _ in csv.DictReader(open(tables[0]))) if tables else 0


def halves(calls, samples):
    """What is held at the middle and at the end of the launches, the scoring after each epoch included."""
    launches = [index for index, call in enumerate(calls) if call[0] == "launch"]
    if not launches:
        return {"launches": 0}
    middle, end = launches[len(launches) // 2], launches[-1]
    held = [held_after(calls[:index]) for index in (middle, end)]
    offsets = [sum(len(" ".join(call)) + 1 for call in calls[:index]) for index in (middle, end)]
    threads, memory = zip(samples.medians(offsets[0] // 4, offsets[0]), samples.medians(*offsets))
    return {
        "launches": len(launches),
        "devices": sorted({calls[index][1] for index in launches}),
        "streams": [sum(call[0] == "stream" for call in calls[:index]) for index in (middle, end)],
        "device blocks": [blocks for blocks, _ in held],
        "device MiB": [round(size / (1 << 20)) for _, size in held],
        "threads": list(threads),
        "process MiB": list(memory),
    }


def held_after(calls):
    """Blocks of memory of all devices, and their bytes."""
    blocks, sizes = 0, collections.Counter()
    for call in calls:
        if call[0] in ("allocate", "free"):
            blocks += 1 if call[0] == "allocate" else -1
            sizes[call[1]] = int(call[3])
    return blocks, sum(sizes.values())


def exceeded(result):
    """The limits that are exceeded, in words."""
    if result["exit_code"] != 0 or result.get("launches", 0) == 0:
        return [f"two devices: the run failed: {result.get('message') or result['killed'] or 'no launches'}"]
    found = []
    if len(result["devices"]) < 2:
        found.append("two devices: one of them launched nothing")
    if result["steps"] < STEPS:
        found.append(f"two devices: {result['steps']} steps, expected at least {STEPS}")
    for name, limit in GROWTH_LIMITS.items():
        middle, end = result[name]
        if middle is None or end is None:
            found.append(f"two devices: {name}: no samples")
        elif end - middle > limit:
            found.append(f"two devices: {name} grow from {middle} to {end}; a growth of {limit} is allowed")
    for name, limit in LIMITS.items():
        value = result[name][-1] if isinstance(result[name], list) else result[name]
        if value is not None and value > limit:
            found.append(f"two devices: {name} is {value}, the limit is {limit}")
    return found
