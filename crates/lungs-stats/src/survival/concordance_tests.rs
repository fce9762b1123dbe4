//! C against scikit-survival, its derivatives against differences, and its standard error against the jackknife.

use super::super::FollowUp;
use super::super::influence::correction;
use super::super::testing::{
    assert_close, cohorts, numeric_derivatives, references, weighted_share,
};
use super::*;
use proptest::prelude::*;

#[test]
fn both_agree_with_scikit_survival() {
    for reference in references() {
        let outcomes = reference.outcomes();
        let harrell = harrell_c(&outcomes, &reference.score, 0.95);
        assert_close(harrell.value.unwrap(), reference.harrell_c, 1e-12);
        let pairs = pairs(&outcomes, &reference.score, |_| 1.0);
        let total: f64 = pairs.iter().map(|pairs| pairs.as_case).sum();
        assert_eq!(total, reference.harrell_pairs.iter().sum::<usize>() as f64);
        let uno = uno_c(&outcomes, &reference.score, reference.tau_years, 0.95);
        assert_close(uno.value.unwrap(), reference.uno_c, 1e-12);
    }
}

#[test]
fn standard_errors_agree_with_the_jackknife() {
    for reference in references() {
        let outcomes = reference.outcomes();
        let exams = outcomes.len();
        for power in [0, 2] {
            let it = |outcomes: &Outcomes, scores: &[f64]| {
                discrimination(outcomes, scores, 5.5, power).unwrap()
            };
            let value = |left_out: usize| {
                let others: Vec<usize> = (0..exams).filter(|&exam| exam != left_out).collect();
                let scores: Vec<f64> = others.iter().map(|&exam| reference.score[exam]).collect();
                it(&outcomes.subset(&others), &scores).influence.value
            };
            let values: Vec<f64> = (0..exams).map(value).collect();
            let mean = values.iter().sum::<f64>() / exams as f64;
            let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            let jackknife = (squares * (exams as f64 - 1.0) / exams as f64).sqrt();
            let own = it(&outcomes, &reference.score).influence.standard_error(&outcomes);
            assert_close(own / jackknife, 1.0, 0.02);
        }
    }
}

#[test]
fn without_comparable_pairs_there_is_a_reason() {
    let exams = [(1.0, false), (2.0, true), (2.0, true)];
    let exams = exams.map(|(time_years, event)| FollowUp { time_years, event });
    let outcomes = Outcomes::new(&exams, None).unwrap();
    let reason = harrell_c(&outcomes, &[0.1, 0.2, 0.3], 0.95).reason;
    assert_eq!(reason.as_deref(), Some("no exam with cancer is comparable with another"));
    let reason = uno_c(&outcomes, &[0.1, 0.2, 0.3], 1.5, 0.95).reason;
    let expected = "no exam with cancer within 1.5 years is comparable with another";
    assert_eq!(reason.as_deref(), Some(expected));
}

proptest! {
    // A case computes a definition hundreds of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn derivatives_agree_with_differences(cohort in cohorts(), tau in 1u8..8, is_uno in any::<bool>()) {
        let outcomes = cohort.outcomes();
        let (power, tau) = if is_uno { (2, f64::from(tau)) } else { (0, f64::INFINITY) };
        let own = discrimination(&outcomes, &cohort.scores, tau, power);
        prop_assume!(own.is_ok());
        let own = own.unwrap();
        let ones = vec![1.0; outcomes.len()];
        let share = |case: &[f64], other: &[f64], curve: &[f64]| {
            weighted_share(&cohort, [case, other, curve], tau, power, false)
        };
        prop_assert!((own.influence.value - share(&ones, &ones, &ones)).abs() < 1e-12);
        let numeric = |function: &dyn Fn(&[f64]) -> f64| numeric_derivatives(outcomes.len(), function);
        let as_case = numeric(&|weights| share(weights, &ones, &ones));
        let as_other = numeric(&|weights| share(&ones, weights, &ones));
        let in_curve = numeric(&|weights| share(&ones, &ones, weights));
        let [cases, others] = own.patients.map(correction);
        for (exam, own) in own.influence.derivatives.iter().enumerate() {
            let expected = cases * as_case[exam] + others * as_other[exam] + in_curve[exam];
            prop_assert!((own - expected).abs() < 1e-7, "{own} {expected}");
        }
    }

    #[test]
    fn order_and_scale_do_not_matter(cohort in cohorts(), tau in 1u8..8) {
        let reversed = cohort.reversed();
        let (one, other) = (cohort.clustered(), reversed.clustered());
        let tau = f64::from(tau);
        for [a, b] in [
            [harrell_c(&one, &cohort.scores, 0.95), harrell_c(&other, &reversed.risks(), 0.95)],
            [uno_c(&one, &cohort.scores, tau, 0.95), uno_c(&other, &reversed.risks(), tau, 0.95)],
        ] {
            prop_assert_eq!(a.value.is_some(), b.value.is_some());
            if let (Some(a), Some(b)) = (a.value, b.value) {
                prop_assert!((a - b).abs() < 1e-12);
            }
            if let (Some(a), Some(b)) = (a.standard_error, b.standard_error) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn without_censoring_both_are_equal(cohort in cohorts()) {
        let cohort = cohort.uncensored();
        let outcomes = cohort.outcomes();
        let harrell = harrell_c(&outcomes, &cohort.scores, 0.95);
        let uno = uno_c(&outcomes, &cohort.scores, 100.0, 0.95);
        prop_assert_eq!(harrell.value.is_some(), uno.value.is_some());
        if let (Some(a), Some(b)) = (harrell.value, uno.value) {
            prop_assert!((a - b).abs() < 1e-12);
        }
    }
}
