//! Sample size and power, before a study.
//!
//! Variance of an AUC: Hanley & McNeil's (1982) with Newcombe's modification (2006, method 5), which follows from the
//! AUC and the class sizes. It is the one that Riley et al. use for the C-statistic. Criteria of an external
//! validation: Riley et al., Statistics in Medicine 2021, 40:4230–4251. All exams are taken as independent: where
//! patients have several exams, the numbers count patients.

use thiserror::Error;

use super::auc_interval::newcombe_variance;
use super::components::components;
use super::delong::covariance_of_aucs;
use super::interval::wilson_of_share;
use super::logit::sigmoid;
use super::normal::{cdf, critical_value};

/// The largest number of exams that is considered.
const MOST_EXAMS: u64 = 1 << 40;

/// Why there is no number of exams.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanningError {
    /// A number is outside its range.
    #[error("the {name} is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the number.
        name: &'static str,
        /// The number.
        value: f64,
        /// Its range.
        expected: &'static str,
    },
    /// No number of exams is large enough.
    #[error("no number of exams reaches the {aim}; change the aim or the expected values")]
    Unreachable {
        /// What cannot be reached.
        aim: &'static str,
    },
    /// The predictions do not allow an estimate.
    #[error("the log-odds are all equal or not finite, so a calibration slope cannot be estimated")]
    EqualLogits,
}

fn in_range(
    name: &'static str,
    value: f64,
    is_inside: bool,
    expected: &'static str,
) -> Result<(), PlanningError> {
    if is_inside { Ok(()) } else { Err(PlanningError::OutOfRange { name, value, expected }) }
}

fn share(name: &'static str, value: f64) -> Result<(), PlanningError> {
    in_range(name, value, value > 0.0 && value < 1.0, "a number greater than 0 and less than 1")
}

fn positive(name: &'static str, value: f64) -> Result<(), PlanningError> {
    in_range(name, value, value > 0.0 && value.is_finite(), "a number greater than 0")
}

/// The smallest number of exams that is `enough`; whatever is more than enough is enough.
fn smallest(enough: impl Fn(f64) -> bool, aim: &'static str) -> Result<u64, PlanningError> {
    let (mut too_few, mut many) = (0, 1);
    while !enough(many as f64) {
        if many >= MOST_EXAMS {
            return Err(PlanningError::Unreachable { aim });
        }
        (too_few, many) = (many, many * 2);
    }
    while many - too_few > 1 {
        let middle = too_few + (many - too_few) / 2;
        *(if enough(middle as f64) { &mut many } else { &mut too_few }) = middle;
    }
    Ok(many)
}

/// The standard error of an AUC with these class sizes: Hanley & McNeil's (1982), modified by Newcombe (2006).
///
/// # Errors
/// An AUC outside (0, 1) or fewer than one exam of a class.
pub fn auc_standard_error(auc: f64, positives: f64, negatives: f64) -> Result<f64, PlanningError> {
    share("AUC", auc)?;
    let at_least_one = |name, count: f64| in_range(name, count, count >= 1.0, "at least 1");
    at_least_one("number of positive exams", positives)?;
    at_least_one("number of negative exams", negatives)?;
    Ok(newcombe_variance(auc, positives, negatives).sqrt())
}

/// The number of exams whose AUC has an interval of this width, `AUC ± z·SE` with [`auc_standard_error`]; the
/// C-statistic criterion of Riley et al. (2021).
///
/// # Errors
/// A number outside its range, or a width that no number of exams reaches.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn exams_for_auc_width(
    auc: f64,
    prevalence: f64,
    width: f64,
    level: f64,
) -> Result<u64, PlanningError> {
    share("AUC", auc)?;
    share("prevalence", prevalence)?;
    positive("width", width)?;
    let z = critical_value(level);
    let is_narrow = |exams: f64| {
        let variance = newcombe_variance(auc, exams * prevalence, exams * (1.0 - prevalence));
        // Below two exams the formula may be negative.
        exams >= 2.0 && 2.0 * z * variance.sqrt() <= width
    };
    smallest(is_narrow, "width of the AUC's interval")
}

/// The number of exams of a class whose share (a sensitivity or a specificity) has a Wilson interval of this width.
/// Divide by the share of the class among all exams for the number of all exams.
///
/// # Errors
/// A number outside its range, or a width that no number of exams reaches.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn exams_for_share_width(
    expected_share: f64,
    width: f64,
    level: f64,
) -> Result<u64, PlanningError> {
    let is_share = (0.0..=1.0).contains(&expected_share);
    in_range("expected share", expected_share, is_share, "a number from 0 to 1")?;
    positive("width", width)?;
    let z = critical_value(level);
    let is_narrow = |exams: f64| {
        let interval = wilson_of_share(expected_share, exams, z, level);
        interval.high - interval.low <= width
    };
    smallest(is_narrow, "width of the share's interval")
}

/// The number of exams whose O/E has an interval of this width if it is 1: `exp(z·SE) − exp(−z·SE)` with
/// `SE(ln O/E) = √((1 − φ) / (nφ))` at a prevalence of `φ` (Riley et al. 2021, criterion 1).
///
/// # Errors
/// A number outside its range, or a width that no number of exams reaches.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn exams_for_observed_expected_width(
    prevalence: f64,
    width: f64,
    level: f64,
) -> Result<u64, PlanningError> {
    share("prevalence", prevalence)?;
    positive("width", width)?;
    let error = (width / 2.0).asinh() / critical_value(level);
    let is_narrow = |exams: f64| (1.0 - prevalence) / (exams * prevalence) <= error * error;
    smallest(is_narrow, "width of the interval of O/E")
}

/// The number of exams whose calibration slope has an interval of this width if the predictions are calibrated:
/// `n = I_α / (SE² (I_α·I_β − I_αβ²))` with the mean information of an exam about intercept and slope over `logits`, the
/// expected distribution of the log-odds, such as those of an earlier split (Riley et al. 2021, criterion 2).
///
/// # Errors
/// A width that is not positive or that no number of exams reaches, or log-odds that are equal or not finite.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn exams_for_slope_width(logits: &[f64], width: f64, level: f64) -> Result<u64, PlanningError> {
    positive("width", width)?;
    let n = logits.len() as f64;
    // Centred, which changes nothing but the rounding.
    let mean = logits.iter().map(|z| z / n).sum::<f64>();
    let mut information = [0.0; 3];
    for &z in logits {
        let (weight, x) = (sigmoid(z) * sigmoid(-z) / n, z - mean);
        // A weight of 0 has no information, however far from the mean the exam is.
        if weight > 0.0 {
            information[0] += weight;
            information[1] += weight * x;
            information[2] += weight * x * x;
        }
    }
    let [intercept, both, slope] = information;
    let determinant = intercept * slope - both * both;
    if determinant.is_nan() || determinant <= 1e-12 * intercept * slope {
        return Err(PlanningError::EqualLogits);
    }
    let error = width / (2.0 * critical_value(level));
    let needed = intercept / determinant / (error * error);
    smallest(|exams| exams >= needed, "width of the slope's interval")
}

/// The correlation of two AUCs on the same exams, from DeLong's (or Obuchowski's) covariance: the correlation for
/// [`paired_auc_power`], from an earlier study. `None` where an AUC has no variance.
///
/// # Panics
/// When the slices differ in length.
pub fn auc_correlation(
    scores: [&[f64]; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
) -> Option<f64> {
    let (a, b) = (components(scores[0], labels)?, components(scores[1], labels)?);
    let covariance = |a, b| covariance_of_aucs(a, b, labels, patients);
    let product = covariance(&a, &a)? * covariance(&b, &b)?;
    let correlation = covariance(&a, &b)? / product.sqrt();
    (product > 0.0).then(|| correlation.clamp(-1.0, 1.0))
}

/// Two models that a study shall compare on the same exams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedAucPlan {
    /// Expected AUCs.
    pub aucs: [f64; 2],
    /// Expected correlation of the AUCs: [`auc_correlation`].
    pub correlation: f64,
}

impl PairedAucPlan {
    fn check(&self) -> Result<(), PlanningError> {
        self.aucs.into_iter().try_for_each(|auc| share("AUC", auc))?;
        let is_inside = self.correlation > -1.0 && self.correlation < 1.0;
        let expected = "a number greater than −1 and less than 1";
        in_range("correlation of the AUCs", self.correlation, is_inside, expected)
    }

    /// Power with these class sizes and the critical value `z`.
    fn power(&self, positives: f64, negatives: f64, z: f64) -> f64 {
        let [a, b] = self.aucs.map(|auc| newcombe_variance(auc, positives, negatives));
        let error = (a + b - 2.0 * self.correlation * (a * b).sqrt()).sqrt();
        let distance = (self.aucs[0] - self.aucs[1]).abs() / error;
        cdf(distance - z) + cdf(-distance - z)
    }
}

/// The power of the paired test of two AUCs at a two-sided level of `1 − level`. The variance of the difference is
/// `V₁ + V₂ − 2r√(V₁V₂)` (Hanley & McNeil 1983) with the variances of [`auc_standard_error`].
///
/// # Errors
/// A number outside its range.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn paired_auc_power(
    plan: PairedAucPlan,
    positives: f64,
    negatives: f64,
    level: f64,
) -> Result<f64, PlanningError> {
    plan.check()?;
    for auc in plan.aucs {
        auc_standard_error(auc, positives, negatives)?;
    }
    Ok(plan.power(positives, negatives, critical_value(level)))
}

/// The number of exams with which the paired test of two AUCs has this power: [`paired_auc_power`].
///
/// # Errors
/// A number outside its range, or AUCs that are equal or nearly so.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn exams_for_paired_auc_power(
    plan: PairedAucPlan,
    prevalence: f64,
    power: f64,
    level: f64,
) -> Result<u64, PlanningError> {
    plan.check()?;
    share("prevalence", prevalence)?;
    share("power", power)?;
    let z = critical_value(level);
    let has_power = |exams: f64| {
        let [positives, negatives] = [exams * prevalence, exams * (1.0 - prevalence)];
        positives >= 1.0 && negatives >= 1.0 && plan.power(positives, negatives, z) >= power
    };
    smallest(has_power, "power")
}

#[cfg(test)]
#[path = "planning_tests.rs"]
mod tests;
