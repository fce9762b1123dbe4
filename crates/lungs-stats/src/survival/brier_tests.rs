//! Brier scores against scikit-survival, and their derivatives against differences.

use super::super::testing::{
    Cohort, assert_close, cohorts, numeric_derivatives, references, weighted_censoring,
};
use super::*;
use crate::brier;
use proptest::prelude::*;

#[test]
fn scores_agree_with_scikit_survival() {
    for reference in references() {
        let (outcomes, table) = (reference.outcomes(), reference.table());
        for (index, &horizon) in table.horizons_years().iter().enumerate() {
            let risks = table.risks(index);
            let score = survival_brier(&outcomes, risks, horizon, 0.95);
            assert_close(score.value.unwrap(), reference.brier[index], 1e-12);
            let survival = survival_influence(&outcomes, outcomes.steps_until(horizon)).value;
            assert_close(survival * (1.0 - survival), reference.brier_of_km[index], 1e-12);
            let accuracy = prediction_accuracy(&outcomes, risks, horizon, 0.95);
            assert_close(accuracy.value.unwrap(), reference.prediction_accuracy[index], 1e-12);
            let interval = accuracy.interval.unwrap();
            assert!(interval.low < accuracy.value.unwrap() && interval.high < 1.0);
        }
        let integrated = integrated_brier(&outcomes, &table, 0.95);
        // Its horizons are a moment later in the cohort with whole years, by 1e-7 of 5 years.
        assert_close(integrated.value.unwrap(), reference.integrated_brier, 1e-12);
        assert!(integrated.standard_error.unwrap() > 0.0);
    }
}

#[test]
fn an_undefined_score_has_a_reason() {
    let reference = &references()[0];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    let late = survival_brier(&outcomes, table.last_risks(), 8.0, 0.95);
    assert!(late.reason.unwrap().starts_with("no exam is followed to 8 years"));
    let early = prediction_accuracy(&outcomes, table.last_risks(), 0.0, 0.95);
    assert!(early.reason.unwrap().contains("none of them has"));
    let rows: Vec<Vec<f64>> = table.last_risks().iter().map(|&risk| vec![risk]).collect();
    let single = RiskTable::new(&[6.0], &rows).unwrap();
    let integrated = integrated_brier(&outcomes, &single, 0.95);
    assert_eq!(integrated.reason.unwrap(), "one horizon only, so there is nothing to integrate");
}

/// The score by its definition over exams with weights.
fn weighted_brier(cohort: &Cohort, horizon: f64, weights: &[f64]) -> f64 {
    let outcomes = cohort.outcomes();
    let square = |(exam, risk): (usize, f64)| {
        let weight = |time: f64| 1.0 / weighted_censoring(cohort, weights, time);
        match outcomes.status(exam, horizon) {
            Status::Cancer => weight(cohort.follow_ups[exam].time_years) * (1.0 - risk).powi(2),
            Status::Free => weight(horizon) * risk * risk,
            Status::Unknown => 0.0,
        }
    };
    let squares = cohort.risks().into_iter().enumerate().map(square);
    squares.zip(weights).map(|(square, weight)| square * weight).sum::<f64>()
        / weights.iter().sum::<f64>()
}

proptest! {
    // A case computes a definition hundreds of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn derivatives_agree_with_differences(cohort in cohorts(), horizon in 1u8..6) {
        let (outcomes, horizon) = (cohort.outcomes(), f64::from(horizon));
        let own = brier_influence(&outcomes, &cohort.risks(), horizon);
        prop_assume!(own.is_ok());
        let own = own.unwrap();
        let function = |weights: &[f64]| weighted_brier(&cohort, horizon, weights);
        prop_assert!((own.value - function(&vec![1.0; outcomes.len()])).abs() < 1e-12);
        let numeric = numeric_derivatives(outcomes.len(), function);
        for (own, numeric) in own.derivatives.iter().zip(numeric) {
            prop_assert!((own - numeric * correction(outcomes.len())).abs() < 1e-7);
        }
    }

    #[test]
    fn without_censoring_it_is_the_brier_score(cohort in cohorts(), horizon in 1u8..6) {
        let horizon = f64::from(horizon);
        let cohort = cohort.uncensored();
        let labels: Vec<bool> =
            cohort.follow_ups.iter().map(|it| it.time_years <= horizon).collect();
        let own = survival_brier(&cohort.outcomes(), &cohort.risks(), horizon, 0.95);
        let plain = brier(&cohort.risks(), &labels).unwrap();
        prop_assert!((own.value.unwrap() - plain).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_exams_does_not_matter(cohort in cohorts(), horizon in 1u8..6) {
        let horizon = f64::from(horizon);
        let reversed = cohort.reversed();
        let own = prediction_accuracy(&cohort.clustered(), &cohort.risks(), horizon, 0.95);
        let other = prediction_accuracy(&reversed.clustered(), &reversed.risks(), horizon, 0.95);
        prop_assert_eq!(own.value.is_some(), other.value.is_some());
        if let (Some(a), Some(b)) = (own.value, other.value) {
            prop_assert!((a - b).abs() < 1e-11);
        }
        if let (Some(a), Some(b)) = (own.standard_error, other.standard_error) {
            prop_assert!((a - b).abs() < 1e-11);
        }
    }
}
