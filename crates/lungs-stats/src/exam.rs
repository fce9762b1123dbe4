//! Exams with their predictions, as rows and as columns.

use super::cluster;

/// One exam with its label and prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredExam {
    /// The patient; exams of one patient are resampled together.
    pub patient_id: String,
    /// The exam.
    pub exam_id: String,
    /// Whether the exam is positive (cancer within the horizon).
    pub label: bool,
    /// Log-odds of cancer, `logit₁ − logit₀`.
    pub logit: f64,
    /// Predicted probability of cancer; the logistic function of `logit` unless recalibrated.
    pub probability: f64,
}

/// Predictions and labels as columns, each `[exam]`; patients are indices.
pub(super) struct ExamColumns<'a> {
    pub logits: &'a [f64],
    pub probabilities: &'a [f64],
    pub labels: &'a [bool],
    pub patients: &'a [usize],
}

impl ExamColumns<'_> {
    /// The patients, where any has several exams.
    pub(crate) fn repeated(&self) -> Option<&[usize]> {
        (cluster::count(self.patients) < self.patients.len()).then_some(self.patients)
    }
}
