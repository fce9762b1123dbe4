//! The structural components of an AUC (DeLong, DeLong & Clarke-Pearson 1988).

use super::roc::{auc, mid_ranks};

/// The structural components of one set of scores.
pub(super) struct Components {
    pub auc: f64,
    /// Per positive exam, the share of negatives below it.
    pub positives: Vec<f64>,
    /// Per negative exam, the share of positives above it.
    pub negatives: Vec<f64>,
}

/// The components of scores, in `O(n log n)` by mid-ranks (Sun & Xu 2014); `None` with one class or a score that is no number.
pub(super) fn components(scores: &[f64], labels: &[bool]) -> Option<Components> {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let of_class = |class: bool, values: &[f64]| -> Vec<f64> {
        values.iter().zip(labels).filter(|&(_, &label)| label == class).map(|(&v, _)| v).collect()
    };
    let ranks = mid_ranks(scores);
    // Share of the other class with lower scores.
    let share_below = |class: bool, others: f64| -> Vec<f64> {
        let ranks_in_class = mid_ranks(&of_class(class, scores));
        let ranks = of_class(class, &ranks);
        ranks.iter().zip(ranks_in_class).map(|(all, class)| (all - class) / others).collect()
    };
    let (m, n) = (labels.iter().filter(|&&l| l).count(), labels.iter().filter(|&&l| !l).count());
    if m == 0 || n == 0 {
        return None;
    }
    let positives = share_below(true, n as f64);
    let negatives: Vec<f64> = share_below(false, m as f64).iter().map(|v| 1.0 - v).collect();
    Some(Components { auc: auc(scores, labels)?, positives, negatives })
}
