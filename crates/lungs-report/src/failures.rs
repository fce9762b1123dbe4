//! `failures.csv`: false negatives and false positives by group.

use super::thresholds::text_of_threshold;
use lungs_stats::{FailureTally, OperatingPoint, Proportion};
use serde::{Deserialize, Serialize};

/// A row of `failures.csv`: the errors in one group of exams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureRow {
    /// The evaluated split.
    pub split: String,
    /// The threshold in words.
    pub threshold: String,
    /// Column of the grouping; empty for all exams.
    pub by: String,
    /// The group; empty for all exams.
    pub group: String,
    /// Positive exams.
    pub positives: usize,
    /// Positive exams that are predicted negative.
    pub false_negatives: usize,
    /// Their share of the positive exams; empty without positive exams.
    pub false_negative_rate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub false_negative_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub false_negative_high: Option<f64>,
    /// Negative exams.
    pub negatives: usize,
    /// Negative exams that are predicted positive.
    pub false_positives: usize,
    /// Their share of the negative exams; empty without negative exams.
    pub false_positive_rate: Option<f64>,
    /// Lower end of its 95 % interval.
    pub false_positive_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub false_positive_high: Option<f64>,
}

/// The rows of a split at the threshold of `point`.
pub fn failure_rows(
    split: &str,
    point: &OperatingPoint,
    tallies: &[FailureTally],
) -> Vec<FailureRow> {
    let ends = |share: &Proportion| share.interval.map(|it| (it.low, it.high)).unzip();
    let row = |tally: &FailureTally| {
        let (false_negative_low, false_negative_high) = ends(&tally.false_negatives);
        let (false_positive_low, false_positive_high) = ends(&tally.false_positives);
        FailureRow {
            split: split.to_owned(),
            threshold: text_of_threshold(point),
            by: tally.by.clone(),
            group: tally.group.clone(),
            positives: tally.false_negatives.total,
            false_negatives: tally.false_negatives.successes,
            false_negative_rate: tally.false_negatives.value,
            false_negative_low,
            false_negative_high,
            negatives: tally.false_positives.total,
            false_positives: tally.false_positives.successes,
            false_positive_rate: tally.false_positives.value,
            false_positive_low,
            false_positive_high,
        }
    };
    tallies.iter().map(row).collect()
}
