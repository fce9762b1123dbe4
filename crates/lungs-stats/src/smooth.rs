//! The smooth calibration curve and its errors: ICI, E50, E90, Emax (Austin & Steyerberg, Statistics in Medicine
//! 2019, 38:4051–4065).
//!
//! The curve is a logistic regression of the outcome on a restricted cubic spline of the log-odds (Harrell 2015).
//! Loess is the other common choice. The spline is taken because it costs `O(n)`, is maximum likelihood for a
//! binary outcome (loess leaves [0, 1] where cancers are rare), and has a covariance that counts patients.
//!
//! The bootstrap of the errors fits cells of neighbouring exams, 512 at most and one exam each at both ends; the
//! errors themselves are those of the exams.

use lungs_base::text::counted;
use serde::{Deserialize, Serialize};

use super::cluster::class_counts;
use super::interval::Estimate;
use super::logistic::{LogisticFit, Row, Terms, dot, quadratic};
use super::logit::sigmoid;
use super::normal::critical_value;
use super::not_computed;
use super::spline::Spline;

/// Exams (patients) of the smaller class for each term of the curve in addition to the intercept.
const EXAMS_PER_TERM: usize = 10;
/// Points of the curve.
const POINTS: usize = 51;
/// Log-odds beyond this count as this; their probabilities are 0 or 1 in double precision.
const LARGEST_LOGIT: f64 = 700.0;
/// Cells of the bootstrap, and cells of one exam at each end.
const CELLS: usize = 512;
const SINGLE_CELLS: usize = 64;
/// Steps of Newton's method; a likelihood with a maximum needs fewer.
const ITERATIONS: usize = 25;

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

    /// Sets the four errors, in the order of [`errors_of`].
    pub(super) fn set_errors(&mut self, errors: [Estimate; 4]) {
        *self = Self::of_estimates(self.knots, errors, std::mem::take(&mut self.curve));
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
pub(super) struct Smooth {
    spline: Spline,
    fit: LogisticFit,
    /// Log-odds of the exams within ±[`LARGEST_LOGIT`].
    logits: Vec<f64>,
    /// Exams in ascending order of their log-odds.
    order: Vec<usize>,
    /// ICI, E50, E90, Emax.
    pub errors: [f64; 4],
}

impl Smooth {
    /// The curve, or the reason why there is none.
    pub(crate) fn of(
        logits: &[f64],
        labels: &[bool],
        patients: Option<&[usize]>,
    ) -> Result<Self, String> {
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
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let sorted: Vec<f64> = order.iter().map(|&exam| logits[exam]).collect();
        if sorted.first() == sorted.last() {
            return Err("all scores are equal: nothing to fit".to_owned());
        }
        // The richest curve that the exams allow and that has a maximum of the likelihood.
        let most = (smaller / EXAMS_PER_TERM + 1).min(5);
        let fitted = (2..=most).rev().find_map(|knots| {
            let spline = Spline::of(&sorted, knots)?;
            let rows = rows(&spline, &logits, labels);
            let fit = LogisticFit::of(&rows, spline.terms(), Terms::default(), ITERATIONS)?;
            Some((spline, fit))
        });
        let (spline, fit) =
            fitted.ok_or("the classes are separated, or nearly so: the curve has no finite fit")?;
        let error = |z: &f64| {
            let error = (sigmoid(dot(&spline.basis(*z), &fit.coefficients)) - sigmoid(*z)).abs();
            (error, 1.0)
        };
        let errors = errors_of(logits.iter().map(error).collect()).unwrap_or_default();
        Ok(Self { spline, fit, logits, order, errors })
    }

    /// The curve and its errors without intervals; arguments as in [`smooth_calibration`].
    pub(crate) fn calibration(
        &self,
        labels: &[bool],
        patients: Option<&[usize]>,
        level: f64,
    ) -> SmoothCalibration {
        SmoothCalibration::of_estimates(
            Some(self.spline.knots()),
            self.errors.map(Estimate::plain),
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
        let end = |exam: Option<&usize>| exam.map_or(0.0, |&exam| self.logits[exam]);
        let (low, high) = (end(self.order.first()), end(self.order.last()));
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

/// Mean, median, 90th percentile and maximum of (error, weight); `None` without weight. Percentiles are R's type 7
/// where the weights are whole numbers.
fn errors_of(mut errors: Vec<(f64, f64)>) -> Option<[f64; 4]> {
    errors.retain(|(_, weight)| *weight > 0.0);
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = errors.iter().map(|(_, weight)| weight).sum();
    let mean = errors.iter().map(|(error, weight)| error * weight).sum::<f64>() / total;
    // The error of the exam at this place.
    let at = |place: f64| {
        let mut below = 0.0;
        let exam = errors.iter().find(|(_, weight)| {
            below += weight;
            place < below
        });
        exam.or(errors.last()).map(|(error, _)| *error)
    };
    let quantile = |p: f64| {
        let position = p * (total - 1.0).max(0.0);
        let share = position.fract();
        let (low, high) = (at(position.floor())?, at(position.floor() + 1.0)?);
        Some(low * (1.0 - share) + high * share)
    };
    Some([mean, quantile(0.5)?, quantile(0.9)?, errors.last()?.0])
}

/// The curve over cells of neighbouring exams, for the bootstrap.
pub(super) struct SmoothCells {
    /// Cell of each exam, `[exam]`.
    pub of: Vec<u16>,
    /// Mean terms and mean probability of each cell's exams.
    cells: Vec<(Terms, f64)>,
    terms: usize,
    start: Terms,
}

impl SmoothCells {
    pub(crate) fn of(smooth: &Smooth) -> Self {
        let exams = smooth.order.len();
        let inner = exams.saturating_sub(2 * SINGLE_CELLS);
        let inner_cells = CELLS - 2 * SINGLE_CELLS;
        let cell_of_rank = |rank: usize| {
            if exams <= CELLS || rank < SINGLE_CELLS {
                rank
            } else if rank < SINGLE_CELLS + inner {
                SINGLE_CELLS + (rank - SINGLE_CELLS) * inner_cells / inner
            } else {
                CELLS + rank - exams
            }
        };
        let mut of = vec![0u16; exams];
        let mut cells = vec![(Terms::default(), 0.0, 0.0); exams.min(CELLS)];
        for (rank, &exam) in smooth.order.iter().enumerate() {
            let cell = cell_of_rank(rank);
            of[exam] = cell as u16;
            let (terms, probability, count) = &mut cells[cell];
            let basis = smooth.spline.basis(smooth.logits[exam]);
            terms.iter_mut().zip(basis).for_each(|(sum, term)| *sum += term);
            *probability += sigmoid(smooth.logits[exam]);
            *count += 1.0;
        }
        let mean = |(terms, probability, count): (Terms, f64, f64)| {
            (terms.map(|sum| sum / count), probability / count)
        };
        Self {
            of,
            cells: cells.into_iter().map(mean).collect(),
            terms: smooth.spline.terms(),
            start: smooth.fit.coefficients,
        }
    }

    /// Number of cells.
    pub(crate) fn count(&self) -> usize {
        self.cells.len()
    }

    /// ICI, E50, E90 and Emax of a cohort with these numbers of negative and positive exams in each cell.
    pub(crate) fn errors(&self, counts: &[[f64; 2]]) -> Option<[f64; 4]> {
        let row =
            |(cell, counts): (&(Terms, f64), &[f64; 2])| Row { terms: cell.0, counts: *counts };
        let rows: Vec<Row> = self.cells.iter().zip(counts).map(row).collect();
        let fit = LogisticFit::of(&rows, self.terms, self.start, ITERATIONS)?;
        let errors = self.cells.iter().zip(counts).map(|((terms, probability), counts)| {
            let fitted = sigmoid(dot(terms, &fit.coefficients));
            ((fitted - probability).abs(), counts[0] + counts[1])
        });
        errors_of(errors.collect())
    }
}

#[cfg(test)]
#[path = "smooth_tests.rs"]
mod tests;
