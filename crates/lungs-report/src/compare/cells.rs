//! The cells of the table of metrics.

use super::super::digits;
use super::super::external::name_of_split;
use super::super::headline::auc_with_interval;
use lungs_spec::results::MetricsRow;
use lungs_spec::spec::{SplitName, horizon_words};
use lungs_stats::{Estimate, Evaluation, Interval};
use serde::Serialize;

/// A metric of one run or model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cell {
    /// Display text.
    pub text: String,
    /// The number; `None` when the metric is undefined or missing.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
}

impl Cell {
    /// A whole number.
    pub(super) fn count(value: usize) -> Self {
        Self { text: value.to_string(), value: Some(value as f64), ..Self::default() }
    }

    /// A number without an interval, as `text`.
    fn plain(text: String, value: f64) -> Self {
        Self { text, value: Some(value), ..Self::default() }
    }

    /// A number with three decimals and its interval.
    fn number(value: Option<f64>, interval: Option<&Interval>) -> Self {
        let text = match (value, interval) {
            (Some(value), Some(interval)) => {
                let interval = digits::three_decimals(interval.low, interval.high);
                format!("{} ({interval})", digits::fixed(value, 3))
            }
            (Some(value), None) => digits::fixed(value, 3),
            (None, _) => "–".to_owned(),
        };
        let (low, high) = (interval.map(|it| it.low), interval.map(|it| it.high));
        Self { text, value, low, high }
    }
}

/// The metrics of one split of one run; `split` is empty for the exams of a file.
pub(super) fn cells_of_split(split: &str, evaluation: &Evaluation) -> Vec<(String, Cell)> {
    let exams = format!("{} ({} positive)", evaluation.exams, evaluation.positives);
    let auc = &evaluation.auc;
    let accuracy = &evaluation.accuracy;
    let estimate = |metric: &Estimate| Cell::number(metric.value, metric.interval.as_ref());
    let name = |name: &str| format!("{} {name}", name_of_split(split)).trim_start().to_owned();
    let mut cells: Vec<(String, Cell)> = [
        ("exams", Cell::plain(exams, evaluation.exams as f64)),
        (
            "AUC",
            Cell {
                text: auc_with_interval(evaluation),
                ..Cell::number(auc.value, auc.interval.as_ref())
            },
        ),
        ("average precision", estimate(&evaluation.average_precision)),
        ("accuracy", Cell::number(accuracy.value, accuracy.interval.as_ref())),
        ("cross-entropy", estimate(&evaluation.cross_entropy)),
        ("Brier", estimate(&evaluation.calibration.brier)),
        ("calibration error", estimate(&evaluation.calibration.expected_calibration_error)),
        ("calibration slope", estimate(&evaluation.calibration.slope)),
    ]
    .map(|(of, cell)| (name(of), cell))
    .into();
    if let Some(survival) = &evaluation.survival {
        let followed = format!("{} ({} with cancer)", survival.exams, survival.events);
        let followed = Cell::plain(followed, survival.exams as f64);
        cells.push((name("exams with follow-up"), followed));
        cells.push((name("C-index"), estimate(&survival.harrell_c.to_estimate())));
        cells.extend(survival.horizons.iter().map(|it| {
            let years = horizon_words(it.horizon_years);
            (name(&format!("AUC within {years}")), estimate(&it.auc.to_estimate()))
        }));
        let brier = estimate(&survival.integrated_brier.to_estimate());
        cells.push((name("integrated Brier"), brier));
    }
    cells
}

/// The validation AUC of the last epoch.
pub(super) fn cells_of_last_epoch(metrics: &[MetricsRow]) -> Vec<(String, Cell)> {
    let Some(last) = metrics.iter().rfind(|row| row.split == SplitName::Valid) else {
        return Vec::new();
    };
    let text = Cell::number(last.auc, None).text;
    let text = match last.auc_low.zip(last.auc_high) {
        Some((low, high)) => format!("{text} ({})", digits::three_decimals(low, high)),
        None => text,
    };
    let auc = Cell { text, value: last.auc, low: last.auc_low, high: last.auc_high };
    vec![
        ("last epoch".to_owned(), Cell::count(last.epoch)),
        ("last epoch, validation AUC".to_owned(), auc),
    ]
}

/// Time and memory of a training, where known.
pub(super) fn cells_of_costs(
    seconds: Option<f64>,
    memory_bytes: Option<u64>,
    gpu_memory_bytes: Option<u64>,
) -> Vec<(String, Cell)> {
    let megabytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / 1e6);
    [
        ("training seconds", seconds),
        ("peak memory, MB", megabytes(memory_bytes)),
        ("peak GPU memory, MB", megabytes(gpu_memory_bytes)),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        let value = value?;
        Some((name.to_owned(), Cell::plain(format!("{value:.0}"), value)))
    })
    .collect()
}
