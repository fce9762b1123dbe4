//! Metrics of predictions, with confidence intervals.
//!
//! Pure statistics over slices of numbers: no files, no clocks, no other module of the program. A
//! prediction is the log-odds `z = logit₁ − logit₀` of cancer. Ranking metrics use `z`, which does not
//! saturate as probabilities do; calibration uses the probability.
//!
//! ```text
//!   &[ScoredExam] ──evaluate──► Evaluation ──serde──► evaluation.json
//!                             ├ auc            mid-ranks; logit DeLong; patient bootstrap
//!                             ├ cross_entropy, accuracy
//!                             ├ calibration    Brier, ECE, slope, intercept, reliability bins
//!                             └ operating_points   Wilson intervals
//! ```
//!
//! An undefined metric (one class only, no exam, scores that are not finite) is `None` with a
//! `reason`. No metric is ever NaN, and no input makes these functions fail.
//!
//! [`evaluate_with_curves`] also returns the points of the plots: the ROC curve's band, precision and recall,
//! the decision curve. Means over exams, average precision and the bands have percentile intervals
//! over resampled patients, all from the same replicates.
//!
//! [`paired_aucs`] compares two models on the same exams.
//!
//! ```
//! use lungs_stats::auc_with_interval;
//!
//! let scores = [-2.1, -1.4, -0.9, -0.2, 0.3, 0.8, 1.1, 2.5];
//! let labels = [false, false, false, true, false, true, true, true];
//! let auc = auc_with_interval(&scores, &labels, None, 0.95);
//! // 15 of the 16 pairs of a positive and a negative exam are ranked correctly.
//! assert_eq!(auc.value, Some(15.0 / 16.0));
//! let interval = auc.interval.unwrap();
//! assert!(interval.low < 0.9375 && interval.high <= 1.0);
//! ```
//!
//! # Adding a metric
//!
//! 1. Write a function from slices over exams (`scores`, `probabilities`, `labels`) to `Option<f64>`, such as
//!    [`brier`] or [`average_precision`]; `None` means undefined.
//! 2. Add a field of type [`Estimate`] to [`Evaluation`] with `#[serde(default = "not_computed")]`, so that files
//!    of older versions can be read, and set it in [`evaluate_with_curves`] and in `withdraw_all`.
//! 3. For a bootstrap interval, compute the metric in `RankedExams::metrics` (`sweep.rs`), where exams have
//!    weights and ties, and set the estimate in `ResampledMetrics::complete` (`curves.rs`).
//! 4. Show it in `lungs-report/src/run_page/figures.rs` and `lungs-report/src/compare/entry.rs`, describe it in
//!    `docs/statistics.md`, and test it against an independent implementation.

mod auc_interval;
mod bootstrap;
mod calibration;
mod cautions;
mod cluster;
mod columns;
mod components;
mod curves;
mod decision;
mod delong;
mod evaluation;
mod failures;
mod interval;
mod leading;
mod likelihood;
mod logistic;
mod logit;
mod multiple;
mod non_inferiority;
mod normal;
mod operating;
mod paired;
mod paired_shares;
mod permutation;
mod planning;
mod precision;
mod predictive;
mod recalibrate;
mod resampling;
mod robustness;
mod roc;
mod smooth;
mod spline;
mod standardised;
mod strata;
mod subgroups;
mod sweep;
#[cfg(test)]
mod testing;
mod weighted;

use cautions::{FEW_EXAMS, few_of_a_class, notes, unusable_reason};
use columns::ExamColumns;
use curves::ResampledMetrics;
use evaluation::{not_computed, withdraw_all};
use recalibrate::calibrated_metrics;
use smooth::Smooth;

pub use auc_interval::{
    auc_with_interval, delong_logit_interval, delong_plain_interval, newcombe_interval,
};
pub use bootstrap::bootstrap_auc;
pub use calibration::{
    Calibration, ReliabilityBin, brier, calibration_in_the_large, debiased_calibration_error,
    equal_count_bins, expected_calibration_error, observed_expected, recalibration,
    reliability_bins,
};
pub use cluster::{patient_indices, repeated_patients};
pub use curves::{BandPoint, Curves, PartialAuc, PrecisionBandPoint};
pub use decision::DecisionPoint;
pub use delong::{Delong, delong};
pub use evaluation::{AucMetrics, Evaluation};
pub use failures::{Decisions, FailureTally, failures};
pub use interval::{Estimate, Interval, Method, Proportion, wilson};
pub use likelihood::{LikelihoodRatios, likelihood_ratios};
pub use multiple::holm;
pub use non_inferiority::{NonInferiority, non_inferiority};
pub use operating::{ChosenOn, OperatingPoint, Rule, operating_points};
pub use paired::{PairedAucs, paired_aucs};
pub use paired_shares::{
    PairedOperatingPoints, PairedShares, SharesTest, paired_operating_points, paired_shares,
};
pub use permutation::{Permutation, paired_permutation};
pub use planning::{
    PairedAucPlan, PlanningError, auc_correlation, auc_standard_error, exams_for_auc_width,
    exams_for_observed_expected_width, exams_for_paired_auc_power, exams_for_share_width,
    exams_for_slope_width, paired_auc_power,
};
pub use precision::{PrecisionRecallPoint, average_precision, precision_recall};
pub use predictive::AtPrevalence;
pub use recalibrate::{CalibrationMetrics, Calibrator, RecalibrationMetrics};
pub use resampling::{Resampling, bias_corrected_interval, percentile_interval};
pub use robustness::{ChangeEffect, DecisionChange, change_effect};
pub use roc::{RocPoint, auc, roc};
pub use smooth::{CalibrationPoint, SmoothCalibration, smooth_calibration};
pub use standardised::{
    ColumnKind, StandardisedDifference, binary_difference, categorical_difference,
    continuous_difference,
};
pub use strata::{FoldExams, mean_auc_of_folds};
pub use subgroups::{Grouping, Heterogeneity, SharedExams, Subgroup, Subgroups};
pub use weighted::WeightedMetrics;

/// One exam with its label and prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredExam {
    /// The patient; exams of one patient are resampled together.
    pub patient_id: String,
    /// The exam.
    pub exam_id: String,
    /// Whether the exam is positive (cancer within the horizon).
    pub label: bool,
    /// Log-odds of cancer, `logit₁ − logit₀`.
    pub logit: f64,
    /// Predicted probability of cancer; the logistic function of `logit` unless recalibrated.
    pub probability: f64,
}

/// Options of [`evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Nominal coverage of every interval.
    pub level: f64,
    /// Bootstrap replicates; 0 disables the bootstrap.
    pub bootstrap_replicates: usize,
    /// Seed of the bootstrap's random streams.
    pub seed: u64,
    /// Bins of the reliability diagram and of the expected calibration error.
    pub calibration_bins: usize,
    /// Rules that choose the operating points.
    pub rules: Vec<Rule>,
    /// The rule whose threshold was stated before the evaluation, if any; reports lead with it.
    pub stated: Option<Rule>,
    /// Thresholds (log-odds) that rules chose on the validation split; they give further operating points.
    pub validated: Vec<(Rule, f64)>,
    /// Prevalence at which predictive values are computed in addition to the sample's own.
    pub prevalence: Option<f64>,
    /// Groupings of the exams for subgroup metrics.
    pub groupings: Vec<Grouping>,
    /// Name of the weights and the weight of each exam, for weighted metrics.
    pub weights: Option<(String, Vec<f64>)>,
    /// Calibrated probabilities of the exams, for calibration metrics before and after.
    pub calibrated: Option<CalibratedProbabilities>,
}

/// Probabilities from a calibrator that was fitted on other exams.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedProbabilities {
    /// Name of the calibration method in a spec.
    pub method: String,
    /// The split that the calibrator was fitted on; it must differ from the evaluated split.
    pub fitted_on: String,
    /// The probability of each exam.
    pub probabilities: Vec<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: 0.95,
            bootstrap_replicates: 2000,
            seed: 37,
            calibration_bins: 10,
            rules: vec![
                Rule::Probability(0.5),
                Rule::SensitivityAtSpecificity(0.9),
                Rule::SpecificityAtSensitivity(0.9),
                Rule::Youden,
            ],
            stated: None,
            validated: Vec::new(),
            prevalence: None,
            groupings: Vec::new(),
            weights: None,
            calibrated: None,
        }
    }
}

/// All metrics of `exams`. The order of the exams changes a metric by rounding at most.
///
/// # Panics
/// When `options.level` is not between 0 and 1 or `options.calibration_bins` is zero.
pub fn evaluate(exams: &[ScoredExam], options: &Options) -> Evaluation {
    evaluate_with_curves(exams, options).0
}

/// The metrics of [`evaluate`] and the points of the curves.
///
/// # Panics
/// As [`evaluate`].
pub fn evaluate_with_curves(exams: &[ScoredExam], options: &Options) -> (Evaluation, Curves) {
    let level = options.level;
    let labels: Vec<bool> = exams.iter().map(|exam| exam.label).collect();
    let logits: Vec<f64> = exams.iter().map(|exam| exam.logit).collect();
    let probabilities: Vec<f64> = exams.iter().map(|exam| exam.probability).collect();
    let positives = labels.iter().filter(|&&label| label).count();
    let patients = patient_indices(exams.iter().map(|exam| exam.patient_id.as_str()));
    let patient_count = cluster::count(&patients);
    let unusable = unusable_reason(exams);
    let columns = ExamColumns {
        logits: &logits,
        probabilities: &probabilities,
        labels: &labels,
        patients: &patients,
    };
    // Where every patient has one exam, exams are independent.
    let repeated = columns.repeated();
    let smooth = Smooth::of(&logits, &labels, repeated);
    let resampled = (!exams.is_empty() && unusable.is_none())
        .then(|| ResampledMetrics::of(&columns, smooth.as_ref().ok(), options));
    let aucs = resampled.as_ref().map(ResampledMetrics::aucs).unwrap_or_default();
    let mut evaluation = Evaluation {
        exams: exams.len(),
        patients: patient_count,
        positives,
        negatives: exams.len() - positives,
        auc: auc_metrics(&columns, repeated, &aucs, level),
        partial_auc: PartialAuc::undefined("there are no exams"),
        average_precision: Estimate::undefined("there are no exams"),
        cross_entropy: Estimate::undefined("there are no exams"),
        accuracy: accuracy(&logits, &labels, repeated, level),
        calibration: calibration::calibration(&columns, smooth.as_ref(), options),
        recalibrated: None,
        operating_points: all_operating_points(&logits, &labels, repeated, options),
        leading: 0,
        subgroups: Vec::new(),
        weighted: None,
        warning: few_of_a_class(&labels, repeated)
            .map(|few| format!("{few}: every metric is uncertain, and its interval approximate")),
        notes: notes(exams.len(), patient_count),
    };
    if let Some(loss) = mean_cross_entropy(&logits, &labels) {
        evaluation.cross_entropy = Estimate::plain(loss).if_finite();
    }
    let positive_share = positives as f64 / exams.len().max(1) as f64;
    evaluation.leading =
        leading::leading_index(&evaluation.operating_points, positive_share, options);
    if let Some(reason) = unusable {
        withdraw_all(&mut evaluation, &reason, options);
    }
    let Some(resampled) = resampled else { return (evaluation, Curves::default()) };
    resampled.complete(&mut evaluation);
    evaluation.auc.bootstrap_reason = resampled.reason().map(str::to_owned);
    evaluation.recalibrated = options.calibrated.as_ref().map(|calibrated| RecalibrationMetrics {
        method: calibrated.method.clone(),
        fitted_on: calibrated.fitted_on.clone(),
        before: (&evaluation.calibration).into(),
        after: calibrated_metrics(&calibrated.probabilities, &columns, options),
    });
    let point = evaluation.leading_point();
    evaluation.subgroups = subgroups::subgroups(exams, &options.groupings, point, level);
    evaluation.weighted = options
        .weights
        .as_ref()
        .map(|(column, weights)| weighted::metrics(column, weights, &columns, options));
    let curves = resampled.curves(&columns);
    (evaluation, curves)
}

/// Operating points of the rules, then those of thresholds that were chosen on validation.
fn all_operating_points(
    logits: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    options: &Options,
) -> Vec<OperatingPoint> {
    let level = options.level;
    let mut points = operating_points(logits, labels, &options.rules, level);
    if !labels.is_empty() {
        points.extend(options.validated.iter().map(|&(rule, threshold)| OperatingPoint {
            chosen_on: ChosenOn::Validation,
            ..operating::at_threshold(logits, labels, rule, threshold, level)
        }));
    }
    let complete = |point: OperatingPoint| {
        point
            .for_patients(logits, labels, patients, level)
            .with_prevalence(options.prevalence, level)
    };
    points.into_iter().map(complete).collect()
}

/// Mean over exams of `−log p(label)` in nats, from the log-odds; `None` without exams.
///
/// # Panics
/// When the slices differ in length.
pub fn mean_cross_entropy(logits: &[f64], labels: &[bool]) -> Option<f64> {
    assert_eq!(logits.len(), labels.len(), "one label per score");
    let sum: f64 =
        logits.iter().zip(labels).map(|(&z, &label)| logit::cross_entropy(z, label)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

/// Accuracy at a probability of one half. Log-odds of exactly 0 count as negative: of two equal logits, the
/// first counts as the larger one. `patients` has the index of each exam's patient where patients have several.
///
/// # Panics
/// When the slices differ in length.
pub fn accuracy(
    logits: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Proportion {
    assert_eq!(logits.len(), labels.len(), "one label per score");
    let is_correct = |exam: usize| (logits[exam] > 0.0) == labels[exam];
    let correct = (0..labels.len()).filter(|&exam| is_correct(exam)).count();
    let accuracy = Proportion::new(correct, labels.len(), level, "exams");
    match patients {
        None => accuracy,
        Some(patients) => {
            let outcomes: Vec<(usize, bool)> =
                patients.iter().enumerate().map(|(exam, &p)| (p, is_correct(exam))).collect();
            accuracy.of_patients(&outcomes, level)
        }
    }
}

fn auc_metrics(
    exams: &ExamColumns,
    patients: Option<&[usize]>,
    replicates: &[f64],
    level: f64,
) -> AucMetrics {
    let ExamColumns { logits, labels, .. } = exams;
    let headline = auc_with_interval(logits, labels, patients, level);
    let variance = delong(logits, labels, patients)
        .and_then(|delong| delong.variance)
        .filter(|_| headline.interval.is_some());
    let plain = |(auc, variance)| Interval {
        method: if patients.is_some() { Method::ObuchowskiPlain } else { Method::DelongPlain },
        ..delong_plain_interval(auc, variance, level)
    };
    AucMetrics {
        value: headline.value,
        interval: headline.interval,
        plain_interval: headline.value.zip(variance).map(plain),
        bootstrap_interval: percentile_interval(replicates, level)
            .filter(|_| headline.interval.is_some()),
        bootstrap_replicates: replicates.len(),
        bootstrap_reason: None,
        standard_error: variance.map(f64::sqrt),
        reason: headline.reason,
    }
}

#[cfg(test)]
mod robustness_tests;
#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
