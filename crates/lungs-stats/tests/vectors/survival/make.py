"""Makes reference.json with scikit-survival and lifelines: python3 make.py"""

import json

import lifelines
import numpy as np
import sksurv
from lifelines import KaplanMeierFitter
from sksurv.metrics import (
    brier_score,
    concordance_index_censored,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    integrated_brier_score,
)
from sksurv.nonparametric import CensoringDistributionEstimator, kaplan_meier_estimator
from sksurv.util import Surv


def cohort(exams, seed, whole_years):
    random = np.random.default_rng(seed)
    # Few different scores, so that there are ties.
    score = np.round(random.normal(size=exams), 1)
    time = random.exponential(8.0 * np.exp(-0.8 * score))
    end = np.minimum(random.exponential(9.0, size=exams), 6.9)
    event = time <= end
    observed = np.minimum(time, end)
    observed = np.ceil(observed) if whole_years else np.round(observed, 6)
    return score, observed, event


def reference(exams, seed, whole_years, horizons, tau):
    score, time, event = cohort(exams, seed, whole_years)
    rate = np.exp(0.9 * score - 2.2)
    risk = np.round(1 - np.exp(-np.outer(rate, horizons)), 9)
    later, moment = (1e-6, 1e-7) if whole_years else (0.0, 0.0)
    shifted = Surv.from_arrays(event, np.where(event, time, time + later))
    at = np.array(horizons) + moment
    survival = 1 - risk
    _, brier = brier_score(shifted, shifted, survival, at)
    _, km = kaplan_meier_estimator(event, time)
    km_at = KaplanMeierFitter().fit(time, event)
    constant = np.tile(km_at.predict(horizons).to_numpy(), (exams, 1))
    _, brier_of_km = brier_score(shifted, shifted, constant, at)
    curve = km_at.survival_function_["KM_estimate"]
    bounds = km_at.confidence_interval_
    censoring = CensoringDistributionEstimator().fit(shifted)
    return {
        "time_years": time.tolist(),
        "event": [bool(it) for it in event],
        "score": score.tolist(),
        "risk": risk.tolist(),
        "horizons_years": list(horizons),
        "curve": {
            "time_years": curve.index.to_list()[1:],
            "survival": curve.to_list()[1:],
            "low": bounds.iloc[1:, 0].to_list(),
            "high": bounds.iloc[1:, 1].to_list(),
            "survival_of_sksurv": km.tolist(),
        },
        # Just after each horizon: G(t).
        "censoring": censoring.predict_proba(np.array(horizons) + 2 * later).tolist(),
        "dynamic_auc": cumulative_dynamic_auc(shifted, shifted, score, at)[0].tolist(),
        "harrell_c": float(concordance_index_censored(event, time, score)[0]),
        "harrell_pairs": [int(it) for it in concordance_index_censored(event, time, score)[1:4]],
        "tau_years": tau,
        "uno_c": float(concordance_index_ipcw(shifted, shifted, score, tau=tau + moment)[0]),
        "brier": brier.tolist(),
        "brier_of_km": brier_of_km.tolist(),
        "prediction_accuracy": (1 - brier / brier_of_km).tolist(),
        "integrated_brier": float(integrated_brier_score(shifted, shifted, survival, at)),
    }


def main():
    packages = {"scikit-survival": sksurv.__version__, "lifelines": lifelines.__version__}
    document = {
        "packages": packages,
        "continuous": reference(150, 1, False, (1.0, 2.0, 3.5, 6.0), 5.0),
        "years": reference(300, 2, True, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 5.0),
    }
    print(packages)
    for name in ("continuous", "years"):
        part = document[name]
        print(name, sum(part["event"]), part["dynamic_auc"], part["harrell_c"], part["uno_c"])
    with open("reference.json", "w") as file:
        json.dump(document, file)
        file.write("\n")


if __name__ == "__main__":
    main()
