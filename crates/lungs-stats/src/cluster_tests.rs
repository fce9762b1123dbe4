//! Obuchowski's variance against its definition over pairs of exams, and against DeLong's.

use super::super::components::components;
use super::super::delong::covariance_of_aucs;
use super::super::testing::{labelled_scores, normal_draws};
use super::super::{Interval, Method, Proportion, delong, wilson};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Obuchowski 1997 by the definition: `ψ` of every pair of a positive and a negative exam, summed within
/// patients with maps, for two models.
fn by_definition(scores: [&[f64]; 2], labels: &[bool], patients: &[usize]) -> f64 {
    let exams = |class: bool| (0..labels.len()).filter(move |&exam| labels[exam] == class);
    let (m, n) = (exams(true).count() as f64, exams(false).count() as f64);
    let sums = scores.map(|scores| {
        let psi = |p: usize, q: usize| {
            if scores[p] > scores[q] {
                1.0
            } else if scores[p] == scores[q] {
                0.5
            } else {
                0.0
            }
        };
        let auc = exams(true)
            .flat_map(|p| exams(false).map(move |q| (p, q)))
            .map(|(p, q)| psi(p, q))
            .sum::<f64>()
            / (m * n);
        let mut positive = BTreeMap::<usize, f64>::new();
        let mut negative = BTreeMap::<usize, f64>::new();
        for p in exams(true) {
            let component = exams(false).map(|q| psi(p, q)).sum::<f64>() / n;
            *positive.entry(patients[p]).or_default() += component - auc;
        }
        for q in exams(false) {
            let component = exams(true).map(|p| psi(p, q)).sum::<f64>() / m;
            *negative.entry(patients[q]).or_default() += component - auc;
        }
        (positive, negative)
    });
    let product = |a: &BTreeMap<usize, f64>, b: &BTreeMap<usize, f64>| -> f64 {
        a.iter().filter_map(|(patient, x)| Some(x * b.get(patient)?)).sum()
    };
    let corrected = |sum: f64, count: usize| sum * count as f64 / (count as f64 - 1.0);
    let all: BTreeSet<usize> = patients.iter().copied().collect();
    let [(pa, na), (pb, nb)] = &sums;
    corrected(product(pa, pb), pa.len()) / (m * m)
        + corrected(product(na, nb), na.len()) / (n * n)
        + corrected(product(pa, nb), all.len()) / (m * n)
        + corrected(product(na, pb), all.len()) / (m * n)
}

proptest! {
    #[test]
    fn obuchowskis_covariance_equals_its_definition(
        (a, labels) in labelled_scores(), salt in 1usize..7, exams in 2usize..5
    ) {
        let patients: Vec<usize> = (0..a.len()).map(|exam| exam / exams).collect();
        let counts = class_counts(&labels, Some(&patients));
        prop_assume!(counts[0] > 1 && counts[1] > 1);
        let b: Vec<f64> = a.iter().enumerate().map(|(i, s)| s + (i * salt % 5) as f64).collect();
        let (ca, cb) = (components(&a, &labels).unwrap(), components(&b, &labels).unwrap());
        let own = covariance(&ca, &ca, &labels, &patients).unwrap();
        prop_assert!((own - by_definition([&a, &a], &labels, &patients)).abs() < 1e-12);
        let both = covariance(&ca, &cb, &labels, &patients).unwrap();
        prop_assert!((both - by_definition([&a, &b], &labels, &patients)).abs() < 1e-12);
    }

    #[test]
    fn one_exam_of_every_patient_gives_delongs_covariance((a, labels) in labelled_scores()) {
        let counts = class_counts(&labels, None);
        prop_assume!(counts[0] > 1 && counts[1] > 1);
        let patients: Vec<usize> = (0..a.len()).rev().collect();
        let components = components(&a, &labels).unwrap();
        let clustered = covariance(&components, &components, &labels, &patients).unwrap();
        let plain = covariance_of_aucs(&components, &components, &labels, None).unwrap();
        prop_assert!((clustered - plain).abs() < 1e-12);
    }
}

#[test]
fn repeating_every_exam_does_not_change_the_variance_much() {
    // Four equal exams of every patient carry the information of one.
    let once = normal_draws(5, "clusters", 120);
    let label = |i: usize| i.is_multiple_of(2);
    let labels: Vec<bool> = (0..120).map(label).collect();
    let scores4: Vec<f64> = (0..480).map(|i| once[i / 4]).collect();
    let labels4: Vec<bool> = (0..480).map(|i| label(i / 4)).collect();
    let patients4: Vec<usize> = (0..480).map(|i| i / 4).collect();
    let variance = delong(&once, &labels, None).unwrap().variance.unwrap();
    let clustered = delong(&scores4, &labels4, Some(&patients4)).unwrap().variance.unwrap();
    assert!((clustered / variance - 1.0).abs() < 1e-9, "{clustered} {variance}");
    let naive = delong(&scores4, &labels4, None).unwrap().variance.unwrap();
    assert!(naive < variance / 3.5);
}

#[test]
fn the_effective_number_of_exams_is_between_patients_and_exams() {
    // All exams of a patient agree: the design effect is the number of exams, times I/(I−1).
    let agree: Vec<(usize, bool)> = (0..80).map(|exam| (exam / 4, exam / 4 % 2 == 0)).collect();
    let effective = effective_exams(&agree);
    assert_eq!(effective.patients, 20);
    assert!((effective.exams - 19.0).abs() < 1e-9, "{}", effective.exams);
    // Within a patient, half of the exams: less variance than independent exams, but no credit for it.
    let balanced: Vec<(usize, bool)> = (0..80).map(|exam| (exam / 4, exam % 2 == 0)).collect();
    assert_eq!(effective_exams(&balanced).exams, 80.0);
    // All equal: as if exams of one patient agreed, Kish's (Σ n)² / Σ n² of sizes 1 and 3 is 16/10.
    let all = [(0, true), (1, true), (1, true), (1, true)];
    assert!((effective_exams(&all).exams - 1.6).abs() < 1e-12);
    let share = Proportion::new(40, 80, 0.95, "exams").of_patients(&agree, 0.95);
    let Interval { low, high, method, .. } = share.interval.unwrap();
    let independent = wilson(40, 80, 0.95).unwrap();
    assert_eq!(method, Method::RaoScottWilson);
    assert!(low < independent.low - 0.05 && high > independent.high + 0.05, "{low} {high}");
}
