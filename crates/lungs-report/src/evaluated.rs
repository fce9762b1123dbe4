//! The final metrics of a run or of a cross-validation, as stored in its folder.

use super::ReportError;
use lungs_base::label;
use lungs_spec::results::{PredictionRow, ResultsError, RunFolder};
use lungs_stats::{Estimate, Evaluation, Interval};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The content of `evaluation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The epoch whose weights were selected; 0 for an external evaluation of several networks or of a file of weights.
    pub selected_epoch: usize,
    /// Metrics of that epoch by split: `"valid"` and, where the run has one, `"test"`; `"external"` for other exams.
    #[serde(rename = "parts")]
    pub splits: BTreeMap<String, Evaluation>,
}

/// The content of `cross-validation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The folds in order.
    pub folds: Vec<Fold>,
    /// Mean over folds of the AUC on their test exams; `None` when the AUC of a fold is undefined.
    pub mean_auc: Option<f64>,
    /// Interval of the mean for the networks of these folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_auc_interval: Option<Interval>,
    /// Why the mean or its interval is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_auc_reason: Option<String>,
    /// Metrics over all exams, each scored by the network that was not trained on its patient. The pooled AUC
    /// ranks scores of different networks against each other, so it is lower than the folds' mean where the
    /// networks' scores differ in scale.
    pub pooled: Evaluation,
}

/// Why the mean over folds and the pooled AUC differ.
pub(crate) const MEAN_AND_POOLED: &str = "The fold mean compares exams that the same network scored; the \
     pooled AUC also ranks scores of different networks against each other, so it is lower where their scales \
     differ.";

impl CrossValidation {
    /// Mean over folds of the AUC, with its interval.
    pub(crate) fn fold_mean(&self) -> Estimate {
        Estimate {
            value: self.mean_auc,
            interval: self.mean_auc_interval,
            reason: self.mean_auc_reason.clone(),
        }
    }
}

/// Summary of one fold; its run folder has all metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Number of the fold, from 1.
    pub fold: usize,
    /// The epoch selected on the fold's own validation exams.
    pub selected_epoch: usize,
    /// Number of test exams.
    pub exams: usize,
    /// Number of positive test exams.
    pub positives: usize,
    /// AUC on the test exams.
    pub auc: Option<f64>,
}

/// A row of `predictions/out-of-fold.csv`.
#[derive(Serialize)]
pub struct PooledRow<'a> {
    fold: usize,
    #[serde(rename = "exam")]
    exam_id: &'a str,
    #[serde(rename = "patient")]
    patient_id: &'a str,
    #[serde(rename = "series")]
    series_uid: &'a str,
    #[serde(with = "label::as_number")]
    label: bool,
    logit: f64,
    probability: f64,
}

impl<'a> PooledRow<'a> {
    /// The prediction `row` of a fold.
    pub fn new(fold: usize, row: &'a PredictionRow) -> Self {
        Self {
            fold,
            exam_id: &row.exam_id,
            patient_id: &row.patient_id,
            series_uid: &row.series_uid,
            label: row.label,
            logit: row.logit,
            probability: row.probability,
        }
    }
}

/// The metrics of a finished cross-validation, from its `cross-validation.json`.
///
/// # Errors
/// [`ReportError::NotFinished`] when the file does not exist, [`ReportError::Results`] when it cannot be read.
pub fn cross_validation(run: &RunFolder) -> Result<CrossValidation, ReportError> {
    read_json(run.cross_validation_file())
}

/// The final metrics of a run, from its `evaluation.json`.
///
/// # Errors
/// [`ReportError::NotFinished`] when the file does not exist, [`ReportError::Results`] when it cannot be read.
pub fn summary(run: &RunFolder) -> Result<Summary, ReportError> {
    read_json(run.evaluation_file())
}

pub(crate) fn read_json<T: DeserializeOwned>(path: PathBuf) -> Result<T, ReportError> {
    if !path.is_file() {
        return Err(ReportError::NotFinished { path });
    }
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    let value =
        text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    value.map_err(|message| ResultsError::Read { path, message }.into())
}
