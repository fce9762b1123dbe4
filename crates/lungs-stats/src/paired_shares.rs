//! Sensitivity and specificity of two models on the same exams, at chosen thresholds.
//!
//! The exams on which exactly one model is right (discordant exams) carry the information. The test is McNemar's
//! (1947); where patients have several exams it is Obuchowski's (Statistics in Medicine 1998, 17:1495–1507),
//! which sums the differences over the exams of a patient and is McNemar's otherwise. With few discordant patients
//! it is exact: the distribution of the difference when the models are exchanged in each patient with a
//! probability of one half, which is McNemar's exact binomial test where every patient has one exam.
//!
//! The interval is Tango's score interval of the difference (Statistics in Medicine 1998, 17:891–908), with the
//! effective number of exams where patients have several, as for one share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interval::{Interval, Method, Proportion};
use super::normal::{critical_value, critical_value_of_student, two_sided_p};

/// Discordant patients (exams, where every patient has one) below which the test is exact.
const EXACT_BELOW: usize = 25;

/// The test of two shares of the same exams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SharesTest {
    /// McNemar's test without continuity correction.
    McNemar,
    /// Obuchowski's test of clustered exams (1998).
    Obuchowski,
    /// The exact test: McNemar's binomial test, or exchanges of the models within patients.
    Exact,
}

/// Shares of two models on the same exams, and the test of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedShares {
    /// Share of the first model.
    pub a: Proportion,
    /// Share of the second model.
    pub b: Proportion,
    /// Exams on which only the first model is right.
    pub only_a: usize,
    /// Exams on which only the second model is right.
    pub only_b: usize,
    /// The first share minus the second; `None` without exams.
    pub difference: Option<f64>,
    /// The interval of the difference.
    pub interval: Option<Interval>,
    /// Two-sided p-value of the null hypothesis that the shares are equal; 1 without a discordant exam.
    pub p_value: Option<f64>,
    /// The test that gave the p-value.
    pub test: Option<SharesTest>,
    /// Why the difference is missing; `None` when it is defined.
    pub reason: Option<String>,
}

/// Sensitivity and specificity of two models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedOperatingPoints {
    /// Sensitivities on the positive exams.
    pub sensitivity: PairedShares,
    /// Specificities on the negative exams.
    pub specificity: PairedShares,
}

/// Sensitivity and specificity of two models that scored the same exams, in the same order, each at its own
/// threshold: scores of at least the threshold are predicted positive. `patients` has the index of each exam's
/// patient where patients have several exams. `None` for a score that is not a number.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn paired_operating_points(
    scores: [&[f64]; 2],
    thresholds: [f64; 2],
    labels: &[bool],
    patients: Option<&[usize]>,
    level: f64,
) -> Option<PairedOperatingPoints> {
    if scores.iter().any(|scores| scores.iter().any(|score| score.is_nan())) {
        return None;
    }
    let of_class = |class: bool| {
        let exams: Vec<usize> = (0..labels.len()).filter(|&exam| labels[exam] == class).collect();
        let correct = [0, 1].map(|model: usize| -> Vec<bool> {
            let is_positive = |exam: &usize| scores[model][*exam] >= thresholds[model];
            exams.iter().map(|exam| is_positive(exam) == class).collect()
        });
        let of_exams: Option<Vec<usize>> =
            patients.map(|patients| exams.iter().map(|&exam| patients[exam]).collect());
        let denominator = if class { "positive exams" } else { "negative exams" };
        paired_shares([&correct[0], &correct[1]], of_exams.as_deref(), level, denominator)
    };
    assert!(scores.iter().all(|scores| scores.len() == labels.len()), "one label per score");
    Some(PairedOperatingPoints { sensitivity: of_class(true), specificity: of_class(false) })
}

/// The shares of exams on which each of two models is `correct`, `[exam]`, and the test of their difference.
/// `denominator` ("positive exams") names the exams in the reason when there are none.
///
/// # Panics
/// When the slices differ in length, or `level` is not between 0 and 1.
pub fn paired_shares(
    correct: [&[bool]; 2],
    patients: Option<&[usize]>,
    level: f64,
    denominator: &str,
) -> PairedShares {
    let [a, b] = correct;
    assert_eq!(a.len(), b.len(), "both models have the same exams");
    let share = |correct: &[bool]| {
        let successes = correct.iter().filter(|&&correct| correct).count();
        let share = Proportion::new(successes, correct.len(), level, denominator);
        match patients {
            None => share,
            Some(patients) => {
                let outcomes: Vec<(usize, bool)> =
                    patients.iter().copied().zip(correct.iter().copied()).collect();
                share.of_patients(&outcomes, level)
            }
        }
    };
    let only = |first: &[bool], second: &[bool]| {
        first.iter().zip(second).filter(|(first, second)| **first && !**second).count()
    };
    let (a_share, b_share) = (share(a), share(b));
    let reason = a_share.reason.clone();
    let mut paired = PairedShares {
        a: a_share,
        b: b_share,
        only_a: only(a, b),
        only_b: only(b, a),
        difference: None,
        interval: None,
        p_value: None,
        test: None,
        reason,
    };
    if !a.is_empty() {
        let patient_differences = Differences::of(a, b, patients);
        let (p_value, test) = patient_differences.test();
        paired.difference = Some((paired.only_a as f64 - paired.only_b as f64) / a.len() as f64);
        paired.interval = Some(patient_differences.interval(paired.only_a, paired.only_b, level));
        (paired.p_value, paired.test) = (Some(p_value), Some(test));
    }
    paired
}

/// Differences of the numbers of correct exams of the two models, by patient.
struct Differences {
    /// Number of exams and difference of each patient.
    patients: Vec<(f64, i64)>,
    exams: f64,
    is_clustered: bool,
}

impl Differences {
    fn of(a: &[bool], b: &[bool], patients: Option<&[usize]>) -> Self {
        let mut by_patient = BTreeMap::<usize, (f64, i64)>::new();
        for (exam, (&a, &b)) in a.iter().zip(b).enumerate() {
            let patient = patients.map_or(exam, |patients| patients[exam]);
            let (exams, difference) = by_patient.entry(patient).or_default();
            *exams += 1.0;
            *difference += i64::from(a) - i64::from(b);
        }
        let is_clustered = by_patient.len() < a.len();
        Self { patients: by_patient.into_values().collect(), exams: a.len() as f64, is_clustered }
    }

    fn test(&self) -> (f64, SharesTest) {
        let discordant: Vec<i64> =
            self.patients.iter().map(|&(_, difference)| difference).filter(|&d| d != 0).collect();
        if discordant.len() < EXACT_BELOW {
            return (exact_p(&discordant), SharesTest::Exact);
        }
        let sum = discordant.iter().sum::<i64>() as f64;
        let squares = discordant.iter().map(|d| (d * d) as f64).sum::<f64>();
        if self.is_clustered {
            let patients = self.patients.len() as f64;
            let variance = squares * patients / (patients - 1.0);
            (two_sided_p(sum / variance.sqrt()), SharesTest::Obuchowski)
        } else {
            (two_sided_p(sum / squares.sqrt()), SharesTest::McNemar)
        }
    }

    /// Tango's interval; the counts are those of the effective number of exams where patients have several.
    fn interval(&self, only_a: usize, only_b: usize, level: f64) -> Interval {
        let (b, c) = (only_a as f64, only_b as f64);
        if !self.is_clustered {
            return tango_interval([b, c], self.exams, critical_value(level), level);
        }
        let patients = self.patients.len() as f64;
        let mean = (b - c) / self.exams;
        let independent = (b + c) - (b - c) * mean;
        let squares: f64 = self
            .patients
            .iter()
            .map(|&(exams, difference)| (difference as f64 - exams * mean).powi(2))
            .sum();
        let effective = if independent > 0.0 && patients > 1.0 {
            let design_effect = squares * patients / (patients - 1.0) / independent;
            self.exams / design_effect.max(1.0)
        } else {
            // No difference to estimate it from: the exams of a patient count as if they agreed completely.
            let squares: f64 = self.patients.iter().map(|(exams, _)| exams * exams).sum();
            self.exams * self.exams / squares
        };
        let scale = effective / self.exams;
        let z = critical_value_of_student(level, (patients - 1.0).max(1.0));
        let scaled = tango_interval([b * scale, c * scale], effective, z, level);
        // Rounding of the scaled counts must not move an end past the estimate.
        Interval {
            low: scaled.low.min(mean),
            high: scaled.high.max(mean),
            method: Method::RaoScottTango,
            ..scaled
        }
    }
}

/// The probability of a sum at least as far from 0, when each difference has either sign with a probability of one
/// half: by convolution, so that all exchanges are counted.
fn exact_p(differences: &[i64]) -> f64 {
    let observed = differences.iter().sum::<i64>().abs();
    let mut distribution = BTreeMap::from([(0i64, 1.0f64)]);
    for difference in differences {
        let mut next = BTreeMap::new();
        for (sum, probability) in distribution {
            for sum in [sum - difference, sum + difference] {
                *next.entry(sum).or_default() += 0.5 * probability;
            }
        }
        distribution = next;
    }
    let as_far = distribution.iter().filter(|(sum, _)| sum.abs() >= observed);
    as_far.map(|(_, probability)| probability).sum::<f64>().min(1.0)
}

/// Tango's score interval of `(b − c) / n` with `b` and `c` discordant pairs of `n`: the differences `δ` with
/// `|b − c − nδ| ≤ z·√(n(2q + δ(1 − δ)))`, where `q` is the share of the second kind of discordant pairs under `δ`.
fn tango_interval([b, c]: [f64; 2], n: f64, z: f64, level: f64) -> Interval {
    let is_within = |delta: f64| {
        let linear = -b - c + (2.0 * n - b + c) * delta;
        let constant = -c * delta * (1.0 - delta);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        let q = (root - linear) / (4.0 * n);
        let variance = n * (2.0 * q + delta * (1.0 - delta));
        (b - c - n * delta).abs() <= z * variance.max(0.0).sqrt()
    };
    let estimate = (b - c) / n;
    let bound = |limit: f64| {
        let (mut inside, mut outside) = (estimate, limit);
        for _ in 0..80 {
            let middle = 0.5 * (inside + outside);
            *(if is_within(middle) { &mut inside } else { &mut outside }) = middle;
        }
        inside
    };
    Interval { low: bound(-1.0), high: bound(1.0), level, method: Method::Tango }
}

#[cfg(test)]
#[path = "paired_shares_tests.rs"]
mod tests;
