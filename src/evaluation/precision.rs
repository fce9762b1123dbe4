//! Precision and recall.

use super::roc::cuts;
use serde::{Deserialize, Serialize};

/// Average precision: the precision at each threshold, weighted by the gain in sensitivity that it
/// brings, `Σ (Rₙ − Rₙ₋₁) Pₙ` over thresholds from the strictest. Nothing is interpolated, as in
/// scikit-learn's `average_precision_score`; tied scores are one threshold.
///
/// `None` where it is undefined: no positive exam, or a score that is not a number.
///
/// # Panics
/// When the slices differ in length.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let (mut sum, mut found) = (0.0, 0);
    for cut in cuts(scores, labels) {
        let gained = (cut.true_positives - found) as f64 / positives as f64;
        let called = (cut.true_positives + cut.false_positives) as f64;
        sum += gained * cut.true_positives as f64 / called;
        found = cut.true_positives;
    }
    Some(sum)
}

/// One point of the precision–recall curve: calling positive every score of at least `threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// Scores of at least this are called positive.
    pub threshold: f64,
    /// Share of positive exams that are called positive.
    pub recall: f64,
    /// Share of exams called positive that are positive.
    pub precision: f64,
}

/// The precision–recall curve from the strictest threshold to the laxest, points in the middle of
/// steps of equal recall left out. Empty where it is undefined, as [`average_precision`].
///
/// Precision depends on the prevalence: that of the sample is what guessing would have.
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
    let hits = |index: usize| cuts.get(index).map(|cut| cut.true_positives);
    let kept = cuts.iter().enumerate().filter(|&(index, cut)| {
        let here = Some(cut.true_positives);
        index == 0 || hits(index - 1) != here || hits(index + 1) != here
    });
    kept.map(|(_, cut)| PrecisionRecallPoint {
        threshold: cut.threshold,
        recall: cut.true_positives as f64 / positives as f64,
        precision: cut.true_positives as f64 / (cut.true_positives + cut.false_positives) as f64,
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
        /// By its definition over exams: for every positive, the precision among all exams that
        /// score at least as high.
        #[test]
        fn is_the_mean_over_positives_of_the_precision_down_to_them(
            (scores, labels) in labelled_scores()
        ) {
            let positives: Vec<f64> = scores.iter().zip(&labels)
                .filter(|(_, label)| **label).map(|(score, _)| *score).collect();
            let precision = |threshold: f64| {
                let called = scores.iter().filter(|score| **score >= threshold).count();
                let right = positives.iter().filter(|score| **score >= threshold).count();
                right as f64 / called as f64
            };
            let mean = positives.iter().map(|score| precision(*score)).sum::<f64>()
                / positives.len() as f64;
            prop_assert!((average_precision(&scores, &labels).unwrap() - mean).abs() < 1e-9);
        }
    }
}
