//! From predictions to figures that a reviewer accepts.
//!
//! Pure statistics over slices of numbers: no files, no clocks, no other room. A prediction is
//! the log-odds `z = logit₁ − logit₀` of cancer; ranking figures use `z`, which does not saturate
//! as probabilities do, and calibration uses the probability.
//!
//! ```text
//!   &[Scored] ──evaluate──► Evaluation ──serde──► evaluation.json
//!                             ├ auc            mid-ranks; logit DeLong; patient bootstrap
//!                             ├ cross_entropy, accuracy
//!                             ├ calibration    Brier, ECE, slope, intercept, reliability bins
//!                             └ operating_points   Wilson intervals
//! ```
//!
//! What is undefined (one class only, no exam, scores that are not finite) is `None` with a
//! reason beside it; no figure is ever NaN, and no input makes these functions fail.
//!
//! [`evaluate_with_curves`] gives what plots need besides: the ROC curve's band, precision and recall,
//! the decision curve. Means over exams, average precision and the bands have percentile intervals
//! over resampled patients, all from the same replicates.
//!
//! Two models on the same exams are compared by [`delong_paired`].

mod bootstrap;
mod calibration;
mod curves;
mod decision;
mod delong;
mod interval;
mod multiple;
mod normal;
mod operating;
mod precision;
mod predictive;
mod recalibrate;
mod resampling;
mod roc;
mod subgroups;
mod sweep;
#[cfg(test)]
mod testing;
mod weighted;

use std::collections::BTreeMap;

use curves::{Exams, Resampled};
use recalibrate::figures_after;
use serde::{Deserialize, Serialize};

pub use bootstrap::bootstrap_auc;
pub use calibration::{
    Calibration, ReliabilityBin, brier, calibration_in_the_large, equal_count_bins,
    expected_calibration_error, recalibration, reliability_bins,
};
pub use curves::{BandPoint, Curves, PartialAuc, PrecisionBandPoint};
pub use decision::DecisionPoint;
pub use delong::{
    Delong, PairedAucs, auc_with_interval, delong, delong_logit_interval, delong_paired,
    delong_plain_interval, newcombe_interval,
};
pub use interval::{Estimate, Interval, Method, Proportion, wilson};
pub use multiple::holm;
pub use operating::{ChosenOn, OperatingPoint, Rule, operating_points};
pub use precision::{PrecisionRecallPoint, average_precision, precision_recall};
pub use predictive::AtPrevalence;
pub use recalibrate::{CalibrationFigures, Calibrator, Recalibrated};
pub use resampling::{Resampling, percentile_interval};
pub use roc::{RocPoint, auc, roc};
pub use subgroups::{Common, Grouping, Heterogeneity, Subgroup, Subgroups};
pub use weighted::Weighted;

/// One exam with its label and prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Whose exam; exams of one patient are resampled together.
    pub patient_id: String,
    /// Which exam.
    pub exam_id: String,
    /// Whether it is positive (cancer within the horizon).
    pub label: bool,
    /// Log-odds of cancer, `logit₁ − logit₀`.
    pub logit: f64,
    /// Predicted probability of cancer; the logistic function of `logit` unless recalibrated.
    pub probability: f64,
}

/// What [`evaluate`] can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Nominal coverage of every interval.
    pub level: f64,
    /// Bootstrap replicates; 0 leaves the bootstrap out.
    pub bootstrap_replicates: usize,
    /// Seed of the bootstrap's streams.
    pub seed: u64,
    /// Bins of the reliability diagram and of the expected calibration error.
    pub calibration_bins: usize,
    /// Operating points wanted.
    pub rules: Vec<Rule>,
    /// Thresholds (log-odds) that rules have chosen on the validation part, judged besides.
    pub validated: Vec<(Rule, f64)>,
    /// A share of cancers at which predictive values are wanted too.
    pub prevalence: Option<f64>,
    /// Groups of the exams, by which figures are wanted.
    pub groupings: Vec<Grouping>,
    /// The name of weights and the weight of each exam, where weighted figures are wanted.
    pub weights: Option<(String, Vec<f64>)>,
    /// Calibrated probabilities of the exams, whose figures are wanted besides.
    pub calibrated: Option<Calibrated>,
}

/// Probabilities after a map that was fitted on other exams.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated {
    /// The name of the map in a spec.
    pub method: String,
    /// The part of the cohort that it was fitted on, which must not be the one that is judged.
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
            validated: Vec::new(),
            prevalence: None,
            groupings: Vec::new(),
            weights: None,
            calibrated: None,
        }
    }
}

/// All figures of one set of predictions: what `evaluation.json` holds.
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
    /// Ranking quality.
    pub auc: AucFigures,
    /// The area where specificity is at least 0.9.
    #[serde(default)]
    pub partial_auc: PartialAuc,
    /// Average precision; guessing has that of the prevalence, `positives / exams`.
    #[serde(default = "not_computed")]
    pub average_precision: Estimate,
    /// Mean over exams of `−log p(label)`.
    pub cross_entropy: Estimate,
    /// Exams whose probability falls on their label's side of one half (one half counts as
    /// negative).
    pub accuracy: Proportion,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
    /// The same after a map that was fitted on another part, where the spec asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<Recalibrated>,
    /// Decisions at chosen thresholds.
    pub operating_points: Vec<OperatingPoint>,
    /// Figures by groups of exams, where the spec names columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<Subgroups>,
    /// Figures of the population that weights stand for, where the spec names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted: Option<Weighted>,
    /// What a reader must know to read the figures rightly.
    pub notes: Vec<String>,
}

/// The AUC and its intervals by three roads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucFigures {
    /// Area under the ROC curve, ties counting one half.
    pub value: Option<f64>,
    /// The interval to quote: DeLong on the logit scale, or Newcombe's at an AUC of 0 or 1.
    pub interval: Option<Interval>,
    /// AUC ± z·SE with DeLong's SE, for comparison with other software.
    pub plain_interval: Option<Interval>,
    /// Percentiles over patients resampled with replacement.
    pub bootstrap_interval: Option<Interval>,
    /// Replicates behind it, those with one class missing left out.
    pub bootstrap_replicates: usize,
    /// DeLong's standard error.
    pub standard_error: Option<f64>,
    /// Why the value or the interval is missing.
    pub reason: Option<String>,
}

/// What a figure is in files that are older than it.
fn not_computed() -> Estimate {
    Estimate::undefined("not computed")
}

/// Every figure of `exams`; the order of the exams does not change a figure by more than rounding.
///
/// # Panics
/// When `options.level` is not between 0 and 1 or `options.calibration_bins` is zero.
pub fn evaluate(exams: &[Scored], options: &Options) -> Evaluation {
    evaluate_with_curves(exams, options).0
}

/// [`evaluate`], and the curves behind the figures.
///
/// # Panics
/// As [`evaluate`].
pub fn evaluate_with_curves(exams: &[Scored], options: &Options) -> (Evaluation, Curves) {
    let level = options.level;
    let labels: Vec<bool> = exams.iter().map(|exam| exam.label).collect();
    let logits: Vec<f64> = exams.iter().map(|exam| exam.logit).collect();
    let probabilities: Vec<f64> = exams.iter().map(|exam| exam.probability).collect();
    let positives = labels.iter().filter(|&&label| label).count();
    let patients = patient_numbers(exams);
    let patient_count = patients.iter().max().map_or(0, |&last| last + 1);
    let unusable = why_unusable(exams);
    let sides = Exams {
        logits: &logits,
        probabilities: &probabilities,
        labels: &labels,
        patients: &patients,
    };
    let resampled =
        (!exams.is_empty() && unusable.is_none()).then(|| Resampled::of(&sides, options));
    let aucs = resampled.as_ref().map(Resampled::aucs).unwrap_or_default();
    let mut evaluation = Evaluation {
        exams: exams.len(),
        patients: patient_count,
        positives,
        negatives: exams.len() - positives,
        auc: auc_figures(&logits, &labels, &aucs, level),
        partial_auc: PartialAuc::undefined("there are no exams"),
        average_precision: Estimate::undefined("there are no exams"),
        cross_entropy: Estimate::undefined("there are no exams"),
        accuracy: accuracy(&logits, &labels, level),
        calibration: calibration::calibration(
            &logits,
            &probabilities,
            &labels,
            options.calibration_bins,
            level,
        ),
        recalibrated: None,
        operating_points: decisions(&logits, &labels, options),
        subgroups: Vec::new(),
        weighted: None,
        notes: notes(exams.len(), patient_count),
    };
    if let Some(loss) = mean_cross_entropy(&logits, &labels) {
        evaluation.cross_entropy = Estimate::plain(loss);
    }
    if let Some(reason) = unusable {
        withdraw_all(&mut evaluation, &reason, options);
    }
    let Some(resampled) = resampled else { return (evaluation, Curves::default()) };
    resampled.complete(&mut evaluation);
    evaluation.recalibrated = options.calibrated.as_ref().map(|calibrated| Recalibrated {
        method: calibrated.method.clone(),
        fitted_on: calibrated.fitted_on.clone(),
        before: (&evaluation.calibration).into(),
        after: figures_after(&calibrated.probabilities, &sides, options),
    });
    let point = evaluation.operating_points.first();
    evaluation.subgroups = subgroups::subgroups(exams, &options.groupings, point, level);
    evaluation.weighted = options
        .weights
        .as_ref()
        .map(|(column, weights)| weighted::figures(column, weights, &sides, options));
    let curves = resampled.curves(&sides);
    (evaluation, curves)
}

/// Operating points of the rules, then those of thresholds that were chosen elsewhere.
fn decisions(logits: &[f64], labels: &[bool], options: &Options) -> Vec<OperatingPoint> {
    let level = options.level;
    let mut points = operating_points(logits, labels, &options.rules, level);
    if !labels.is_empty() {
        points.extend(options.validated.iter().map(|&(rule, threshold)| OperatingPoint {
            chosen_on: ChosenOn::Validation,
            ..operating::at_threshold(logits, labels, rule, threshold, level)
        }));
    }
    let stated = |point: OperatingPoint| point.with_prevalence(options.prevalence, level);
    points.into_iter().map(stated).collect()
}

/// Mean over exams of `−log p(label)` in nats, from the log-odds; `None` without exams.
///
/// # Panics
/// When the slices differ in length.
pub fn mean_cross_entropy(logits: &[f64], labels: &[bool]) -> Option<f64> {
    assert_eq!(logits.len(), labels.len(), "one label per score");
    let sum: f64 =
        logits.iter().zip(labels).map(|(&z, &label)| calibration::cross_entropy(z, label)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

/// Share of exams on the right side of a probability of one half. Log-odds of exactly 0 count as
/// negative, as the larger of two equal logits is taken to be the first.
///
/// # Panics
/// When the slices differ in length.
pub fn accuracy(logits: &[f64], labels: &[bool], level: f64) -> Proportion {
    assert_eq!(logits.len(), labels.len(), "one label per score");
    let right = logits.iter().zip(labels).filter(|&(&z, &label)| (z > 0.0) == label).count();
    Proportion::new(right, labels.len(), level, "exams")
}

fn auc_figures(logits: &[f64], labels: &[bool], replicates: &[f64], level: f64) -> AucFigures {
    let headline = auc_with_interval(logits, labels, level);
    let variance = delong(logits, labels).and_then(|found| found.variance);
    AucFigures {
        value: headline.value,
        interval: headline.interval,
        plain_interval: headline
            .value
            .zip(variance)
            .map(|(auc, variance)| delong_plain_interval(auc, variance, level)),
        bootstrap_interval: percentile_interval(replicates, level),
        bootstrap_replicates: replicates.len(),
        standard_error: variance.map(f64::sqrt),
        reason: headline.reason,
    }
}

/// Patients as indices, in the order of their names, so that the order of exams does not matter.
fn patient_numbers(exams: &[Scored]) -> Vec<usize> {
    let mut numbers: BTreeMap<&str, usize> =
        exams.iter().map(|exam| (exam.patient_id.as_str(), 0)).collect();
    numbers.values_mut().enumerate().for_each(|(index, number)| *number = index);
    exams.iter().map(|exam| numbers[exam.patient_id.as_str()]).collect()
}

fn notes(exams: usize, patients: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if patients < exams {
        notes.push(format!(
            "{exams} exams of {patients} patients: DeLong and Wilson intervals take exams as \
             independent and may be too narrow; the bootstrap resamples patients"
        ));
    }
    notes
}

/// The first exam whose prediction cannot be used, described; a diverged network gives these.
fn why_unusable(exams: &[Scored]) -> Option<String> {
    let unusable =
        |exam: &&Scored| !exam.logit.is_finite() || !(0.0..=1.0).contains(&exam.probability);
    let first = exams.iter().find(unusable)?;
    Some(format!(
        "{} of {} predictions are unusable, first exam {}: logit {}, probability {}",
        exams.iter().filter(unusable).count(),
        exams.len(),
        first.exam_id,
        first.logit,
        first.probability
    ))
}

/// Leaves the counts and replaces every figure by the reason.
fn withdraw_all(evaluation: &mut Evaluation, reason: &str, options: &Options) {
    let nothing = || Estimate::undefined(reason);
    evaluation.auc = AucFigures {
        value: None,
        interval: None,
        plain_interval: None,
        bootstrap_interval: None,
        bootstrap_replicates: 0,
        standard_error: None,
        reason: Some(reason.to_owned()),
    };
    evaluation.partial_auc = PartialAuc::undefined(reason);
    evaluation.average_precision = nothing();
    evaluation.cross_entropy = nothing();
    evaluation.accuracy = Proportion {
        successes: 0,
        total: 0,
        value: None,
        interval: None,
        reason: Some(reason.to_owned()),
    };
    evaluation.calibration = Calibration {
        brier: nothing(),
        brier_of_prevalence: nothing(),
        expected_calibration_error: nothing(),
        slope: nothing(),
        intercept: nothing(),
        in_the_large: nothing(),
        bins: Vec::new(),
        equal_count_bins: Vec::new(),
    };
    evaluation.operating_points =
        options.rules.iter().map(|&rule| OperatingPoint::undefined(rule, reason)).collect();
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
