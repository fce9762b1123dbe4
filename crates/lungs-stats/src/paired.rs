//! The test of two models on the same exams.
//!
//! DeLong's paired test, with Obuchowski's variance where patients have several exams. Below twenty patients
//! of a class, or where the variance is zero, its normal approximation fails; the test is a permutation
//! test there, and there is no interval.

use super::cluster::class_counts;
use super::components::components;
use super::delong::covariance_of_aucs;
use super::interval::{Interval, Method};
use super::normal::{critical_value, two_sided_p};
use super::permutation::{Permutation, paired_permutation};
use serde::{Deserialize, Serialize};

/// Patients of a class from which the normal approximation of the test holds.
const MIN_PATIENTS: usize = 20;

/// Two models' AUCs on the same exams, and DeLong's test of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedAucs {
    /// AUC of the first model.
    pub auc_a: f64,
    /// AUC of the second model.
    pub auc_b: f64,
    /// `auc_a − auc_b`.
    pub difference: f64,
    /// Difference ± z·SE; `None` where the test is a permutation test.
    pub interval: Option<Interval>,
    /// Standard error of the difference; `None` where the test is a permutation test.
    #[serde(default)]
    pub standard_error: Option<f64>,
    /// Difference divided by its standard error; `None` where the test is a permutation test.
    pub statistic: Option<f64>,
    /// Two-sided p-value of the null hypothesis that the AUCs are equal.
    pub p_value: Option<f64>,
    /// The permutation test that gave the p-value; `None` where DeLong's test did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permutation: Option<Permutation>,
    /// Why interval, statistic or p-value are missing; `None` when they are defined.
    pub reason: Option<String>,
}

/// The test of two models that scored the same exams, in the same order. `patients` has the index of each
/// exam's patient where patients have several exams; `seed` is that of the random exchanges. `None` for one
/// class only or a score that is not a number.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn paired_aucs(
    scores: [&[f64]; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
    seed: u64,
) -> Option<PairedAucs> {
    let (a, b) = (components(scores[0], labels)?, components(scores[1], labels)?);
    let difference = a.auc - b.auc;
    let mut paired = PairedAucs {
        auc_a: a.auc,
        auc_b: b.auc,
        difference,
        interval: None,
        standard_error: None,
        statistic: None,
        p_value: None,
        permutation: None,
        reason: None,
    };
    let variance_of_difference = || {
        let covariance = |a, b| covariance_of_aucs(a, b, labels, patients);
        Some(covariance(&a, &a)? + covariance(&b, &b)? - 2.0 * covariance(&a, &b)?)
    };
    let smaller = class_counts(labels, patients).into_iter().min().unwrap_or(0);
    // The variance of identical rankings is zero up to rounding.
    let variance = variance_of_difference().filter(|&variance| variance > 1e-15);
    let Some(variance) = variance.filter(|_| smaller >= MIN_PATIENTS) else {
        paired.permutation = paired_permutation(scores, labels, patients, seed);
        paired.p_value = paired.permutation.map(|test| test.p_value);
        let units = if patients.is_some() { "patients" } else { "exams" };
        paired.reason = Some(match paired.permutation {
            None => "both models rank these exams equally, so their AUCs are equal and the test is undefined"
                .to_owned(),
            Some(_) if smaller < MIN_PATIENTS => format!(
                "no interval of the difference: the smaller class has {smaller} {units}, fewer than \
                 {MIN_PATIENTS}; the p-value is that of a permutation test"
            ),
            Some(_) => "no interval of the difference: its variance is zero; the p-value is that of a \
                        permutation test"
                .to_owned(),
        });
        return Some(paired);
    };
    let spread = critical_value(level) * variance.sqrt();
    let statistic = difference / variance.sqrt();
    paired.standard_error = Some(variance.sqrt());
    paired.statistic = Some(statistic);
    paired.p_value = Some(two_sided_p(statistic));
    paired.interval = Some(Interval {
        low: difference - spread,
        high: difference + spread,
        level,
        method: if patients.is_some() { Method::ObuchowskiPlain } else { Method::DelongPlain },
    });
    Some(paired)
}
