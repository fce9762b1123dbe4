//! Derivatives of an estimate by the weights of the exams, and its variance.
//!
//! An estimate is a function of the weights of the exams, which are all 1 and whose scale does not matter. Its
//! derivative by the weight of an exam is the empirical influence function divided by the number of exams, and
//! the sum of the squares is its variance (the infinitesimal jackknife: Jaeckel 1972; Efron 1982). Exams of one
//! patient are not independent, so the derivatives are summed over the exams of a patient first.

use super::outcomes::Outcomes;

/// An estimate with its derivatives.
#[derive(Clone, Debug)]
pub(crate) struct Influence {
    pub value: f64,
    /// Derivative by the weight of each exam; they sum to 0.
    pub derivatives: Vec<f64>,
}

impl Influence {
    /// `Σ cᵢ·estimateᵢ` of estimates on the same exams.
    pub(crate) fn combination<'a>(terms: impl Iterator<Item = (f64, &'a Influence)>) -> Self {
        let mut sum = Self { value: 0.0, derivatives: Vec::new() };
        for (factor, term) in terms {
            sum.value += factor * term.value;
            sum.derivatives.resize(term.derivatives.len(), 0.0);
            let pairs = sum.derivatives.iter_mut().zip(&term.derivatives);
            pairs.for_each(|(sum, derivative)| *sum += factor * derivative);
        }
        sum
    }

    /// Standard error over patients.
    pub(crate) fn standard_error(&self, outcomes: &Outcomes) -> f64 {
        let mut sums = vec![0.0; outcomes.patient_count()];
        let exams = self.derivatives.iter().zip(outcomes.patients());
        exams.for_each(|(derivative, &patient)| sums[patient] += derivative);
        sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt()
    }
}

/// `√(n / (n − 1))`, by which derivatives about the mean of `n` patients are too small; 1 for one patient, which
/// has no variance.
pub(crate) fn correction(patients: usize) -> f64 {
    if patients < 2 { 1.0 } else { (patients as f64 / (patients as f64 - 1.0)).sqrt() }
}
