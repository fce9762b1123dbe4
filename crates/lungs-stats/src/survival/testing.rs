//! Reference values, random cohorts, and the definitions of the metrics with weights of the exams.

use super::*;
use proptest::prelude::*;
use serde::Deserialize;

/// A cohort with what scikit-survival and lifelines compute for it (`tests/vectors/survival/make.py`).
#[derive(Deserialize)]
pub(crate) struct Reference {
    time_years: Vec<f64>,
    event: Vec<bool>,
    pub score: Vec<f64>,
    risk: Vec<Vec<f64>>,
    pub horizons_years: Vec<f64>,
    pub curve: ReferenceCurve,
    pub censoring: Vec<f64>,
    pub dynamic_auc: Vec<f64>,
    pub harrell_c: f64,
    pub harrell_pairs: [usize; 3],
    pub tau_years: f64,
    pub uno_c: f64,
    pub brier: Vec<f64>,
    pub brier_of_km: Vec<f64>,
    pub prediction_accuracy: Vec<f64>,
    pub integrated_brier: f64,
}

#[derive(Deserialize)]
pub(crate) struct ReferenceCurve {
    pub time_years: Vec<f64>,
    pub survival: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub survival_of_sksurv: Vec<f64>,
}

impl Reference {
    pub(crate) fn outcomes(&self) -> Outcomes {
        let pairs = self.time_years.iter().zip(&self.event);
        let follow_ups: Vec<FollowUp> =
            pairs.map(|(&time_years, &event)| FollowUp { time_years, event }).collect();
        Outcomes::new(&follow_ups, None).unwrap()
    }

    pub(crate) fn table(&self) -> RiskTable {
        RiskTable::new(&self.horizons_years, &self.risk).unwrap()
    }
}

/// The cohorts with continuous times and with whole years.
pub(crate) fn references() -> [Reference; 2] {
    let text = include_str!("../../tests/vectors/survival/reference.json");
    let mut document: serde_json::Value = serde_json::from_str(text).unwrap();
    ["continuous", "years"].map(|name| serde_json::from_value(document[name].take()).unwrap())
}

#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

/// Exams with coarse times and scores, which give many ties: follow-up, score, patient.
#[derive(Clone, Debug)]
pub(crate) struct Cohort {
    pub follow_ups: Vec<FollowUp>,
    pub scores: Vec<f64>,
    pub patients: Vec<usize>,
}

impl Cohort {
    pub(crate) fn outcomes(&self) -> Outcomes {
        Outcomes::new(&self.follow_ups, None).unwrap()
    }

    pub(crate) fn clustered(&self) -> Outcomes {
        Outcomes::new(&self.follow_ups, Some(&self.patients)).unwrap()
    }

    /// Risks that rank the exams as their scores do.
    pub(crate) fn risks(&self) -> Vec<f64> {
        self.scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect()
    }

    /// The exams in another order.
    pub(crate) fn reversed(&self) -> Self {
        let mut other = self.clone();
        other.follow_ups.reverse();
        other.scores.reverse();
        other.patients.reverse();
        other
    }

    /// The exams with every cancer seen: no exam is censored.
    pub(crate) fn uncensored(&self) -> Self {
        let mut other = self.clone();
        other.follow_ups.iter_mut().for_each(|it| it.event = true);
        other
    }
}

/// Cohorts of 3 to 40 exams of whole or half years, each of a patient with about two exams.
pub(crate) fn cohorts() -> impl Strategy<Value = Cohort> {
    prop::collection::vec((0u8..13, any::<bool>(), -6i32..6, 0usize..20), 3..40).prop_map(|rows| {
        let follow_up = |&(time, event, ..): &(u8, bool, i32, usize)| FollowUp {
            time_years: f64::from(time) / 2.0,
            event,
        };
        Cohort {
            follow_ups: rows.iter().map(follow_up).collect(),
            scores: rows.iter().map(|row| f64::from(row.2) / 2.0).collect(),
            patients: rows.iter().map(|row| row.3).collect(),
        }
    })
}

/// `G(t−)` by its definition over exams with weights.
pub(crate) fn weighted_censoring(cohort: &Cohort, weights: &[f64], time_years: f64) -> f64 {
    let mut times: Vec<f64> = cohort.follow_ups.iter().map(|it| it.time_years).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let sum = |test: &dyn Fn(&FollowUp) -> bool| {
        let exams = cohort.follow_ups.iter().zip(weights);
        exams.filter(|(it, _)| test(it)).map(|(_, weight)| weight).sum::<f64>()
    };
    let factor = |time: f64| {
        let censored = sum(&|it| it.time_years == time && !it.event);
        let at_risk = sum(&|it| it.time_years > time || it.time_years == time && !it.event);
        if censored > 0.0 { 1.0 - censored / at_risk } else { 1.0 }
    };
    times.into_iter().filter(|&time| time < time_years).map(factor).product()
}

/// The share of pairs that are ranked correctly, by its definition, where exams have one weight as cases, one as the
/// other exam of a pair, and one in the curve of censoring. A case's pairs have the weight `G(t−)` to the power of
/// `−power`. The other exams are free at `tau_years` for an AUC, and at the case's time for C.
pub(crate) fn weighted_share(
    cohort: &Cohort,
    [as_case, as_other, in_curve]: [&[f64]; 3],
    tau_years: f64,
    power: i32,
    is_auc: bool,
) -> f64 {
    let outcomes = cohort.outcomes();
    let (mut correct, mut total) = (0.0, 0.0);
    for (i, case) in cohort.follow_ups.iter().enumerate() {
        if !case.event || case.time_years > tau_years {
            continue;
        }
        let weight = weighted_censoring(cohort, in_curve, case.time_years).powi(-power);
        for (j, &other) in as_other.iter().enumerate() {
            let until = if is_auc { tau_years } else { case.time_years };
            if j == i || outcomes.status(j, until) != Status::Free {
                continue;
            }
            let rank = match cohort.scores[i].total_cmp(&cohort.scores[j]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            correct += as_case[i] * other * weight * rank;
            total += as_case[i] * other * weight;
        }
    }
    correct / total
}

/// Derivatives of a function of weights at weights of 1, by central differences.
pub(crate) fn numeric_derivatives(exams: usize, function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let derivative = |exam: usize| {
        let at = |step: f64| {
            let mut weights = vec![1.0; exams];
            weights[exam] += step;
            function(&weights)
        };
        (at(step) - at(-step)) / (2.0 * step)
    };
    (0..exams).map(derivative).collect()
}
