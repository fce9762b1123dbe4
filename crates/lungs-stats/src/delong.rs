//! DeLong's variance of an AUC and of the difference of two AUCs on the same exams.
//!
//! With `m` positives and `n` negatives, each exam has a structural component (DeLong, DeLong &
//! Clarke-Pearson 1988): the share of the other class that it is ranked correctly against. The
//! variance of the AUC is `S₁₀/m + S₀₁/n`, the sample variances of the components of positives
//! and of negatives; covariances make the paired test. Sun & Xu (IEEE Signal Processing Letters
//! 2014) compute the components from mid-ranks in `O(n log n)`; the definition is `O(m·n)`.

use serde::{Deserialize, Serialize};

use super::cluster;
use super::components::{Components, components};

/// One AUC with DeLong's variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delong {
    /// The area under the curve.
    pub auc: f64,
    /// Variance of the AUC; `None` with fewer than two exams (or patients) in a class.
    pub variance: Option<f64>,
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
