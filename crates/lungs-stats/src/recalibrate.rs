//! Recalibration: maps from log-odds to calibrated probabilities, fitted on other exams.
//!
//! ```text
//!   validation split ──fit──► Calibrator ──calibration.json──► test split, new exams
//! ```
//!
//! Platt scaling (Platt 1999) is the logistic curve `1 / (1 + exp(−(a + b·z)))`, fitted by maximum likelihood.
//! Isotonic regression (Zadrozny & Elkan 2002) is the monotone function with the least squared
//! error, by pooling adjacent violators (Ayer 1955); between the fitted scores it is linear, beyond
//! them constant. It changes ranks only by making ties.

use lungs_base::text::counted;
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, calibration, recalibration};
use super::curves::ResampledMetrics;
use super::exam::ExamColumns;
use super::interval::{Estimate, not_computed};
use super::logit::sigmoid;
use super::options::Options;
use super::smooth::SmoothCalibration;

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
    /// Fits Platt scaling.
    ///
    /// # Errors
    /// The reason why there is no fit: one class only, equal scores, scores that separate the classes
    /// perfectly, or a slope that is not positive.
    pub fn platt(logits: &[f64], labels: &[bool]) -> Result<Self, String> {
        let (slope, intercept) = recalibration(logits, labels, None, 0.95)?;
        match (intercept.value, slope.value) {
            (_, Some(slope)) if slope <= 0.0 => Err(format!(
                "the fitted slope is {slope:.3}, expected above 0: higher scores are less often cancer, so \
                 calibration would reverse the ranking"
            )),
            (Some(intercept), Some(slope)) => Ok(Self::Platt { intercept, slope }),
            _ => Err("the fit did not converge".to_owned()),
        }
    }

    /// Fits isotonic regression; `weights` are the exams' weights, equal if `None`.
    ///
    /// # Errors
    /// The reason why there is no fit: one class only, a score or weight that is not finite or negative, or no
    /// positive weight.
    pub fn isotonic(
        logits: &[f64],
        labels: &[bool],
        weights: Option<&[f64]>,
    ) -> Result<Self, String> {
        if !labels.contains(&true) || !labels.contains(&false) {
            return Err("one class only: nothing to fit".to_owned());
        }
        let weight = |exam: usize| weights.map_or(1.0, |weights| weights[exam]);
        let is_usable = |exam: usize| logits[exam].is_finite() && weight(exam) >= 0.0;
        if !(0..logits.len()).all(is_usable) {
            return Err("a score or a weight is not a usable number".to_owned());
        }
        let mut order: Vec<usize> = (0..logits.len()).filter(|&exam| weight(exam) > 0.0).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let mut blocks: Vec<Block> = Vec::new();
        for ties in order.chunk_by(|&a, &b| logits[a] == logits[b]) {
            let z = logits[ties[0]];
            let total: f64 = ties.iter().map(|&exam| weight(exam)).sum();
            let positives = ties.iter().filter(|&&exam| labels[exam]);
            let positive_weight = positives.map(|&exam| weight(exam)).sum();
            blocks.push(Block { first: z, last: z, weight: total, positive_weight });
            // A block that is not higher than the previous one is pooled with it.
            while let [.., previous, last] = blocks.as_slice()
                && previous.positive_weight * last.weight >= last.positive_weight * previous.weight
            {
                let pooled = Block {
                    first: previous.first,
                    last: last.last,
                    weight: previous.weight + last.weight,
                    positive_weight: previous.positive_weight + last.positive_weight,
                };
                blocks.truncate(blocks.len() - 2);
                blocks.push(pooled);
            }
        }
        let (mut knots, mut probabilities) = (Vec::new(), Vec::new());
        for block in blocks {
            let ends = [block.first, block.last];
            for end in &ends[..if block.first == block.last { 1 } else { 2 }] {
                knots.push(*end);
                probabilities.push((block.positive_weight / block.weight).clamp(0.0, 1.0));
            }
        }
        if knots.is_empty() {
            Err("all weights are 0".to_owned())
        } else {
            Ok(Self::Isotonic { logits: knots, probabilities })
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
                // Halves where the distance overflows.
                let (first, last) = (logits[after - 1], logits[after]);
                let scale = if (last - first).is_finite() { 1.0 } else { 0.5 };
                let share = (scale * logit - scale * first) / (scale * last - scale * first);
                low + share * (high - low)
            }
        }
    }

    /// Name of the method in a spec.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "platt",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// Name of the method in a sentence.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Platt { .. } => "Platt scaling",
            Self::Isotonic { .. } => "isotonic regression",
        }
    }
}

/// A range of scores with the same calibrated probability.
struct Block {
    first: f64,
    last: f64,
    weight: f64,
    /// Weight of the positive exams.
    positive_weight: f64,
}

/// Calibration of a split before and after a calibrator that was fitted on another split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecalibrationMetrics {
    /// `platt` or `isotonic`.
    pub method: String,
    /// The split that the calibrator was fitted on.
    pub fitted_on: String,
    /// Metrics of the network's own probabilities.
    pub before: CalibrationMetrics,
    /// Metrics of the calibrated probabilities.
    pub after: CalibrationMetrics,
}

/// The calibration metrics that recalibration should improve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationMetrics {
    /// Mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// Expected calibration error.
    pub expected_calibration_error: Estimate,
    /// Expected calibration error without the share that chance alone gives.
    #[serde(default = "not_computed")]
    pub expected_calibration_error_debiased: Estimate,
    /// Slope of the logistic recalibration; 1 is ideal.
    pub slope: Estimate,
    /// Intercept of the logistic recalibration; 0 is ideal together with a slope of 1.
    pub intercept: Estimate,
    /// Observed number of positive exams divided by the expected one.
    #[serde(default = "not_computed")]
    pub observed_expected: Estimate,
    /// Integrated calibration index.
    #[serde(default = "not_computed")]
    pub integrated_calibration_index: Estimate,
}

impl From<&Calibration> for CalibrationMetrics {
    fn from(calibration: &Calibration) -> Self {
        Self {
            brier: calibration.brier.clone(),
            expected_calibration_error: calibration.expected_calibration_error.clone(),
            expected_calibration_error_debiased: calibration
                .expected_calibration_error_debiased
                .clone(),
            slope: calibration.slope.clone(),
            intercept: calibration.intercept.clone(),
            observed_expected: calibration.observed_expected.clone(),
            integrated_calibration_index: calibration.smooth.integrated_calibration_index.clone(),
        }
    }
}

/// Calibration metrics of the calibrated `probabilities` of `exams` (at least one), over the same resampled
/// patients as all other metrics.
pub(super) fn calibrated_metrics(
    probabilities: &[f64],
    exams: &ExamColumns,
    options: &Options,
) -> CalibrationMetrics {
    let logits: Vec<f64> = probabilities.iter().map(|p| (p / (1.0 - p)).ln()).collect();
    let calibrated = ExamColumns { logits: &logits, probabilities, ..*exams };
    let mut metrics = calibration(&calibrated, options);
    let infinite = logits.iter().filter(|logit| !logit.is_finite()).count();
    if infinite > 0 {
        let reason = format!(
            "{} exactly 0 or 1, without finite log-odds",
            counted(infinite, "calibrated probability is", "calibrated probabilities are")
        );
        (metrics.slope, metrics.intercept) =
            (Estimate::undefined(reason.clone()), Estimate::undefined(reason.clone()));
        metrics.smooth = SmoothCalibration::undefined(&reason);
    }
    metrics.brier = ResampledMetrics::of(&calibrated, options).brier();
    (&metrics).into()
}

#[cfg(test)]
#[path = "recalibrate_tests.rs"]
mod tests;
