//! Several exams of one patient: variances that count patients instead of exams.
//!
//! Exams of one patient resemble each other, so they carry less information than exams of different
//! patients. The variance of an AUC is that of Obuchowski (Biometrics 1997, 53:567–578): the structural
//! components of DeLong's variance are summed within each patient first. A share has the interval of Wilson
//! with the effective number of exams `n / d`, where the design effect `d` is the ratio of the variance over
//! patients to the binomial variance (Rao & Scott, Biometrics 1992, 48:577–585).

use super::components::Components;
use std::collections::BTreeMap;

/// Index of each exam's patient, in the order of patient names, so that the order of exams does not matter.
pub fn patient_indices<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
    let mut numbers: BTreeMap<&str, usize> = names.clone().map(|name| (name, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(index, number)| *number = index);
    names.map(|name| numbers[name]).collect()
}

/// Index of each exam's patient, as [`patient_indices`]; `None` where every patient has one exam.
pub fn repeated_patients<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<Vec<usize>> {
    let patients = patient_indices(names);
    (count(&patients) < patients.len()).then_some(patients)
}

/// Number of patients of these indices.
pub(super) fn count(patients: &[usize]) -> usize {
    patients.iter().max().map_or(0, |&last| last + 1)
}

/// Number of different patients among some exams.
fn distinct(patients: impl Iterator<Item = usize>) -> usize {
    let mut patients: Vec<usize> = patients.collect();
    patients.sort_unstable();
    patients.dedup();
    patients.len()
}

/// Number of patients with a negative exam, and with a positive one: the units that carry information. Exams,
/// if `patients` is `None`.
pub(super) fn class_counts(labels: &[bool], patients: Option<&[usize]>) -> [usize; 2] {
    [false, true].map(|class| {
        let of_class = (0..labels.len()).filter(|&exam| labels[exam] == class);
        match patients {
            None => of_class.count(),
            Some(patients) => distinct(of_class.map(|exam| patients[exam])),
        }
    })
}

/// Kish's effective number of negative and of positive exams when the exams of a patient agree completely,
/// `(Σ nᵢ)² / Σ nᵢ²` over patients; the number of exams if `patients` is `None`.
pub(super) fn effective_counts(labels: &[bool], patients: Option<&[usize]>) -> [f64; 2] {
    let Some(patients) = patients else {
        return class_counts(labels, None).map(|exams| exams as f64);
    };
    [false, true].map(|class| {
        let mut exams = vec![0.0; count(patients)];
        let of_class = labels.iter().zip(patients).filter(|(label, _)| **label == class);
        of_class.for_each(|(_, &patient)| exams[patient] += 1.0);
        kish(&exams)
    })
}

/// `(Σ w)² / Σ w²`; 0 without a positive weight.
fn kish(sizes: &[f64]) -> f64 {
    let sum: f64 = sizes.iter().sum();
    let squares: f64 = sizes.iter().map(|size| size * size).sum();
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Sums over each patient's exams of the centred components of two models.
pub(super) struct PatientSums {
    /// Patients with a positive exam, with a negative exam, and all.
    pub patients: [f64; 3],
    /// Sums over patients of the products of positive, of negative, and of positive with negative sums.
    pub products: [f64; 3],
}

impl PatientSums {
    /// The sums of models `a` and `b`; `patients` is `[exam]`.
    pub(crate) fn of(a: &Components, b: &Components, labels: &[bool], patients: &[usize]) -> Self {
        let count = count(patients);
        let mut sums = vec![[0.0; 4]; count];
        let mut exams = vec![[0usize; 2]; count];
        let mut next = [0; 2];
        for (&label, &patient) in labels.iter().zip(patients) {
            let class = usize::from(label);
            let index = next[class];
            next[class] += 1;
            exams[patient][class] += 1;
            let of = |model: &Components| {
                let components = if label { &model.positives } else { &model.negatives };
                components[index] - model.auc
            };
            sums[patient][class] += of(a);
            sums[patient][2 + class] += of(b);
        }
        let with = |test: &dyn Fn(&[usize; 2]) -> bool| {
            exams.iter().filter(|exams| test(exams)).count() as f64
        };
        let product = |product: &dyn Fn(&[f64; 4]) -> f64| sums.iter().map(product).sum();
        Self {
            patients: [
                with(&|exams| exams[1] > 0),
                with(&|exams| exams[0] > 0),
                with(&|exams| exams[0] + exams[1] > 0),
            ],
            products: [
                product(&|sum| sum[1] * sum[3]),
                product(&|sum| sum[0] * sum[2]),
                product(&|sum| sum[1] * sum[2] + sum[0] * sum[3]),
            ],
        }
    }
}

/// Obuchowski's covariance of two AUCs on the same exams; `None` with fewer than two patients in a class.
/// Where every patient has one exam it is DeLong's.
pub(super) fn covariance(
    a: &Components,
    b: &Components,
    labels: &[bool],
    patients: &[usize],
) -> Option<f64> {
    let PatientSums { patients: [positive, negative, all], products } =
        PatientSums::of(a, b, labels, patients);
    if positive < 2.0 || negative < 2.0 {
        return None;
    }
    let (m, n) = (a.positives.len() as f64, a.negatives.len() as f64);
    let corrected = |product: f64, patients: f64| product * patients / (patients - 1.0);
    Some(
        corrected(products[0], positive) / (m * m)
            + corrected(products[1], negative) / (n * n)
            + corrected(products[2], all) / (m * n),
    )
}

/// The information in a share.
pub(super) struct EffectiveExams {
    /// Number of independent exams with the same variance.
    pub exams: f64,
    /// Number of patients.
    pub patients: usize,
}

/// Effective number of exams of a share: the number of independent exams with the same variance. `outcomes`
/// has the patient of each exam and whether it counts.
///
/// The design effect is at least 1. Where all outcomes are equal it cannot be estimated, and exams of one
/// patient count as if they agreed completely.
pub(super) fn effective_exams(outcomes: &[(usize, bool)]) -> EffectiveExams {
    let last = outcomes.iter().map(|&(patient, _)| patient).max();
    let mut tallies = vec![[0.0; 2]; last.map_or(0, |last| last + 1)];
    for &(patient, success) in outcomes {
        let [total, successes] = &mut tallies[patient];
        *total += 1.0;
        *successes += f64::from(u8::from(success));
    }
    tallies.retain(|[total, _]| *total > 0.0);
    let exams = outcomes.len() as f64;
    let share = tallies.iter().map(|[_, successes]| successes).sum::<f64>() / exams;
    let binomial = exams * share * (1.0 - share);
    let patients = tallies.len() as f64;
    if patients < 2.0 || binomial <= 0.0 {
        let sizes: Vec<f64> = tallies.iter().map(|[total, _]| *total).collect();
        return EffectiveExams { exams: kish(&sizes), patients: tallies.len() };
    }
    let squares: f64 =
        tallies.iter().map(|[total, successes]| (successes - share * total).powi(2)).sum();
    let design_effect = squares * patients / (patients - 1.0) / binomial;
    EffectiveExams { exams: exams / design_effect.max(1.0), patients: tallies.len() }
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
