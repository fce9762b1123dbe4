//! Precision and recall.

use super::roc::cuts;
use serde::{Deserialize, Serialize};

/// Average precision: the precision at each threshold, weighted by its gain in recall,
/// `Σ (Rₙ − Rₙ₋₁) Pₙ` over thresholds from the strictest. Without interpolation, as
/// scikit-learn's `average_precision_score`; tied scores are one threshold.
///
/// `None` when it is undefined: no positive exam, or a score that is not a number.
///
/// # Panics
/// When the slices differ in length.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let (mut sum, mut previous) = (0.0, 0);
    for cut in cuts(scores, labels) {
        let recall_gain = (cut.true_positives - previous) as f64 / positives as f64;
        let predicted_positive = (cut.true_positives + cut.false_positives) as f64;
        sum += recall_gain * cut.true_positives as f64 / predicted_positive;
        previous = cut.true_positives;
    }
    Some(sum)
}

/// One point of the precision–recall curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// Scores of at least this are predicted positive.
    pub threshold: f64,
    /// True positives of all positive exams.
    pub recall: f64,
    /// True positives of all exams predicted positive.
    pub precision: f64,
}

/// The precision–recall curve from the strictest threshold to the laxest, without the inner points of
/// steps of equal recall. Empty when it is undefined, as [`average_precision`].
///
/// Precision depends on the prevalence; the sample's prevalence is the precision of a random classifier.
///
/// # Panics
/// When the slices differ in length.
pub fn precision_recall(scores: &[f64], labels: &[bool]) -> Vec<PrecisionRecallPoint> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || scores.iter().any(|score| score.is_nan()) {
        return Vec::new();
    }
    let cuts = cuts(scores, labels);
    let true_positives = |index: usize| cuts.get(index).map(|cut| cut.true_positives);
    let corners = cuts.iter().enumerate().filter(|&(index, cut)| {
        let current = Some(cut.true_positives);
        index == 0 || true_positives(index - 1) != current || true_positives(index + 1) != current
    });
    corners
        .map(|(_, cut)| PrecisionRecallPoint {
            threshold: cut.threshold,
            recall: cut.true_positives as f64 / positives as f64,
            precision: cut.true_positives as f64
                / (cut.true_positives + cut.false_positives) as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::labelled_scores;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_the_example_of_scikit_learn_and_ties_are_one_threshold() {
        let labels = [false, false, true, true];
        let average = average_precision(&[0.1, 0.4, 0.35, 0.8], &labels).unwrap();
        // 1/2 · 1/1 + 1/2 · 2/3
        assert!((average - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(average_precision(&[0.5; 4], &labels), Some(0.5));
        assert_eq!(average_precision(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(average_precision(&[1.0, f64::NAN], &[false, true]), None);
        assert_eq!(average_precision(&[1.0, 2.0], &[true, true]), Some(1.0));
    }

    proptest! {
        /// The definition over exams: the mean, over positive exams, of the precision among all exams
        /// with at least their score.
        #[test]
        fn equals_the_mean_precision_at_the_scores_of_positives(
            (scores, labels) in labelled_scores()
        ) {
            let positives: Vec<f64> = scores.iter().zip(&labels)
                .filter(|(_, label)| **label).map(|(score, _)| *score).collect();
            let precision = |threshold: f64| {
                let predicted_positive =
                    scores.iter().filter(|score| **score >= threshold).count();
                let true_positives = positives.iter().filter(|score| **score >= threshold).count();
                true_positives as f64 / predicted_positive as f64
            };
            let mean = positives.iter().map(|score| precision(*score)).sum::<f64>()
                / positives.len() as f64;
            prop_assert!((average_precision(&scores, &labels).unwrap() - mean).abs() < 1e-9);
        }
    }
}
