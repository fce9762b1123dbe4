//! DeLong's variance and test against pROC's published example, against the definition, and against the
//! bootstrap.
//!
//! The example is `aSAH` of the R package pROC (113 patients after subarachnoid haemorrhage;
//! Turck et al., Intensive Care Medicine 2010, 36:107–115). Every value here depends on the
//! order of the scores alone, so only dense ranks are kept. Expected values: pROC 1.18.0,
//! `ci.auc`, `var` and `roc.test(method = "delong")`.

use proptest::prelude::*;

use super::super::testing::{labelled_scores, normal_draws, resampled_aucs};
use super::super::{Method, auc_with_interval, delong_plain_interval, paired_aucs};
use super::*;

#[rustfmt::skip]
const POOR_OUTCOME: [u8; 113] = [
    0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0,
];
#[rustfmt::skip]
const WFNS: [u8; 113] = [
    1, 1, 1, 1, 3, 2, 5, 4, 1, 2, 5, 2, 5, 5, 1, 2, 5, 2, 2, 5, 2, 1, 1, 1, 1, 2, 1, 2, 1, 1, 3, 4, 2, 1, 4, 5, 4, 1, 4, 2, 5, 5, 1, 1, 2, 4, 1, 1, 2, 5, 5, 2, 1, 2, 5, 1, 2, 2, 2, 1, 5, 1, 1, 2, 5, 2, 1, 4, 5, 2, 4, 4, 1, 4, 1, 2, 1, 4, 2, 1, 2, 3, 2, 4, 2, 1, 4, 5, 1, 1, 5, 4, 2, 2, 1, 1, 1, 3, 1, 2, 5, 2, 2, 5, 5, 5, 2, 4, 4, 5, 1, 1, 1,
];
#[rustfmt::skip]
const S100B: [u8; 113] = [
    11, 12, 8, 2, 11, 8, 36, 14, 16, 8, 10, 8, 33, 44, 2, 6, 38, 2, 5, 27, 7, 7, 5, 9, 5, 15, 5, 9, 11, 17, 3, 14, 31, 12, 28, 29, 37, 7, 49, 21, 39, 35, 14, 5, 32, 34, 9, 6, 7, 48, 40, 6, 4, 11, 50, 8, 12, 13, 5, 4, 46, 3, 7, 25, 1, 7, 2, 19, 43, 7, 23, 44, 6, 22, 6, 14, 7, 11, 8, 6, 9, 27, 9, 24, 5, 8, 26, 18, 5, 3, 20, 30, 8, 13, 6, 12, 8, 5, 2, 17, 41, 12, 42, 26, 47, 45, 13, 36, 15, 33, 13, 39, 37,
];
#[rustfmt::skip]
const NDKA: [u8; 113] = [
    1, 27, 23, 42, 82, 61, 8, 66, 76, 9, 78, 83, 5, 28, 67, 86, 49, 79, 97, 105, 98, 104, 100, 31, 10, 56, 13, 11, 108, 62, 35, 36, 38, 84, 4, 72, 90, 22, 17, 25, 14, 33, 65, 21, 74, 101, 18, 16, 58, 69, 2, 30, 19, 64, 109, 95, 91, 39, 87, 53, 41, 106, 12, 48, 55, 70, 80, 93, 63, 34, 89, 24, 107, 76, 43, 45, 75, 6, 33, 3, 88, 81, 60, 30, 47, 85, 46, 7, 54, 20, 37, 44, 96, 26, 57, 63, 102, 51, 59, 29, 32, 99, 52, 73, 103, 50, 94, 40, 71, 77, 92, 15, 68,
];

fn asah(ranks: &[u8; 113]) -> (Vec<f64>, Vec<bool>) {
    (ranks.iter().map(|&r| f64::from(r)).collect(), POOR_OUTCOME.iter().map(|&y| y == 1).collect())
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-10, "found {found}, expected {expected}");
}

#[test]
fn one_auc_agrees_with_proc() {
    for (ranks, auc, variance, low, high) in [
        (&S100B, 0.731368563686, 0.00266868245717, 0.630118211762, 0.832618915610),
        (&NDKA, 0.611957994580, 0.00319081054939, 0.501244999272, 0.722670989888),
        (&WFNS, 0.823678861789, 0.00146991470882, 0.748534887819, 0.898822835758),
    ] {
        let (scores, labels) = asah(ranks);
        let estimate = delong(&scores, &labels, None).unwrap();
        assert_close(estimate.auc, auc);
        assert_close(estimate.variance.unwrap(), variance);
        let interval = delong_plain_interval(estimate.auc, variance, 0.95);
        assert_close(interval.low, low);
        assert_close(interval.high, high);
        // The reported interval is shifted away from 1 and contains the same estimate.
        let reported = auc_with_interval(&scores, &labels, None, 0.95).interval.unwrap();
        assert!(reported.low < auc && auc < reported.high && reported.high < high);
    }
}

#[test]
fn paired_test_agrees_with_proc() {
    for (a, b, statistic, p_value, low, high) in [
        (&S100B, &NDKA, 1.39077002574, 0.164295175223, -0.0488706064228, 0.287691744634),
        (&S100B, &WFNS, -2.20898359144, 0.0271757822292, -0.174214419249, -0.0104061769565),
        (&WFNS, &NDKA, 2.79777591869, 0.00514557970691, 0.063401170934, 0.360040563483),
    ] {
        let ((a, labels), (b, _)) = (asah(a), asah(b));
        let paired = paired_aucs([&a, &b], &labels, None, 0.95, 37).unwrap();
        assert_close(paired.statistic.unwrap(), statistic);
        assert_close(paired.p_value.unwrap(), p_value);
        assert_close(paired.interval.unwrap().low, low);
        assert_close(paired.interval.unwrap().high, high);
    }
}

#[test]
fn the_test_of_a_model_against_itself_is_undefined() {
    let (scores, labels) = asah(&S100B);
    let paired = paired_aucs([&scores, &scores], &labels, None, 0.95, 37).unwrap();
    assert_eq!((paired.difference, paired.p_value), (0.0, None));
    assert!(paired.reason.unwrap().contains("rank these exams equally"));
}

#[test]
fn perfect_separation_has_an_interval_with_width() {
    let (scores, labels) =
        ([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [false, false, false, true, true, true]);
    let estimate = auc_with_interval(&scores, &labels, None, 0.95);
    let interval = estimate.interval.unwrap();
    assert_eq!(
        (estimate.value, interval.high, interval.method),
        (Some(1.0), 1.0, Method::NewcombeScore)
    );
    assert!(interval.low > 0.4 && interval.low < 0.8, "{interval:?}");
    // The bound solves Newcombe's equation.
    let t = interval.low;
    let variance = t * (1.0 - t) * (1.0 + 2.0 * ((1.0 - t) / (2.0 - t) + t / (1.0 + t))) / 9.0;
    assert_close((1.0 - t) / variance.sqrt(), 1.959963984540);
}

#[test]
fn an_undefined_auc_has_a_reason() {
    let one = auc_with_interval(&[0.1, 0.2], &[false, false], None, 0.95);
    assert_eq!(one.value, None);
    assert_eq!(one.reason.unwrap(), "one class only: all 2 exams are negative");
    // One positive exam has Newcombe's interval, equal scores have none.
    let single = auc_with_interval(&[0.1, 0.2, 0.15], &[false, false, true], None, 0.95);
    let interval = single.interval.unwrap();
    assert_eq!((single.value, interval.method), (Some(0.5), Method::NewcombeScore));
    assert!(interval.low < 0.2 && interval.high > 0.8, "{interval:?}");
    let equal = auc_with_interval(&[0.3; 4], &[false, true, false, true], None, 0.95);
    assert_eq!((equal.value, equal.interval), (Some(0.5), None));
    assert!(equal.reason.unwrap().contains("all scores are equal"));
    let nan = auc_with_interval(&[0.1, f64::NAN], &[false, true], None, 0.95);
    assert_eq!(nan.reason.unwrap(), "1 of 2 scores is not a number");
    assert_eq!(auc_with_interval(&[], &[], None, 0.95).reason.unwrap(), "there are no exams");
}

/// The definition, `O(m·n)`: the covariance of two AUCs on the same exams.
fn naive_covariance(a: &[f64], b: &[f64], labels: &[bool]) -> f64 {
    let wins = |scores: &[f64]| -> Vec<Vec<f64>> {
        let of = |class| (0..labels.len()).filter(move |&i| labels[i] == class);
        of(true)
            .map(|p| {
                of(false)
                    .map(|n| match scores[p].total_cmp(&scores[n]) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    })
                    .collect()
            })
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let rows = |wins: &[Vec<f64>]| wins.iter().map(|row| mean(row)).collect::<Vec<_>>();
    let columns = |wins: &[Vec<f64>]| {
        (0..wins[0].len())
            .map(|j| mean(&wins.iter().map(|row| row[j]).collect::<Vec<_>>()))
            .collect::<Vec<_>>()
    };
    let covariance = |x: &[f64], y: &[f64]| {
        let (mx, my) = (mean(x), mean(y));
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (x.len() - 1) as f64
    };
    let (a, b) = (wins(a), wins(b));
    covariance(&rows(&a), &rows(&b)) / a.len() as f64
        + covariance(&columns(&a), &columns(&b)) / a[0].len() as f64
}

proptest! {
    #[test]
    fn mid_ranks_agree_with_the_definition((a, labels) in labelled_scores(), salt in 1usize..7) {
        let m = labels.iter().filter(|&&label| label).count();
        prop_assume!(m > 1 && labels.len() - m > 1);
        let b: Vec<f64> = a.iter().enumerate().map(|(i, s)| s + (i * salt % 5) as f64).collect();
        let (ca, cb) = (components(&a, &labels).unwrap(), components(&b, &labels).unwrap());
        for (x, y, sx, sy) in [(&ca, &ca, &a, &a), (&ca, &cb, &a, &b)] {
            let (fast, naive) = (covariance_of_aucs(x, y, &labels, None).unwrap(), naive_covariance(sx, sy, &labels));
            prop_assert!((fast - naive).abs() < 1e-12, "{fast} against {naive}");
        }
    }
}

#[test]
fn delong_agrees_with_the_bootstrap_on_simulated_data() {
    let labels: Vec<bool> = (0..400).map(|i| i % 4 == 0).collect();
    let noise = normal_draws(37, "delong against bootstrap", 400);
    let scores: Vec<f64> =
        noise.iter().zip(&labels).map(|(z, &label)| z + f64::from(u8::from(label))).collect();
    let patients: Vec<usize> = (0..400).collect();
    let bootstrap = resampled_aucs(&scores, &labels, &patients, [2000, 37]);
    let mean = bootstrap.iter().sum::<f64>() / bootstrap.len() as f64;
    let variance = bootstrap.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 1999.0;
    let estimate = delong(&scores, &labels, None).unwrap();
    let ratio = (variance / estimate.variance.unwrap()).sqrt();
    assert!((ratio - 1.0).abs() < 0.06, "bootstrap SE / DeLong SE = {ratio}");
    assert!((mean - estimate.auc).abs() < 0.003);
}
