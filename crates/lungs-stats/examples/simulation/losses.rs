//! Coverage of the bootstrap intervals of metrics that depend on the prevalence.

use super::data::Draws;
use super::share;
use super::smooth::{LARGEST, Population, quantiles, sigmoid};
use lungs_stats::{Options, ScoredExam, evaluate_with_curves};
use rayon::prelude::*;

/// Exams, and the shares of positive ones in the population.
const SIZES: [(usize, &[f64]); 3] =
    [(200, &[0.1, 0.3]), (1000, &[0.02, 0.1, 0.3]), (5000, &[0.01, 0.1])];
/// Name, and true log-odds as intercept and slope of those of the predictions, which are centred first.
const CALIBRATIONS: [(&str, f64, f64); 2] = [("calibrated", 0.0, 1.0), ("too high", -0.5, 1.0)];
const METRICS: [&str; 5] =
    ["Brier score", "cross-entropy", "average precision", "partial AUC", "net benefit"];

/// Prints the table, with a fifth of the replicates.
pub(crate) fn print(replicates: usize) {
    let count = replicates.div_ceil(5);
    println!("Coverage of bootstrap intervals over 400 resampled cohorts; {count} cohorts drawn");
    println!("from a population with this prevalence. Net benefit: at the prevalence.\n");
    println!("| predictions | exams | prevalence | {} |", METRICS.join(" | "));
    println!("|---|---|---|---|---|---|---|---|");
    for (name, intercept, slope) in CALIBRATIONS {
        for (size, prevalences) in SIZES {
            for &prevalence in prevalences {
                let population = Population::of(prevalence, intercept, slope);
                let truth = truth(&population, prevalence);
                let stream = |cohort: usize| format!("losses/{name}/{size}/{prevalence}/{cohort}");
                let cohorts: Vec<[Option<bool>; 5]> = (0..count)
                    .into_par_iter()
                    .map(|cohort| covered(&population, size, prevalence, truth, &stream(cohort)))
                    .collect();
                let cells = [0, 1, 2, 3, 4].map(|metric: usize| {
                    let coverage = share(cohorts.iter().filter_map(|cohort| cohort[metric]));
                    format!("{coverage:.3}")
                });
                println!("| {name} | {size} | {prevalence} | {} |", cells.join(" | "));
            }
        }
    }
}

/// The population's value of each metric.
fn truth(population: &Population, threshold: f64) -> [f64; 5] {
    // Probability, and the share of positive exams with it, from the highest probability to the lowest.
    let mut points: Vec<(f64, f64)> =
        quantiles().map(|x| (sigmoid(population.logit(x)), population.truth(x))).collect();
    points.reverse();
    let count = points.len() as f64;
    let mean = |term: &dyn Fn(f64, f64) -> f64| {
        points.iter().map(|&(p, truth)| term(p, truth)).sum::<f64>() / count
    };
    let positives = mean(&|_, truth| truth);
    let brier = mean(&|p, truth| truth * (1.0 - p).powi(2) + (1.0 - truth) * p * p);
    let cross_entropy = mean(&|p, truth| -truth * p.ln() - (1.0 - truth) * (-p).ln_1p());
    let odds = threshold / (1.0 - threshold);
    let net_benefit = mean(&|p, truth| {
        if p >= threshold { truth - (1.0 - truth) * odds } else { 0.0 }
    });
    let (mut found, mut false_alarms, mut average_precision, mut area) = (0.0, 0.0, 0.0, 0.0);
    for &(_, truth) in &points {
        let (gain, false_gain) =
            (truth / count / positives, (1.0 - truth) / count / (1.0 - positives));
        // Half of the exams of this probability rank above an exam of it.
        let (recall, rate) = (found + gain / 2.0, false_alarms + false_gain / 2.0);
        let (hits, alarms) = (recall * positives, rate * (1.0 - positives));
        average_precision += gain * hits / (hits + alarms);
        area += recall * (0.1 - false_alarms).clamp(0.0, false_gain);
        found += gain;
        false_alarms += false_gain;
    }
    let chance = 0.1 * 0.1 / 2.0;
    let standardised = (1.0 + (area - chance) / (0.1 - chance)) / 2.0;
    [brier, cross_entropy, average_precision, standardised, net_benefit]
}

/// Whether each interval of a cohort contains the true value; `None` without an interval.
fn covered(
    population: &Population,
    size: usize,
    threshold: f64,
    truth: [f64; 5],
    stream: &str,
) -> [Option<bool>; 5] {
    let mut draws = Draws::new(stream);
    let mut exams = Vec::with_capacity(size);
    while exams.len() < size {
        let x = draws.normal();
        if x.abs() <= LARGEST {
            let (exam, logit) = (exams.len().to_string(), population.logit(x));
            let label = draws.uniform() < population.truth(x);
            let (patient_id, exam_id, probability) = (exam.clone(), exam, sigmoid(logit));
            exams.push(ScoredExam { patient_id, exam_id, label, logit, probability });
        }
    }
    let options = Options { bootstrap_replicates: 400, ..Options::default() };
    let (evaluation, curves) = evaluate_with_curves(&exams, &options);
    let contains =
        |low: f64, high: f64, metric: usize| low <= truth[metric] && truth[metric] <= high;
    let estimates = [
        &evaluation.calibration.brier,
        &evaluation.cross_entropy,
        &evaluation.average_precision,
        &evaluation.partial_auc.standardised,
    ];
    let mut covered = [None; 5];
    for (metric, estimate) in estimates.into_iter().enumerate() {
        covered[metric] =
            estimate.interval.map(|interval| contains(interval.low, interval.high, metric));
    }
    let distance = |threshold_of: f64| (threshold_of - threshold).abs();
    let point = curves
        .decision
        .iter()
        .min_by(|a, b| distance(a.threshold).total_cmp(&distance(b.threshold)));
    covered[4] = point.and_then(|point| Some(contains(point.low?, point.high?, 4)));
    covered
}
