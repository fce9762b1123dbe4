//! A metric with standard error and interval.

use crate::interval::{Estimate, Interval, Method};
use crate::normal::critical_value;
use serde::{Deserialize, Serialize};

/// A metric with standard error and interval, or the reason why they are missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurvivalEstimate {
    /// The value; `None` when it is undefined.
    pub value: Option<f64>,
    /// Standard error, on the scale of the value.
    pub standard_error: Option<f64>,
    /// The confidence interval.
    pub interval: Option<Interval>,
    /// Why value or interval are missing.
    pub reason: Option<String>,
}

impl SurvivalEstimate {
    /// The metric without its standard error.
    pub fn to_estimate(&self) -> Estimate {
        let Self { value, interval, reason, .. } = self.clone();
        Estimate { value, interval, reason }
    }

    /// An undefined metric with the reason.
    pub(crate) fn undefined(reason: impl Into<String>) -> Self {
        Self { value: None, standard_error: None, interval: None, reason: Some(reason.into()) }
    }

    /// A value without an interval.
    pub(crate) fn without_interval(value: f64, reason: impl Into<String>) -> Self {
        Self { value: Some(value), ..Self::undefined(reason) }
    }
}

/// `value · exp(±z·SE/value)`, for a value above 0.
pub(crate) fn log_interval(value: f64, standard_error: f64, level: f64) -> Interval {
    let spread = (critical_value(level) * standard_error / value).exp();
    Interval { low: value / spread, high: value * spread, level, method: Method::InfluenceLog }
}

/// Why there is no interval of a metric whose standard error is 0.
pub(crate) const NO_SPREAD: &str = "no interval: the standard error is 0";
