//! The curve of censoring against scikit-survival, and its derivatives against differences.

use super::super::testing::{
    assert_close, cohorts, numeric_derivatives, references, weighted_censoring,
};
use super::super::{Status, cumulative_risk};
use super::*;
use proptest::prelude::*;

#[test]
fn the_curve_agrees_with_scikit_survival() {
    for reference in references() {
        let outcomes = reference.outcomes();
        let curve = censoring_curve(&outcomes);
        for (horizon, expected) in reference.horizons_years.iter().zip(&reference.censoring) {
            let until = curve.iter().rfind(|point| point.time_years <= *horizon);
            assert_close(until.map_or(1.0, |point| point.probability), *expected, 1e-12);
        }
    }
}

proptest! {
    // A case computes a definition hundreds of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn weights_and_derivatives_agree_with_their_definition(cohort in cohorts()) {
        let outcomes = cohort.outcomes();
        let censoring = Censoring::of(&outcomes);
        let ones = vec![1.0; outcomes.len()];
        for (step, it) in outcomes.steps().iter().enumerate() {
            let weight = |weights: &[f64]| 1.0 / weighted_censoring(&cohort, weights, it.time_years);
            prop_assert!((censoring.weight_before(step) / weight(&ones) - 1.0).abs() < 1e-12);
            let own = censoring.derivatives([(step, 1.0)].into_iter());
            let numeric = numeric_derivatives(outcomes.len(), |weights| weight(weights).ln());
            for (own, numeric) in own.iter().zip(numeric) {
                prop_assert!((own - numeric).abs() < 1e-7, "{own} {numeric}");
            }
        }
    }

    #[test]
    fn the_weights_of_exams_of_known_status_represent_all(cohort in cohorts(), horizon in 0u8..7) {
        // With G(t−), the mean of the weights of cases is the Kaplan–Meier risk, that of the others its complement.
        let (outcomes, horizon) = (cohort.outcomes(), f64::from(horizon));
        let risk = cumulative_risk(&outcomes, horizon, 0.95);
        prop_assume!(risk.value.is_some());
        let censoring = Censoring::of(&outcomes);
        let sum = |class: Status, step: &dyn Fn(usize) -> usize| {
            let exams = (0..outcomes.len()).filter(|&exam| outcomes.status(exam, horizon) == class);
            exams.map(|exam| censoring.weight_before(step(exam))).sum::<f64>() / outcomes.len() as f64
        };
        let cases = sum(Status::Cancer, &|exam| outcomes.step_of()[exam]);
        prop_assert!((cases - risk.value.unwrap()).abs() < 1e-12);
        let free = sum(Status::Free, &|_| outcomes.steps_before(horizon));
        prop_assert!((cases + free - 1.0).abs() < 1e-12);
    }
}
