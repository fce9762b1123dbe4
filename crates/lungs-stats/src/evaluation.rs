//! All metrics of one set of predictions: `evaluation.json`.

use super::calibration::Calibration;
use super::interval::{Estimate, Interval, Proportion, not_computed};
use super::operating::OperatingPoint;
use super::options::Options;
use super::partial_auc::PartialAuc;
use super::recalibrate::RecalibrationMetrics;
use super::smooth::SmoothCalibration;
use super::subgroups::Subgroups;
use super::survival::SurvivalEvaluation;
use super::weighted::WeightedMetrics;
use serde::{Deserialize, Serialize};

/// All metrics of one set of predictions, as stored in `evaluation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of exams.
    pub exams: usize,
    /// Number of patients.
    pub patients: usize,
    /// Positive exams.
    pub positives: usize,
    /// Negative exams.
    pub negatives: usize,
    /// AUC with its intervals.
    pub auc: AucMetrics,
    /// Partial AUC where specificity is at least 0.9.
    #[serde(default)]
    pub partial_auc: PartialAuc,
    /// Average precision; its chance level is the prevalence, `positives / exams`.
    #[serde(default = "not_computed")]
    pub average_precision: Estimate,
    /// Mean over exams of `−log p(label)`.
    pub cross_entropy: Estimate,
    /// Accuracy at a probability of one half (exactly one half counts as negative, as in the original's argmax).
    pub accuracy: Proportion,
    /// Calibration of the probabilities.
    pub calibration: Calibration,
    /// Calibration before and after a calibrator that was fitted on another split; `None` without
    /// [`Options::calibrated`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<RecalibrationMetrics>,
    /// Sensitivity, specificity and predictive values at chosen thresholds.
    pub operating_points: Vec<OperatingPoint>,
    /// Index of the operating point that a report leads with; that of subgroups.
    #[serde(default)]
    pub leading: usize,
    /// Metrics by subgroup, one entry for each of [`Options::groupings`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<Subgroups>,
    /// Metrics of the population that [`Options::weights`] represent; `None` without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedMetrics>,
    /// Metrics of the risks of several years; `None` for a binary outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survival: Option<Box<SurvivalEvaluation>>,
    /// A warning next to the headline: exams of one class only, or fewer than ten exams (or patients) of a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Remarks about the intervals.
    pub notes: Vec<String>,
}

/// The AUC with intervals by three methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucMetrics {
    /// Area under the ROC curve, ties counting one half.
    pub value: Option<f64>,
    /// The interval to report: on the logit scale with DeLong's or Obuchowski's variance, or a score interval
    /// where few exams of a class, or few that are ranked wrongly, make that too short.
    pub interval: Option<Interval>,
    /// AUC ± z·SE, for comparison with other software.
    pub plain_interval: Option<Interval>,
    /// Percentile interval over patients resampled with replacement.
    pub bootstrap_interval: Option<Interval>,
    /// Replicates of the bootstrap interval, without those with a missing class.
    pub bootstrap_replicates: usize,
    /// Why there is no bootstrap interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_reason: Option<String>,
    /// DeLong's standard error, or Obuchowski's where patients have several exams.
    pub standard_error: Option<f64>,
    /// Why the value or the interval is missing.
    pub reason: Option<String>,
}

/// Replaces every metric by the reason; the counts stay.
pub(super) fn withdraw_all(evaluation: &mut Evaluation, reason: &str, options: &Options) {
    let undefined = || Estimate::undefined(reason);
    evaluation.auc = AucMetrics {
        value: None,
        interval: None,
        plain_interval: None,
        bootstrap_interval: None,
        bootstrap_replicates: 0,
        bootstrap_reason: None,
        standard_error: None,
        reason: Some(reason.to_owned()),
    };
    evaluation.partial_auc = PartialAuc::undefined(reason);
    evaluation.average_precision = undefined();
    evaluation.cross_entropy = undefined();
    evaluation.accuracy = Proportion::undefined(reason);
    evaluation.calibration = Calibration {
        brier: undefined(),
        brier_of_prevalence: undefined(),
        expected_calibration_error: undefined(),
        expected_calibration_error_debiased: undefined(),
        slope: undefined(),
        intercept: undefined(),
        in_the_large: undefined(),
        observed_expected: undefined(),
        smooth: SmoothCalibration::undefined(reason),
        bins: Vec::new(),
        equal_count_bins: Vec::new(),
    };
    evaluation.operating_points =
        options.rules.iter().map(|&rule| OperatingPoint::undefined(rule, reason)).collect();
}
