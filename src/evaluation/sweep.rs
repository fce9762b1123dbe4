//! Every figure of a resampled or weighted cohort in one pass over the exams.
//!
//! Exams are sorted once by their log-odds. A replicate of the bootstrap is a count for each
//! patient, so its figures need no sorting: one pass from the lowest score to the highest walks
//! the ROC curve from (1, 1) to (0, 0) and sums what else is wanted, `O(n)`.

use super::calibration::cross_entropy;
use super::decision::{THRESHOLDS, net_benefits};

/// Points of the ROC band: false positive rates of 0, 0.01, …, 1.
pub(super) const BAND: usize = 101;
/// Points of the band of precision: recalls of 0.01, 0.02, …, 1.
const RECALLS: usize = 100;

/// One exam, ready for the pass.
struct Exam {
    patient: u32,
    label: bool,
    /// The next exam has the same score.
    tied: bool,
    /// Bin of the expected calibration error.
    bin: u16,
    /// How many thresholds of the decision curve its probability reaches.
    cut: u16,
    weight: f64,
    probability: f64,
    loss: f64,
}

/// What the pass is to look at besides scores and labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Bins of the expected calibration error.
    pub bins: usize,
    /// Range of the partial area in false positive rates.
    pub partial: (f64, f64),
}

/// Exams in ascending order of log-odds.
pub(super) struct Sweep {
    exams: Vec<Exam>,
    wanted: Wanted,
}

/// Figures of one cohort; ranking figures are `None` where a class is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    pub auc: Option<f64>,
    pub average_precision: Option<f64>,
    pub partial_auc: Option<f64>,
    pub brier: f64,
    pub cross_entropy: f64,
    pub calibration_error: f64,
    /// Sensitivity at each false positive rate of the band; empty where a class is missing.
    pub band: Vec<f64>,
    /// Precision of the strictest threshold that reaches each recall of the band; empty where a class
    /// is missing.
    pub precision_band: Vec<f64>,
    /// Net benefit at each threshold of the decision curve.
    pub net_benefit: Vec<f64>,
}

impl Sweep {
    /// Finite log-odds, probabilities in [0, 1], a weight for each exam where they are weighted.
    pub fn new(
        logits: &[f64],
        probabilities: &[f64],
        labels: &[bool],
        patients: &[usize],
        weights: Option<&[f64]>,
        wanted: Wanted,
    ) -> Self {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let thresholds: Vec<f64> = THRESHOLDS.collect();
        let exam = |(at, &index): (usize, &usize)| {
            let probability = probabilities[index];
            let bin = ((probability * wanted.bins as f64) as usize).min(wanted.bins - 1);
            Exam {
                patient: patients[index] as u32,
                label: labels[index],
                tied: order.get(at + 1).is_some_and(|&next| logits[next] == logits[index]),
                bin: bin as u16,
                cut: thresholds.partition_point(|&threshold| threshold <= probability) as u16,
                weight: weights.map_or(1.0, |weights| weights[index]),
                probability,
                loss: cross_entropy(logits[index], labels[index]),
            }
        };
        Self { exams: order.iter().enumerate().map(exam).collect(), wanted }
    }

    /// The figures when each patient's exams count so many times.
    pub fn figures(&self, times: &[u32]) -> Figures {
        // Counted first: the curve is walked from its far end.
        let mut totals = [0.0; 2];
        let (mut squares, mut losses) = (0.0, 0.0);
        let mut bins = vec![(0.0, 0.0); self.wanted.bins];
        let mut cuts = vec![[0.0; 2]; THRESHOLDS.count() + 1];
        for exam in &self.exams {
            let weight = f64::from(times[exam.patient as usize]) * exam.weight;
            let class = usize::from(exam.label);
            let outcome = class as f64;
            totals[class] += weight;
            squares += weight * (exam.probability - outcome) * (exam.probability - outcome);
            losses += weight * exam.loss;
            let bin = &mut bins[usize::from(exam.bin)];
            bin.0 += weight * exam.probability;
            bin.1 += weight * outcome;
            cuts[usize::from(exam.cut)][class] += weight;
        }
        let [negatives, positives] = totals;
        let all = negatives + positives;
        let both = negatives > 0.0 && positives > 0.0;
        let curve = both.then(|| self.walk(times, positives, negatives));
        Figures {
            auc: curve.as_ref().map(|curve| curve.auc),
            average_precision: match &curve {
                Some(curve) => Some(curve.average_precision),
                None => (positives > 0.0).then_some(1.0),
            },
            partial_auc: curve.as_ref().map(|curve| curve.partial),
            brier: squares / all,
            cross_entropy: losses / all,
            calibration_error: bins.iter().map(|(sum, seen)| (sum - seen).abs()).sum::<f64>() / all,
            precision_band: curve.as_ref().map(|it| it.precision_band.clone()).unwrap_or_default(),
            band: curve.map(|curve| curve.band).unwrap_or_default(),
            net_benefit: net_benefits(&cuts, positives / all),
        }
    }

    /// The ROC curve from (1, 1) to (0, 0): areas, band, average precision.
    fn walk(&self, times: &[u32], positives: f64, negatives: f64) -> Curve {
        let mut band = vec![1.0; BAND];
        let mut next = BAND - 1;
        let mut precision_band = vec![1.0; RECALLS];
        let mut unreached = RECALLS;
        let (from, to) = self.wanted.partial;
        let (mut twice_won, mut average_precision, mut partial) = (0.0, 0.0, 0.0);
        let (mut below_positive, mut below_negative) = (0.0, 0.0);
        let (mut tied_positive, mut tied_negative) = (0.0, 0.0);
        for exam in &self.exams {
            let weight = f64::from(times[exam.patient as usize]) * exam.weight;
            *(if exam.label { &mut tied_positive } else { &mut tied_negative }) += weight;
            if exam.tied || tied_positive + tied_negative == 0.0 {
                continue;
            }
            twice_won += tied_positive * (2.0 * below_negative + tied_negative);
            let above = (positives - below_positive, negatives - below_negative);
            average_precision += tied_positive * above.0 / (above.0 + above.1);
            let start = (above.1 / negatives, above.0 / positives);
            below_positive += std::mem::take(&mut tied_positive);
            below_negative += std::mem::take(&mut tied_negative);
            let end = (
                (negatives - below_negative) / negatives,
                (positives - below_positive) / positives,
            );
            // Rounding must not take a recall from the threshold that reaches it exactly.
            while unreached > 0 && recall_of(unreached - 1) > end.1 + 1e-12 {
                unreached -= 1;
                precision_band[unreached] = above.0 / (above.0 + above.1);
            }
            if end.0 < start.0 {
                let slope = (start.1 - end.1) / (start.0 - end.0);
                let height = |rate: f64| end.1 + slope * (rate - end.0);
                let (low, high) = (from.max(end.0), to.min(start.0));
                if low < high {
                    partial += (high - low) * (height(low) + height(high)) / 2.0;
                }
                while next > 0 && rate_of(next - 1) >= end.0 {
                    next -= 1;
                    band[next] = height(rate_of(next)).clamp(0.0, 1.0);
                }
            }
        }
        Curve {
            auc: twice_won / (2.0 * positives * negatives),
            average_precision: average_precision / positives,
            partial,
            band,
            precision_band,
        }
    }
}

struct Curve {
    auc: f64,
    average_precision: f64,
    partial: f64,
    band: Vec<f64>,
    precision_band: Vec<f64>,
}

/// False positive rate of a point of the band.
pub(super) fn rate_of(point: usize) -> f64 {
    point as f64 / (BAND - 1) as f64
}

/// Recall of a point of the band of precision.
pub(super) fn recall_of(point: usize) -> f64 {
    (point + 1) as f64 / RECALLS as f64
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
