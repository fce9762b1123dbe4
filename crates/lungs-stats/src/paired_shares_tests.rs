//! Paired shares against statsmodels and R, and against definitions worked in Python.

use super::super::testing::{Y, Z, normal_draws};
use super::*;
use proptest::prelude::*;

/// Two models with these numbers of exams: only the first right, only the second, both.
fn counts(only_a: usize, only_b: usize, both: usize, neither: usize) -> [Vec<bool>; 2] {
    let exams = [(true, false, only_a), (false, true, only_b), (true, true, both)];
    let exams = exams.into_iter().chain([(false, false, neither)]);
    let exams = exams.flat_map(|(a, b, count)| std::iter::repeat_n((a, b), count));
    let (a, b) = exams.unzip();
    [a, b]
}

fn shares(correct: &[Vec<bool>; 2], patients: Option<&[usize]>) -> PairedShares {
    paired_shares([&correct[0], &correct[1]], patients, 0.95, "exams")
}

/// The second model's scores, and the patients.
fn second_model() -> (Vec<f64>, Vec<usize>) {
    let score = |(exam, z): (usize, &f64)| z + ((exam * 7 % 5) as f64 - 2.0) * 1.5;
    (Z.iter().enumerate().map(score).collect(), (0..200).map(|exam| exam / 3).collect())
}

#[test]
fn p_values_equal_those_of_statsmodels_and_r() {
    // statsmodels 0.15.0: mcnemar([[3, b], [c, 4]], exact=True), from 25 on exact=False, correction=False;
    // R 4.2.2: binom.test(12, 14), mcnemar.test(correct = FALSE)
    for (b, c, p_value, test) in [
        (12, 2, 0.012939453125, SharesTest::Exact),
        (9, 0, 0.00390625, SharesTest::Exact),
        (3, 5, 0.7265625, SharesTest::Exact),
        (5, 5, 1.0, SharesTest::Exact),
        (40, 22, 0.022254124823099214, SharesTest::McNemar),
        (20, 11, 0.10599754842494528, SharesTest::McNemar),
    ] {
        let paired = shares(&counts(b, c, 3, 4), None);
        assert!((paired.p_value.unwrap() - p_value).abs() < 1e-12, "{paired:?}");
        assert_eq!((paired.test, paired.only_a, paired.only_b), (Some(test), b, c));
    }
}

#[test]
fn intervals_equal_tangos() {
    // Python: the score statistic with the constrained shares found by scipy.optimize.minimize_scalar, its roots
    // by brentq. The first is the example of Newcombe (Statistics in Medicine 1998, 17:2635): 0.0611 to 0.3447.
    for (b, c, n, low, high) in [
        (12, 2, 50, 0.061112406522845636, 0.34470874803423496),
        (9, 0, 30, 0.15243259183828398, 0.4787578745870929),
        (0, 0, 20, -0.16112516287076553, 0.161125158052832),
        (3, 5, 40, -0.2044599723576147, 0.10120810557312716),
        (40, 22, 500, 0.005282523629832535, 0.0680190062931895),
        (5, 5, 10, -0.5268138092007116, 0.5268138170901943),
        (7, 0, 7, 0.2913391352243395, 1.0),
    ] {
        let interval = shares(&counts(b, c, n - b - c, 0), None).interval.unwrap();
        assert!((interval.low - low).abs() < 1e-7, "{b} {c} {n}: {interval:?}");
        assert!((interval.high - high).abs() < 1e-7, "{b} {c} {n}: {interval:?}");
        assert_eq!(interval.method, Method::Tango);
    }
}

#[test]
fn clustered_tests_equal_their_definitions() {
    // Python: Obuchowski's variances and covariance of both shares about the pooled share; all 2^k exchanges.
    let (second, patients) = second_model();
    let correct = [Z.as_slice(), &second].map(|scores| -> Vec<bool> {
        (0..200).map(|i| (scores[i] >= 0.0) == (Y[i] == 1)).collect()
    });
    let all = shares(&correct, Some(&patients));
    assert_eq!(all.test, Some(SharesTest::Obuchowski));
    assert!((all.p_value.unwrap() - 0.08745209522163798).abs() < 1e-12, "{all:?}");
    let first = correct.each_ref().map(|correct| correct[60..150].to_vec());
    let exact = shares(&first, Some(&patients[60..150]));
    assert_eq!(exact.test, Some(SharesTest::Exact));
    assert!((exact.p_value.unwrap() - 5888.0 / 65536.0).abs() < 1e-12, "{exact:?}");
}

#[test]
fn sensitivity_and_specificity_are_counted_at_each_models_threshold() {
    let (second, patients) = second_model();
    let labels = Y.map(|y| y == 1);
    let points =
        paired_operating_points([&Z, &second], [0.2, -0.1], &labels, Some(&patients), 0.95)
            .unwrap();
    // Counted in Python.
    let summary =
        |it: &PairedShares| (it.a.total, it.a.successes, it.b.successes, it.only_a, it.only_b);
    assert_eq!(summary(&points.sensitivity), (79, 54, 55, 11, 12));
    assert_eq!(summary(&points.specificity), (121, 88, 70, 28, 10));
    let none = paired_operating_points([&Z, &second], [0.2, -0.1], &[true; 200], None, 0.95);
    let none = none.unwrap().specificity;
    assert_eq!(none.reason.as_deref(), Some("there are no negative exams"));
    assert_eq!((none.p_value, none.interval, none.difference), (None, None, None));
    assert_eq!(paired_operating_points([&[f64::NAN], &[0.0]], [0.0; 2], &[true], None, 0.95), None);
}

#[test]
fn repeated_exams_do_not_change_the_test() {
    // Three equal exams of every patient: the test and the interval of the patients.
    let once = counts(45, 20, 100, 35);
    let thrice = once.each_ref().map(|correct| (0..600).map(|exam| correct[exam / 3]).collect());
    let patients: Vec<usize> = (0..600).map(|exam| exam / 3).collect();
    let (plain, clustered) = (shares(&once, None), shares(&thrice, Some(&patients)));
    // n / (n − 1) of 200 patients.
    let statistic = |it: &PairedShares| super::super::normal::quantile(it.p_value.unwrap() / 2.0);
    assert!((statistic(&clustered) / statistic(&plain) - (199.0f64 / 200.0).sqrt()).abs() < 1e-9);
    let width = |it: &PairedShares| it.interval.map(|it| it.high - it.low).unwrap();
    assert!((width(&clustered) / width(&plain) - 1.0).abs() < 0.02);
    assert!(width(&shares(&thrice, None)) < 0.6 * width(&plain));
    let exact = |correct: &[Vec<bool>; 2], patients: Option<&[usize]>| {
        shares(correct, patients).p_value.unwrap()
    };
    let once = counts(11, 4, 30, 5);
    let thrice = once.each_ref().map(|correct| (0..150).map(|exam| correct[exam / 3]).collect());
    let patients: Vec<usize> = (0..150).map(|exam| exam / 3).collect();
    assert!((exact(&once, None) - exact(&thrice, Some(&patients))).abs() < 1e-12);
}

#[test]
fn equal_models_have_a_p_value_near_uniform() {
    // 300 cohorts of 60 patients with three exams each; exams of a patient share half of their variance.
    let (mut rejected, mut covered) = (0, 0);
    for cohort in 0..300 {
        let noise = normal_draws(cohort, "shares", 60 * 13);
        let correct = [0, 1].map(|model| -> Vec<bool> {
            let exam = |exam: usize| {
                let (patient, base) = (exam / 3, 60 + exam * 4);
                noise[patient] + noise[base] + noise[base + 1 + model] > -0.8
            };
            (0..180).map(exam).collect()
        });
        let patients: Vec<usize> = (0..180).map(|exam| exam / 3).collect();
        let paired = shares(&correct, Some(&patients));
        rejected += usize::from(paired.p_value.unwrap() < 0.05);
        let interval = paired.interval.unwrap();
        covered += usize::from(interval.low <= 0.0 && 0.0 <= interval.high);
    }
    // 0.05 and 0.95 within three standard errors (0.013), more to the cautious side.
    assert!((3..27).contains(&rejected), "{rejected}");
    assert!(covered >= 273, "{covered}");
}

proptest! {
    #[test]
    fn exchanging_the_models_changes_the_sign_only(
        exams in prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..6), 1..50)
    ) {
        let a: Vec<bool> = exams.iter().map(|exam| exam.0).collect();
        let b: Vec<bool> = exams.iter().map(|exam| exam.1).collect();
        let patients: Vec<usize> = exams.iter().map(|exam| exam.2).collect();
        let forward = paired_shares([&a, &b], Some(&patients), 0.95, "exams");
        let backward = paired_shares([&b, &a], Some(&patients), 0.95, "exams");
        prop_assert_eq!(forward.difference.unwrap(), -backward.difference.unwrap());
        prop_assert!((forward.p_value.unwrap() - backward.p_value.unwrap()).abs() < 1e-12);
        let (forward, difference) = (forward.interval.unwrap(), forward.difference.unwrap());
        prop_assert!((forward.low + backward.interval.unwrap().high).abs() < 1e-9);
        prop_assert!(forward.low <= difference && difference <= forward.high);
    }
}
