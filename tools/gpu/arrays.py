"""Reads the arrays of `lungs bench --dump` and compares them. Needs numpy."""

import json
import statistics

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    """The arrays of a safetensors file, by name: the length of the header in 8 bytes, the header as JSON, the
    data."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = file.read()
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[start:end], dtype=TYPES[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"]).astype("f8")
    return arrays


def relative_error(reference, other):
    """Euclidean length of the difference over that of the reference."""
    length = float(np.linalg.norm(reference))
    return float(np.linalg.norm(reference - other)) / max(length, 1e-30)


def differences(reference, other):
    """How far two dumps are apart.

    Logits and loss: the largest absolute difference. Gradients: the relative error of each array, as median
    and worst, and that of all gradients as one vector.
    """
    missing = sorted(set(reference) ^ set(other))
    if missing:
        return {"error": f"{len(missing)} arrays are in one dump only, such as {missing[0]}"}
    gradients = [name for name in reference if name.startswith("gradient/")]
    result = {
        "logits": float(np.abs(reference["logits"] - other["logits"]).max()),
        "loss": float(np.abs(reference["loss"] - other["loss"]).max()),
        "gradients": len(gradients),
        "not_finite": [name for name in other if not np.isfinite(other[name]).all()],
        "all_zero": [name for name in other if not other[name].any() and reference[name].any()][:5],
    }
    if gradients:
        errors = {name: relative_error(reference[name], other[name]) for name in gradients}
        worst = max(errors, key=errors.get)
        whole = [np.concatenate([dump[name].ravel() for name in gradients]) for dump in (reference, other)]
        result |= {
            "gradient_all": relative_error(*whole),
            "gradient_median": statistics.median(errors.values()),
            "gradient_worst": errors[worst],
            "gradient_worst_name": worst,
        }
    return result
