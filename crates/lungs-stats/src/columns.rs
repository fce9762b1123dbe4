//! Exams as columns.

use super::cluster;

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
