//! What AUC(t) and concordance have in common: shares of pairs of a case and an exam that stays free longer.

use super::censoring::Censoring;
use super::estimate::SurvivalEstimate;
use super::influence::{Influence, correction};
use super::outcomes::Outcomes;
use crate::auc_interval::{interval_to_report, newcombe_variance, not_numbers_text};
use crate::interval::Method;

/// Weighted pairs of every exam, as the case and as the other exam.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pairs {
    /// Weight of the pairs in which the exam is the case, and of those that are ranked correctly.
    pub as_case: f64,
    pub as_case_correct: f64,
    /// The same of the pairs in which the exam is the one that stays free longer.
    pub as_other: f64,
    pub as_other_correct: f64,
}

/// The share of pairs that are ranked correctly, with its derivatives.
#[derive(Debug)]
pub(crate) struct Discrimination {
    pub influence: Influence,
    /// Patients with an exam that is the case of a pair, and with one that is the other exam.
    pub patients: [usize; 2],
    /// Kish's effective numbers of both, `(Σ w)² / Σ w²` of the pairs of each patient.
    effective: [f64; 2],
}

impl Discrimination {
    /// The share of pairs that are ranked correctly; `None` without pairs. A case's pairs have the weight `1/G` of
    /// its time to the power of `power`.
    pub(crate) fn of(
        outcomes: &Outcomes,
        censoring: &Censoring,
        pairs: &[Pairs],
        power: f64,
    ) -> Option<Self> {
        let total: f64 = pairs.iter().map(|pairs| pairs.as_case).sum();
        if total <= 0.0 {
            return None;
        }
        let value = pairs.iter().map(|pairs| pairs.as_case_correct).sum::<f64>() / total;
        let [cases, others] =
            [|pairs: &Pairs| pairs.as_case, |pairs: &Pairs| pairs.as_other].map(|weight| {
                let mut sums = vec![0.0; outcomes.patient_count()];
                let exams = pairs.iter().zip(outcomes.patients());
                exams.for_each(|(pairs, &patient)| sums[patient] += weight(pairs));
                sums.retain(|&sum| sum > 0.0);
                sums
            });
        let patients = [cases.len(), others.len()];
        let excess = |pairs: &Pairs| {
            [
                (pairs.as_case_correct - value * pairs.as_case) / total,
                (pairs.as_other_correct - value * pairs.as_other) / total,
            ]
        };
        let steps = outcomes.step_of();
        let terms = pairs.iter().zip(steps).map(|(pairs, &step)| (step, power * excess(pairs)[0]));
        let mut derivatives =
            if power > 0.0 { censoring.derivatives(terms) } else { vec![0.0; outcomes.len()] };
        let corrections = patients.map(correction);
        for (derivative, pairs) in derivatives.iter_mut().zip(pairs) {
            let [as_case, as_other] = excess(pairs);
            *derivative += corrections[0] * as_case + corrections[1] * as_other;
        }
        let effective = [kish(&cases), kish(&others)];
        Some(Self { influence: Influence { value, derivatives }, patients, effective })
    }

    /// The share with the interval that an AUC would have: on the logit scale, or a score interval where few
    /// patients have cancer or few pairs are ranked wrongly.
    pub(crate) fn estimate(
        &self,
        outcomes: &Outcomes,
        scores: &[f64],
        level: f64,
    ) -> SurvivalEstimate {
        let value = self.influence.value;
        if scores.iter().all(|score| *score == scores[0]) {
            let reason = "no interval: all scores are equal, so the model ranks no exam";
            return SurvivalEstimate::without_interval(value, reason);
        }
        let error = (self.patients.into_iter().min() > Some(1))
            .then(|| self.influence.standard_error(outcomes));
        let [cases, others] = self.effective;
        let null_variance = |theta: f64| newcombe_variance(theta, cases, others);
        let variance = error.map(|error| error * error);
        let mut interval =
            interval_to_report(value, variance, null_variance, cases.min(others), level);
        if interval.method == Method::DelongLogit {
            interval.method = Method::InfluenceLogit;
        }
        let reason = None;
        SurvivalEstimate {
            value: Some(value),
            standard_error: error,
            interval: Some(interval),
            reason,
        }
    }
}

fn kish(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    sum * sum / weights.iter().map(|weight| weight * weight).sum::<f64>()
}

/// Why scores cannot rank exams.
///
/// # Panics
/// When there is not one score for each exam.
pub(crate) fn unusable_scores(outcomes: &Outcomes, scores: &[f64]) -> Option<String> {
    assert_eq!(scores.len(), outcomes.len(), "one score per exam");
    let not_numbers = scores.iter().filter(|score| score.is_nan()).count();
    if scores.is_empty() {
        return Some("there are no exams".to_owned());
    }
    (not_numbers > 0).then(|| not_numbers_text(not_numbers, scores.len()))
}
