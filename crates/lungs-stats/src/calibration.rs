//! Calibration: agreement of predicted probabilities with observed frequencies.

use serde::{Deserialize, Serialize};

use super::cluster::effective_exams;
use super::exam::ExamColumns;
use super::grouping::equal_count_groups;
use super::interval::{Estimate, Interval, Method, Proportion, not_computed};
use super::logistic::{LogisticFit, Row, Terms, quadratic};
use super::logit::sigmoid;
use super::normal::{cdf, critical_value, critical_value_of_student};
use super::options::Options;
use super::smooth::{SmoothCalibration, smooth_calibration};

/// One bin of the reliability diagram: the exams whose probability lies in `[low, high)`; the last
/// bin includes 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower edge, inclusive.
    pub low: f64,
    /// Upper edge.
    pub high: f64,
    /// Mean predicted probability of the bin's exams; `None` for an empty bin.
    pub mean_probability: Option<f64>,
    /// Share of positive exams in the bin, with Wilson's interval.
    pub observed: Proportion,
}

/// Calibration of the predicted probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean squared difference of probability and outcome; 0 is perfect.
    pub brier: Estimate,
    /// The Brier score of predicting the prevalence for every exam, as a baseline for `brier`.
    pub brier_of_prevalence: Estimate,
    /// Expected calibration error over `bins`: the mean of |mean probability − observed share|
    /// weighted by the bins' numbers of exams.
    pub expected_calibration_error: Estimate,
    /// Expected calibration error without the share that chance alone gives to bins of few exams.
    #[serde(default = "not_computed")]
    pub expected_calibration_error_debiased: Estimate,
    /// Slope b of the logistic recalibration `logit P(y=1) = a + b·z`; 1 is ideal, below 1 means
    /// that predictions are too extreme.
    pub slope: Estimate,
    /// Intercept a of that recalibration; 0 is ideal together with a slope of 1.
    pub intercept: Estimate,
    /// Intercept with the slope fixed at 1: above 0, cancers are more frequent than predicted.
    pub in_the_large: Estimate,
    /// Observed number of positive exams divided by the expected one, the sum of the probabilities: above 1,
    /// cancers are more frequent than predicted.
    #[serde(default = "not_computed")]
    pub observed_expected: Estimate,
    /// The smooth calibration curve and its errors.
    #[serde(default)]
    pub smooth: SmoothCalibration,
    /// The reliability diagram in bins of equal width.
    pub bins: Vec<ReliabilityBin>,
    /// The reliability diagram in bins of equal numbers of exams, which are never empty. Small bins are merged.
    #[serde(default)]
    pub equal_count_bins: Vec<ReliabilityBin>,
}

/// Mean squared difference of probability and outcome (Brier 1950); `None` without exams.
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    let outcome = |label: bool| f64::from(u8::from(label));
    let sum: f64 =
        probabilities.iter().zip(labels).map(|(p, &label)| (p - outcome(label)).powi(2)).sum();
    (!labels.is_empty()).then(|| sum / labels.len() as f64)
}

/// The reliability diagram in `count` bins of equal width. Probabilities must lie in [0, 1].
///
/// # Panics
/// When `count` is zero.
pub fn reliability_bins(
    probabilities: &[f64],
    labels: &[bool],
    count: usize,
    level: f64,
) -> Vec<ReliabilityBin> {
    assert!(count > 0, "a reliability diagram has at least one bin");
    let mut tallies = vec![(0usize, 0usize, 0.0f64); count];
    for (&probability, &label) in probabilities.iter().zip(labels) {
        let bin = ((probability * count as f64) as usize).min(count - 1);
        let (total, positives, sum) = &mut tallies[bin];
        *total += 1;
        *positives += usize::from(label);
        *sum += probability;
    }
    let edge = |index: usize| index as f64 / count as f64;
    tallies
        .into_iter()
        .enumerate()
        .map(|(index, (total, positives, sum))| ReliabilityBin {
            low: edge(index),
            high: edge(index + 1),
            mean_probability: (total > 0).then(|| sum / total as f64),
            observed: Proportion::new(positives, total, level, "exams in this bin"),
        })
        .collect()
}

/// The reliability diagram in at most `count` bins of equal numbers of exams in the order of their
/// probabilities. A bin has at least ten exams, unless there are fewer in total; exams with equal
/// probabilities are in the same bin. Edges are the smallest and the largest probability in the bin.
///
/// # Panics
/// When `count` is zero.
pub fn equal_count_bins(
    probabilities: &[f64],
    labels: &[bool],
    count: usize,
    level: f64,
) -> Vec<ReliabilityBin> {
    let bin = |members: Vec<usize>| {
        let sum: f64 = members.iter().map(|&exam| probabilities[exam]).sum();
        let positives = members.iter().filter(|&&exam| labels[exam]).count();
        let edge = |exam: Option<&usize>| exam.map_or(0.0, |&exam| probabilities[exam]);
        ReliabilityBin {
            low: edge(members.first()),
            high: edge(members.last()),
            mean_probability: Some(sum / members.len() as f64),
            observed: Proportion::new(positives, members.len(), level, "exams in this bin"),
        }
    };
    equal_count_groups(probabilities, count).into_iter().map(bin).collect()
}

/// The mean over exams of |mean probability − observed share| of their bins (Naeini 2015);
/// `None` without exams.
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> Option<f64> {
    let total: usize = bins.iter().map(|bin| bin.observed.total).sum();
    let gap = |bin: &ReliabilityBin| {
        let gap = (bin.mean_probability? - bin.observed.value?).abs();
        Some(gap * bin.observed.total as f64)
    };
    (total > 0).then(|| bins.iter().filter_map(gap).sum::<f64>() / total as f64)
}

/// The expected calibration error without its bias; `None` without exams, at least 0.
///
/// Chance moves the observed share of a bin of `n` exams by `σ = √(p(1−p)/n)`, where `p` is its mean probability,
/// so that the expected gap is above 0 even for perfect probabilities. Each bin's gap `g` is reduced by the
/// excess `E|N(g, σ²)| − g` (Kumar, Liang & Ma 2019).
pub fn debiased_calibration_error(bins: &[ReliabilityBin]) -> Option<f64> {
    let total: usize = bins.iter().map(|bin| bin.observed.total).sum();
    let gap = |bin: &ReliabilityBin| {
        let (p, exams) = (bin.mean_probability?, bin.observed.total as f64);
        let gap = (p - bin.observed.value?).abs();
        let sigma = (p * (1.0 - p) / exams).max(0.0).sqrt();
        let excess = if sigma > 0.0 {
            let ratio = gap / sigma;
            let density = (-0.5 * ratio * ratio).exp() * std::f64::consts::FRAC_2_PI.sqrt();
            sigma * density - 2.0 * gap * cdf(-ratio)
        } else {
            0.0
        };
        Some((gap - excess) * exams)
    };
    (total > 0).then(|| (bins.iter().filter_map(gap).sum::<f64>() / total as f64).max(0.0))
}

/// Why the expected calibration error has no interval.
const NO_INTERVAL: &str = "no interval: the error of resampled exams is larger than that of the exams \
                           themselves, so their percentiles do not cover it";

/// Logistic recalibration (Cox 1958): slope and intercept of `logit P(y=1) = a + b·z`, with Wald
/// intervals; or the reason why the maximum likelihood estimate does not exist. `patients` has the index of each
/// exam's patient where patients have several exams; the covariance is that over patients then.
///
/// In one variable the estimate exists exactly when the classes overlap: some negative scores strictly
/// above some positive and the reverse. That is tested first, so Newton's method converges to
/// the finite optimum of a strictly concave likelihood.
pub fn recalibration(
    logits: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Result<(Estimate, Estimate), String> {
    let range = |class: bool| {
        let of_class = logits.iter().zip(labels).filter(|&(_, &l)| l == class).map(|(&z, _)| z);
        of_class.fold(None, |range: Option<(f64, f64)>, z| match range {
            None => Some((z, z)),
            Some((low, high)) => Some((low.min(z), high.max(z))),
        })
    };
    let (Some(negative), Some(positive)) = (range(false), range(true)) else {
        return Err("one class only: nothing to fit".to_owned());
    };
    if negative.0.min(positive.0) == negative.1.max(positive.1) {
        return Err("all scores are equal: nothing to fit".to_owned());
    }
    if positive.0 >= negative.1 || negative.0 >= positive.1 {
        return Err("the scores separate the classes perfectly: the slope has no finite estimate"
            .to_owned());
    }
    // The scores are centred and scaled for conditioning, first to at most 1, so that no sum overflows; the result
    // is mapped back at the end.
    let largest = logits.iter().fold(0.0f64, |largest, z| largest.max(z.abs()));
    let n = logits.len() as f64;
    let mean = logits.iter().map(|z| z / largest).sum::<f64>() / n;
    let variance = logits.iter().map(|z| (z / largest - mean).powi(2)).sum::<f64>() / n;
    let spread = variance.sqrt();
    let row = |(z, &label): (&f64, &bool)| {
        let mut terms = Terms::default();
        (terms[0], terms[1]) = (1.0, (z / largest - mean) / spread);
        Row::of(terms, label)
    };
    let rows: Vec<Row> = logits.iter().zip(labels).map(row).collect();
    let fit = LogisticFit::of(&rows, 2, 200).ok_or("the fit did not converge")?;
    let covariance = match patients {
        None => fit.covariance,
        Some(patients) => fit.covariance_of_patients(&rows, patients),
    };
    // (a, b) ↦ (a − b·mean/spread, b/spread) for the scores that are at most 1.
    let estimate = |first: f64, second: f64| {
        let mut weights = Terms::default();
        (weights[0], weights[1]) = (first, second);
        let value = first * fit.coefficients[0] + second * fit.coefficients[1];
        (value, quadratic(&covariance, &weights))
    };
    let (slope, slope_variance) = estimate(0.0, 1.0 / spread);
    let (intercept, intercept_variance) = estimate(1.0, -mean / spread);
    let slope_error = slope_variance.max(0.0).sqrt() / largest;
    Ok((
        wald(slope / largest, slope_error * slope_error, level),
        wald(intercept, intercept_variance, level),
    ))
}

fn wald(value: f64, variance: f64, level: f64) -> Estimate {
    let variance = if variance.is_nan() { f64::INFINITY } else { variance.max(0.0) };
    let spread = critical_value(level) * variance.sqrt();
    let interval =
        Interval { low: value - spread, high: value + spread, level, method: Method::Wald };
    Estimate::with_interval(value, interval).if_finite()
}

/// Intercept of `logit P(y=1) = a + z`, by bisection: the mean probability increases with `a`. `patients` as in
/// [`recalibration`].
///
/// # Errors
/// The reason why there is none: one class only.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn calibration_in_the_large(
    logits: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Result<Estimate, String> {
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || positives == labels.len() {
        return Err("one class only: nothing to fit".to_owned());
    }
    let largest = logits.iter().fold(0.0f64, |largest, z| largest.max(z.abs()));
    if !largest.is_finite() {
        return Err("a probability has no finite log-odds".to_owned());
    }
    let bound = largest + (labels.len() as f64).ln() + 1.0;
    let (mut low, mut high) = (-bound, bound);
    // Until no number is between: about 60 steps for usual scores, a thousand for the largest.
    loop {
        let middle = 0.5 * low + 0.5 * high;
        if !(middle > low && middle < high) {
            break;
        }
        let expected: f64 = logits.iter().map(|z| sigmoid(middle + z)).sum();
        *(if expected < positives as f64 { &mut low } else { &mut high }) = middle;
    }
    let a = 0.5 * low + 0.5 * high;
    let information: f64 = logits.iter().map(|z| sigmoid(a + z) * sigmoid(-a - z)).sum();
    if information < 1e-9 {
        return Err("the scores are so far apart that no exam determines the intercept".to_owned());
    }
    let variance = match patients {
        None => 1.0 / information,
        Some(patients) => {
            let mut scores = vec![0.0; super::cluster::count(patients)];
            for ((z, &label), &patient) in logits.iter().zip(labels).zip(patients) {
                scores[patient] += f64::from(u8::from(label)) - sigmoid(a + z);
            }
            let count = scores.len() as f64;
            let correction = count / (count - 1.0).max(1.0);
            correction * scores.iter().map(|score| score * score).sum::<f64>() / information.powi(2)
        }
    };
    Ok(wald(a, variance, level))
}

/// The observed number of positive exams divided by the expected one, the sum of the probabilities, with the
/// interval on the log scale: `SE(ln O/E) = √((1 − φ) / (nφ))` at a prevalence of `φ` (Debray et al. 2017; Riley et
/// al. 2021). `patients` as in [`recalibration`]; `n` is the effective number of exams then (Rao & Scott 1992).
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn observed_expected(
    probabilities: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Estimate {
    assert_eq!(probabilities.len(), labels.len(), "one label per probability");
    let observed = labels.iter().filter(|&&label| label).count();
    let expected: f64 = probabilities.iter().sum();
    if labels.is_empty() {
        return Estimate::undefined("there are no exams");
    }
    if expected <= 0.0 {
        return Estimate::undefined("the probabilities are all 0, so no positive exam is expected");
    }
    let ratio = observed as f64 / expected;
    if observed == 0 || observed == labels.len() {
        let reason = Some("no interval: one class only".to_owned());
        return Estimate { reason, ..Estimate::plain(ratio) };
    }
    let share = observed as f64 / labels.len() as f64;
    let (exams, z) = match patients {
        None => (labels.len() as f64, critical_value(level)),
        Some(patients) => {
            let outcomes: Vec<(usize, bool)> =
                patients.iter().copied().zip(labels.iter().copied()).collect();
            let effective = effective_exams(&outcomes);
            let degrees = effective.patients.saturating_sub(1).max(1) as f64;
            (effective.exams, critical_value_of_student(level, degrees))
        }
    };
    let spread = z * ((1.0 - share) / (exams * share)).sqrt();
    let interval = Interval {
        low: ratio * (-spread).exp(),
        high: ratio * spread.exp(),
        level,
        method: Method::WaldLog,
    };
    Estimate::with_interval(ratio, interval)
}

/// All metrics of [`Calibration`], from log-odds and probabilities in [0, 1].
pub(super) fn calibration(exams: &ExamColumns, options: &Options) -> Calibration {
    let ExamColumns { logits, probabilities, labels, .. } = *exams;
    let patients = exams.repeated();
    let (bin_count, level) = (options.calibration_bins, options.level);
    let plain = |value: Option<f64>| {
        value.map_or_else(|| Estimate::undefined("there are no exams"), Estimate::plain)
    };
    let bins = reliability_bins(probabilities, labels, bin_count, level);
    let positives = labels.iter().filter(|&&label| label).count();
    let prevalence = positives as f64 / labels.len() as f64;
    let (slope, intercept) = recalibration(logits, labels, patients, level)
        .unwrap_or_else(|reason| (Estimate::undefined(&reason), Estimate::undefined(&reason)));
    Calibration {
        brier: plain(brier(probabilities, labels)),
        brier_of_prevalence: plain((!labels.is_empty()).then_some(prevalence * (1.0 - prevalence))),
        expected_calibration_error: Estimate {
            reason: Some(
                if labels.is_empty() { "there are no exams" } else { NO_INTERVAL }.to_owned(),
            ),
            ..plain(expected_calibration_error(&bins))
        },
        expected_calibration_error_debiased: plain(debiased_calibration_error(&bins)),
        slope,
        intercept,
        in_the_large: calibration_in_the_large(logits, labels, patients, level)
            .unwrap_or_else(Estimate::undefined),
        observed_expected: observed_expected(probabilities, labels, patients, level),
        smooth: smooth_calibration(logits, labels, patients, level),
        equal_count_bins: equal_count_bins(probabilities, labels, bin_count, level),
        bins,
    }
}

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
