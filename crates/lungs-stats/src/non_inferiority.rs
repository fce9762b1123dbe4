//! Non-inferiority of an AUC: whether a new model is worse than a reference by less than a margin.
//!
//! The null hypothesis is `AUC_new − AUC_reference ≤ −margin`. The statistic `(difference + margin) / SE` has the
//! standard error of the paired test, DeLong's or Obuchowski's (Liu et al., Statistics in Medicine 2006,
//! 25:1219–1238), so the bound is the lower end of the interval of [`paired_aucs`], and the model is non-inferior
//! where the bound is above `−margin`.
//!
//! Where the paired test is a permutation test (below twenty patients of a class, or a variance of zero), there is
//! neither a bound nor a p-value: exchanging the models tests that they are equal, and models that differ by the
//! margin are not exchangeable.

use serde::{Deserialize, Serialize};

use super::normal::cdf;
use super::paired::{PairedAucs, paired_aucs};

/// The test whether a new model's AUC is worse than a reference's by less than a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonInferiority {
    /// The AUC that the new model may be worse by.
    pub margin: f64,
    /// AUC of the new model minus that of the reference.
    pub difference: f64,
    /// One-sided level of the bound, 0.975 for a two-sided interval at 0.95.
    pub one_sided_level: f64,
    /// Lower bound of the difference.
    pub lower_bound: Option<f64>,
    /// `(difference + margin) / SE`
    pub statistic: Option<f64>,
    /// One-sided p-value of the null hypothesis that the new model is worse by at least the margin.
    pub p_value: Option<f64>,
    /// Whether the lower bound is above `−margin`; `None` without a bound.
    pub is_non_inferior: Option<bool>,
    /// Why there is no test; `None` when there is one.
    pub reason: Option<String>,
}

impl NonInferiority {
    /// The test of a paired comparison whose first model is the new one; `level` is the one of its interval.
    pub fn of(paired: &PairedAucs, margin: f64, level: f64) -> Self {
        let mut test = Self {
            margin,
            difference: paired.difference,
            one_sided_level: 0.5 + level / 2.0,
            lower_bound: None,
            statistic: None,
            p_value: None,
            is_non_inferior: None,
            reason: None,
        };
        if !(margin > 0.0 && margin < 1.0) {
            test.reason = Some(format!(
                "the margin is {margin}, expected a number greater than 0 and less than 1"
            ));
            return test;
        }
        match (paired.interval, paired.standard_error) {
            (Some(interval), Some(error)) => {
                let statistic = (paired.difference + margin) / error;
                test.lower_bound = Some(interval.low);
                test.statistic = Some(statistic);
                test.p_value = Some(cdf(-statistic));
                test.is_non_inferior = Some(interval.low > -margin);
            }
            _ => {
                test.reason = Some(if paired.permutation.is_some() {
                    "no test of the margin, because a permutation test can only test that models are equal".to_owned()
                } else {
                    paired
                        .reason
                        .clone()
                        .unwrap_or_else(|| "the difference has no variance".to_owned())
                });
            }
        }
        test
    }
}

/// The test whether the AUC of the first model is worse than that of the second by less than `margin`; the other
/// arguments are those of [`paired_aucs`]. `None` for one class only or a score that is not a number.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn non_inferiority(
    scores: [&[f64]; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
    margin: f64,
    level: f64,
    seed: u64,
) -> Option<NonInferiority> {
    let paired = paired_aucs(scores, labels, patients, level, seed)?;
    Some(NonInferiority::of(&paired, margin, level))
}

#[cfg(test)]
#[path = "non_inferiority_tests.rs"]
mod tests;
