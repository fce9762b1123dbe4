//! Exams as columns.

/// Predictions and labels as columns, each `[exam]`; patients are indices.
pub(super) struct ExamColumns<'a> {
    pub logits: &'a [f64],
    pub probabilities: &'a [f64],
    pub labels: &'a [bool],
    pub patients: &'a [usize],
}
