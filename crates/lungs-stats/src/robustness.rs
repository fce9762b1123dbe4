//! Predictions of the same exams before and after a change of their volumes: AUC and decisions.

use super::operating::{ChosenOn, OperatingPoint, Rule};
use super::paired::{PairedAucs, paired_aucs};
use super::paired_shares::{PairedShares, paired_operating_points};

/// The effect of a change on the predictions of the same exams.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEffect {
    /// AUC after (a) and before (b) the change; `None` where it is undefined.
    pub aucs: Option<PairedAucs>,
    /// Decisions at each threshold.
    pub decisions: Vec<DecisionChange>,
}

/// The effect of a change on the decisions at a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionChange {
    /// The rule that chose the threshold.
    pub rule: Rule,
    /// The exams that the threshold was chosen on.
    pub chosen_on: ChosenOn,
    /// The threshold as a probability.
    pub threshold_probability: f64,
    /// Sensitivity after (a) and before (b) the change.
    pub sensitivity: PairedShares,
    /// Specificity after (a) and before (b) the change.
    pub specificity: PairedShares,
}

/// The effect of a change that turns the log-odds `before` into `after`, each `[exam]`, at the thresholds of
/// `points`. `patients` has the index of each exam's patient where patients have several; `seed` is that of the
/// permutation test for few exams.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn change_effect(
    [before, after]: [&[f64]; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
    points: &[OperatingPoint],
    level: f64,
    seed: u64,
) -> ChangeEffect {
    let decision = |point: &OperatingPoint| {
        let threshold = point.threshold_logit?;
        let scores = [after, before];
        let points = paired_operating_points(scores, [threshold; 2], labels, patients, level)?;
        Some(DecisionChange {
            rule: point.rule,
            chosen_on: point.chosen_on,
            threshold_probability: point.threshold_probability?,
            sensitivity: points.sensitivity,
            specificity: points.specificity,
        })
    };
    ChangeEffect {
        aucs: paired_aucs([after, before], labels, patients, level, seed),
        decisions: points.iter().filter_map(decision).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operating_points;
    use super::*;

    #[test]
    fn a_change_moves_decisions_and_the_auc_of_the_same_exams() {
        let labels = [true, true, true, false, false, false];
        let before = [2.0, 1.0, -1.0, 0.5, -1.5, -2.0];
        // The second cancer falls below 0, the first negative exam too, and the last rises above.
        let after = [2.0, -0.5, -1.0, -0.1, -1.5, 0.3];
        let points = operating_points(&before, &labels, &[Rule::Probability(0.5)], 0.95);
        let effect = change_effect([&before, &after], &labels, None, &points, 0.95, 1);
        let aucs = effect.aucs.unwrap();
        // Pairs ranked correctly, by hand: 8 of 9 before, 5 of 9 after.
        assert!((aucs.auc_b - 8.0 / 9.0).abs() < 1e-12, "{aucs:?}");
        assert!((aucs.auc_a - 5.0 / 9.0).abs() < 1e-12, "{aucs:?}");
        let [decision] = &effect.decisions[..] else { panic!("one threshold") };
        let counts = |it: &PairedShares| (it.b.successes, it.only_a, it.only_b, it.b.total);
        assert_eq!(counts(&decision.sensitivity), (2, 0, 1, 3));
        assert_eq!(counts(&decision.specificity), (2, 1, 1, 3));
        let none = change_effect([&before, &before], &labels, None, &points, 0.95, 1);
        assert_eq!(none.decisions[0].sensitivity.difference, Some(0.0));
        assert_eq!(none.aucs.unwrap().difference, 0.0);
    }
}
