//! `[outcome]`: what the network predicts, one probability or the risks of several years.

use serde::{Deserialize, Serialize};

/// `[outcome]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outcome {
    /// Predicted quantity.
    pub name: OutcomeName,
    /// With `name = "survival"`: the years after the exam whose risk is predicted, in ascending order. The
    /// first is the horizon of every metric of a single probability, such as the ROC curve.
    pub horizons_years: Vec<f64>,
    /// With `name = "survival"`: the function that makes hazards of the network's outputs.
    pub hazard: Hazard,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            name: OutcomeName::Binary,
            horizons_years: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            hazard: Hazard::Softplus,
        }
    }
}

/// `outcome.name`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeName {
    /// The probability of the label 1.
    Binary,
    /// The risk of cancer within each of the `horizons_years`, learned from the time to cancer or to the end of
    /// follow-up. The labels file needs `years_to_event` or `days_to_event` (empty without cancer), and
    /// `years_followed` or `days_followed`.
    Survival,
}

/// `outcome.hazard`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hazard {
    /// `ln(1 + e^x)`, which has a gradient everywhere.
    Softplus,
    /// `max(x, 0)`, as Sybil does (Mikhael et al. 2023).
    Relu,
}

impl Outcome {
    /// Whether every key has its default, or no effect.
    pub(crate) fn is_binary(&self) -> bool {
        self.name == OutcomeName::Binary
    }

    /// Whether the network predicts risks of several years.
    pub fn is_survival(&self) -> bool {
        self.name == OutcomeName::Survival
    }

    /// The horizons of a survival outcome; empty for a binary one.
    pub fn horizons(&self) -> &[f64] {
        if self.is_survival() { &self.horizons_years } else { &[] }
    }

    /// The first horizon of a survival outcome.
    pub fn first_horizon(&self) -> Option<f64> {
        self.horizons().first().copied()
    }

    /// The last horizon of a survival outcome.
    pub fn last_horizon(&self) -> Option<f64> {
        self.horizons().last().copied()
    }

    /// Number of outputs of the network: two logits, or a base and a hazard for each horizon.
    pub fn outputs(&self) -> usize {
        match self.name {
            OutcomeName::Binary => 2,
            OutcomeName::Survival => 1 + self.horizons_years.len(),
        }
    }
}

/// A horizon as part of a column's name: `1_year`, `2_years`, `1.5_years`.
pub fn horizon_name(years: f64) -> String {
    format!("{years}_{}", if years == 1.0 { "year" } else { "years" })
}

/// A horizon in a sentence: `1 year`, `2 years`, `1.5 years`.
pub fn horizon_words(years: f64) -> String {
    horizon_name(years).replace('_', " ")
}
