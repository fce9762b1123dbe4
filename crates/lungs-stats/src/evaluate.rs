//! All metrics of exams: the entry of this crate.

use super::auc_interval::{auc_with_interval, delong_plain_interval};
use super::calibration::calibration;
use super::cautions::{class_warning, notes, unusable_reason};
use super::cluster::{self, patient_indices};
use super::curves::{Curves, ResampledMetrics};
use super::delong::delong;
use super::evaluation::{AucMetrics, Evaluation, withdraw_all};
use super::exam::{ExamColumns, ScoredExam};
use super::interval::{Estimate, Interval, Method, Proportion};
use super::leading::leading_index;
use super::logit::cross_entropy;
use super::operating::{ChosenOn, OperatingPoint, at_threshold, operating_points};
use super::options::Options;
use super::partial_auc::PartialAuc;
use super::recalibrate::{RecalibrationMetrics, calibrated_metrics};
use super::resampling::percentile_interval;
use super::subgroups::subgroups;
use super::weighted;

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
    let resampled =
        (!exams.is_empty() && unusable.is_none()).then(|| ResampledMetrics::of(&columns, options));
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
        calibration: calibration(&columns, options),
        recalibrated: None,
        operating_points: all_operating_points(&logits, &labels, repeated, options),
        leading: 0,
        subgroups: Vec::new(),
        weighted: None,
        survival: None,
        warning: class_warning(&labels, repeated),
        notes: notes(exams.len(), patient_count),
    };
    if let Some(loss) = mean_cross_entropy(&logits, &labels) {
        evaluation.cross_entropy = Estimate::plain(loss).if_finite();
    }
    let positive_share = positives as f64 / exams.len().max(1) as f64;
    evaluation.leading = leading_index(&evaluation.operating_points, positive_share, options);
    if let Some(reason) = unusable {
        withdraw_all(&mut evaluation, &reason, options);
    }
    let Some(resampled) = resampled else { return (evaluation, Curves::default()) };
    if positives > 0 {
        evaluation.average_precision = resampled.average_precision();
    } else {
        evaluation.average_precision = Estimate::undefined("there are no positive exams");
    }
    evaluation.partial_auc = resampled.partial_auc();
    evaluation.cross_entropy = resampled.cross_entropy();
    evaluation.calibration.brier = resampled.brier();
    evaluation.auc.bootstrap_reason = resampled.reason().map(str::to_owned);
    evaluation.recalibrated = options.calibrated.as_ref().map(|calibrated| RecalibrationMetrics {
        method: calibrated.method.clone(),
        fitted_on: calibrated.fitted_on.clone(),
        before: (&evaluation.calibration).into(),
        after: calibrated_metrics(&calibrated.probabilities, &columns, options),
    });
    let point = evaluation.leading_point();
    evaluation.subgroups = subgroups(exams, &options.groupings, point, level);
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
            ..at_threshold(logits, labels, rule, threshold, level)
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
    let sum: f64 = logits.iter().zip(labels).map(|(&z, &label)| cross_entropy(z, label)).sum();
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
#[path = "evaluate_tests.rs"]
mod tests;
