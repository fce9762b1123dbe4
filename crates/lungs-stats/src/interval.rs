//! Confidence intervals, and metrics with intervals ([`Estimate`], [`Proportion`]).

use serde::{Deserialize, Serialize};

use super::cluster::effective_exams;
use super::normal::{critical_value, critical_value_of_student};

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
    /// Newcombe's score interval, its variance scaled towards DeLong's or Obuchowski's: used when few exams
    /// of a class, or few that are ranked wrongly, make DeLong's interval too short.
    ScaledScore,
    /// Obuchowski's variance (several exams of a patient), with the interval on the logit of the AUC.
    ObuchowskiLogit,
    /// Obuchowski's variance, AUC ± z·SE, clipped to [0, 1].
    ObuchowskiPlain,
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Wilson's interval with the effective number of exams (several exams of a patient).
    RaoScottWilson,
    /// Estimate ± z·SE, the standard error from the likelihood's curvature.
    Wald,
    /// Estimate · exp(±z·SE), the standard error on the log scale.
    WaldLog,
    /// Mercaldo, Lau & Zhou 2007: a predictive value at a given prevalence, on the logit scale.
    MercaldoLogit,
    /// Koopman 1984: the score interval of a ratio of two shares.
    KoopmanScore,
    /// Tango 1998: the score interval of the difference of two shares of the same exams.
    Tango,
    /// Tango's interval with the effective number of exams (several exams of a patient).
    RaoScottTango,
    /// Percentiles over resampled patients.
    PatientBootstrap,
    /// Percentiles over resampled patients, corrected for the bias of the replicates (Efron 1981).
    BiasCorrectedBootstrap,
    /// Greenwood's variance of a Kaplan–Meier curve, with the interval on the scale of `ln(−ln S)`.
    GreenwoodLogLog,
    /// Variance from derivatives by the weights of the exams, summed over patients; the interval on the scale of
    /// `ln(−ln S)`.
    InfluenceLogLog,
    /// The same variance, with the interval on the logit scale.
    InfluenceLogit,
    /// The same variance, with the interval on the log scale.
    InfluenceLog,
    /// The same variance, estimate ± z·SE.
    InfluencePlain,
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

    /// This metric, or a reason where it or its interval is beyond the largest number.
    #[must_use]
    pub(super) fn if_finite(mut self) -> Self {
        if self.value.is_some_and(|value| !value.is_finite()) {
            return Self::undefined("the scores are so large or so close that it overflows");
        }
        if self.interval.is_some_and(|it| !(it.low.is_finite() && it.high.is_finite())) {
            self.interval = None;
            let reason = "no interval: the scores are so large or so close that it overflows";
            self.reason = Some(reason.to_owned());
        }
        self
    }

    /// An undefined metric with the reason.
    pub(super) fn undefined(reason: impl Into<String>) -> Self {
        Self { value: None, interval: None, reason: Some(reason.into()) }
    }
}

/// Default of a metric that is missing in files of older versions.
pub(super) fn not_computed() -> Estimate {
    Estimate::undefined("not computed")
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
    /// Effective number of exams of the interval where patients have several exams (Rao & Scott 1992).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_total: Option<f64>,
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
            effective_total: None,
            reason: (total == 0).then(|| format!("there are no {denominator}")),
        }
    }

    /// An undefined proportion with the reason.
    pub(super) fn undefined(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::new(0, 0, 0.95, "") }
    }

    /// This proportion with the interval of its effective number of exams; `outcomes` are the exams of its
    /// denominator: the patient, and whether the exam is in the numerator.
    #[must_use]
    pub(super) fn of_patients(mut self, outcomes: &[(usize, bool)], level: f64) -> Self {
        if let Some(share) = self.value {
            let effective = effective_exams(outcomes);
            // The design effect is estimated from this many patients.
            let degrees = effective.patients.saturating_sub(1).max(1) as f64;
            let z = critical_value_of_student(level, degrees);
            self.interval = Some(Interval {
                method: Method::RaoScottWilson,
                ..wilson_of_share(share, effective.exams, z, level)
            });
            self.effective_total = Some(effective.exams);
        }
        self
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
    let (share, z) = (successes as f64 / total as f64, critical_value(level));
    Some(wilson_of_share(share, total as f64, z, level))
}

/// Wilson's interval of a share `p` of `n` exams, `z` standard errors to each side.
pub(super) fn wilson_of_share(p: f64, n: f64, z: f64, level: f64) -> Interval {
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    // The ends are exact at p = 0 and p = 1, so that rounding cannot move them past the estimate.
    let low = if p == 0.0 { 0.0 } else { (centre - spread) / scale };
    let high = if p == 1.0 { 1.0 } else { (centre + spread) / scale };
    Interval { low, high, level, method: Method::Wilson }
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
