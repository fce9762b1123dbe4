//! DeLong's variance of an AUC and of the difference of two AUCs on the same exams.
//!
//! With `m` positives and `n` negatives, each exam has a structural component (DeLong, DeLong &
//! Clarke-Pearson 1988): the share of the other class that it is ranked correctly against. The
//! variance of the AUC is `S₁₀/m + S₀₁/n`, the sample variances of the components of positives
//! and of negatives; covariances make the paired test. Sun & Xu (IEEE Signal Processing Letters
//! 2014) compute the components from mid-ranks in `O(n log n)`; the definition is `O(m·n)`.

use serde::{Deserialize, Serialize};

use super::cluster;
use super::roc::mid_ranks;

/// One AUC with DeLong's variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delong {
    /// The area under the curve.
    pub auc: f64,
    /// Variance of the AUC; `None` with fewer than two exams (or patients) in a class.
    pub variance: Option<f64>,
}

/// The structural components of one set of scores.
pub(super) struct Components {
    pub auc: f64,
    /// Per positive exam, the share of negatives below it.
    pub positives: Vec<f64>,
    /// Per negative exam, the share of positives above it.
    pub negatives: Vec<f64>,
}

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
    Some(Components { auc: super::roc::auc(scores, labels)?, positives, negatives })
}

/// The sample covariance of the components of one class of two models, about the models' AUCs, which are the
/// components' means.
fn covariance(a: &[f64], auc_a: f64, b: &[f64], auc_b: f64) -> Option<f64> {
    let sum: f64 = a.iter().zip(b).map(|(x, y)| (x - auc_a) * (y - auc_b)).sum();
    (a.len() > 1).then(|| sum / (a.len() - 1) as f64)
}

/// The covariance of two AUCs on the same exams: DeLong's, or Obuchowski's where `patients` have several exams.
pub(super) fn covariance_of_aucs(
    a: &Components,
    b: &Components,
    labels: &[bool],
    patients: Option<&[usize]>,
) -> Option<f64> {
    if let Some(patients) = patients {
        return cluster::covariance(a, b, labels, patients);
    }
    let positives = covariance(&a.positives, a.auc, &b.positives, b.auc)?;
    let negatives = covariance(&a.negatives, a.auc, &b.negatives, b.auc)?;
    Some(positives / a.positives.len() as f64 + negatives / a.negatives.len() as f64)
}

/// The AUC with DeLong's variance by mid-ranks, or with Obuchowski's where `patients` is given, the index of
/// each exam's patient; `None` for one class only or a score that is not a number.
///
/// # Panics
/// When the slices differ in length.
pub fn delong(scores: &[f64], labels: &[bool], patients: Option<&[usize]>) -> Option<Delong> {
    let components = components(scores, labels)?;
    let variance = covariance_of_aucs(&components, &components, labels, patients);
    Some(Delong { auc: components.auc, variance: variance.map(|variance| variance.max(0.0)) })
}

#[cfg(test)]
#[path = "delong_tests.rs"]
mod tests;
