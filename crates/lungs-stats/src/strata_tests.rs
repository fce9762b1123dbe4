//! Pooled variances and the mean over folds.

use super::super::testing::{Y, Z};
use super::super::{auc, delong};
use super::*;

fn part(from: usize, to: usize) -> (Vec<f64>, Vec<bool>) {
    (Z[from..to].to_vec(), Y[from..to].iter().map(|&y| y == 1).collect())
}

#[test]
fn one_group_has_its_own_variance() {
    let (scores, labels) = part(0, 200);
    let variances = pooled_variances(&[Stratum::of(&scores, &labels, None).unwrap()]).unwrap();
    let own = delong(&scores, &labels, None).unwrap().variance.unwrap();
    assert!((variances[0] - own).abs() < 1e-15, "{} {own}", variances[0]);
}

#[test]
fn groups_of_equal_components_have_variances_by_their_sizes() {
    // The same exams twice: the pooled variance is that of each group.
    let (scores, labels) = part(0, 80);
    let group = || Stratum::of(&scores, &labels, None).unwrap();
    let variances = pooled_variances(&[group(), group()]).unwrap();
    let own = delong(&scores, &labels, None).unwrap().variance.unwrap();
    assert!(variances.iter().all(|variance| (variance / own - 1.0).abs() < 1e-12));
}

#[test]
fn the_mean_over_folds_has_the_interval_of_independent_aucs() {
    let folds = [(0, 70), (70, 140), (140, 200)].map(|(from, to)| part(from, to));
    let aucs: Vec<f64> = folds.iter().map(|(z, y)| auc(z, y).unwrap()).collect();
    let folds: Vec<FoldExams> = folds.into_iter().map(|(z, y)| (z, y, None)).collect();
    let estimate = mean_auc_of_folds(&folds, 0.95);
    let value = estimate.value.unwrap();
    assert!((value - aucs.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    let interval = estimate.interval.unwrap();
    // Each fold's own variance instead of the pooled one: nearly the same width.
    let variance: f64 =
        folds.iter().map(|(z, y, _)| delong(z, y, None).unwrap().variance.unwrap()).sum();
    let width = 2.0 * 1.96 * variance.sqrt() / 3.0;
    let ratio = (interval.high - interval.low) / width;
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    // One positive exam in a fold is enough; one class is not.
    let single: FoldExams = (vec![0.1, 0.4, 0.3], vec![false, false, true], None);
    let with_single = mean_auc_of_folds(&[folds[0].clone(), single], 0.95);
    assert!(with_single.interval.is_some());
    let undefined = mean_auc_of_folds(&[folds[0].clone(), (vec![0.1], vec![true], None)], 0.95);
    assert_eq!(undefined.reason.as_deref(), Some("the AUC of a fold is undefined"));
}
