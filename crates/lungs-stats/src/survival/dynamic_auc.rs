//! The AUC at a horizon with inverse-probability-of-censoring weights.

use super::censoring::Censoring;
use super::discrimination::{Discrimination, Pairs, unusable_scores};
use super::estimate::SurvivalEstimate;
use super::outcomes::Outcomes;
use lungs_base::follow_up::Status;

/// The cumulative/dynamic AUC at a horizon `t`: the probability that an exam with cancer within `t` years (a case)
/// scores above one without (a control), ties counting one half.
///
/// `Σᵢ Σⱼ wᵢ·ψ(sᵢ, sⱼ) / (Σ wᵢ · n)` over cases `i` and the `n` controls `j`, with the weights `wᵢ = 1/G(tᵢ−)` (Uno, Cai,
/// Tian & Wei 2007; Hung & Chiang 2010). Controls are followed to `t` without cancer; their weights are equal. The
/// standard error is that of Blanche, Dartigues & Jacqmin-Gadda (2013), including the variance of the weights,
/// summed over the exams of a patient. Class by class it is corrected by `m/(m − 1)` for `m` patients, so that
/// without censoring it is DeLong's. The interval is chosen as for the AUC: on the logit scale, or a score interval
/// with few cases.
///
/// # Panics
/// When there is not one score for each exam, or `level` is not between 0 and 1.
pub fn dynamic_auc(
    outcomes: &Outcomes,
    scores: &[f64],
    horizon_years: f64,
    level: f64,
) -> SurvivalEstimate {
    match dynamic_discrimination(outcomes, scores, horizon_years) {
        Ok(it) => it.estimate(outcomes, scores, level),
        Err(reason) => SurvivalEstimate::undefined(reason),
    }
}

/// The AUC at a horizon, or the reason why it is undefined.
pub(crate) fn dynamic_discrimination(
    outcomes: &Outcomes,
    scores: &[f64],
    horizon_years: f64,
) -> Result<Discrimination, String> {
    if let Some(reason) = unusable_scores(outcomes, scores) {
        return Err(reason);
    }
    let has =
        |status| (0..outcomes.len()).any(|exam| outcomes.status(exam, horizon_years) == status);
    if !has(Status::Cancer) {
        return Err(format!("no exam has cancer within {horizon_years} years"));
    }
    if !has(Status::Free) {
        return Err(format!("no exam is followed to {horizon_years} years without cancer"));
    }
    let censoring = Censoring::of(outcomes);
    let pairs = pairs(outcomes, &censoring, scores, horizon_years);
    // Cases and controls exist, so there are pairs.
    let none = || "no pair of a case and a control".to_owned();
    Discrimination::of(outcomes, &censoring, &pairs, 1.0).ok_or_else(none)
}

fn pairs(
    outcomes: &Outcomes,
    censoring: &Censoring,
    scores: &[f64],
    horizon_years: f64,
) -> Vec<Pairs> {
    // Weight of an exam as a case, and as a control.
    let weights = |exam: usize| match outcomes.status(exam, horizon_years) {
        Status::Cancer => [censoring.weight_before(outcomes.step_of()[exam]), 0.0],
        Status::Free => [0.0, 1.0],
        Status::Unknown => [0.0, 0.0],
    };
    let weights: Vec<[f64; 2]> = (0..outcomes.len()).map(weights).collect();
    let sum = |class: usize| weights.iter().map(|weights| weights[class]).sum::<f64>();
    let [cases, controls] = [sum(0), sum(1)];
    let mut order: Vec<usize> = (0..outcomes.len()).collect();
    order.sort_by(|&a, &b| (scores[a] + 0.0).total_cmp(&(scores[b] + 0.0)));
    let mut pairs = vec![Pairs::default(); outcomes.len()];
    let mut below = [0.0, 0.0];
    for ties in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let tied = |class: usize| ties.iter().map(|&exam| weights[exam][class]).sum::<f64>();
        let tied = [tied(0), tied(1)];
        for &exam in ties {
            let [case, control] = weights[exam];
            pairs[exam] = Pairs {
                as_case: case * controls,
                as_case_correct: case * (below[1] + 0.5 * tied[1]),
                as_other: control * cases,
                as_other_correct: control * (cases - below[0] - 0.5 * tied[0]),
            };
        }
        below = [below[0] + tied[0], below[1] + tied[1]];
    }
    pairs
}

#[cfg(test)]
#[path = "dynamic_auc_tests.rs"]
mod tests;
