"""Calibrators with random knots and the risks that NumPy computes of them: sybil_calibrators.json."""

import json

import numpy as np

random = np.random.default_rng(20260731)


def calibrator():
    count = int(random.integers(1, 12))
    x = np.sort(random.uniform(0, 1, count))
    if count > 4:
        x[2] = x[1]
    y = np.sort(random.uniform(0, 0.6, count))
    return {
        "coef": [[float(random.uniform(0.5, 2))]],
        "intercept": [float(random.uniform(-0.2, 0.2))],
        "x0": x.tolist(),
        "y0": y.tolist(),
        "x_min": float(x[0]),
        "x_max": float(x[-1]),
    }


def calibrated(one, risks):
    column = risks.reshape(-1, 1) @ np.array(one["coef"]) + np.array(one["intercept"])
    return np.interp(np.clip(column, one["x_min"], one["x_max"]), one["x0"], one["y0"])[:, -1]


calibrators = {f"Year{year}": [calibrator() for _ in range(year % 5 + 1)] for year in range(1, 7)}
risks = np.concatenate([np.linspace(0, 1, 21), random.uniform(0, 1, 29)])
means = [np.mean([calibrated(one, risks) for one in year], axis=0).tolist() for year in calibrators.values()]
print(json.dumps({"calibrators": calibrators, "risks": risks.tolist(), "calibrated": means}))
