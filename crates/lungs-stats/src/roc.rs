//! Ranks, AUC and the ROC curve.

use serde::{Deserialize, Serialize};

/// Mid-ranks of `values`, from 1: tied values share the mean of the ranks they span.
///
/// Values must not be NaN (callers check); ±∞ are ordinary values.
pub(super) fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    // `chunk_by` compares with ==, so that −0 and +0 tie.
    let mut before = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (ties.len() + 1) as f64 / 2.0;
        ties.iter().for_each(|&index| ranks[index] = rank);
        before += ties.len();
    }
    ranks
}

/// The area under the ROC curve: the probability that a random positive scores above a random
/// negative, a tie counting one half. By mid-ranks, `O(n log n)`.
///
/// `scores` and `labels` are `[exam]`. `None` when it is undefined: one class only, or a score
/// that is not a number.
///
/// # Panics
/// When the slices differ in length.
pub fn auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    // Mid-ranks are multiples of one half, so this sum is exact.
    let rank_sum: f64 = mid_ranks(scores)
        .iter()
        .zip(labels)
        .filter(|&(_, &label)| label)
        .map(|(rank, _)| rank)
        .sum();
    let (m, n) = (positives as f64, negatives as f64);
    Some((rank_sum - m * (m + 1.0) / 2.0) / (m * n))
}

/// One point of an ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Scores of at least this are predicted positive. The threshold of the first point is one above the largest
    /// score, which predicts no exam positive.
    pub threshold: f64,
    /// 1 − specificity.
    pub false_positive_rate: f64,
    /// Sensitivity.
    pub true_positive_rate: f64,
}

/// Counts of exams predicted positive at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub threshold: f64,
    pub false_positives: usize,
    pub true_positives: usize,
}

/// Cumulative counts at every distinct score, highest first. Scores must not be NaN.
pub(super) fn cuts(scores: &[f64], labels: &[bool]) -> Vec<Cut> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut false_positives, mut true_positives) = (0, 0);
    order
        .chunk_by(|&a, &b| scores[a] == scores[b])
        .map(|ties| {
            let positives = ties.iter().filter(|&&index| labels[index]).count();
            true_positives += positives;
            false_positives += ties.len() - positives;
            Cut { threshold: scores[ties[0]], false_positives, true_positives }
        })
        .collect()
}

/// The ROC curve from (0, 0) to (1, 1), without points on straight segments: equal to
/// scikit-learn's `roc_curve(drop_intermediate=True)` with its first threshold at max + 1.
///
/// Empty when the curve is undefined: one class only, or a score that is not a number.
///
/// # Panics
/// When the slices differ in length.
pub fn roc(scores: &[f64], labels: &[bool]) -> Vec<RocPoint> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 || scores.iter().any(|score| score.is_nan()) {
        return Vec::new();
    }
    let cuts = cuts(scores, labels);
    // One above a large score is the same number.
    let largest = cuts[0].threshold;
    let above = (largest + 1.0).max(largest.next_up());
    let start = Cut { threshold: above, false_positives: 0, true_positives: 0 };
    let corners = cuts.iter().enumerate().filter(|&(index, cut)| {
        // A point is a corner when the steps before and after it differ.
        let (Some(next), true) = (cuts.get(index + 1), index > 0) else { return true };
        let last = &cuts[index - 1];
        cut.false_positives - last.false_positives != next.false_positives - cut.false_positives
            || cut.true_positives - last.true_positives != next.true_positives - cut.true_positives
    });
    std::iter::once(&start)
        .chain(corners.map(|(_, cut)| cut))
        .map(|cut| RocPoint {
            threshold: cut.threshold,
            false_positive_rate: cut.false_positives as f64 / negatives as f64,
            true_positive_rate: cut.true_positives as f64 / positives as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{fixture_json, fixture_npz, labelled_scores};
    use super::*;

    fn assert_curve(points: &[RocPoint], fpr: &[f64], tpr: &[f64], thresholds: &[f64]) {
        assert_eq!(points.len(), fpr.len());
        for (index, point) in points.iter().enumerate() {
            assert!((point.false_positive_rate - fpr[index]).abs() < 1e-12);
            assert!((point.true_positive_rate - tpr[index]).abs() < 1e-12);
            assert!((point.threshold - thresholds[index]).abs() < 1e-12);
        }
    }

    #[test]
    #[ignore = "needs shared/fixtures"]
    fn curve_and_area_equal_scikit_learn_with_ties() {
        let reference = fixture_json("losses/loss_reference.json");
        let list = |key: &str| -> Vec<f64> {
            reference["roc"][key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let labels: Vec<bool> = list("y").iter().map(|&y| y == 1.0).collect();
        let scores = list("score");
        assert_curve(&roc(&scores, &labels), &list("fpr"), &list("tpr"), &list("thresholds"));
        assert!((auc(&scores, &labels).unwrap() - 0.8385416666666666).abs() < 1e-12);
    }

    #[test]
    #[ignore = "needs shared/fixtures"]
    fn curve_and_area_equal_scikit_learn_on_448_points() {
        let path = "losses/roc448.npz";
        let scores = fixture_npz(path, "score");
        let [y, fpr, tpr, thresholds] =
            ["y", "fpr", "tpr", "thresholds"].map(|name| fixture_npz(path, name));
        let labels: Vec<bool> = y.iter().map(|&y| y == 1.0).collect();
        assert_curve(&roc(&scores, &labels), &fpr, &tpr, &thresholds);
        assert!((auc(&scores, &labels).unwrap() - 0.8164575430405603).abs() < 1e-12);
    }

    #[test]
    fn undefined_for_one_class_or_no_exam_or_nan() {
        assert_eq!(auc(&[0.1, 0.9], &[true, true]), None);
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[0.1, f64::NAN], &[true, false]), None);
        assert!(roc(&[0.1, 0.9], &[false, false]).is_empty());
        assert_eq!(auc(&[0.5; 4], &[true, false, true, false]), Some(0.5));
    }

    proptest! {
        #[test]
        fn auc_is_invariant_under_monotone_maps_and_complements_under_label_swap(
            (scores, labels) in labelled_scores()
        ) {
            let area = auc(&scores, &labels).unwrap();
            let mapped: Vec<f64> = scores.iter().map(|s| (s / 3.0).exp() * 7.0 - 2.0).collect();
            prop_assert_eq!(area, auc(&mapped, &labels).unwrap());
            let swapped: Vec<bool> = labels.iter().map(|label| !label).collect();
            prop_assert!((area + auc(&scores, &swapped).unwrap() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn auc_is_the_area_under_the_curve((scores, labels) in labelled_scores()) {
            let area: f64 = roc(&scores, &labels)
                .windows(2)
                .map(|pair| {
                    (pair[1].false_positive_rate - pair[0].false_positive_rate)
                        * (pair[1].true_positive_rate + pair[0].true_positive_rate) / 2.0
                })
                .sum();
            prop_assert!((area - auc(&scores, &labels).unwrap()).abs() < 1e-9);
        }
    }
}
