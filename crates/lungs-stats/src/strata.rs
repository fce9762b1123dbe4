//! AUCs of independent groups of exams: sites, folds.
//!
//! A group with few positive exams estimates the variance of its own AUC badly. All groups together estimate
//! it well, if the structural components vary alike in each: the pooled variance of a group's AUC is
//! `S₁₀/m + S₀₁/n` with its own class sizes and the components' variances over all groups.

use super::auc_interval::{interval_to_report, newcombe_variance};
use super::cluster::{PatientSums, effective_counts};
use super::components::components;
use super::interval::{Estimate, Method};
use super::normal::chi_squared_tail;

/// What the AUC of one group contributes to the pooled variances.
pub(super) struct Stratum {
    pub auc: f64,
    /// Exams: positive, negative.
    exams: [f64; 2],
    /// Effective exams: negative, positive.
    effective: [f64; 2],
    sums: PatientSums,
}

impl Stratum {
    /// The group's AUC; `None` for one class only or a score that is not a number.
    pub(crate) fn of(scores: &[f64], labels: &[bool], patients: Option<&[usize]>) -> Option<Self> {
        let components = components(scores, labels)?;
        let own: Vec<usize>;
        let units = match patients {
            Some(patients) => patients,
            None => {
                own = (0..labels.len()).collect();
                &own
            }
        };
        let exams = [components.positives.len() as f64, components.negatives.len() as f64];
        let sums = PatientSums::of(&components, &components, labels, units);
        let effective = effective_counts(labels, patients);
        Some(Self { auc: components.auc, exams, effective, sums })
    }
}

/// The variance of each group's AUC, from the components of all groups; `None` when no group has two patients
/// of a class.
pub(super) fn pooled_variances(strata: &[Stratum]) -> Option<Vec<f64>> {
    // Per exam of the class; the degrees of freedom in units of exams.
    let per_exam = |class: usize| {
        let products: f64 = strata.iter().map(|group| group.sums.products[class]).sum();
        let degrees = |group: &Stratum| {
            let patients = group.sums.patients[class];
            group.exams[class] * (patients - 1.0) / patients
        };
        let degrees: f64 = strata.iter().map(degrees).sum();
        (degrees > 0.0).then(|| products / degrees)
    };
    let (positive, negative) = (per_exam(0)?, per_exam(1)?);
    // Patients with exams of both classes, per patient.
    let products: f64 = strata.iter().map(|group| group.sums.products[2]).sum();
    let patients: f64 = strata.iter().map(|group| group.sums.patients[2] - 1.0).sum();
    let both = products / patients.max(1.0);
    let variance = |group: &Stratum| {
        let [m, n] = group.exams;
        (positive / m + negative / n + both * group.sums.patients[2] / (m * n)).max(0.0)
    };
    Some(strata.iter().map(variance).collect())
}

/// Cochran's statistic `Q = Σ (AUCᵢ − mean)² / Vᵢ` of (AUC, variance) with the mean weighted by `1 / Vᵢ`, its
/// degrees of freedom, and the p-value.
pub(super) fn cochran(aucs: &[(f64, f64)]) -> (f64, usize, f64) {
    let weights: f64 = aucs.iter().map(|(_, variance)| 1.0 / variance).sum();
    let mean = aucs.iter().map(|(auc, variance)| auc / variance).sum::<f64>() / weights;
    let statistic: f64 = aucs.iter().map(|(auc, variance)| (auc - mean).powi(2) / variance).sum();
    let degrees = aucs.len() - 1;
    (statistic, degrees, chi_squared_tail(statistic, degrees))
}

/// Scores, labels and, where patients have several exams, the index of each exam's patient.
pub type FoldExams = (Vec<f64>, Vec<bool>, Option<Vec<usize>>);

/// The mean of the AUCs of folds with disjoint patients, each fold ranked on its own (LeDell, Petersen & van der
/// Laan, Electronic Journal of Statistics 2015, 9:1583–1607). The variance is that of a mean of independent
/// AUCs with pooled variances; it takes the networks as given and has no share from their training.
pub fn mean_auc_of_folds(folds: &[FoldExams], level: f64) -> Estimate {
    let strata: Option<Vec<Stratum>> = folds
        .iter()
        .map(|(scores, labels, patients)| Stratum::of(scores, labels, patients.as_deref()))
        .collect();
    let Some(strata) = strata.filter(|strata| !strata.is_empty()) else {
        return Estimate::undefined("the AUC of a fold is undefined");
    };
    let count = strata.len() as f64;
    let mean = strata.iter().map(|fold| fold.auc).sum::<f64>() / count;
    let variance =
        pooled_variances(&strata).map(|variances| variances.iter().sum::<f64>() / (count * count));
    let null_variance = |theta: f64| {
        let variance =
            |fold: &Stratum| newcombe_variance(theta, fold.effective[1], fold.effective[0]);
        strata.iter().map(variance).sum::<f64>() / (count * count)
    };
    let size = |class: usize| strata.iter().map(|fold| fold.effective[class]).sum::<f64>();
    let smaller = size(0).min(size(1));
    let mut interval = interval_to_report(mean, variance, null_variance, smaller, level);
    let is_clustered = folds.iter().any(|(_, _, patients)| patients.is_some());
    if is_clustered && interval.method == Method::DelongLogit {
        interval.method = Method::ObuchowskiLogit;
    }
    Estimate::with_interval(mean, interval)
}

#[cfg(test)]
#[path = "strata_tests.rs"]
mod tests;
