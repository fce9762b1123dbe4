//! Calibration at a horizon: observed risk by the Kaplan–Meier curve against mean predicted risk.

use super::estimate::{SurvivalEstimate, log_interval};
use super::influence::{Influence, correction};
use super::kaplan_meier::{cumulative_risk, survival_influence};
use super::outcomes::Outcomes;
use super::risk_logistic::logistic_calibration;
use crate::grouping::equal_count_groups;
use serde::{Deserialize, Serialize};

/// Calibration of risks at a horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCalibration {
    /// Mean predicted risk; `None` without exams.
    pub mean_risk: Option<f64>,
    /// Observed risk, `1 − S(t)` of the Kaplan–Meier curve.
    pub observed: SurvivalEstimate,
    /// Observed divided by mean predicted risk; above 1, cancers are more frequent than predicted.
    pub observed_expected: SurvivalEstimate,
    /// Slope of the logistic regression of cancer on the log-odds of the risk, with inverse-probability-of-censoring
    /// weights; 1 is ideal, below 1 means that risks are too extreme.
    pub slope: SurvivalEstimate,
    /// Intercept of that regression; 0 is ideal together with a slope of 1.
    pub intercept: SurvivalEstimate,
    /// Groups of about equally many exams in the order of their risks.
    pub groups: Vec<RiskGroup>,
}

/// Exams of similar predicted risk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskGroup {
    /// Smallest risk of the group.
    pub low: f64,
    /// Largest risk of the group.
    pub high: f64,
    /// Number of exams.
    pub exams: usize,
    /// Mean predicted risk.
    pub mean_risk: f64,
    /// Observed risk of the group by its own Kaplan–Meier curve.
    pub observed: SurvivalEstimate,
}

/// Calibration of risks at a horizon, overall and in at most `groups` groups of equal numbers of exams in the order
/// of their risks. A group has at least ten exams, and exams with equal risks are in the same group.
///
/// The interval of O/E is on the log scale. Its standard error counts the randomness of both risks over patients,
/// so it is smaller than that of the observed risk alone where the model tells exams apart.
///
/// # Panics
/// When there is not one risk for each exam, `groups` is zero, or `level` is not between 0 and 1.
pub fn risk_calibration(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
    groups: usize,
    level: f64,
) -> RiskCalibration {
    assert_eq!(risks.len(), outcomes.len(), "one risk per exam");
    let mean =
        |exams: &[usize]| exams.iter().map(|&exam| risks[exam]).sum::<f64>() / exams.len() as f64;
    let all: Vec<usize> = (0..risks.len()).collect();
    let group = |members: Vec<usize>| RiskGroup {
        low: members.first().map_or(0.0, |&exam| risks[exam]),
        high: members.last().map_or(0.0, |&exam| risks[exam]),
        exams: members.len(),
        mean_risk: mean(&members),
        observed: cumulative_risk(&outcomes.subset(&members), horizon_years, level),
    };
    let [slope, intercept] = logistic_calibration(outcomes, risks, horizon_years, level);
    RiskCalibration {
        mean_risk: (!all.is_empty()).then(|| mean(&all)),
        observed: cumulative_risk(outcomes, horizon_years, level),
        observed_expected: observed_expected(outcomes, risks, horizon_years, level),
        slope,
        intercept,
        groups: equal_count_groups(risks, groups).into_iter().map(group).collect(),
    }
}

fn observed_expected(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
    level: f64,
) -> SurvivalEstimate {
    if let Some(reason) = outcomes.unknown_risk(horizon_years) {
        return SurvivalEstimate::undefined(reason);
    }
    let exams = risks.len() as f64;
    let mean = risks.iter().sum::<f64>() / exams;
    if mean <= 0.0 {
        return SurvivalEstimate::undefined("all predicted risks are 0");
    }
    let factor = correction(outcomes.patient_count());
    let derivatives = risks.iter().map(|risk| factor * (risk - mean) / exams).collect();
    let expected = Influence { value: mean, derivatives };
    let survival = survival_influence(outcomes, outcomes.steps_until(horizon_years));
    let value = (1.0 - survival.value) / mean;
    let terms = [(-1.0 / mean, &survival), (-value / mean, &expected)];
    let error = Influence::combination(terms.into_iter()).standard_error(outcomes);
    if value <= 0.0 {
        let reason = format!("no interval: no exam has cancer within {horizon_years} years");
        return SurvivalEstimate::without_interval(value, reason);
    }
    let interval = Some(log_interval(value, error, level));
    SurvivalEstimate { value: Some(value), standard_error: Some(error), interval, reason: None }
}

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
