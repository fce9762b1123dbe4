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
    /// Columns of the labels or of `cohort.csv` by whose values figures are given: `"sex"`, or
    /// `{ column = "age", edges = [55, 65, 75] }` for bands of numbers.
    pub subgroups: Vec<SubgroupBy>,
    /// Column with the weight of each exam (the inverse of its chance to be drawn): figures are then
    /// given for the population too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_column: Option<String>,
}

/// An entry of `evaluate.subgroups`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "the name of a column, or a table such as { column = \"age\", edges = [55, 65] }"
)]
pub enum SubgroupBy {
    /// A group for each value.
    Values(String),
    /// A group for each band of numbers.
    Bands(Bands),
}

impl SubgroupBy {
    /// The column.
    pub fn column(&self) -> &str {
        match self {
            Self::Values(column) | Self::Bands(Bands { column, .. }) => column,
        }
    }
}

/// Bands of the numbers in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// The column.
    pub column: String,
    /// Where one band ends and the next begins, ascending; a number on an edge is in the upper band.
    pub edges: Vec<f64>,
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

impl std::fmt::Display for Recalibrate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Platt => "platt",
            Self::Isotonic => "isotonic",
        })
    }
}
