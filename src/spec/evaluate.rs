//! `[evaluate]`: what is computed of the predictions besides what always is.

use serde::{Deserialize, Serialize};

/// `[evaluate]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// How probabilities are calibrated, by a map that is fitted on the validation part and kept
    /// with the run.
    pub recalibrate: Recalibrate,
    /// A probability that is an operating point of its own, before the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The share of cancers where the model is to be used: predictive values are given there too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevalence: Option<f64>,
}

/// `evaluate.recalibrate`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recalibrate {
    /// Not at all.
    #[default]
    None,
    /// A logistic curve over the log-odds.
    Platt,
    /// The monotone steps that fit best.
    Isotonic,
}
