//! The probability of being followed, by which exams of known status are weighted.

use super::outcomes::Outcomes;
use serde::{Deserialize, Serialize};

/// One step of the curve of censoring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CensoringPoint {
    /// A time at which a follow-up ends without cancer.
    pub time_years: f64,
    /// Exams that are followed until then, without those that have cancer at this time.
    pub at_risk: usize,
    /// Ends of follow-up without cancer at this time.
    pub censored: usize,
    /// Probability `G` of being followed beyond this time.
    pub probability: f64,
}

/// The Kaplan–Meier curve of the end of follow-up. At equal times cancers come first, as in scikit-survival's
/// `CensoringDistributionEstimator`: an exam with cancer at a time cannot be censored at it.
pub fn censoring_curve(outcomes: &Outcomes) -> Vec<CensoringPoint> {
    let before = Censoring::of(outcomes).before;
    let steps = outcomes.steps().iter().zip(&before[1..]);
    steps
        .filter(|(step, _)| step.censored > 0)
        .map(|(step, &probability)| CensoringPoint {
            time_years: step.time_years,
            at_risk: step.at_risk - step.events,
            censored: step.censored,
            probability,
        })
        .collect()
}

/// The probabilities `G(t−)` of being followed until a time.
///
/// Cancer at `t` is seen if follow-up does not end before `t`, so its weight is `1/G(t−)`. scikit-survival has
/// `1/G(t)`, which is the same unless a follow-up ends without cancer at the very time of a cancer; years that are
/// whole numbers make that the rule.
pub(crate) struct Censoring<'a> {
    outcomes: &'a Outcomes,
    /// `G` before each step, and after the last.
    before: Vec<f64>,
}

impl<'a> Censoring<'a> {
    pub(crate) fn of(outcomes: &'a Outcomes) -> Self {
        let mut before = vec![1.0];
        for step in outcomes.steps() {
            let at_risk = (step.at_risk - step.events) as f64;
            let share = if step.censored > 0 { step.censored as f64 / at_risk } else { 0.0 };
            before.push(before[before.len() - 1] * (1.0 - share));
        }
        Self { outcomes, before }
    }

    /// `1/G` before a step; finite for the step of an exam, and for the number of steps before a time that an exam
    /// is followed to.
    pub(crate) fn weight_before(&self, step: usize) -> f64 {
        1.0 / self.before[step]
    }

    /// Derivatives of an estimate by the weights of the exams, through the weights `1/G`. `terms` are steps with the
    /// derivative by the logarithm of the weight before the step; several may have the same step.
    ///
    /// `−ln(1 − cᵥ/Yᵥ)`, where `Yᵥ` are the exams that may be censored at step `v`, grows by `1/Yᵥ` with the weight of
    /// an exam that is, and shrinks by `cᵥ/(Yᵥ(Yᵥ − cᵥ))` with that of an exam that is followed longer.
    pub(crate) fn derivatives(&self, terms: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
        let steps = self.outcomes.steps();
        // Sum of the terms of later steps, whose weights the censoring at a step changes.
        let mut later = vec![0.0; steps.len() + 1];
        terms.filter(|(step, _)| *step > 0).for_each(|(step, term)| later[step - 1] += term);
        for step in (0..steps.len()).rev() {
            later[step] += later[step + 1];
        }
        let mut survived = vec![0.0];
        for (step, later) in steps.iter().zip(&later) {
            let at_risk = (step.at_risk - step.events) as f64;
            let censored = step.censored as f64;
            let remaining = at_risk - censored;
            let term = if remaining > 0.0 { censored / (at_risk * remaining) * later } else { 0.0 };
            survived.push(survived[survived.len() - 1] + term);
        }
        let derivative = |(exam, &step): (usize, &usize)| {
            if self.outcomes.has_event(exam) {
                return -survived[step];
            }
            let at_risk = steps[step].at_risk - steps[step].events;
            later[step] / at_risk as f64 - survived[step]
        };
        self.outcomes.step_of().iter().enumerate().map(derivative).collect()
    }
}

#[cfg(test)]
#[path = "censoring_tests.rs"]
mod tests;
