"""The results of kit.py as JSON, as Markdown for docs/performance.md, and in one line.

    python3 table.py kit.json > table.md
"""

import json
import sys

GIB = 1 << 30


def as_json(results):
    return json.dumps(results, indent=1, default=str) + "\n"


def summary(result):
    """A part in one line: what it says besides its processes and rows."""
    short = {name: value for name, value in result.items() if not isinstance(value, (dict, list))}
    if "rows" in result:
        short["agrees"] = {name: row["agrees"] for name, row in result["rows"].items() if "agrees" in row}
    if "variants" in result:
        short["medians"] = {name: row.get("median") for name, row in result["variants"].items()}
    return json.dumps(short, default=str)[:900]


def rows(header, lines):
    """A Markdown table; the first column is text, the others are numbers."""
    return ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"] + [
        "| " + " | ".join(str(cell) for cell in line) + " |" for line in lines
    ]


def number(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def yes(value):
    return {True: "yes", False: "**no**", None: "unknown"}.get(value, value)


def facts(part):
    """The machine in sentences."""
    names = {"gpus": "GPU", "driver": "Driver", "pytorch": "PyTorch", "lungs": "Program", "cpus": "Processors"}
    lines = [f"{title}: {str(part.get(name) or 'none').splitlines()[-1]}" for name, title in names.items()]
    return ["- " + line for line in lines]


def seconds_and_range(row):
    """`0.0712 (0.0709–0.0718)`: the median, and the range of the processes' medians."""
    if "median" not in row:
        return "failed" if row.get("processes") else "–"
    low, high = row["range"]
    return f"{row['median']:.4f} ({low:.4f}–{high:.4f})"


def memory(row):
    value = row.get("gpu_peak_bytes") or row.get("device_bytes")
    return number(value / GIB if value else None, 1)


def steps(part):
    """One line for each pass, precision and batch: seconds and memory of both programs."""
    variants = part.get("variants", {})
    names = list(dict.fromkeys(name.rsplit(" ", 1)[0] for name in variants))
    lines = []
    for name in names:
        ours, eager, compiled = (
            variants.get(f"{name} {program}", {}) for program in ("lungs", "pytorch", "pytorch-compiled")
        )
        fastest = min((row["median"] for row in (eager, compiled) if "median" in row), default=None)
        ratio = ours["median"] / fastest if fastest and "median" in ours else None
        seconds = [seconds_and_range(row) for row in (ours, eager, compiled)]
        lines.append([name, *seconds, number(ratio, 2), *(memory(row) for row in (ours, eager, compiled))])
    header = ["pass", "ours, s", "PyTorch, s", "torch.compile, s", "ratio to the faster"]
    return rows(header + ["ours, GiB", "PyTorch, GiB", "torch.compile, GiB"], lines)


def first_step(part):
    lines = [
        [name, number(row.get("first"), 2), number(row.get("second"), 3), number(row.get("seconds"), 1)]
        for name, row in part.items()
        if isinstance(row, dict)
    ]
    return rows(["precision, driver's cache", "first step, s", "second step, s", "whole process, s"], lines)


def parity(part):
    lines = []
    for name, row in part.get("rows", {}).items():
        if "loss" not in row:
            lines.append([name, "failed: " + row.get("message", "").split("\n")[-1][:120], "", "", "", ""])
            continue
        cells = [f"{row[key]:.1e}" for key in ("logits", "loss", "gradient_all", "gradient_worst") if key in row]
        lines.append([name, *cells, yes(row.get("agrees", ""))])
    return rows(["against the CPU in f32", "logits", "loss", "all gradients", "worst gradient", "agrees"], lines)


def kernels(part):
    if not part.get("kernels"):
        return ["Kernels were not profiled."]
    columns = ["kernel", "share_percent", "launches", "arithmetic_percent", "memory_percent"]
    lines = [[row.get(column, "–") for column in columns] for row in part["kernels"]]
    return rows(["kernel", "share of time, %", "launches", "arithmetic, % of peak", "memory, % of peak"], lines)


def outcomes(parts):
    """The checks that have one answer, of the parts that ran."""
    same, memory, demo, kill = (parts.get(name, {}) for name in ("same bytes", "out of memory", "demo", "kill"))
    lines = []
    for precision in ("f32", "bf16"):
        if precision in same:
            name = f"two processes compute the same gradients and losses, {precision}"
            row = same[precision]
            lines.append([name, yes(row.get("gradients") and row.get("losses"))])
    if "works" in parts.get("no toolkit", {}):
        lines.append(["trains without a CUDA toolkit", yes(parts["no toolkit"]["works"])])
    if "as expected" in memory:
        text = f"{yes(memory['as expected'])} (batch {memory['batch']}, {memory['seconds']} s)"
        lines.append(["out of memory: exit code 1 with advice", text])
    if "epochs" in demo:
        lines.append(["demo: exit code, epochs, time", f"{demo['exit_code']}, {demo['epochs']}, {demo['seconds']} s"])
    if "same metrics" in kill:
        text = f"{yes(kill['same metrics'])} (largest relative difference {kill['largest difference']:.1e})"
        lines.append(["killed and continued: same metrics.csv", text])
    for name, part in parts.items():
        if "ended" in part:
            lines.append([f'part "{name}"', part["ended"].strip().split("\n")[-1]])
    return rows(["check", "result"], lines)


def as_markdown(results):
    """All tables. Parts that did not run are left out."""
    parts = results["parts"]
    lines = [f"Volumes of {results['size']}, width {results['width']}, device {results['device']}.", ""]
    sections = [
        ("facts", facts),
        ("steps", steps),
        ("first step", first_step),
        ("parity", parity),
        ("profile", kernels),
    ]
    for name, section in sections:
        if name in parts:
            lines += [*section(parts[name]), ""]
    return "\n".join([*lines, *outcomes(parts), ""])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(as_markdown(json.load(file)), end="")
