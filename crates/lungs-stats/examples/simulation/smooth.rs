//! Coverage of bootstrap intervals of ICI, E50, E90 and Emax, the errors of the smooth calibration curve.

use super::data::Draws;
use super::share;
use lungs_stats::{
    Interval, Resampling, SmoothCalibration, bias_corrected_interval, percentile_interval,
    smooth_calibration,
};
use rayon::prelude::*;

/// Exams, and the shares of positive ones.
const SIZES: [(usize, &[f64]); 3] =
    [(200, &[0.1, 0.3]), (1000, &[0.05, 0.3]), (5000, &[0.01, 0.3])];
/// Name, and true log-odds as intercept and slope of those of the predictions, which are centred first.
const CALIBRATIONS: [(&str, f64, f64); 3] =
    [("calibrated", 0.0, 1.0), ("too high", -0.5, 1.0), ("too extreme", 0.0, 0.6)];
/// Standard deviation of the log-odds, which are normal within 2.5 standard deviations.
const SPREAD: f64 = 1.5;
pub(crate) const LARGEST: f64 = 2.5;
/// Cohorts of the bootstrap.
const RESAMPLED: usize = 100;

/// Predictions of log-odds `mean + SPREAD·x`, of which `intercept + slope·SPREAD·x + mean` are true.
pub(crate) struct Population {
    mean: f64,
    intercept: f64,
    slope: f64,
}

impl Population {
    /// The population whose share of positive exams is `prevalence`.
    pub(crate) fn of(prevalence: f64, intercept: f64, slope: f64) -> Self {
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..60 {
            let mean = 0.5 * (low + high);
            let positives: f64 =
                quantiles().map(|x| Self { mean, intercept, slope }.truth(x)).sum();
            let share = positives / quantiles().count() as f64;
            *(if share < prevalence { &mut low } else { &mut high }) = mean;
        }
        Self { mean: low, intercept, slope }
    }

    /// Predicted log-odds.
    pub(crate) fn logit(&self, x: f64) -> f64 {
        self.mean + SPREAD * x
    }

    /// Probability of a positive exam.
    pub(crate) fn truth(&self, x: f64) -> f64 {
        sigmoid(self.intercept + self.mean + self.slope * SPREAD * x)
    }

    /// ICI, E50, E90 and Emax of the true curve.
    fn errors(&self) -> [f64; 4] {
        let distance = |x: f64| (self.truth(x) - sigmoid(self.logit(x))).abs();
        let mut distances: Vec<f64> = quantiles().map(distance).collect();
        distances.sort_by(f64::total_cmp);
        let last = distances.len() - 1;
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        [mean, distances[last / 2], distances[last * 9 / 10], distances[last]]
    }
}

pub(crate) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// 2,000 quantiles of the truncated normal distribution.
pub(crate) fn quantiles() -> impl Iterator<Item = f64> {
    let cdf = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
    let tail = cdf(-LARGEST);
    let mut x = -LARGEST;
    (0..2000).map(move |index| {
        let p = tail + (1.0 - 2.0 * tail) * (f64::from(index) + 0.5) / 2000.0;
        // Newton's method from the quantile before.
        for _ in 0..4 {
            x -= (cdf(x) - p) * (0.5 * x * x).exp() * (std::f64::consts::TAU).sqrt();
        }
        x
    })
}

/// Prints the table, with a twentieth of the replicates.
pub(crate) fn print(replicates: usize) {
    let count = replicates.div_ceil(20);
    println!(
        "Coverage of ICI, E50, E90, Emax: percentiles / bias-corrected percentiles over {RESAMPLED}"
    );
    println!(
        "resampled cohorts, each of the cohorts that have such an interval; {count} cohorts\n"
    );
    println!("| predictions | exams | prevalence | true ICI | mean ICI | ICI | E50 | E90 | Emax |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, intercept, slope) in CALIBRATIONS {
        for (size, prevalences) in SIZES {
            for &prevalence in prevalences {
                let population = Population::of(prevalence, intercept, slope);
                let row = row(&population, size, &format!("{name}/{size}/{prevalence}"), count);
                println!("| {name} | {size} | {prevalence} | {row} |");
            }
        }
    }
}

/// An estimate with its percentile interval and its bias-corrected one.
type Bounds = (f64, [Option<Interval>; 2]);

fn row(population: &Population, size: usize, name: &str, count: usize) -> String {
    let truth = population.errors();
    let cohort = |replicate: usize| cohort(population, size, &format!("smooth/{name}/{replicate}"));
    let cohorts: Vec<Option<[Bounds; 4]>> = (0..count).into_par_iter().map(cohort).collect();
    let cohorts: Vec<[Bounds; 4]> = cohorts.into_iter().flatten().collect();
    let mean = cohorts.iter().map(|errors| errors[0].0).sum::<f64>() / cohorts.len() as f64;
    let cells = [0, 1, 2, 3].map(|error: usize| {
        let covered = |method: usize| {
            let intervals = cohorts.iter().filter_map(|errors| errors[error].1[method]);
            let contains = |it: Interval| it.low <= truth[error] && truth[error] <= it.high;
            share(intervals.map(contains))
        };
        format!("{:.2} / {:.2}", covered(0), covered(1))
    });
    format!("{:.4} | {mean:.4} | {}", truth[0], cells.join(" | "))
}

/// The errors of a cohort with their intervals; `None` where too few exams are positive for a curve.
fn cohort(population: &Population, size: usize, name: &str) -> Option<[Bounds; 4]> {
    let mut draws = Draws::new(name);
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    while logits.len() < size {
        let x = draws.normal();
        if x.abs() <= LARGEST {
            logits.push(population.logit(x));
            labels.push(draws.uniform() < population.truth(x));
        }
    }
    let estimates = errors(&smooth_calibration(&logits, &labels, None, 0.95))?;
    let resampled = Resampling::new(size, 37).replicates(RESAMPLED, |counts| {
        let repeated = |exam: usize| std::iter::repeat_n(exam, counts[exam] as usize);
        let exams: Vec<usize> = (0..size).flat_map(repeated).collect();
        let logits: Vec<f64> = exams.iter().map(|&exam| logits[exam]).collect();
        let labels: Vec<bool> = exams.iter().map(|&exam| labels[exam]).collect();
        errors(&smooth_calibration(&logits, &labels, None, 0.95))
    });
    Some([0, 1, 2, 3].map(|error: usize| {
        let values: Vec<f64> = resampled.iter().flatten().map(|errors| errors[error]).collect();
        let value = estimates[error];
        let intervals =
            [percentile_interval(&values, 0.95), bias_corrected_interval(&values, value, 0.95)];
        (value, intervals)
    }))
}

fn errors(smooth: &SmoothCalibration) -> Option<[f64; 4]> {
    let index = smooth.integrated_calibration_index.value?;
    Some([index, smooth.e50.value?, smooth.e90.value?, smooth.emax.value?])
}
