//! Likelihood ratios of a test result.
//!
//! `LR+ = Se / (1 − Sp)` and `LR− = (1 − Se) / Sp` are ratios of two independent shares, those of positive and
//! of negative exams. Their interval is the score interval of such a ratio (Koopman, Biometrics 1984,
//! 40:513–517), which exists for shares of 0 and 1 too; the interval on the log scale (Simel 1991) does not.
//! Where patients have several exams, the shares count their effective numbers of exams (Rao & Scott 1992);
//! that one patient may have exams of both classes is not taken into account.

use serde::{Deserialize, Serialize};

use super::interval::{Estimate, Interval, Method, Proportion, not_computed};
use super::normal::critical_value;

/// Likelihood ratios at an operating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodRatios {
    /// How many times more often a positive exam is predicted positive than a negative exam is.
    pub positive: Estimate,
    /// How many times more often a positive exam is predicted negative than a negative exam is.
    pub negative: Estimate,
}

impl Default for LikelihoodRatios {
    fn default() -> Self {
        Self { positive: not_computed(), negative: not_computed() }
    }
}

impl LikelihoodRatios {
    pub(super) fn undefined(reason: &str) -> Self {
        Self { positive: Estimate::undefined(reason), negative: Estimate::undefined(reason) }
    }
}

/// The likelihood ratios of a sensitivity and a specificity, with score intervals (Koopman 1984) over their
/// effective numbers of exams.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn likelihood_ratios(
    sensitivity: &Proportion,
    specificity: &Proportion,
    level: f64,
) -> LikelihoodRatios {
    let (Some(se), Some(sp)) = (sensitivity.value, specificity.value) else {
        let reason = sensitivity.reason.as_ref().or(specificity.reason.as_ref());
        return LikelihoodRatios::undefined(reason.map_or("one class only", String::as_str));
    };
    let size = |share: &Proportion| share.effective_total.unwrap_or(share.total as f64);
    let (n1, n0) = (size(sensitivity), size(specificity));
    let ratio = |first: f64, second: f64, reason: &str| {
        if second <= 0.0 {
            return Estimate::undefined(reason);
        }
        let interval = ratio_interval([first * n1, n1], [second * n0, n0], level);
        Estimate::with_interval(first / second, interval)
    };
    LikelihoodRatios {
        positive: ratio(
            se,
            (specificity.total - specificity.successes) as f64 / specificity.total as f64,
            "no negative exam is predicted positive, so the ratio has no upper limit",
        ),
        negative: ratio(
            (sensitivity.total - sensitivity.successes) as f64 / sensitivity.total as f64,
            sp,
            "no negative exam is predicted negative, so the ratio has no upper limit",
        ),
    }
}

/// The score interval of `(x₁/n₁) / (x₂/n₂)`, `x₂ > 0`: the ratios whose score statistic is at most `z²`.
fn ratio_interval([x1, n1]: [f64; 2], [x2, n2]: [f64; 2], level: f64) -> Interval {
    let limit = critical_value(level).powi(2);
    let statistic = |log_ratio: f64| {
        let ratio = log_ratio.exp();
        // The first share under the constraint, the smaller root of a quadratic without cancellation.
        let b = ratio * (n1 + x2) + x1 + n2;
        let root = (b * b - 4.0 * ratio * (n1 + n2) * (x1 + x2)).max(0.0).sqrt();
        let share = (2.0 * ratio * (x1 + x2) / (b + root)).min(1.0).min(ratio);
        let term = |x: f64, n: f64, share: f64| {
            let difference = x - n * share;
            // A share of 0 or 1 that is observed adds nothing.
            if difference == 0.0 { 0.0 } else { difference.powi(2) / (n * share * (1.0 - share)) }
        };
        term(x1, n1, share) + term(x2, n2, share / ratio)
    };
    // Each bound is where the condition changes.
    let bound = |mut inside: f64, mut outside: f64| {
        for _ in 0..100 {
            let middle = 0.5 * (inside + outside);
            *(if statistic(middle) <= limit { &mut inside } else { &mut outside }) = middle;
        }
        inside.exp()
    };
    const FAR: f64 = 60.0;
    let estimate = x1 / n1 / (x2 / n2);
    let (low, high) = if x1 > 0.0 {
        let centre = estimate.ln();
        (bound(centre, centre - FAR).min(estimate), bound(centre, centre + FAR).max(estimate))
    } else {
        (0.0, bound(-FAR, FAR))
    };
    Interval { low, high, level, method: Method::KoopmanScore }
}

#[cfg(test)]
#[path = "likelihood_tests.rs"]
mod tests;
