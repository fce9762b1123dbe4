//! Logistic calibration of risks at a horizon.
//!
//! Exams of known status at the horizon are weighted by the inverse of the probability of being followed so long
//! (Gerds, Andersen & Kattan 2014), as in the Brier score.

use super::censoring::Censoring;
use super::estimate::SurvivalEstimate;
use super::influence::{Influence, correction};
use super::outcomes::Outcomes;
use crate::interval::{Interval, Method};
use crate::logistic::{LogisticFit, Row, TERMS};
use crate::normal::critical_value;
use lungs_base::follow_up::Status;

/// Risks closer to 0 or 1 than this have the log-odds of it: a logit of 0 or 1 is infinite.
const SMALLEST: f64 = 1e-15;
const ITERATIONS: usize = 100;
pub(crate) const SEPARATED: &str =
    "the risks separate the exams with cancer from the others: the slope has no finite estimate";

/// Log-odds of a risk, finite for 0 and 1.
pub(crate) fn log_odds(risk: f64) -> f64 {
    let risk = risk.clamp(SMALLEST, 1.0 - SMALLEST);
    (risk / (1.0 - risk)).ln()
}

/// The exams of known status at a horizon.
pub(crate) struct Known {
    pub exams: Vec<usize>,
    /// Whether each has cancer within the horizon.
    pub labels: Vec<bool>,
    /// Step before which each exam's weight is, and the weight.
    steps: Vec<usize>,
    pub weights: Vec<f64>,
}

impl Known {
    pub(crate) fn of(outcomes: &Outcomes, censoring: &Censoring, horizon_years: f64) -> Self {
        let mut known =
            Self { exams: Vec::new(), labels: Vec::new(), steps: Vec::new(), weights: Vec::new() };
        let at_horizon = outcomes.steps_before(horizon_years);
        for exam in 0..outcomes.len() {
            let (label, step) = match outcomes.status(exam, horizon_years) {
                Status::Cancer => (true, outcomes.step_of()[exam]),
                Status::Free => (false, at_horizon),
                Status::Unknown => continue,
            };
            known.exams.push(exam);
            known.labels.push(label);
            known.steps.push(step);
            known.weights.push(censoring.weight_before(step));
        }
        known
    }
}

/// Slope and intercept of the logistic regression of cancer within a horizon on the log-odds of the risk. A slope of
/// 1 with an intercept of 0 is ideal; a slope below 1 means that risks are too extreme. The standard errors are those
/// over patients and include the variance of the weights.
///
/// # Panics
/// When there is not one risk for each exam, or `level` is not between 0 and 1.
pub(crate) fn logistic_calibration(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
    level: f64,
) -> [SurvivalEstimate; 2] {
    match coefficients(outcomes, risks, horizon_years) {
        Ok(influences) => influences.map(|influence| on_plain_scale(&influence, outcomes, level)),
        Err(reason) => [(); 2].map(|()| SurvivalEstimate::undefined(reason.clone())),
    }
}

fn on_plain_scale(influence: &Influence, outcomes: &Outcomes, level: f64) -> SurvivalEstimate {
    let (value, error) = (influence.value, influence.standard_error(outcomes));
    let spread = critical_value(level) * error;
    let method = Method::InfluencePlain;
    let interval = Interval { low: value - spread, high: value + spread, level, method };
    SurvivalEstimate {
        value: Some(value),
        standard_error: Some(error),
        interval: Some(interval),
        reason: None,
    }
}

/// Slope and intercept with their derivatives, or the reason why there is no fit.
pub(crate) fn coefficients(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
) -> Result<[Influence; 2], String> {
    assert_eq!(risks.len(), outcomes.len(), "one risk per exam");
    if let Some(reason) = outcomes.unknown_risk(horizon_years) {
        return Err(reason);
    }
    let censoring = Censoring::of(outcomes);
    let known = Known::of(outcomes, &censoring, horizon_years);
    if !known.labels.contains(&true) || !known.labels.contains(&false) {
        return Err(format!(
            "the exams that are followed {horizon_years} years have all cancer, or none of them has"
        ));
    }
    let scores: Vec<f64> = known.exams.iter().map(|&exam| log_odds(risks[exam])).collect();
    if scores.iter().all(|score| *score == scores[0]) {
        return Err("all risks are equal, so there is nothing to fit".to_owned());
    }
    if are_separated(&scores, &known.labels) {
        return Err(SEPARATED.to_owned());
    }
    let row = |(index, &score): (usize, &f64)| {
        let mut terms = [0.0; TERMS];
        (terms[0], terms[1]) = (1.0, score);
        let mut counts = [0.0; 2];
        counts[usize::from(known.labels[index])] = known.weights[index];
        Row { terms, counts }
    };
    let rows: Vec<Row> = scores.iter().enumerate().map(row).collect();
    let fit = LogisticFit::of(&rows, 2, ITERATIONS).ok_or("the fit did not converge")?;
    let [intercept, slope] = [fit.coefficients[0], fit.coefficients[1]];
    let factor = correction(outcomes.patient_count());
    let influence = |term: usize| {
        // The derivative of the coefficient by the weight of each known exam, for fixed weights 1/G.
        let of_score = |(index, score): (usize, &f64)| {
            let label = f64::from(u8::from(known.labels[index]));
            let p = crate::logit::sigmoid(intercept + slope * score);
            let residual = known.weights[index] * (label - p);
            residual * (fit.covariance[term][0] + fit.covariance[term][1] * score)
        };
        let own: Vec<f64> = scores.iter().enumerate().map(of_score).collect();
        let terms = known.steps.iter().copied().zip(own.iter().copied());
        let mut derivatives = censoring.derivatives(terms);
        known.exams.iter().zip(&own).for_each(|(&exam, own)| derivatives[exam] += own);
        derivatives.iter_mut().for_each(|derivative| *derivative *= factor);
        Influence { value: fit.coefficients[term], derivatives }
    };
    Ok([influence(1), influence(0)])
}

/// Whether the scores of one class are all at most those of the other.
fn are_separated(scores: &[f64], labels: &[bool]) -> bool {
    let of = |class: bool| scores.iter().zip(labels).filter(move |(_, label)| **label == class);
    let lowest = |class| of(class).map(|(z, _)| *z).fold(f64::INFINITY, f64::min);
    let highest = |class| of(class).map(|(z, _)| *z).fold(f64::NEG_INFINITY, f64::max);
    lowest(true) >= highest(false) || lowest(false) >= highest(true)
}
