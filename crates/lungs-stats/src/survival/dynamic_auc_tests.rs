//! AUC(t) against scikit-survival, its derivatives against differences, and its standard error against DeLong's and
//! the jackknife.

use super::super::FollowUp;
use super::super::influence::correction;
use super::super::testing::{
    assert_close, cohorts, numeric_derivatives, references, weighted_share,
};
use super::*;
use crate::{auc_with_interval, delong};
use proptest::prelude::*;

#[test]
fn the_auc_agrees_with_scikit_survival() {
    for reference in references() {
        let outcomes = reference.outcomes();
        for (&horizon, &expected) in reference.horizons_years.iter().zip(&reference.dynamic_auc) {
            let auc = dynamic_auc(&outcomes, &reference.score, horizon, 0.95);
            assert_close(auc.value.unwrap(), expected, 1e-12);
            let interval = auc.interval.unwrap();
            assert!(interval.low < expected && expected < interval.high);
        }
    }
}

#[test]
fn the_standard_error_agrees_with_the_jackknife() {
    for reference in references() {
        let outcomes = reference.outcomes();
        let exams = outcomes.len();
        let value = |left_out: usize| {
            let others: Vec<usize> = (0..exams).filter(|&exam| exam != left_out).collect();
            let scores: Vec<f64> = others.iter().map(|&exam| reference.score[exam]).collect();
            dynamic_auc(&outcomes.subset(&others), &scores, 3.5, 0.95).value.unwrap()
        };
        let values: Vec<f64> = (0..exams).map(value).collect();
        let mean = values.iter().sum::<f64>() / exams as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let jackknife = (squares * (exams as f64 - 1.0) / exams as f64).sqrt();
        let own = dynamic_auc(&outcomes, &reference.score, 3.5, 0.95).standard_error.unwrap();
        assert_close(own / jackknife, 1.0, 0.01);
    }
}

#[test]
fn an_undefined_auc_has_a_reason() {
    let exams = [(1.0, false), (2.0, true), (3.0, false)];
    let exams = exams.map(|(time_years, event)| FollowUp { time_years, event });
    let outcomes = Outcomes::new(&exams, None).unwrap();
    let reason = |scores: &[f64], horizon| {
        dynamic_auc(&outcomes, scores, horizon, 0.95).reason.unwrap_or_default()
    };
    let scores = [0.1, 0.2, 0.15];
    assert_eq!(reason(&scores, 1.5), "no exam has cancer within 1.5 years");
    assert_eq!(reason(&scores, 4.0), "no exam is followed to 4 years without cancer");
    assert_eq!(reason(&[0.1, f64::NAN, 0.2], 2.0), "1 of 3 scores is not a number");
    assert!(reason(&[0.1; 3], 2.0).contains("all scores are equal"));
    // One case has Newcombe's interval.
    let single = dynamic_auc(&outcomes, &scores, 3.0, 0.95);
    assert_eq!((single.value, single.standard_error), (Some(1.0), None));
    assert!(single.interval.unwrap().low > 0.0);
    let nobody = Outcomes::new(&[], None).unwrap();
    let reason = dynamic_auc(&nobody, &[], 1.0, 0.95).reason;
    assert_eq!(reason.as_deref(), Some("there are no exams"));
}

proptest! {
    // A case computes a definition hundreds of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn derivatives_agree_with_differences(cohort in cohorts(), horizon in 1u8..6) {
        let (outcomes, horizon) = (cohort.outcomes(), f64::from(horizon));
        let auc = dynamic_discrimination(&outcomes, &cohort.scores, horizon);
        prop_assume!(auc.is_ok());
        let auc = auc.unwrap();
        let ones = vec![1.0; outcomes.len()];
        let share = |case: &[f64], other: &[f64], curve: &[f64]| {
            weighted_share(&cohort, [case, other, curve], horizon, 1, true)
        };
        prop_assert!((auc.influence.value - share(&ones, &ones, &ones)).abs() < 1e-12);
        let numeric = |function: &dyn Fn(&[f64]) -> f64| numeric_derivatives(outcomes.len(), function);
        let as_case = numeric(&|weights| share(weights, &ones, &ones));
        let as_other = numeric(&|weights| share(&ones, weights, &ones));
        let in_curve = numeric(&|weights| share(&ones, &ones, weights));
        let [cases, others] = auc.patients.map(correction);
        for (exam, own) in auc.influence.derivatives.iter().enumerate() {
            let expected = cases * as_case[exam] + others * as_other[exam] + in_curve[exam];
            prop_assert!((own - expected).abs() < 1e-7, "{own} {expected}");
        }
    }

    #[test]
    fn without_censoring_it_is_the_auc(cohort in cohorts(), horizon in 1u8..6) {
        let horizon = f64::from(horizon);
        let cohort = cohort.uncensored();
        let labels: Vec<bool> =
            cohort.follow_ups.iter().map(|it| it.time_years <= horizon).collect();
        for (outcomes, patients) in
            [(cohort.outcomes(), None), (cohort.clustered(), Some(&cohort.patients[..]))]
        {
            let own = dynamic_auc(&outcomes, &cohort.scores, horizon, 0.95);
            let plain = auc_with_interval(&cohort.scores, &labels, patients, 0.95);
            prop_assert_eq!(own.value.is_some(), plain.value.is_some());
            let Some(value) = own.value else { continue };
            prop_assert!((value - plain.value.unwrap()).abs() < 1e-12);
            // With several exams, Obuchowski's variance has slightly other corrections.
            if patients.is_none() {
                let variance = delong(&cohort.scores, &labels, None).unwrap().variance;
                prop_assert_eq!(own.standard_error.is_some(), variance.is_some());
                if let (Some(error), Some(variance)) = (own.standard_error, variance) {
                    prop_assert!((error - variance.sqrt()).abs() < 1e-9);
                }
                if let (Some(a), Some(b)) = (own.interval, plain.interval) {
                    prop_assert!((a.low - b.low).abs() < 1e-6 && (a.high - b.high).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn order_and_scale_do_not_matter(cohort in cohorts(), horizon in 1u8..6) {
        let horizon = f64::from(horizon);
        let own = dynamic_auc(&cohort.clustered(), &cohort.scores, horizon, 0.95);
        let reversed = cohort.reversed();
        let other = dynamic_auc(&reversed.clustered(), &reversed.risks(), horizon, 0.95);
        prop_assert_eq!(own.value.is_some(), other.value.is_some());
        if let (Some(a), Some(b)) = (own.value, other.value) {
            prop_assert!((a - b).abs() < 1e-12);
        }
        if let (Some(a), Some(b)) = (own.standard_error, other.standard_error) {
            prop_assert!((a - b).abs() < 1e-12);
        }
    }
}

#[test]
fn repeating_every_exam_does_not_change_the_standard_error() {
    let reference = &references()[0];
    let outcomes = reference.outcomes();
    let exams: Vec<usize> = (0..3 * outcomes.len()).map(|exam| exam / 3).collect();
    let scores: Vec<f64> = exams.iter().map(|&exam| reference.score[exam]).collect();
    let repeated = dynamic_auc(&outcomes.subset(&exams), &scores, 3.5, 0.95);
    let once = dynamic_auc(&outcomes, &reference.score, 3.5, 0.95);
    assert_close(repeated.standard_error.unwrap(), once.standard_error.unwrap(), 1e-12);
    let [a, b] = [repeated.interval.unwrap(), once.interval.unwrap()];
    assert_close(a.low, b.low, 1e-12);
    assert_close(a.high, b.high, 1e-12);
}
