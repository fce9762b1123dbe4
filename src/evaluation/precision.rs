//! Average precision.

use super::roc::cuts;

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
