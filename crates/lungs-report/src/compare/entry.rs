//! The data of one run in a comparison.

use super::super::ReportError;
use super::super::evaluated::{cross_validation, summary};
use super::super::headline::auc_with_interval;
use lungs_spec::results::{
    MetricsRow, PredictionRow, Provenance, RunFolder, Table, TimingRow, read_csv,
};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{Estimate, Evaluation, Interval};
use serde::Serialize;
use std::collections::BTreeMap;

/// A metric of one run.
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

/// Spec, predictions and metrics of one run.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    pub spec: Spec,
    /// Predictions on the split that is compared.
    pub rows: Vec<PredictionRow>,
    /// Metrics by split, as in `evaluation.json`.
    pub splits: BTreeMap<String, Evaluation>,
    pub selected_epoch: Option<usize>,
    pub metrics: Vec<MetricsRow>,
    seconds: Option<f64>,
    memory_bytes: Option<u64>,
    gpu_memory_bytes: Option<u64>,
}

/// The split that is compared: the test split when all runs have one, else validation. `None` means
/// out-of-fold exams, when a run is a cross-validation.
pub(super) fn common_split(runs: &[RunFolder]) -> Result<Option<SplitName>, ReportError> {
    let (mut all_tested, mut all_external, mut any_folds) = (true, true, false);
    for run in runs {
        if run.spec()?.is_of_all_folds() {
            any_folds = true
        } else {
            let splits = summary(run)?.splits;
            all_tested &= splits.contains_key("test") || splits.contains_key("external");
            all_external &= splits.contains_key("external");
        }
    }
    Ok(match (any_folds, all_tested) {
        (true, _) => None,
        (_, true) if all_external => Some(SplitName::External),
        (_, true) => Some(SplitName::Test),
        _ => Some(SplitName::Valid),
    })
}

/// The name of a split in a sentence.
pub(super) fn split_name(split: Option<SplitName>) -> &'static str {
    match split {
        None => "out-of-fold",
        Some(SplitName::Train) => "training",
        Some(SplitName::Valid) => "validation",
        Some(SplitName::Test) => "test",
        Some(SplitName::External) => "external",
    }
}

impl Entry {
    pub(super) fn read(run: &RunFolder, split: Option<SplitName>) -> Result<Self, ReportError> {
        let spec = run.spec()?;
        let optional = |path: std::path::PathBuf| path.is_file().then_some(path);
        if spec.is_of_all_folds() {
            let pooled = cross_validation(run)?.pooled;
            let members = run.members()?;
            let seconds = members.iter().map(|(fold, _)| training_seconds(fold));
            return Ok(Self {
                name: run.name(),
                spec,
                rows: read_csv(&run.pooled_predictions())?,
                splits: BTreeMap::from([("out-of-fold".to_owned(), pooled)]),
                selected_epoch: None,
                metrics: Vec::new(),
                seconds: seconds.sum(),
                memory_bytes: None,
                gpu_memory_bytes: None,
            });
        }
        let summary = summary(run)?;
        // Compared with a cross-validation, a single run uses its own test split, else validation.
        let has = |split: &str| summary.splits.contains_key(split);
        let split = match split {
            _ if has("external") => SplitName::External,
            Some(split) => split,
            None if has("test") => SplitName::Test,
            None => SplitName::Valid,
        };
        let file = run.predictions(split, summary.selected_epoch);
        let timings: Vec<TimingRow> = match optional(run.table(Table::Timings)) {
            Some(path) => read_csv(&path)?,
            None => Vec::new(),
        };
        Ok(Self {
            name: run.name(),
            spec,
            rows: read_csv(&file)?,
            splits: summary.splits,
            // The network of an external evaluation may have no epoch.
            selected_epoch: Some(summary.selected_epoch).filter(|epoch| *epoch > 0),
            metrics: match optional(run.table(Table::Metrics)) {
                Some(path) => read_csv(&path)?,
                None => Vec::new(),
            },
            seconds: training_seconds(run),
            memory_bytes: timings.iter().filter_map(|row| row.peak_memory_bytes).max(),
            gpu_memory_bytes: timings.iter().filter_map(|row| row.gpu_peak_memory_bytes).max(),
        })
    }

    /// Metrics by name, in table order.
    pub(super) fn cells(&self) -> Vec<(String, Cell)> {
        let mut cells = Vec::new();
        let count = |value: usize| Cell {
            text: value.to_string(),
            value: Some(value as f64),
            ..Cell::default()
        };
        if let Some(epoch) = self.selected_epoch {
            cells.push(("selected epoch".to_owned(), count(epoch)));
        }
        for (split, evaluation) in &self.splits {
            let exams = format!("{} ({} positive)", evaluation.exams, evaluation.positives);
            let exams = Cell { text: exams, ..count(evaluation.exams) };
            cells.push((format!("{split} exams"), exams));
            let auc = &evaluation.auc;
            let cell = number(auc.value, auc.interval.as_ref());
            cells.push((
                format!("{split} AUC"),
                Cell { text: auc_with_interval(evaluation), ..cell },
            ));
            let accuracy = &evaluation.accuracy;
            let estimate = |metric: &Estimate| number(metric.value, metric.interval.as_ref());
            for (name, cell) in [
                ("average precision", estimate(&evaluation.average_precision)),
                ("accuracy", number(accuracy.value, accuracy.interval.as_ref())),
                ("cross-entropy", estimate(&evaluation.cross_entropy)),
                ("Brier", estimate(&evaluation.calibration.brier)),
                ("calibration error", estimate(&evaluation.calibration.expected_calibration_error)),
                ("calibration slope", estimate(&evaluation.calibration.slope)),
            ] {
                cells.push((format!("{split} {name}"), cell));
            }
        }
        if let Some(last) = self.metrics.iter().rfind(|row| row.split == SplitName::Valid) {
            let auc = last.auc_low.zip(last.auc_high);
            let text = number(last.auc, None).text;
            let text = match auc {
                Some((low, high)) => format!("{text} ({low:.3}–{high:.3})"),
                None => text,
            };
            cells.push(("last epoch".to_owned(), count(last.epoch)));
            cells.push((
                "last epoch, valid AUC".to_owned(),
                Cell { text, value: last.auc, low: last.auc_low, high: last.auc_high },
            ));
        }
        if let Some(seconds) = self.seconds {
            let cell =
                Cell { text: format!("{seconds:.0}"), value: Some(seconds), ..Cell::default() };
            cells.push(("training seconds".to_owned(), cell));
        }
        for (name, bytes) in
            [("peak memory, MB", self.memory_bytes), ("peak GPU memory, MB", self.gpu_memory_bytes)]
        {
            if let Some(bytes) = bytes {
                let value = bytes as f64 / 1e6;
                let cell =
                    Cell { text: format!("{value:.0}"), value: Some(value), ..Cell::default() };
                cells.push((name.to_owned(), cell));
            }
        }
        cells
    }
}

fn training_seconds(run: &RunFolder) -> Option<f64> {
    Provenance::read(run)?.stage_seconds.get("training").copied()
}

fn number(value: Option<f64>, interval: Option<&Interval>) -> Cell {
    let text = match (value, interval) {
        (Some(value), Some(interval)) => {
            format!("{value:.3} ({:.3}–{:.3})", interval.low, interval.high)
        }
        (Some(value), None) => format!("{value:.3}"),
        (None, _) => "–".to_owned(),
    };
    let text = text.replace('-', "−");
    let (low, high) =
        (interval.map(|interval| interval.low), interval.map(|interval| interval.high));
    Cell { text, value, low, high }
}
