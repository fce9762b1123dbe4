"""The measurements of kit.py: first step, steps of this program and of PyTorch, memory, kernels."""

import collections
import csv
import re
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path

# Passes that warm up: kernels are compiled in the first, PyTorch selects algorithms in the first two.
WARM_UP = 3
PASSES = 10
ROUNDS = 3

# Program, precision, pass and batch of each measurement, in the order of worth. "pytorch-compiled" is
# torch.compile.
VARIANTS = [
    *(
        (program, precision, "step", 2)
        for precision in ("bf16", "tf32", "f32")
        for program in ("lungs", "pytorch", "pytorch-compiled")
    ),
    ("lungs", "bf16", "step-checkpointed", 2),
    *((program, "bf16", "forward", 2) for program in ("lungs", "pytorch", "pytorch-compiled")),
    *((program, "bf16", "step", 1) for program in ("lungs", "pytorch", "pytorch-compiled")),
    *((program, "tf32", "step", 1) for program in ("lungs", "pytorch")),
]


def first_step(kit, result):
    """Seconds of the first full-size step in a fresh process. Cold: the driver's cache of compiled kernels is
    empty. Warm: the process before has filled it; the program itself keeps no kernels."""
    for precision in ("bf16", "f32", "tf32"):
        cache = kit.work / f"first-step-{precision}"
        shutil.rmtree(cache, ignore_errors=True)
        for state in ("cold", "warm"):
            environment = {"CUDA_CACHE_PATH": str(cache)}
            ended = kit.bench(60, environment=environment, precision=precision, steps=2)
            if len(ended["passes"]) == 2:
                ended |= {"first": ended["passes"][0]["seconds"], "second": ended["passes"][1]["seconds"]}
            result[f"{precision} {state}"] = ended


class MemoryMonitor:
    """Peak memory of the GPU over all processes while a command runs, by nvidia-smi, about once a second."""

    LINE = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]

    def __enter__(self):
        self.peak_bytes = 0
        self.finished = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.finished.set()

    def watch(self):
        while not self.finished.wait(1):
            try:
                ended = subprocess.run(self.LINE, capture_output=True, text=True, timeout=5)
            except (OSError, subprocess.TimeoutExpired):
                return
            used = [int(word) << 20 for word in ended.stdout.split() if word.isdigit()]
            self.peak_bytes = max([self.peak_bytes, *used])


def measure(kit, variant):
    """One process of a variant: its passes and how it ended."""
    program, precision, pass_name, batch = variant
    if program == "lungs":
        return kit.bench(60, precision=precision, batch=batch, steps=PASSES, **{"pass": pass_name})
    script = Path(__file__).with_name("pytorch_steps.py")
    line = [kit.choice.python, script, "--size", kit.choice.size, "--batch", batch, "--precision", precision]
    line += ["--pass", pass_name, "--steps", PASSES, "--i3d", kit.pack]
    line += ["--device", kit.choice.device if kit.on_gpu else "cpu"]
    if program == "pytorch-compiled":
        line.append("--compile")
    return kit.finished(kit.run(line, 90))


def steps(kit, result):
    """Full-size passes of this program and PyTorch in turns, each in a fresh process. Later rounds run the
    variants in the opposite order, so that a slow change of the machine's speed cancels."""
    variants = result["variants"] = {}
    excluded = set()
    result["pytorch"] = kit.run([kit.choice.python, "-c", "import torch"], 30)["exit_code"] == 0
    for round_number in range(ROUNDS):
        order = VARIANTS if round_number % 2 == 0 else VARIANTS[::-1]
        for variant in order:
            program, precision, pass_name, batch = variant
            if variant in excluded or (program != "lungs" and not result["pytorch"]):
                continue
            row = variants.setdefault(f"{pass_name} {precision} batch {batch} {program}", {"processes": []})
            # A process takes about as long as the one before it.
            before = [process["seconds"] for process in row["processes"]]
            if before and kit.part_clock.left() < 1.2 * max(before):
                continue
            with MemoryMonitor() as monitor:
                start = time.time()
                ended = measure(kit, variant)
            add_process(row, ended, monitor.peak_bytes)
            row["processes"][-1]["start"] = round(start, 1)
            if ended["exit_code"] != 0:
                excluded.add(variant)


def add_process(row, ended, peak_bytes):
    """Adds a process to a variant's row, and computes the medians again."""
    passes = ended.pop("passes")
    ended["pass_seconds"] = [round(step["seconds"], 5) for step in passes]
    ended["loss"] = passes[-1]["loss"] if passes else None
    row["processes"].append(ended)
    row["gpu_peak_bytes"] = max(row.get("gpu_peak_bytes", 0), peak_bytes)
    for name in ("device_bytes", "allocated_bytes", "process_peak_bytes"):
        values = [step[name] for step in passes if step.get(name)]
        if values:
            row[name] = max([row.get(name, 0), *values])
    medians = [
        statistics.median(process["pass_seconds"][WARM_UP:])
        for process in row["processes"]
        if len(process["pass_seconds"]) > WARM_UP
    ]
    if medians:
        row["median"] = statistics.median(medians)
        row["range"] = [min(medians), max(medians)]


def profile(kit, result):
    """The five heaviest kernels of a step: ncu with throughputs, else nsys with times."""
    for tool, function in (("ncu", profile_ncu), ("nsys", profile_nsys)):
        if not kit.on_gpu or not shutil.which(tool):
            result[tool] = "not found" if kit.on_gpu else "skipped: no GPU"
            continue
        result["kernels"] = function(kit, result)
        if result["kernels"]:
            return


NCU_METRICS = {
    "gpu__time_duration.sum": "nanoseconds",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "arithmetic_percent",
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": "memory_percent",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy_percent",
}


def profile_ncu(kit, result):
    """Every kernel of one step, by Nsight Compute. Needs the permission to read performance counters."""
    log = kit.out / "ncu.csv"
    before = ["ncu", "--csv", "--page", "raw", "--log-file", log, "--clock-control", "none"]
    before += ["--print-units", "base", "--metrics", ",".join(NCU_METRICS)]
    result["ncu"] = kit.bench(75, before=before, precision="bf16", batch=1)
    if not log.exists():
        return []
    lines = [line for line in log.read_text().splitlines() if line.startswith('"')]
    kernels = collections.defaultdict(lambda: collections.Counter())
    for row in csv.DictReader(lines):
        try:
            values = {name: float(row[metric].replace(",", "")) for metric, name in NCU_METRICS.items()}
        except (KeyError, TypeError, ValueError):
            continue  # the line of units
        sums = kernels[row["Kernel Name"]]
        weight = values.pop("nanoseconds")
        sums["nanoseconds"] += weight
        sums["launches"] += 1
        for name, value in values.items():
            sums[name] += value * weight
    return heaviest(kernels)


def heaviest(kernels):
    """The five kernels of the longest total time, with means over that time."""
    total = sum(sums["nanoseconds"] for sums in kernels.values())
    rows = []
    for name, sums in sorted(kernels.items(), key=lambda item: -item[1]["nanoseconds"])[:5]:
        time_ns = sums["nanoseconds"]
        means = {key: round(value / time_ns, 1) for key, value in sums.items() if key.endswith("percent")}
        share = round(100 * time_ns / total, 1)
        row = {"kernel": name, "seconds": time_ns / 1e9, "share_percent": share, "launches": sums["launches"]}
        rows.append(row | means)
    return rows


def profile_nsys(kit, result):
    """Total time of each kernel over three steps, by Nsight Systems."""
    trace = kit.work / "trace"
    before = ["nsys", "profile", "--trace", "cuda", "--sample", "none", "--force-overwrite", "true"]
    before += ["--output", trace]
    result["nsys"] = kit.bench(40, before=before, precision="bf16", batch=1, steps=3)
    line = ["nsys", "stats", "--report", "cuda_gpu_kern_sum", "--format", "csv", "--force-export", "true"]
    report = kit.run([*line, f"{trace}.nsys-rep"], 30)
    lines = [line for line in report["stdout"].splitlines() if re.match(r'[\d."]|Time', line)]
    kernels = {}
    for row in csv.DictReader(lines):
        if row.get("Name") and row.get("Total Time (ns)"):
            counts = {"nanoseconds": float(row["Total Time (ns)"]), "launches": int(row["Instances"])}
            kernels[row["Name"]] = collections.Counter(counts)
    return heaviest(kernels)
