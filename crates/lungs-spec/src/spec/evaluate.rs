//! `[evaluate]`: optional metrics of the predictions.

use serde::{Deserialize, Serialize};

/// `[evaluate]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Method that calibrates probabilities. The map is fitted on the validation split and stored in
    /// `calibration.json`. `lungs predict` reports the calibrated probability in its own column, and
    /// `evaluation.json` has its effect on the test split.
    pub recalibrate: Recalibrate,
    /// Probability, between 0 and 1, that is evaluated as an additional operating point, listed first. The
    /// threshold 0.5 is always evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Prevalence of cancer in the target population, between 0 and 1. If set, predictive values at every
    /// operating point are also computed at this prevalence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevalence: Option<f64>,
    /// Columns of the labels file or of `cohort.csv` that define subgroups with metrics of their own, and a
    /// test of whether the AUC differs between them: `"sex"` for one group per value, or `{ column = "age",
    /// edges = [55, 65, 75] }` for numeric bands.
    pub subgroups: Vec<SubgroupBy>,
    /// Column of the labels file with the weight of each exam, the inverse of its sampling probability. If
    /// set, weighted metrics estimate those of the population.
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
    /// One group per value of the column.
    Values(String),
    /// One group per numeric band.
    Bands(Bands),
}

impl SubgroupBy {
    /// Name of the column.
    pub fn column(&self) -> &str {
        match self {
            Self::Values(column) | Self::Bands(Bands { column, .. }) => column,
        }
    }
}

/// Numeric bands of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// Name of the column.
    pub column: String,
    /// Limits between neighbouring bands, ascending. A value equal to a limit belongs to the upper band.
    pub edges: Vec<f64>,
}

/// `evaluate.recalibrate`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recalibrate {
    /// No calibration.
    #[default]
    None,
    /// Platt scaling: a logistic function of the log-odds.
    Platt,
    /// Isotonic regression: a monotone step function.
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
