//! Predictions of any program for any exams, from a CSV file.
//!
//! ```text
//!   CSV ──table──► cells with their lines ──columns──► what each column means ──read──► PredictionTable
//! ```
//!
//! The predictions of one model are in `probability`, `logit` (log-odds) or `score` (any number that ranks
//! exams), those of several models in `probability_NAME`, `logit_NAME` and `score_NAME`.

mod columns;
mod error;
mod read;
mod table;
#[cfg(test)]
mod tests;

use lungs_spec::spec::SubgroupBy;
use lungs_stats::{Grouping, ScoredExam};
use std::path::PathBuf;

pub use error::{Fault, Faults, LineFault, PredictionsError};

/// Columns that the user names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestedColumns {
    /// Columns of probabilities, each of one model.
    pub probabilities: Vec<String>,
    /// Columns of ranking scores, each of one model; log-odds if the name begins with `logit`.
    pub scores: Vec<String>,
    /// Columns that define subgroups.
    pub groups: Vec<SubgroupBy>,
}

/// A table of exams with the predictions of one or several models.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionTable {
    /// The file.
    pub path: PathBuf,
    /// BLAKE3 of its bytes, in hexadecimal digits.
    pub hash: String,
    /// The exams in the order of the file.
    pub exams: Vec<TableExam>,
    /// Whether the file names exams; otherwise `exam_id` is the line.
    pub names_exams: bool,
    /// Whether the file names patients; otherwise every exam is a patient.
    pub names_patients: bool,
    /// Models in the order of their columns.
    pub models: Vec<ModelPredictions>,
    /// Subgroups of the exams.
    pub groupings: Vec<Grouping>,
    /// The column of the weights and the weight of each exam.
    pub weights: Option<(String, Vec<f64>)>,
}

/// One exam of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableExam {
    /// The exam.
    pub exam_id: String,
    /// The patient.
    pub patient_id: String,
    /// Whether the exam is positive.
    pub label: bool,
}

/// The predictions of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPredictions {
    /// Name of the model.
    pub name: String,
    /// The columns of its predictions.
    pub columns: Vec<String>,
    /// Finite numbers that rank the exams; log-odds if there are probabilities.
    pub scores: Vec<f64>,
    /// Probabilities of cancer; `None` if the file has ranking scores only.
    pub probabilities: Option<Vec<f64>>,
    /// Number of probabilities of exactly 0 or 1, whose log-odds are infinite. Their scores lie beyond those of all
    /// other probabilities.
    pub saturated: usize,
}

impl PredictionTable {
    /// The exams with the predictions of a model. A model without probabilities has 0.5 in their place.
    pub fn scored(&self, model: &ModelPredictions) -> Vec<ScoredExam> {
        let exam = |(index, exam): (usize, &TableExam)| ScoredExam {
            patient_id: exam.patient_id.clone(),
            exam_id: exam.exam_id.clone(),
            label: exam.label,
            logit: model.scores[index],
            probability: model.probabilities.as_ref().map_or(0.5, |values| values[index]),
        };
        self.exams.iter().enumerate().map(exam).collect()
    }
}
