//! Rows of the tables of a run, and their CSV files.

use super::{ResultsError, SurvivalMetrics, read_wide_csv, write_wide_csv};
use crate::spec::SplitName;
use lungs_base::label;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A row of `metrics.csv`: one split after one epoch. Metrics of the train split are computed during training
/// (with dropout and changing weights), those of the validation split with the weights at the end of the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Split.
    pub split: SplitName,
    /// Mean loss over exams.
    pub loss: f64,
    /// Fraction of correct predictions at the threshold 0.5.
    pub accuracy: f64,
    /// Area under the ROC curve; empty if all exams have the same label.
    pub auc: Option<f64>,
    /// Lower end of its 95 % interval.
    pub auc_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub auc_high: Option<f64>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Average precision; empty without a positive exam.
    #[serde(default)]
    pub average_precision: Option<f64>,
    /// Brier score: mean squared difference of probability and label.
    #[serde(default)]
    pub brier: Option<f64>,
    /// Metrics of risks of several years; see [`write_metrics`](super::write_metrics).
    #[serde(skip)]
    pub survival: Option<SurvivalMetrics>,
}

/// A row of `steps.csv`: one optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Optimizer step of the run, from 1.
    pub step: usize,
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the step's exams.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Gradient norm over all parameters, before clipping.
    #[serde(default)]
    pub gradient_norm: Option<f64>,
}

/// A row of `timings.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingRow {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Seconds of validation.
    pub valid_seconds: f64,
    /// Seconds of training in which the network waited for exams.
    #[serde(default)]
    pub wait_seconds: f64,
    /// `wait_seconds` as a fraction of `train_seconds`.
    #[serde(default)]
    pub wait_fraction: f64,
    /// Peak memory of the process so far, if the operating system reports it.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Largest memory in use on a GPU, sampled after each batch of the epoch.
    #[serde(default)]
    pub gpu_peak_memory_bytes: Option<u64>,
}

/// A row of a predictions file: one exam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// Exam.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// Patient.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// Series UID.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// 1 for cancer within the horizon.
    #[serde(with = "label::as_number")]
    pub label: bool,
    /// Log-odds of cancer: the difference of the two logits.
    pub logit: f64,
    /// Probability of cancer.
    pub probability: f64,
}

/// A row of `exam-columns.csv`: the value of one column for one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnRow {
    /// Series UID.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// Name of the column.
    pub column: String,
    /// Value; empty if unknown.
    pub value: String,
}

/// Kind of a row of `inputs.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// A series, chosen or excluded.
    Scan,
    /// A label without a series.
    Label,
    /// A patient of `split.lists`.
    Listed,
    /// The preprocessing of chosen series.
    Preparation,
}

/// A row of `inputs.csv`: an input of the run, as at the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputRow {
    /// Kind of the input.
    pub kind: InputKind,
    /// The series, the name in the label, or the patient.
    pub name: String,
    /// Patient.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// Exam.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// 1 for cancer within the horizon; empty if unknown.
    #[serde(default, with = "label::as_optional_number")]
    pub label: Option<bool>,
    /// The split that a list fixes.
    pub split: Option<SplitName>,
    /// Whether the series is chosen for its exam, before preparation.
    pub chosen: bool,
    /// Number of slices of a series.
    pub slices: usize,
    /// BLAKE3 of the content of a chosen series, or of the preprocessing.
    pub content: String,
    /// Follow-up of a survival outcome as text; see [`write_inputs`].
    #[serde(skip)]
    pub follow_up: String,
}

const FOLLOW_UP: &str = "follow_up";

/// Writes `inputs.csv`. Rows of a survival outcome have the additional column `follow_up`.
///
/// # Errors
/// The file cannot be written.
pub fn write_inputs(path: &Path, rows: &[InputRow]) -> Result<(), ResultsError> {
    if rows.iter().all(|row| row.follow_up.is_empty()) {
        return write_csv(path, rows);
    }
    write_wide_csv(path, rows, &[FOLLOW_UP], |row| vec![row.follow_up.clone()])
}

/// Reads `inputs.csv`.
///
/// # Errors
/// The file cannot be read.
pub fn read_inputs(path: &Path) -> Result<Vec<InputRow>, ResultsError> {
    let rows = read_wide_csv::<InputRow, 1>(path, [FOLLOW_UP])?;
    let row = |(row, [follow_up]): (InputRow, [Option<String>; 1])| InputRow {
        follow_up: follow_up.unwrap_or_default(),
        ..row
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Writes rows as CSV with a header, atomically.
pub fn write_csv<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), ResultsError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| unreadable(path, &e))?;
    }
    let bytes = writer.into_inner().map_err(|e| unreadable(path, &e))?;
    Ok(lungs_base::files::write_bytes(path, &bytes)?)
}

/// Reads the rows of a CSV file.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ResultsError> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| unreadable(path, &e))?;
    reader.deserialize().collect::<Result<_, _>>().map_err(|e| unreadable(path, &e))
}

pub(super) fn unreadable(path: &Path, error: &impl std::fmt::Display) -> ResultsError {
    ResultsError::Read { path: path.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_earlier_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, "step,epoch,loss,learning_rate\n1,1,0.5,0.001\n").unwrap();
        let steps: Vec<StepRow> = read_csv(&path).unwrap();
        assert_eq!((steps[0].loss, steps[0].gradient_norm), (0.5, None));
        std::fs::write(&path, "epoch,train_seconds,valid_seconds\n1,2.5,0.5\n").unwrap();
        let timings: Vec<TimingRow> = read_csv(&path).unwrap();
        assert_eq!(timings[0].train_seconds, 2.5);
        assert_eq!((timings[0].peak_memory_bytes, timings[0].gpu_peak_memory_bytes), (None, None));
    }
}
