//! The permutation test against full enumeration by the AUC's definition.

use super::super::testing::normal_draws;
use super::super::{auc, paired_aucs};
use super::*;

/// The share of all `2ⁿ` exchanges of scores with an AUC difference of at least the observed one.
fn enumerated(a: &[f64], b: &[f64], labels: &[bool], patients: &[usize]) -> f64 {
    let ranks = [mid_ranks(a), mid_ranks(b)];
    let difference = |exchange: usize| {
        let of = |model: usize| -> Vec<f64> {
            let source = |exam: usize| model ^ (exchange >> patients[exam] & 1);
            (0..labels.len()).map(|exam| ranks[source(exam)][exam]).collect()
        };
        auc(&of(0), labels).unwrap() - auc(&of(1), labels).unwrap()
    };
    let count = 1 << (patients.iter().max().unwrap() + 1);
    let observed = difference(0).abs();
    let as_large = (0..count).filter(|&it| difference(it).abs() >= observed - 1e-12).count();
    as_large as f64 / count as f64
}

fn ten() -> (Vec<f64>, Vec<f64>, Vec<bool>) {
    let noise = normal_draws(7, "permutation", 20);
    let labels: Vec<bool> = (0..10).map(|exam| exam % 3 == 0).collect();
    let a = (0..10).map(|exam| noise[exam] + if labels[exam] { 2.0 } else { 0.0 }).collect();
    (a, noise[10..].to_vec(), labels)
}

#[test]
fn few_exams_give_the_exact_p_value() {
    let (a, b, labels) = ten();
    let exams: Vec<usize> = (0..10).collect();
    let test = paired_permutation([&a, &b], &labels, None, 37).unwrap();
    assert!(test.exact);
    assert!((test.p_value - enumerated(&a, &b, &labels, &exams)).abs() < 1e-12, "{test:?}");
    // Exams of one patient are exchanged together.
    let pairs: Vec<usize> = (0..10).map(|exam| exam / 2).collect();
    let test = paired_permutation([&a, &b], &labels, Some(&pairs), 37).unwrap();
    assert!((test.p_value - enumerated(&a, &b, &labels, &pairs)).abs() < 1e-12, "{test:?}");
}

#[test]
fn random_exchanges_approach_the_exact_p_value() {
    let noise = normal_draws(8, "permutation", 32);
    let labels: Vec<bool> = (0..16).map(|exam| exam % 4 == 0).collect();
    let a: Vec<f64> = (0..16).map(|i| noise[i] + if labels[i] { 1.5 } else { 0.0 }).collect();
    let exams: Vec<usize> = (0..16).collect();
    let test = paired_permutation([&a, &noise[16..]], &labels, None, 37).unwrap();
    assert!(!test.exact && test.exchanges == DRAWS);
    let exact = enumerated(&a, &noise[16..], &labels, &exams);
    // Four standard errors of 9,999 draws.
    assert!((test.p_value - exact).abs() < 4.0 * (exact * (1.0 - exact) / 9999.0).sqrt() + 2e-4);
    assert_eq!(paired_permutation([&a, &noise[16..]], &labels, None, 37), Some(test));
    assert_ne!(paired_permutation([&a, &noise[16..]], &labels, None, 38), Some(test));
}

#[test]
fn opposite_rankings_without_variance_are_not_equal_aucs() {
    let labels = [false, false, true, true, true];
    let (up, down) = ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0]);
    let paired = paired_aucs([&up, &down], &labels, None, 0.95, 37).unwrap();
    assert_eq!((paired.auc_a, paired.auc_b, paired.interval), (1.0, 0.0, None));
    let exams: Vec<usize> = (0..5).collect();
    assert_eq!(paired.p_value, Some(enumerated(&up, &down, &labels, &exams)));
    assert!(paired.p_value.unwrap() >= 0.0625);
    assert!(paired.permutation.unwrap().exact);
    assert!(paired.reason.unwrap().contains("permutation test"));
    // The same ranks at other scores are equal.
    assert_eq!(paired_permutation([&up, &[2.0, 4.0, 6.0, 8.0, 10.0]], &labels, None, 37), None);
}

#[test]
fn results_do_not_depend_on_the_thread_count() {
    let noise = normal_draws(9, "permutation", 80);
    let labels: Vec<bool> = (0..40).map(|exam| exam % 8 == 0).collect();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| paired_permutation([&noise[..40], &noise[40..]], &labels, None, 37))
    };
    assert_eq!(with_threads(1), with_threads(3));
}
