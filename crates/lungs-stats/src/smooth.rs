//! The smooth calibration curve and its errors: ICI, E50, E90, Emax (Austin & Steyerberg, Statistics in Medicine
//! 2019, 38:4051–4065).
//!
//! The curve is a logistic regression of the outcome on a restricted cubic spline of the log-odds (Harrell 2015).
//! Loess is the other common choice. The spline is taken because it costs `O(n)`, is maximum likelihood for a
//! binary outcome (loess leaves [0, 1] where cancers are rare), and has a covariance that counts patients.
//!
//! The errors have no intervals. They are at least 0 and larger than that by chance, so percentiles over resampled
//! patients never contain the 0 of calibrated predictions; `examples/simulation/smooth.rs` measures their coverage.

use lungs_base::text::counted;
use serde::{Deserialize, Serialize};

use super::cluster::class_counts;
use super::interval::{Estimate, not_computed};
use super::logistic::{LogisticFit, Row, dot, quadratic};
use super::logit::sigmoid;
use super::normal::critical_value;
use super::spline::{Spline, quantile_of_sorted};

/// Exams (patients) of the smaller class for each term of the curve in addition to the intercept.
const EXAMS_PER_TERM: usize = 10;
/// Points of the curve.
const POINTS: usize = 51;
/// Log-odds beyond this count as this; their probabilities are 0 or 1 in double precision.
const LARGEST_LOGIT: f64 = 700.0;
/// Steps of Newton's method; a likelihood with a maximum needs fewer.
const ITERATIONS: usize = 25;
/// Why the errors have no intervals.
const NO_INTERVAL: &str = "no interval: percentiles over resampled patients miss the true error too often, and always \
                           where the predictions are calibrated";

/// A point of the smooth calibration curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationPoint {
    /// Predicted probability.
    pub probability: f64,
    /// Probability of a positive exam by the curve.
    pub observed: f64,
    /// Lower end of its pointwise interval: Wald's on the log-odds, over patients where they have several exams.
    pub low: f64,
    /// Upper end of its pointwise interval.
    pub high: f64,
}

/// The smooth calibration curve of some exams and its distance from the predicted probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothCalibration {
    /// Knots of the spline: 3, 4 or 5; 0 for a straight line on the log-odds; `None` without a curve.
    pub knots: Option<usize>,
    /// Integrated calibration index: the mean over exams of |curve − predicted probability|.
    pub integrated_calibration_index: Estimate,
    /// Median of that distance.
    pub e50: Estimate,
    /// Its 90th percentile.
    pub e90: Estimate,
    /// Its largest value.
    pub emax: Estimate,
    /// The curve at equally spaced log-odds from the lowest to the highest; empty without a curve.
    pub curve: Vec<CalibrationPoint>,
}

impl Default for SmoothCalibration {
    fn default() -> Self {
        Self::of_estimates(None, [(); 4].map(|()| not_computed()), Vec::new())
    }
}

impl SmoothCalibration {
    fn of_estimates(
        knots: Option<usize>,
        [integrated_calibration_index, e50, e90, emax]: [Estimate; 4],
        curve: Vec<CalibrationPoint>,
    ) -> Self {
        Self { knots, integrated_calibration_index, e50, e90, emax, curve }
    }

    pub(super) fn undefined(reason: &str) -> Self {
        Self::of_estimates(None, [(); 4].map(|()| Estimate::undefined(reason)), Vec::new())
    }
}

/// The smooth calibration curve of log-odds, `[exam]`, and its errors without intervals. `patients` has the index
/// of each exam's patient where patients have several.
///
/// The spline has five knots from 40 exams (patients) of the smaller class on, four from 30, three from 20; with
/// fewer it is a straight line, and below ten there is no curve.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn smooth_calibration(
    logits: &[f64],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> SmoothCalibration {
    match Smooth::of(logits, labels, patients) {
        Ok(smooth) => smooth.calibration(labels, patients, level),
        Err(reason) => SmoothCalibration::undefined(&reason),
    }
}

/// The fitted curve.
struct Smooth {
    spline: Spline,
    fit: LogisticFit,
    /// Log-odds of the exams within ±[`LARGEST_LOGIT`].
    logits: Vec<f64>,
    /// The lowest and the highest of them.
    ends: [f64; 2],
    /// ICI, E50, E90, Emax.
    errors: [f64; 4],
}

impl Smooth {
    /// The curve, or the reason why there is none.
    fn of(logits: &[f64], labels: &[bool], patients: Option<&[usize]>) -> Result<Self, String> {
        assert_eq!(logits.len(), labels.len(), "one label per score");
        let infinite = logits.iter().filter(|logit| !logit.is_finite()).count();
        if infinite > 0 {
            return Err(format!(
                "{} no finite log-odds",
                counted(infinite, "probability has", "probabilities have")
            ));
        }
        let smaller = class_counts(labels, patients).into_iter().min().unwrap_or(0);
        if smaller == 0 {
            return Err(
                if labels.is_empty() { "there are no exams" } else { "one class only" }.to_owned()
            );
        }
        if smaller < EXAMS_PER_TERM {
            let units = if patients.is_some() { "patients" } else { "exams" };
            return Err(format!(
                "the smaller class has {smaller} {units}, fewer than {EXAMS_PER_TERM}: too few for a curve"
            ));
        }
        let logits: Vec<f64> =
            logits.iter().map(|z| z.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)).collect();
        let mut sorted = logits.clone();
        sorted.sort_by(f64::total_cmp);
        let ends = [sorted[0], sorted[sorted.len() - 1]];
        if ends[0] == ends[1] {
            return Err("all scores are equal: nothing to fit".to_owned());
        }
        // The richest curve that the exams allow and that has a maximum of the likelihood.
        let most = (smaller / EXAMS_PER_TERM + 1).min(5);
        let fitted = (2..=most).rev().find_map(|knots| {
            let spline = Spline::of(&sorted, knots)?;
            let rows = rows(&spline, &logits, labels);
            let fit = LogisticFit::of(&rows, spline.terms(), ITERATIONS)?;
            Some((spline, fit))
        });
        let (spline, fit) =
            fitted.ok_or("the classes are separated, or nearly so: the curve has no finite fit")?;
        let error =
            |z: &f64| (sigmoid(dot(&spline.basis(*z), &fit.coefficients)) - sigmoid(*z)).abs();
        let errors = errors_of(logits.iter().map(error).collect());
        Ok(Self { spline, fit, logits, ends, errors })
    }

    /// The curve and its errors without intervals; arguments as in [`smooth_calibration`].
    fn calibration(
        &self,
        labels: &[bool],
        patients: Option<&[usize]>,
        level: f64,
    ) -> SmoothCalibration {
        SmoothCalibration::of_estimates(
            Some(self.spline.knots()),
            self.errors.map(|error| Estimate {
                reason: Some(NO_INTERVAL.to_owned()),
                ..Estimate::plain(error)
            }),
            self.curve(labels, patients, level),
        )
    }

    /// The curve with its pointwise intervals.
    fn curve(
        &self,
        labels: &[bool],
        patients: Option<&[usize]>,
        level: f64,
    ) -> Vec<CalibrationPoint> {
        let covariance = match patients {
            None => self.fit.covariance,
            Some(patients) => {
                let rows = rows(&self.spline, &self.logits, labels);
                self.fit.covariance_of_patients(&rows, patients)
            }
        };
        let [low, high] = self.ends;
        let z = critical_value(level);
        let point = |index: usize| {
            let share = index as f64 / (POINTS - 1) as f64;
            let logit = low * (1.0 - share) + high * share;
            let basis = self.spline.basis(logit);
            let fitted = dot(&basis, &self.fit.coefficients);
            let spread = z * quadratic(&covariance, &basis).max(0.0).sqrt();
            CalibrationPoint {
                probability: sigmoid(logit),
                observed: sigmoid(fitted),
                low: sigmoid(fitted - spread),
                high: sigmoid(fitted + spread),
            }
        };
        (0..POINTS).map(point).collect()
    }
}

fn rows(spline: &Spline, logits: &[f64], labels: &[bool]) -> Vec<Row> {
    logits.iter().zip(labels).map(|(&z, &label)| Row::of(spline.basis(z), label)).collect()
}

/// Mean, median, 90th percentile and maximum of at least one error. Percentiles are R's type 7.
fn errors_of(mut errors: Vec<f64>) -> [f64; 4] {
    errors.sort_by(f64::total_cmp);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let quantile = |p: f64| quantile_of_sorted(&errors, p);
    [mean, quantile(0.5), quantile(0.9), quantile(1.0)]
}

#[cfg(test)]
#[path = "smooth_tests.rs"]
mod tests;
