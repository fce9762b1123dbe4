//! Concordance of scores with the order of cancers: Harrell's C and Uno's C.

use super::censoring::Censoring;
use super::discrimination::{Discrimination, Pairs, unusable_scores};
use super::estimate::SurvivalEstimate;
use super::fenwick::Fenwick;
use super::outcomes::Outcomes;

/// Harrell's C (Harrell et al. 1982): the share of comparable pairs of exams in which the exam with the earlier cancer
/// has the higher score, ties of scores counting one half. A pair is comparable if one exam has cancer and the other
/// is free of it longer; an exam whose follow-up ends at the time of the cancer is. Two cancers at the same time are
/// not comparable.
///
/// Its limit depends on the censoring, because pairs of late cancers are comparable only where follow-up is long. The
/// standard error is that of the ratio of two U-statistics by its derivatives, summed over the exams of a patient.
///
/// # Panics
/// When there is not one score for each exam, or `level` is not between 0 and 1.
pub fn harrell_c(outcomes: &Outcomes, scores: &[f64], level: f64) -> SurvivalEstimate {
    match harrell_discrimination(outcomes, scores) {
        Ok(it) => it.estimate(outcomes, scores, level),
        Err(reason) => SurvivalEstimate::undefined(reason),
    }
}

/// Uno's C (Uno, Cai, Pencina, D'Agostino & Wei 2011): [`harrell_c`] over the pairs whose earlier cancer is within
/// `tau_years`, weighted by `1/G(t−)²` at the time `t` of that cancer. Its limit does not depend on the censoring.
///
/// The standard error includes the variance of the weights.
///
/// # Panics
/// When there is not one score for each exam, or `level` is not between 0 and 1.
pub fn uno_c(outcomes: &Outcomes, scores: &[f64], tau_years: f64, level: f64) -> SurvivalEstimate {
    match uno_discrimination(outcomes, scores, tau_years) {
        Ok(it) => it.estimate(outcomes, scores, level),
        Err(reason) => SurvivalEstimate::undefined(reason),
    }
}

pub(crate) fn harrell_discrimination(
    outcomes: &Outcomes,
    scores: &[f64],
) -> Result<Discrimination, String> {
    discrimination(outcomes, scores, f64::INFINITY, 0)
}

pub(crate) fn uno_discrimination(
    outcomes: &Outcomes,
    scores: &[f64],
    tau_years: f64,
) -> Result<Discrimination, String> {
    discrimination(outcomes, scores, tau_years, 2)
}

fn discrimination(
    outcomes: &Outcomes,
    scores: &[f64],
    tau_years: f64,
    power: i32,
) -> Result<Discrimination, String> {
    if let Some(reason) = unusable_scores(outcomes, scores) {
        return Err(reason);
    }
    let censoring = Censoring::of(outcomes);
    // Steps after tau have no cases.
    let last = outcomes.steps_until(tau_years);
    let weight = |step: usize| {
        if step < last { censoring.weight_before(step).powi(power) } else { 0.0 }
    };
    let pairs = pairs(outcomes, scores, weight);
    let none = || {
        let within = if tau_years.is_finite() {
            format!(" within {tau_years} years")
        } else {
            String::new()
        };
        format!("no exam with cancer{within} is comparable with another")
    };
    Discrimination::of(outcomes, &censoring, &pairs, f64::from(power)).ok_or_else(none)
}

/// The pairs of every exam; `weight` is that of a case by its step. `O(n log n)`.
fn pairs(outcomes: &Outcomes, scores: &[f64], weight: impl Fn(usize) -> f64) -> Vec<Pairs> {
    let (ranks, count) = dense_ranks(scores);
    let mut of_step = vec![[Vec::new(), Vec::new()]; outcomes.steps().len()];
    for (exam, &step) in outcomes.step_of().iter().enumerate() {
        of_step[step][usize::from(outcomes.has_event(exam))].push(exam);
    }
    let mut pairs = vec![Pairs::default(); outcomes.len()];
    // From the last step to the first: exams that are free longer than the cases of the step.
    let mut later = Fenwick::new(count);
    for (step, [censored, cases]) in of_step.iter().enumerate().rev() {
        censored.iter().for_each(|&exam| later.add(ranks[exam], 1.0));
        for &exam in cases {
            let [below, until] = [later.below(ranks[exam]), later.below(ranks[exam] + 1)];
            pairs[exam].as_case = weight(step) * later.total();
            pairs[exam].as_case_correct = weight(step) * 0.5 * (below + until);
        }
        cases.iter().for_each(|&exam| later.add(ranks[exam], 1.0));
    }
    // From the first step to the last: weights of the cases before.
    let mut earlier = Fenwick::new(count);
    for (step, [censored, cases]) in of_step.iter().enumerate() {
        let other = |earlier: &Fenwick, pairs: &mut Pairs, rank: usize| {
            let [below, until] = [earlier.below(rank), earlier.below(rank + 1)];
            pairs.as_other = earlier.total();
            pairs.as_other_correct = earlier.total() - 0.5 * (below + until);
        };
        cases.iter().for_each(|&exam| other(&earlier, &mut pairs[exam], ranks[exam]));
        cases.iter().for_each(|&exam| earlier.add(ranks[exam], weight(step)));
        censored.iter().for_each(|&exam| other(&earlier, &mut pairs[exam], ranks[exam]));
    }
    pairs
}

/// Ranks of scores from 0, equal for ties, and the number of different scores.
fn dense_ranks(scores: &[f64]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| (scores[a] + 0.0).total_cmp(&(scores[b] + 0.0)));
    let (mut ranks, mut count) = (vec![0; scores.len()], 0);
    for ties in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        ties.iter().for_each(|&exam| ranks[exam] = count);
        count += 1;
    }
    (ranks, count)
}

#[cfg(test)]
#[path = "concordance_tests.rs"]
mod tests;
