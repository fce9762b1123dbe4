//! The curve of Kaplan & Meier (1958): the share of exams without cancer over time.

use super::estimate::SurvivalEstimate;
use super::influence::{Influence, correction};
use super::outcomes::Outcomes;
use crate::grouping::equal_count_groups;
use crate::interval::{Interval, Method};
use crate::normal::critical_value;
use serde::{Deserialize, Serialize};

/// One step of a Kaplan–Meier curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurvivalPoint {
    /// A time at which a follow-up ends.
    pub time_years: f64,
    /// Exams that are followed until then.
    pub at_risk: usize,
    /// Cancers at this time.
    pub events: usize,
    /// Ends of follow-up without cancer at this time.
    pub censored: usize,
    /// Share without cancer from this time on.
    pub survival: f64,
    /// Greenwood's standard error of `survival`, or that over patients where patients have several exams.
    pub standard_error: f64,
    /// Interval of `survival` on the scale of `ln(−ln S)`; `None` where `survival` is 0 or 1.
    pub interval: Option<Interval>,
}

/// Share without cancer after the first `steps` steps: `Π (1 − dᵢ/Yᵢ)`.
fn survival_after(outcomes: &Outcomes, steps: usize) -> f64 {
    let factor = |at_risk: usize, events: usize| (at_risk - events) as f64 / at_risk as f64;
    outcomes.steps()[..steps].iter().map(|step| factor(step.at_risk, step.events)).product()
}

/// The share without cancer after the first `steps` steps, with its derivatives.
///
/// The derivative by the weight of an exam is `S·(Σ dᵥ/(Yᵥ(Yᵥ − dᵥ)) − 1/Y)`: the sum over the steps that the exam
/// survives, the last term if it has cancer.
pub(crate) fn survival_influence(outcomes: &Outcomes, steps: usize) -> Influence {
    let value = survival_after(outcomes, steps);
    if value <= 0.0 {
        return Influence { value: 0.0, derivatives: vec![0.0; outcomes.len()] };
    }
    // Sums over the steps before each.
    let mut sums = vec![0.0];
    for step in &outcomes.steps()[..steps] {
        let (at_risk, events) = (step.at_risk as f64, step.events as f64);
        sums.push(sums[sums.len() - 1] + events / (at_risk * (at_risk - events)));
    }
    let factor = value * correction(outcomes.patient_count());
    let derivative = |(exam, &step): (usize, &usize)| {
        let is_counted = step < steps;
        factor
            * if outcomes.has_event(exam) && is_counted {
                sums[step] - 1.0 / outcomes.steps()[step].at_risk as f64
            } else {
                sums[(step + 1).min(steps)]
            }
    };
    let derivatives = outcomes.step_of().iter().enumerate().map(derivative).collect();
    Influence { value, derivatives }
}

/// Standard error of the share without cancer after some steps: Greenwood's (1926), or that over patients.
fn survival_error(outcomes: &Outcomes, steps: usize) -> f64 {
    if outcomes.repeated_patients().is_some() {
        return survival_influence(outcomes, steps).standard_error(outcomes);
    }
    let term = |at_risk: f64, events: f64| events / (at_risk * (at_risk - events));
    let sum: f64 = outcomes.steps()[..steps]
        .iter()
        .filter(|step| step.events > 0)
        .map(|step| term(step.at_risk as f64, step.events as f64))
        .sum();
    let survival = survival_after(outcomes, steps);
    if survival > 0.0 { survival * sum.sqrt() } else { 0.0 }
}

/// The interval of a share `S` without cancer, `S^exp(±z·SE/(S·ln S))` (Kalbfleisch & Prentice 1980); `None` at 0 and 1.
fn log_log_interval(survival: f64, error: f64, method: Method, level: f64) -> Option<Interval> {
    if !(survival > 0.0 && survival < 1.0) {
        return None;
    }
    let spread = critical_value(level) * error / (survival * survival.ln().abs());
    let bound = |spread: f64| survival.powf(spread.exp());
    Some(Interval { low: bound(spread), high: bound(-spread), level, method })
}

fn method(outcomes: &Outcomes) -> Method {
    match outcomes.repeated_patients() {
        Some(_) => Method::InfluenceLogLog,
        None => Method::GreenwoodLogLog,
    }
}

/// The Kaplan–Meier curve with a point for every distinct time, with Greenwood's variance (1926) or, where patients
/// have several exams, the sum over patients of squared derivatives (Ying & Wei 1994).
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn kaplan_meier(outcomes: &Outcomes, level: f64) -> Vec<SurvivalPoint> {
    let mut points: Vec<SurvivalPoint> = Vec::new();
    let mut survival = 1.0;
    for (index, step) in outcomes.steps().iter().enumerate() {
        let (standard_error, interval) = match points.last() {
            Some(last) if step.events == 0 => (last.standard_error, last.interval),
            None if step.events == 0 => (0.0, None),
            _ => {
                survival = survival_after(outcomes, index + 1);
                let error = survival_error(outcomes, index + 1);
                (error, log_log_interval(survival, error, method(outcomes), level))
            }
        };
        points.push(SurvivalPoint {
            time_years: step.time_years,
            at_risk: step.at_risk,
            events: step.events,
            censored: step.censored,
            survival,
            standard_error,
            interval,
        });
    }
    points
}

/// The observed risk of cancer within a horizon, `1 − S(t)` of the Kaplan–Meier curve, with its interval; undefined
/// where every follow-up ends before the horizon.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn cumulative_risk(outcomes: &Outcomes, horizon_years: f64, level: f64) -> SurvivalEstimate {
    if let Some(reason) = outcomes.unknown_risk(horizon_years) {
        return SurvivalEstimate::undefined(reason);
    }
    let steps = outcomes.steps_until(horizon_years);
    let survival = survival_after(outcomes, steps);
    let error = survival_error(outcomes, steps);
    let interval = log_log_interval(survival, error, method(outcomes), level);
    let Some(interval) = interval else {
        let share = if survival > 0.0 { "no exam has" } else { "all exams have" };
        let reason = format!("no interval: {share} cancer within {horizon_years} years");
        return SurvivalEstimate::without_interval(1.0 - survival, reason);
    };
    SurvivalEstimate {
        value: Some(1.0 - survival),
        standard_error: Some(error),
        interval: Some(Interval { low: 1.0 - interval.high, high: 1.0 - interval.low, ..interval }),
        reason: None,
    }
}

/// The Kaplan–Meier curve of exams of similar risk.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskGroupCurve {
    /// Smallest risk of the group.
    pub low: f64,
    /// Largest risk of the group.
    pub high: f64,
    /// Number of exams.
    pub exams: usize,
    /// The curve of the group.
    pub points: Vec<SurvivalPoint>,
}

/// The Kaplan–Meier curves of at most `groups` groups of equal numbers of exams in the order of their risks. A group
/// has at least ten exams, and exams with equal risks are in the same group.
///
/// # Panics
/// When there is not one risk for each exam, `groups` is zero, or `level` is not between 0 and 1.
pub fn risk_group_curves(
    outcomes: &Outcomes,
    risks: &[f64],
    groups: usize,
    level: f64,
) -> Vec<RiskGroupCurve> {
    assert_eq!(risks.len(), outcomes.len(), "one risk per exam");
    let curve = |exams: Vec<usize>| RiskGroupCurve {
        low: exams.first().map_or(0.0, |&exam| risks[exam]),
        high: exams.last().map_or(0.0, |&exam| risks[exam]),
        exams: exams.len(),
        points: kaplan_meier(&outcomes.subset(&exams), level),
    };
    equal_count_groups(risks, groups).into_iter().map(curve).collect()
}

#[cfg(test)]
#[path = "kaplan_meier_tests.rs"]
mod tests;
