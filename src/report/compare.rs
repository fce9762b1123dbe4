//! Runs side by side: the spec keys that differ, the figures, and a paired test on the same exams.

use super::headline::auc_with_interval;
use super::{ReportError, overlaid_roc, summary};
use crate::evaluation::{PairedAucs, delong_paired};
use crate::results::{MetricsRow, PredictionRow, Provenance, RunFolder, Table, read_csv};
use crate::spec::{Difference, Part, differences};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Two or more runs side by side; the first is what others are tested against.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// `experiment/stamp-hash` of each run.
    pub runs: Vec<String>,
    /// Spec keys that affect results and differ, with the value in each run.
    pub differences: Vec<KeyDifference>,
    /// Names of figures with the text for each run.
    pub figures: Vec<(String, Vec<String>)>,
    /// Each further run against the first.
    pub tests: Vec<PairedTest>,
}

/// A key that differs.
#[derive(Debug, Serialize)]
pub struct KeyDifference {
    /// Dotted key.
    pub key: String,
    /// Value in each run; `None` where the key plays no part.
    pub values: Vec<Option<String>>,
}

impl From<Difference> for KeyDifference {
    fn from(difference: Difference) -> Self {
        Self { key: difference.key, values: difference.values }
    }
}

/// A run against the first one.
#[derive(Debug, Serialize)]
pub struct PairedTest {
    /// The run.
    pub run: String,
    /// DeLong's test on the validation exams of both; `None` when they cannot be paired.
    pub aucs: Option<PairedAucs>,
    /// The result, or why there is none, as a sentence.
    pub sentence: String,
}

/// Compares finished runs.
pub fn compare(runs: &[RunFolder]) -> Result<Comparison, ReportError> {
    let mut specs = Vec::new();
    for run in runs {
        specs.push(run.spec()?);
    }
    let predictions: Vec<Vec<PredictionRow>> =
        runs.iter().map(selected_predictions).collect::<Result<_, _>>()?;
    let tests = runs.iter().zip(&predictions).skip(1);
    Ok(Comparison {
        runs: runs.iter().map(RunFolder::name).collect(),
        differences: differences(&specs).into_iter().map(KeyDifference::from).collect(),
        figures: figures(runs)?,
        tests: tests
            .map(|(run, other)| paired_test(&runs[0], &predictions[0], run, other))
            .collect(),
    })
}

/// Writes the overlaid ROC curves of runs as SVG and PNG, beside each other.
pub fn write_overlaid_roc(runs: &[RunFolder], folder: &Path) -> Result<(), ReportError> {
    let drawing = overlaid_roc(runs)?;
    crate::files::write_bytes(&folder.join("roc.svg"), drawing.svg.as_bytes())?;
    crate::files::write_bytes(&folder.join("roc.png"), &drawing.png)?;
    Ok(())
}

fn selected_predictions(run: &RunFolder) -> Result<Vec<PredictionRow>, ReportError> {
    let epoch = summary(run)?.selected_epoch;
    Ok(read_csv(&run.predictions(Part::Valid, epoch))?)
}

fn figures(runs: &[RunFolder]) -> Result<Vec<(String, Vec<String>)>, ReportError> {
    let mut figures: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: &str, value: String, place: usize| {
        let row = match figures.iter_mut().position(|(known, _)| known == name) {
            Some(row) => row,
            None => {
                figures.push((name.to_owned(), vec!["–".to_owned(); runs.len()]));
                figures.len() - 1
            }
        };
        figures[row].1[place] = value;
    };
    for (place, run) in runs.iter().enumerate() {
        let summary = summary(run)?;
        let metrics: Vec<MetricsRow> = read_csv(&run.table(Table::Metrics))?;
        add("selected epoch", summary.selected_epoch.to_string(), place);
        for (part, evaluation) in &summary.parts {
            let exams = format!("{} ({} positive)", evaluation.exams, evaluation.positives);
            add(&format!("{part} exams"), exams, place);
            add(&format!("{part} AUC"), auc_with_interval(evaluation), place);
            let number = |value: Option<f64>| value.map_or("–".into(), |v| format!("{v:.3}"));
            add(&format!("{part} accuracy"), number(evaluation.accuracy.value), place);
            add(&format!("{part} cross-entropy"), number(evaluation.cross_entropy.value), place);
            add(&format!("{part} Brier"), number(evaluation.calibration.brier.value), place);
        }
        let last = metrics.iter().rfind(|row| row.split == Part::Valid);
        if let Some(last) = last {
            let auc = last.auc.map_or("–".into(), |auc| format!("{auc:.3}"));
            add("last epoch", last.epoch.to_string(), place);
            add("last epoch, valid AUC", auc, place);
        }
        let spent = Provenance::read(run).and_then(|p| p.stage_seconds.get("training").copied());
        add("training seconds", spent.map_or("–".into(), |s| format!("{s:.0}")), place);
    }
    Ok(figures)
}

fn paired_test(
    first: &RunFolder,
    first_rows: &[PredictionRow],
    run: &RunFolder,
    rows: &[PredictionRow],
) -> PairedTest {
    let untested = |sentence: String| PairedTest { run: run.name(), aucs: None, sentence };
    let known: BTreeMap<&str, &PredictionRow> =
        first_rows.iter().map(|row| (row.exam.as_str(), row)).collect();
    let shared: Vec<(&PredictionRow, &PredictionRow)> =
        rows.iter().filter_map(|row| Some((*known.get(row.exam.as_str())?, row))).collect();
    if shared.len() != rows.len() || shared.len() != first_rows.len() {
        return untested(format!(
            "no paired test: {} and {} were validated on different exams ({} and {}, {} in common); \
             use the same data, seed and [split]",
            first.name(),
            run.name(),
            first_rows.len(),
            rows.len(),
            shared.len()
        ));
    }
    let a: Vec<f64> = shared.iter().map(|(first, _)| first.logit).collect();
    let b: Vec<f64> = shared.iter().map(|(_, other)| other.logit).collect();
    let labels: Vec<bool> = shared.iter().map(|(first, _)| first.label == 1).collect();
    let Some(aucs) = delong_paired(&b, &a, &labels, 0.95) else {
        return untested("no paired test: the validation exams are all of one class".into());
    };
    let sentence = match (&aucs.interval, aucs.p_value) {
        (Some(interval), Some(p)) => format!(
            "On the same {} exams, the AUC of {} is {} than that of {} by {:.3} (95 % CI {:.3} to \
             {:.3}; DeLong p {}).",
            labels.len(),
            run.name(),
            if aucs.difference >= 0.0 { "higher" } else { "lower" },
            first.name(),
            aucs.difference.abs(),
            interval.low,
            interval.high,
            if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") }
        ),
        _ => aucs.reason.clone().unwrap_or_else(|| "the AUCs cannot be told apart".to_owned()),
    };
    PairedTest { run: run.name(), aucs: Some(aucs), sentence }
}
