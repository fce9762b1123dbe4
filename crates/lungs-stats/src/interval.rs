//! Confidence intervals, and metrics with intervals ([`Estimate`], [`Proportion`]).

use serde::{Deserialize, Serialize};

use super::normal::critical_value;

/// Method of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// DeLong's variance, with the interval on the logit of the AUC.
    DelongLogit,
    /// DeLong's variance, AUC ± z·SE, clipped to [0, 1].
    DelongPlain,
    /// Newcombe 2006, method 5: used when DeLong's variance is zero (AUC of exactly 0 or 1).
    NewcombeScore,
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Estimate ± z·SE, the standard error from the likelihood's curvature.
    Wald,
    /// Mercaldo, Lau & Zhou 2007: a predictive value at a given prevalence, on the logit scale.
    MercaldoLogit,
    /// Percentiles over resampled patients, stratified by patients with and without a positive exam.
    PatientBootstrap,
}

/// A two-sided confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Nominal coverage, e.g. 0.95.
    pub level: f64,
    /// Method of the interval.
    pub method: Method,
}

/// A metric with an optional interval, or the reason why it is undefined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value; `None` when it is undefined.
    pub value: Option<f64>,
    /// The confidence interval; `None` when it is undefined or not computed.
    pub interval: Option<Interval>,
    /// Why the value or its interval is missing.
    pub reason: Option<String>,
}

impl Estimate {
    /// A value without an interval; the bootstrap may add one later.
    pub(super) fn plain(value: f64) -> Self {
        Self { value: Some(value), interval: None, reason: None }
    }

    /// A value with its interval.
    pub(super) fn with_interval(value: f64, interval: Interval) -> Self {
        Self { value: Some(value), interval: Some(interval), reason: None }
    }

    /// An undefined metric with the reason.
    pub(super) fn undefined(reason: impl Into<String>) -> Self {
        Self { value: None, interval: None, reason: Some(reason.into()) }
    }
}

/// `successes` of `total`, with Wilson's interval.
///
/// With a total of zero the proportion is undefined: `value` and `interval` are empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// Numerator.
    pub successes: usize,
    /// Denominator.
    pub total: usize,
    /// `successes / total`.
    pub value: Option<f64>,
    /// Wilson's score interval.
    pub interval: Option<Interval>,
    /// Why the proportion is undefined; `None` when it is defined.
    pub reason: Option<String>,
}

impl Proportion {
    /// The proportion with its interval at `level`. `denominator` ("positive exams") names the total in the
    /// reason when the total is zero.
    pub fn new(successes: usize, total: usize, level: f64, denominator: &str) -> Self {
        let interval = wilson(successes, total, level);
        Self {
            successes,
            total,
            value: (total > 0).then(|| successes as f64 / total as f64),
            interval,
            reason: (total == 0).then(|| format!("there are no {denominator}")),
        }
    }
}

/// Wilson's score interval of a proportion (Wilson 1927; no continuity correction), or `None`
/// for a total of zero.
///
/// It keeps near-nominal coverage for small counts and stays within [0, 1], where the usual
/// `p ± z·√(p(1−p)/n)` collapses to a point at 0 and 1.
pub fn wilson(successes: usize, total: usize, level: f64) -> Option<Interval> {
    if total == 0 {
        return None;
    }
    let z = critical_value(level);
    let (n, p) = (total as f64, successes as f64 / total as f64);
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    // The ends are exact at p = 0 and p = 1, so that rounding cannot move them past the estimate.
    let low = if successes == 0 { 0.0 } else { (centre - spread) / scale };
    let high = if successes == total { 1.0 } else { (centre + spread) / scale };
    Some(Interval { low, high, level, method: Method::Wilson })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_r() {
        // R 4.2: prop.test(k, n, correct = FALSE)$conf.int
        for (k, n, low, high) in [
            (0, 10, 0.0, 0.277532799863),
            (5, 10, 0.236593090513, 0.763406909487),
            (27, 29, 0.780354198497, 0.980878733831),
            (10, 10, 0.722467200137, 1.0),
            (81, 263, 0.255288519878, 0.366209576983),
        ] {
            let interval = wilson(k, n, 0.95).unwrap();
            assert!((interval.low - low).abs() < 1e-10, "{k}/{n}: {interval:?}");
            assert!((interval.high - high).abs() < 1e-10, "{k}/{n}: {interval:?}");
        }
        assert_eq!(wilson(0, 0, 0.95), None);
        let undefined = Proportion::new(0, 0, 0.95, "positive exams");
        assert_eq!(undefined.reason.as_deref(), Some("there are no positive exams"));
    }
}
