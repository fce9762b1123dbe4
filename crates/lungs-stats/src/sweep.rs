//! All metrics of a resampled or weighted cohort in one pass over the exams.
//!
//! Exams are sorted once by their log-odds. A replicate of the bootstrap is a count for each
//! patient, so its metrics need no sorting: one pass from the lowest score to the highest follows
//! the ROC curve from (1, 1) to (0, 0) and sums the other metrics, in `O(n)`.

use super::decision::{THRESHOLDS, net_benefits};
use super::logit::cross_entropy;
use super::smooth::SmoothCells;

/// Number of points of the ROC band: false positive rates of 0, 0.01, …, 1.
pub(super) const BAND: usize = 101;
/// Number of points of the precision band: recalls of 0.01, 0.02, …, 1.
const RECALLS: usize = 100;

/// One exam with precomputed values.
struct Exam {
    patient: u32,
    label: bool,
    /// Whether the next exam has the same score.
    tied: bool,
    /// Bin of the expected calibration error.
    bin: u16,
    /// Number of thresholds of the decision curve that are at most the probability.
    cut: u16,
    /// Cell of the smooth calibration curve.
    cell: u16,
    weight: f64,
    probability: f64,
    loss: f64,
}

/// Settings of the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetricSettings {
    /// Bins of the expected calibration error.
    pub bins: usize,
    /// Range of the partial AUC in false positive rates.
    pub partial: (f64, f64),
}

/// Exams in ascending order of log-odds.
pub(super) struct RankedExams {
    exams: Vec<Exam>,
    cells: Option<SmoothCells>,
    settings: MetricSettings,
}

/// Metrics of one cohort; ranking metrics are `None` when a class is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CohortMetrics {
    pub auc: Option<f64>,
    pub average_precision: Option<f64>,
    pub partial_auc: Option<f64>,
    pub brier: f64,
    pub cross_entropy: f64,
    pub calibration_error: f64,
    /// ICI, E50, E90 and Emax of the smooth calibration curve.
    pub calibration_errors: Option<[f64; 4]>,
    /// Sensitivity at each false positive rate of the band; empty when a class is missing.
    pub band: Vec<f64>,
    /// Precision of the strictest threshold that reaches each recall of the band; empty when a class
    /// is missing.
    pub precision_band: Vec<f64>,
    /// Share of positive exams.
    pub prevalence: f64,
    /// Net benefit at each threshold of the decision curve.
    pub net_benefit: Vec<f64>,
}

impl RankedExams {
    /// Sorts exams with finite log-odds and probabilities in [0, 1]; `weights` are 1 if `None`. All slices
    /// are `[exam]`. Without `cells` there are no errors of a smooth calibration curve.
    pub(crate) fn new(
        logits: &[f64],
        probabilities: &[f64],
        labels: &[bool],
        patients: &[usize],
        weights: Option<&[f64]>,
        cells: Option<SmoothCells>,
        settings: MetricSettings,
    ) -> Self {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let thresholds: Vec<f64> = THRESHOLDS.collect();
        let exam = |(rank, &index): (usize, &usize)| {
            let probability = probabilities[index];
            let bin = ((probability * settings.bins as f64) as usize).min(settings.bins - 1);
            Exam {
                patient: patients[index] as u32,
                label: labels[index],
                tied: order.get(rank + 1).is_some_and(|&next| logits[next] == logits[index]),
                bin: bin as u16,
                cut: thresholds.partition_point(|&threshold| threshold <= probability) as u16,
                cell: cells.as_ref().map_or(0, |cells| cells.of[index]),
                weight: weights.map_or(1.0, |weights| weights[index]),
                probability,
                loss: cross_entropy(logits[index], labels[index]),
            }
        };
        let exams = order.iter().enumerate().map(exam).collect();
        Self { exams, cells, settings }
    }

    /// The metrics when the exams of each patient count `draws` times, `[patient]`.
    pub(crate) fn metrics(&self, draws: &[u32]) -> CohortMetrics {
        // The totals come first, because the curve is followed from (1, 1).
        let mut totals = [0.0; 2];
        let (mut squares, mut losses) = (0.0, 0.0);
        let mut bins = vec![(0.0, 0.0); self.settings.bins];
        let mut cuts = vec![[0.0; 2]; THRESHOLDS.count() + 1];
        let mut cells = vec![[0.0; 2]; self.cells.as_ref().map_or(1, SmoothCells::count)];
        for exam in &self.exams {
            let weight = f64::from(draws[exam.patient as usize]) * exam.weight;
            let class = usize::from(exam.label);
            let outcome = class as f64;
            totals[class] += weight;
            squares += weight * (exam.probability - outcome) * (exam.probability - outcome);
            losses += weight * exam.loss;
            let bin = &mut bins[usize::from(exam.bin)];
            bin.0 += weight * exam.probability;
            bin.1 += weight * outcome;
            cuts[usize::from(exam.cut)][class] += weight;
            cells[usize::from(exam.cell)][class] += weight;
        }
        let [negatives, positives] = totals;
        let all = negatives + positives;
        let has_both_classes = negatives > 0.0 && positives > 0.0;
        let curve = has_both_classes.then(|| self.roc_metrics(draws, positives, negatives));
        CohortMetrics {
            auc: curve.as_ref().map(|curve| curve.auc),
            average_precision: match &curve {
                Some(curve) => Some(curve.average_precision),
                None => (positives > 0.0).then_some(1.0),
            },
            partial_auc: curve.as_ref().map(|curve| curve.partial_auc),
            brier: squares / all,
            cross_entropy: losses / all,
            calibration_error: bins
                .iter()
                .map(|(predicted, observed)| (predicted - observed).abs())
                .sum::<f64>()
                / all,
            calibration_errors: self.cells.as_ref().and_then(|curve| curve.errors(&cells)),
            precision_band: curve.as_ref().map(|it| it.precision_band.clone()).unwrap_or_default(),
            band: curve.map(|curve| curve.band).unwrap_or_default(),
            prevalence: positives / all,
            net_benefit: net_benefits(&cuts, positives / all),
        }
    }

    /// Follows the ROC curve from (1, 1) to (0, 0): areas, bands, average precision.
    fn roc_metrics(&self, draws: &[u32], positives: f64, negatives: f64) -> RocMetrics {
        let mut band = vec![1.0; BAND];
        let mut next = BAND - 1;
        let mut precision_band = vec![1.0; RECALLS];
        let mut unreached = RECALLS;
        let (from, to) = self.settings.partial;
        // Twice the number of pairs in which the positive exam has the higher score; ties count one.
        let (mut twice_wins, mut average_precision, mut partial_auc) = (0.0, 0.0, 0.0);
        let (mut below_positive, mut below_negative) = (0.0, 0.0);
        let (mut tied_positive, mut tied_negative) = (0.0, 0.0);
        for exam in &self.exams {
            let weight = f64::from(draws[exam.patient as usize]) * exam.weight;
            *(if exam.label { &mut tied_positive } else { &mut tied_negative }) += weight;
            if exam.tied || tied_positive + tied_negative == 0.0 {
                continue;
            }
            twice_wins += tied_positive * (2.0 * below_negative + tied_negative);
            let above = (positives - below_positive, negatives - below_negative);
            average_precision += tied_positive * above.0 / (above.0 + above.1);
            let start = (above.1 / negatives, above.0 / positives);
            below_positive += std::mem::take(&mut tied_positive);
            below_negative += std::mem::take(&mut tied_negative);
            let end = (
                (negatives - below_negative) / negatives,
                (positives - below_positive) / positives,
            );
            // The tolerance assigns a recall to the threshold that reaches it exactly, despite rounding.
            while unreached > 0 && recall_of(unreached - 1) > end.1 + 1e-12 {
                unreached -= 1;
                precision_band[unreached] = above.0 / (above.0 + above.1);
            }
            if end.0 < start.0 {
                let slope = (start.1 - end.1) / (start.0 - end.0);
                let height = |rate: f64| end.1 + slope * (rate - end.0);
                let (low, high) = (from.max(end.0), to.min(start.0));
                if low < high {
                    partial_auc += (high - low) * (height(low) + height(high)) / 2.0;
                }
                while next > 0 && rate_of(next - 1) >= end.0 {
                    next -= 1;
                    band[next] = height(rate_of(next)).clamp(0.0, 1.0);
                }
            }
        }
        RocMetrics {
            auc: twice_wins / (2.0 * positives * negatives),
            average_precision: average_precision / positives,
            partial_auc,
            band,
            precision_band,
        }
    }
}

struct RocMetrics {
    auc: f64,
    average_precision: f64,
    partial_auc: f64,
    band: Vec<f64>,
    precision_band: Vec<f64>,
}

/// False positive rate of a point of the band.
pub(super) fn rate_of(point: usize) -> f64 {
    point as f64 / (BAND - 1) as f64
}

/// Recall of a point of the precision band.
pub(super) fn recall_of(point: usize) -> f64 {
    (point + 1) as f64 / RECALLS as f64
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
