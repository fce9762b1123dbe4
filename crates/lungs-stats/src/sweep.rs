//! All metrics of a resampled or weighted cohort in two passes.
//!
//! Exams are sorted once by their log-odds. A replicate of the bootstrap is a count for each patient, so its metrics
//! need no sorting. The first pass goes over the exams; it sums the losses and counts the exams of each run, which
//! are neighbours that the other metrics do not distinguish. The second pass goes over the runs; it follows the ROC
//! curve from (1, 1) to (0, 0). Where positive exams are rare there are few runs: about two for each positive exam
//! and one for each threshold of the decision curve.

use std::ops::Range;

use super::decision::{THRESHOLDS, net_benefits};
use super::logit::cross_entropy;

/// Number of points of the ROC band: false positive rates of 0, 0.01, …, 1.
pub(super) const BAND: usize = 101;
/// Number of points of the precision band: recalls of 0.01, 0.02, …, 1.
const RECALLS: usize = 100;

/// Neighbouring exams of one class with the same treatments in the decision curve. They have equal scores, or they
/// are negative and no positive exam has the score of one of them.
struct Run {
    /// The exams before this rank belong to this run or to an earlier one.
    end: u32,
    label: bool,
    /// Whether the next run has other scores.
    is_last_of_score: bool,
    /// Number of thresholds of the decision curve that are at most the probability.
    cut: u16,
}

/// Exams in ascending order of log-odds, as columns by rank.
pub(super) struct RankedExams {
    patients: Vec<u32>,
    /// Probability minus outcome.
    residuals: Vec<f64>,
    /// Cross-entropy.
    losses: Vec<f64>,
    /// Whether the next exam has the same score.
    is_tied: Vec<bool>,
    /// `None` where all weights are 1.
    weights: Option<Vec<f64>>,
    runs: Vec<Run>,
    /// Range of the partial AUC in false positive rates.
    partial: (f64, f64),
}

/// Metrics of one cohort; ranking metrics are `None` when a class is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CohortMetrics {
    pub auc: Option<f64>,
    pub average_precision: Option<f64>,
    pub partial_auc: Option<f64>,
    pub brier: f64,
    pub cross_entropy: f64,
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

/// Sums over the exams of a cohort.
struct Sums {
    /// Weight of the exams of each run.
    runs: Vec<f64>,
    squares: f64,
    losses: f64,
}

impl RankedExams {
    /// Sorts exams with finite log-odds and probabilities in [0, 1]; `weights` are 1 if `None`. All slices
    /// are `[exam]`. `partial` is the range of the partial AUC in false positive rates.
    pub(crate) fn new(
        logits: &[f64],
        probabilities: &[f64],
        labels: &[bool],
        patients: &[usize],
        weights: Option<&[f64]>,
        partial: (f64, f64),
    ) -> Self {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let outcome = |exam: usize| f64::from(u8::from(labels[exam]));
        let is_tied = |pair: &[usize]| logits[pair[0]] == logits[pair[1]];
        Self {
            patients: order.iter().map(|&exam| patients[exam] as u32).collect(),
            residuals: order.iter().map(|&exam| probabilities[exam] - outcome(exam)).collect(),
            losses: order.iter().map(|&exam| cross_entropy(logits[exam], labels[exam])).collect(),
            is_tied: order.windows(2).map(is_tied).chain([false]).collect(),
            weights: weights.map(|weights| order.iter().map(|&exam| weights[exam]).collect()),
            runs: runs(&order, logits, probabilities, labels, weights.is_none()),
            partial,
        }
    }

    /// The metrics when the exams of each patient count `draws` times, `[patient]`.
    pub(crate) fn metrics(&self, draws: &[u32]) -> CohortMetrics {
        let draws_of = |rank: usize| f64::from(draws[self.patients[rank] as usize]);
        match &self.weights {
            None => self.metrics_of(draws_of),
            Some(weights) => self.metrics_of(|rank| draws_of(rank) * weights[rank]),
        }
    }

    /// The metrics of exams with these weights by rank.
    fn metrics_of(&self, weight_of: impl Fn(usize) -> f64) -> CohortMetrics {
        // The totals come first, because the curve is followed from (1, 1).
        let sums = self.sums(&weight_of);
        let mut totals = [0.0; 2];
        let mut cuts = vec![[0.0; 2]; THRESHOLDS.count() + 1];
        for (run, weight) in self.runs.iter().zip(&sums.runs) {
            let class = usize::from(run.label);
            totals[class] += weight;
            cuts[usize::from(run.cut)][class] += weight;
        }
        let [negatives, positives] = totals;
        let all = negatives + positives;
        let of_one_class = CohortMetrics {
            auc: None,
            average_precision: (positives > 0.0).then_some(1.0),
            partial_auc: None,
            brier: sums.squares / all,
            cross_entropy: sums.losses / all,
            band: Vec::new(),
            precision_band: Vec::new(),
            prevalence: positives / all,
            net_benefit: net_benefits(&cuts, positives / all),
        };
        if !(negatives > 0.0 && positives > 0.0) {
            return of_one_class;
        }
        let curve = self.curve(&sums.runs, weight_of, totals);
        CohortMetrics {
            auc: Some(curve.twice_wins / (2.0 * positives * negatives)),
            average_precision: Some(curve.average_precision / positives),
            partial_auc: Some(curve.partial_auc),
            band: curve.band,
            precision_band: curve.precision_band,
            ..of_one_class
        }
    }

    fn sums(&self, weight_of: impl Fn(usize) -> f64) -> Sums {
        let mut sums =
            Sums { runs: Vec::with_capacity(self.runs.len()), squares: 0.0, losses: 0.0 };
        let mut start = 0;
        for run in &self.runs {
            let ranks = start..run.end as usize;
            start = ranks.end;
            let mut count = 0.0;
            let terms = self.residuals[ranks.clone()].iter().zip(&self.losses[ranks.clone()]);
            for (rank, (residual, loss)) in ranks.zip(terms) {
                let weight = weight_of(rank);
                count += weight;
                sums.squares += weight * residual * residual;
                sums.losses += weight * loss;
            }
            sums.runs.push(count);
        }
        sums
    }

    /// Follows the ROC curve through the runs, whose weights are `counts`.
    fn curve(&self, counts: &[f64], weight_of: impl Fn(usize) -> f64, totals: [f64; 2]) -> Curve {
        let mut curve = Curve::new(totals, self.partial);
        let mut tied = [0.0; 2];
        let mut start = 0;
        for (run, count) in self.runs.iter().zip(counts) {
            tied[usize::from(run.label)] += count;
            if !run.is_last_of_score {
                continue;
            }
            let tied = std::mem::take(&mut tied);
            let ranks = start..run.end as usize;
            start = ranks.end;
            if tied[1] == 0.0 && curve.enters_partial_area(tied[0]) {
                self.step_by_score(ranks, &weight_of, &mut curve);
            } else {
                curve.step(tied);
            }
        }
        curve
    }

    /// Steps through negative exams score by score, so that the partial area is summed in an order that does not
    /// depend on the runs.
    fn step_by_score(
        &self,
        ranks: Range<usize>,
        weight_of: impl Fn(usize) -> f64,
        curve: &mut Curve,
    ) {
        let mut tied = 0.0;
        for rank in ranks {
            tied += weight_of(rank);
            if !self.is_tied[rank] {
                curve.step([std::mem::take(&mut tied), 0.0]);
            }
        }
    }
}

/// The runs of exams in this order; each exam is one if they are not to be merged, as sums of weights depend on their
/// order.
fn runs(
    order: &[usize],
    logits: &[f64],
    probabilities: &[f64],
    labels: &[bool],
    are_merged: bool,
) -> Vec<Run> {
    let thresholds: Vec<f64> = THRESHOLDS.collect();
    let mut runs: Vec<Run> = Vec::new();
    let mut end = 0;
    let mut was_negative = false;
    for ties in order.chunk_by(|&a, &b| logits[a] == logits[b]) {
        let is_negative = ties.iter().all(|&exam| !labels[exam]);
        for (index, &exam) in ties.iter().enumerate() {
            end += 1;
            let probability = probabilities[exam];
            let cut = thresholds.partition_point(|&threshold| threshold <= probability) as u16;
            let new = Run { end, label: labels[exam], is_last_of_score: false, cut };
            let continues = index > 0 || (is_negative && was_negative);
            match runs.last_mut() {
                Some(run)
                    if are_merged && continues && (run.label, run.cut) == (new.label, cut) =>
                {
                    *run = new;
                }
                _ => runs.push(new),
            }
        }
        if let Some(run) = runs.last_mut() {
            run.is_last_of_score = true;
        }
        was_negative = is_negative;
    }
    runs
}

/// The ROC curve, followed from (1, 1) to (0, 0): areas, bands, average precision.
struct Curve {
    positives: f64,
    negatives: f64,
    partial: (f64, f64),
    /// Weight of the exams of lower scores.
    below_positive: f64,
    below_negative: f64,
    /// Twice the number of pairs in which the positive exam has the higher score; ties count one.
    twice_wins: f64,
    /// Sum over positive exams of the precision at their scores.
    average_precision: f64,
    partial_auc: f64,
    band: Vec<f64>,
    precision_band: Vec<f64>,
    /// Points of the band to the left of the current one, and recalls of the precision band below the current one.
    unpassed: usize,
    unreached: usize,
}

impl Curve {
    fn new([negatives, positives]: [f64; 2], partial: (f64, f64)) -> Self {
        Self {
            positives,
            negatives,
            partial,
            below_positive: 0.0,
            below_negative: 0.0,
            twice_wins: 0.0,
            average_precision: 0.0,
            partial_auc: 0.0,
            band: vec![1.0; BAND],
            precision_band: vec![1.0; RECALLS],
            unpassed: BAND - 1,
            unreached: RECALLS,
        }
    }

    /// Whether a step of negative exams of this weight ends within the range of the partial area.
    fn enters_partial_area(&self, weight: f64) -> bool {
        (self.negatives - (self.below_negative + weight)) / self.negatives < self.partial.1
    }

    /// Moves past the exams of the next score, which have these weights: negative and positive ones.
    fn step(&mut self, [tied_negative, tied_positive]: [f64; 2]) {
        if tied_positive + tied_negative == 0.0 {
            return;
        }
        self.twice_wins += tied_positive * (2.0 * self.below_negative + tied_negative);
        let above = (self.positives - self.below_positive, self.negatives - self.below_negative);
        let start = (above.1 / self.negatives, above.0 / self.positives);
        self.below_positive += tied_positive;
        self.below_negative += tied_negative;
        let end = (
            (self.negatives - self.below_negative) / self.negatives,
            (self.positives - self.below_positive) / self.positives,
        );
        if tied_positive > 0.0 {
            let precision = above.0 / (above.0 + above.1);
            self.average_precision += tied_positive * above.0 / (above.0 + above.1);
            // The tolerance assigns a recall to the threshold that reaches it exactly, despite rounding.
            while self.unreached > 0 && recall_of(self.unreached - 1) > end.1 + 1e-12 {
                self.unreached -= 1;
                self.precision_band[self.unreached] = precision;
            }
        }
        if end.0 < start.0 {
            self.pass(start, end);
        }
    }

    /// Adds the segment of the curve between two points to the partial area and to the band.
    fn pass(&mut self, start: (f64, f64), end: (f64, f64)) {
        let slope = (start.1 - end.1) / (start.0 - end.0);
        let height = |rate: f64| end.1 + slope * (rate - end.0);
        let (from, to) = self.partial;
        let (low, high) = (from.max(end.0), to.min(start.0));
        if low < high {
            self.partial_auc += (high - low) * (height(low) + height(high)) / 2.0;
        }
        while self.unpassed > 0 && rate_of(self.unpassed - 1) >= end.0 {
            self.unpassed -= 1;
            self.band[self.unpassed] = height(rate_of(self.unpassed)).clamp(0.0, 1.0);
        }
    }
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
