//! The typed rows of a run's tables, and CSV files of them.

use super::ResultsError;
use crate::spec::Part;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A row of `metrics.csv`: one part after one epoch. Training figures are those seen while
/// training (dropout on, weights changing); validation figures are those of the epoch's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Part of the cohort.
    pub split: Part,
    /// Mean loss over exams.
    pub loss: f64,
    /// Share of exams on the right side of probability 0.5.
    pub accuracy: f64,
    /// Area under the ROC curve; empty with one class only.
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
    /// Mean squared difference of probability and outcome.
    #[serde(default)]
    pub brier: Option<f64>,
}

/// A row of `steps.csv`: one optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Optimizer step, from 1, counted over the run.
    pub step: usize,
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the step's exams.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Norm of the step's gradients over all parameters together, before any clipping.
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
    /// Seconds of training that the network waited for exams to be read.
    #[serde(default)]
    pub wait_seconds: f64,
    /// The same as a share of `train_seconds`.
    #[serde(default)]
    pub wait_fraction: f64,
    /// Highest memory of the process so far, where the operating system tells.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Highest memory in use on a GPU of the run, of what was seen after each batch of the epoch.
    #[serde(default)]
    pub gpu_peak_memory_bytes: Option<u64>,
}

/// A row of a predictions file: one exam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// Exam.
    pub exam: String,
    /// Patient.
    pub patient: String,
    /// Series UID.
    pub series: String,
    /// 1 for cancer within the horizon.
    pub label: u8,
    /// Log-odds of cancer: the difference of the two logits.
    pub logit: f64,
    /// Probability of cancer.
    pub probability: f64,
}

/// A row of `exam-columns.csv`: what one column says of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnRow {
    /// Series UID.
    pub series: String,
    /// Name of the column.
    pub column: String,
    /// What it says; empty where it is not known.
    pub value: String,
}

/// What a row of `inputs.csv` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// An image of the data, chosen or not.
    Scan,
    /// A label that finds no image.
    Label,
    /// A patient of a list that imposes the split.
    Listed,
    /// How chosen scans are prepared.
    Preparation,
}

/// A row of `inputs.csv`: something that a run depends on, as it was when the run began.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputRow {
    /// What it is.
    pub kind: InputKind,
    /// The series, what the label names, or the patient.
    pub name: String,
    /// Patient.
    pub patient: String,
    /// Exam.
    pub exam: String,
    /// 1 for cancer within the horizon; empty where nothing is known.
    pub label: Option<u8>,
    /// The part that a list imposes.
    pub split: Option<Part>,
    /// Whether the scan is chosen for its exam, before preparation.
    pub chosen: bool,
    /// Slices of a scan.
    pub slices: usize,
    /// BLAKE3 of what a chosen scan holds, or of how scans are prepared.
    pub content: String,
}

/// Writes rows as CSV with a header, atomically.
pub fn write_csv<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), ResultsError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| unreadable(path, &e))?;
    }
    let bytes = writer.into_inner().map_err(|e| unreadable(path, &e))?;
    Ok(crate::files::write_bytes(path, &bytes)?)
}

/// Reads the rows of a CSV file.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ResultsError> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| unreadable(path, &e))?;
    reader.deserialize().collect::<Result<_, _>>().map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &impl std::fmt::Display) -> ResultsError {
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
