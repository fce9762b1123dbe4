//! Maps from log-odds to probabilities that mean what they say, fitted on other exams.
//!
//! ```text
//!   validation part ──fit──► Calibrator ──calibration.json──► test part, new exams
//! ```
//!
//! Platt's (1999) is the logistic curve `1 / (1 + exp(−(a + b·z)))`, by plain maximum likelihood.
//! Isotonic regression (Zadrozny & Elkan 2002) is the monotone function with the least squared
//! error, by pooling adjacent violators (Ayer 1955); between the scores that it was fitted on it is
//! linear, and beyond them constant. It changes ranks only where it makes ties.

use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, calibration, recalibration, sigmoid};
use super::curves::{Exams, Resampled};
use super::{Estimate, Options};

/// A map from log-odds to calibrated probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
pub enum Calibrator {
    /// `1 / (1 + exp(−(intercept + slope·z)))`
    Platt {
        /// Intercept.
        intercept: f64,
        /// Slope.
        slope: f64,
    },
    /// Linear between these points, constant beyond them.
    Isotonic {
        /// Log-odds, ascending.
        logits: Vec<f64>,
        /// The probability at each, never falling.
        probabilities: Vec<f64>,
    },
}

impl Calibrator {
    /// Platt's map, or why the maximum of the likelihood does not exist.
    ///
    /// # Errors
    /// For one class only, equal scores, scores that separate the classes, or ranks that are the
    /// wrong way round.
    pub fn platt(logits: &[f64], labels: &[bool]) -> Result<Self, String> {
        let (slope, intercept) = recalibration(logits, labels, 0.95)?;
        match (intercept.value, slope.value) {
            (_, Some(slope)) if slope <= 0.0 => Err(format!(
                "the fitted slope is {slope:.3}: higher scores are less often cancer, and the map \
                 would turn their order round"
            )),
            (Some(intercept), Some(slope)) => Ok(Self::Platt { intercept, slope }),
            _ => Err("the fit did not converge".to_owned()),
        }
    }

    /// The isotonic map of exams that count by `weights`, or alike without; or why there is none.
    ///
    /// # Errors
    /// Without exams of both classes, or with a score or weight that cannot be used.
    pub fn isotonic(
        logits: &[f64],
        labels: &[bool],
        weights: Option<&[f64]>,
    ) -> Result<Self, String> {
        if !labels.contains(&true) || !labels.contains(&false) {
            return Err("one class only: nothing to fit".to_owned());
        }
        let weight = |at: usize| weights.map_or(1.0, |weights| weights[at]);
        let usable = |at: usize| logits[at].is_finite() && weight(at) >= 0.0;
        if !(0..logits.len()).all(usable) {
            return Err("a score or a weight is not a usable number".to_owned());
        }
        let mut order: Vec<usize> = (0..logits.len()).filter(|&at| weight(at) > 0.0).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let mut blocks: Vec<Block> = Vec::new();
        for ties in order.chunk_by(|&a, &b| logits[a] == logits[b]) {
            let z = logits[ties[0]];
            let total: f64 = ties.iter().map(|&at| weight(at)).sum();
            let hits = ties.iter().filter(|&&at| labels[at]).map(|&at| weight(at)).sum();
            blocks.push(Block { first: z, last: z, weight: total, hits });
            // A block that is not higher than the one before it joins it.
            while let [.., before, here] = blocks.as_slice()
                && before.hits * here.weight >= here.hits * before.weight
            {
                let joined = Block {
                    first: before.first,
                    last: here.last,
                    weight: before.weight + here.weight,
                    hits: before.hits + here.hits,
                };
                blocks.truncate(blocks.len() - 2);
                blocks.push(joined);
            }
        }
        let (mut at, mut probabilities) = (Vec::new(), Vec::new());
        for block in blocks {
            let ends = [block.first, block.last];
            for end in &ends[..if block.first == block.last { 1 } else { 2 }] {
                at.push(*end);
                probabilities.push((block.hits / block.weight).clamp(0.0, 1.0));
            }
        }
        if at.is_empty() {
            Err("no exam has a weight".to_owned())
        } else {
            Ok(Self::Isotonic { logits: at, probabilities })
        }
    }

    /// The calibrated probability of finite log-odds.
    pub fn probability(&self, logit: f64) -> f64 {
        match self {
            Self::Platt { intercept, slope } => sigmoid(intercept + slope * logit),
            Self::Isotonic { logits, probabilities } => {
                let after = logits.partition_point(|&z| z < logit);
                let (Some(&low), Some(&high)) = (
                    probabilities.get(after.saturating_sub(1)),
                    probabilities.get(after).or(probabilities.last()),
                ) else {
                    return sigmoid(logit);
                };
                if after == 0 || after == logits.len() || logits[after] == logit {
                    return if after == 0 { low } else { high };
                }
                let share = (logit - logits[after - 1]) / (logits[after] - logits[after - 1]);
                low + share * (high - low)
            }
        }
    }

    /// Its name in a spec.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "platt",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// What it is called in a sentence.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "Platt's logistic curve",
            Self::Isotonic { .. } => "isotonic regression",
        }
    }
}

/// Neighbouring scores with one probability.
struct Block {
    first: f64,
    last: f64,
    weight: f64,
    hits: f64,
}

/// Calibration of a part before and after a map that was fitted on another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalibrated {
    /// `platt` or `isotonic`.
    pub method: String,
    /// The part that it was fitted on.
    pub fitted_on: String,
    /// Figures of the network's own probabilities.
    pub before: CalibrationFigures,
    /// Figures of the calibrated ones.
    pub after: CalibrationFigures,
}

/// The figures of calibration that a map is to improve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationFigures {
    /// Mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// Expected calibration error.
    pub expected_calibration_error: Estimate,
    /// Slope of the logistic recalibration; 1 is ideal.
    pub slope: Estimate,
    /// Its intercept; 0 is ideal together with a slope of 1.
    pub intercept: Estimate,
}

impl From<&Calibration> for CalibrationFigures {
    fn from(figures: &Calibration) -> Self {
        Self {
            brier: figures.brier.clone(),
            expected_calibration_error: figures.expected_calibration_error.clone(),
            slope: figures.slope.clone(),
            intercept: figures.intercept.clone(),
        }
    }
}

/// The figures of `exams` (at least one) by their calibrated `probabilities`, from the same resampled
/// patients as all other figures.
pub(super) fn figures_after(
    probabilities: &[f64],
    exams: &Exams,
    options: &Options,
) -> CalibrationFigures {
    let logits: Vec<f64> = probabilities.iter().map(|p| (p / (1.0 - p)).ln()).collect();
    let bins = options.calibration_bins;
    let mut figures = calibration(&logits, probabilities, exams.labels, bins, options.level);
    let sure = logits.iter().filter(|logit| !logit.is_finite()).count();
    if sure > 0 {
        let reason = format!(
            "{sure} calibrated probabilities are exactly 0 or 1, and have no finite log-odds"
        );
        (figures.slope, figures.intercept) =
            (Estimate::undefined(reason.clone()), Estimate::undefined(reason));
    }
    let resampled = Resampled::of(&Exams { probabilities, ..*exams }, options);
    resampled.complete_calibration(&mut figures);
    (&figures).into()
}

#[cfg(test)]
#[path = "recalibrate_tests.rs"]
mod tests;
