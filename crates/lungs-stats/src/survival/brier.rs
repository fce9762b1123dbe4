//! The Brier score of risks at a horizon, with inverse-probability-of-censoring weights.

use super::censoring::Censoring;
use super::estimate::{NO_SPREAD, SurvivalEstimate, log_interval};
use super::influence::{Influence, correction};
use super::kaplan_meier::survival_influence;
use super::outcomes::Outcomes;
use super::risk_table::RiskTable;
use crate::interval::Interval;
use lungs_base::follow_up::Status;

/// The Brier score of risks at a horizon `t` (Graf, Schmoor, Sauerbrei & Schumacher 1999): the mean over exams of
/// `(1 − r)²/G(tᵢ−)` for cancer within `t` years at `tᵢ`, `r²/G(t−)` for exams that are followed to `t` without cancer,
/// and 0 for the others. The standard error includes the variance of the weights and is that over patients; the
/// interval is on the log scale. Undefined where every follow-up ends before `t`.
///
/// # Panics
/// When there is not one risk for each exam, or `level` is not between 0 and 1.
pub fn survival_brier(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
    level: f64,
) -> SurvivalEstimate {
    match brier_influence(outcomes, risks, horizon_years) {
        Ok(brier) => on_log_scale(&brier, outcomes, level),
        Err(reason) => SurvivalEstimate::undefined(reason),
    }
}

/// The integrated Brier score: the trapezoid integral of [`survival_brier`] over the table's horizons, divided by
/// their range (Graf et al. 1999). Undefined with one horizon.
///
/// # Panics
/// When there is not one row of risks for each exam, or `level` is not between 0 and 1.
pub fn integrated_brier(outcomes: &Outcomes, table: &RiskTable, level: f64) -> SurvivalEstimate {
    let horizons = table.horizons_years();
    if horizons.len() < 2 {
        return SurvivalEstimate::undefined("one horizon only, so there is nothing to integrate");
    }
    let scores: Result<Vec<Influence>, String> = horizons
        .iter()
        .enumerate()
        .map(|(index, &horizon)| brier_influence(outcomes, table.risks(index), horizon))
        .collect();
    let scores = match scores {
        Ok(scores) => scores,
        Err(reason) => return SurvivalEstimate::undefined(reason),
    };
    let range = table.last_horizon_years() - horizons[0];
    let share = |index: usize| {
        let before = horizons[index.saturating_sub(1)];
        let after = horizons[(index + 1).min(horizons.len() - 1)];
        0.5 * (after - before) / range
    };
    let terms = scores.iter().enumerate().map(|(index, score)| (share(index), score));
    on_log_scale(&Influence::combination(terms), outcomes, level)
}

/// The index of prediction accuracy `1 − BS(t)/BS₀(t)` (Kattan & Gerds 2018), where `BS₀` is the Brier score of
/// predicting the Kaplan–Meier risk for every exam, `S(t)·(1 − S(t))`: 0 for a model that is no better than
/// that, 1 for perfect predictions.
///
/// # Panics
/// When there is not one risk for each exam, or `level` is not between 0 and 1.
pub fn prediction_accuracy(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
    level: f64,
) -> SurvivalEstimate {
    let brier = match brier_influence(outcomes, risks, horizon_years) {
        Ok(brier) => brier,
        Err(reason) => return SurvivalEstimate::undefined(reason),
    };
    let survival = survival_influence(outcomes, outcomes.steps_until(horizon_years));
    let share = survival.value;
    let baseline = share * (1.0 - share);
    if baseline <= 0.0 {
        let reason = format!(
            "the exams that are followed {horizon_years} years have all cancer, or none of them has"
        );
        return SurvivalEstimate::undefined(reason);
    }
    // The ratio of the scores, less one.
    let terms = [
        (1.0 / baseline, &brier),
        (-brier.value / (baseline * baseline) * (1.0 - 2.0 * share), &survival),
    ];
    let ratio =
        Influence { value: brier.value / baseline, ..Influence::combination(terms.into_iter()) };
    let ratio = on_log_scale(&ratio, outcomes, level);
    let flip = |it: Interval| Interval { low: 1.0 - it.high, high: 1.0 - it.low, ..it };
    SurvivalEstimate {
        value: ratio.value.map(|ratio| 1.0 - ratio),
        interval: ratio.interval.map(flip),
        ..ratio
    }
}

/// The Brier score with its derivatives, or the reason why it is undefined.
fn brier_influence(
    outcomes: &Outcomes,
    risks: &[f64],
    horizon_years: f64,
) -> Result<Influence, String> {
    assert_eq!(risks.len(), outcomes.len(), "one risk per exam");
    if let Some(reason) = outcomes.unknown_risk(horizon_years) {
        return Err(reason);
    }
    let censoring = Censoring::of(outcomes);
    let (exams, at_horizon) = (outcomes.len() as f64, outcomes.steps_before(horizon_years));
    // The step before which the weight of the exam is, and its weighted square.
    let term = |(exam, &risk): (usize, &f64)| {
        let (step, error) = match outcomes.status(exam, horizon_years) {
            Status::Cancer => (outcomes.step_of()[exam], 1.0 - risk),
            Status::Free => (at_horizon, risk),
            Status::Unknown => return (0, 0.0),
        };
        (step, censoring.weight_before(step) * error * error)
    };
    let terms: Vec<(usize, f64)> = risks.iter().enumerate().map(term).collect();
    let value = terms.iter().map(|(_, square)| square).sum::<f64>() / exams;
    let of_weights =
        censoring.derivatives(terms.iter().map(|&(step, square)| (step, square / exams)));
    let factor = correction(outcomes.patient_count());
    let derivatives = of_weights.iter().zip(&terms);
    let derivatives =
        derivatives.map(|(weight, (_, square))| factor * (weight + (square - value) / exams));
    Ok(Influence { value, derivatives: derivatives.collect() })
}

fn on_log_scale(influence: &Influence, outcomes: &Outcomes, level: f64) -> SurvivalEstimate {
    let (value, error) = (influence.value, influence.standard_error(outcomes));
    if value <= 0.0 || error <= 0.0 {
        return SurvivalEstimate::without_interval(value, NO_SPREAD);
    }
    let interval = Some(log_interval(value, error, level));
    SurvivalEstimate { value: Some(value), standard_error: Some(error), interval, reason: None }
}

#[cfg(test)]
#[path = "brier_tests.rs"]
mod tests;
