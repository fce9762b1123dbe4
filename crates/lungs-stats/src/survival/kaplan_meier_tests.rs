//! The Kaplan–Meier curve against lifelines and scikit-survival, and its derivatives against differences.

use super::super::testing::{assert_close, cohorts, numeric_derivatives, references};
use super::super::{FollowUp, Outcomes};
use super::*;
use proptest::prelude::*;

#[test]
fn the_curve_agrees_with_lifelines_and_scikit_survival() {
    for reference in references() {
        let curve = kaplan_meier(&reference.outcomes(), 0.95);
        let expected = &reference.curve;
        assert_eq!(curve.len(), expected.time_years.len());
        for (index, point) in curve.iter().enumerate() {
            assert_eq!(point.time_years, expected.time_years[index]);
            assert_close(point.survival, expected.survival[index], 1e-12);
            assert_close(point.survival, expected.survival_of_sksurv[index], 1e-12);
            // lifelines has an interval from 1 to 1 before the first cancer.
            let Some(interval) = point.interval else {
                assert!(point.survival == 1.0 || point.survival == 0.0);
                continue;
            };
            assert_eq!(interval.method, Method::GreenwoodLogLog);
            assert_close(interval.low, expected.low[index], 1e-12);
            assert_close(interval.high, expected.high[index], 1e-12);
        }
    }
}

#[test]
fn the_risk_is_undefined_after_the_last_follow_up() {
    let follow_up = |time_years, event| FollowUp { time_years, event };
    let censored = Outcomes::new(&[follow_up(1.0, true), follow_up(2.0, false)], None).unwrap();
    assert_eq!(cumulative_risk(&censored, 2.0, 0.95).value, Some(0.5));
    let beyond = cumulative_risk(&censored, 2.5, 0.95);
    assert_eq!(beyond.value, None);
    let reason = "no exam is followed to 2.5 years: the longest follow-up is 2 years";
    assert_eq!(beyond.reason.as_deref(), Some(reason));
    // All exams have cancer, so the risk stays 1.
    let all = Outcomes::new(&[follow_up(1.0, true), follow_up(2.0, true)], None).unwrap();
    let risk = cumulative_risk(&all, 9.0, 0.95);
    assert_eq!((risk.value, risk.interval), (Some(1.0), None));
    assert_eq!(risk.reason.as_deref(), Some("no interval: all exams have cancer within 9 years"));
    let none = cumulative_risk(&all, 0.5, 0.95);
    assert_eq!(none.reason.as_deref(), Some("no interval: no exam has cancer within 0.5 years"));
}

/// `S(t)` by its definition over exams with weights.
fn weighted_survival(follow_ups: &[FollowUp], weights: &[f64], time_years: f64) -> f64 {
    let mut times: Vec<f64> =
        follow_ups.iter().filter(|it| it.event).map(|it| it.time_years).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let sum = |test: &dyn Fn(&FollowUp) -> bool| {
        let exams = follow_ups.iter().zip(weights);
        exams.filter(|(it, _)| test(it)).map(|(_, weight)| weight).sum::<f64>()
    };
    let factor = |time: f64| {
        1.0 - sum(&|it| it.event && it.time_years == time) / sum(&|it| it.time_years >= time)
    };
    times.into_iter().filter(|&time| time <= time_years).map(factor).product()
}

proptest! {
    // A case computes a definition hundreds of times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn derivatives_agree_with_differences(cohort in cohorts(), horizon in 0u8..7) {
        let outcomes = cohort.outcomes();
        let horizon = f64::from(horizon);
        let survival = survival_influence(&outcomes, outcomes.steps_until(horizon));
        let function = |weights: &[f64]| weighted_survival(&cohort.follow_ups, weights, horizon);
        prop_assert!((survival.value - function(&vec![1.0; outcomes.len()])).abs() < 1e-12);
        if survival.value > 0.0 {
            let numeric = numeric_derivatives(outcomes.len(), function);
            for (own, numeric) in survival.derivatives.iter().zip(numeric) {
                prop_assert!((own - numeric * correction(outcomes.len())).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn the_order_of_exams_does_not_matter(cohort in cohorts()) {
        let (one, other) = (cohort.clustered(), cohort.reversed().clustered());
        for (a, b) in kaplan_meier(&one, 0.9).iter().zip(&kaplan_meier(&other, 0.9)) {
            prop_assert!((a.standard_error - b.standard_error).abs() < 1e-12);
            prop_assert_eq!(a.survival, b.survival);
        }
    }
}

#[test]
fn repeating_every_exam_does_not_change_the_standard_error() {
    let reference = &references()[0];
    let outcomes = reference.outcomes();
    let exams: Vec<usize> = (0..2 * outcomes.len()).map(|exam| exam / 2).collect();
    let repeated = outcomes.subset(&exams);
    let once = survival_influence(&outcomes, outcomes.steps_until(3.5));
    let twice = cumulative_risk(&repeated, 3.5, 0.95);
    assert_close(twice.standard_error.unwrap(), once.standard_error(&outcomes), 1e-12);
    assert_eq!(twice.interval.unwrap().method, Method::InfluenceLogLog);
    // Greenwood's is close to it.
    let greenwood = cumulative_risk(&outcomes, 3.5, 0.95).standard_error.unwrap();
    assert_close(twice.standard_error.unwrap() / greenwood, 1.0, 0.01);
}

#[test]
fn groups_of_risk_partition_the_exams() {
    let reference = &references()[0];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    let groups = risk_group_curves(&outcomes, table.last_risks(), 3, 0.95);
    assert_eq!(groups.len(), 3);
    assert_eq!(groups.iter().map(|group| group.exams).sum::<usize>(), outcomes.len());
    assert!(groups.windows(2).all(|pair| pair[0].high < pair[1].low));
    for group in &groups {
        assert_eq!(group.points.first().map(|point| point.at_risk), Some(group.exams));
    }
    let last = |index: usize| groups[index].points.last().unwrap().survival;
    assert!(last(2) < last(0));
    assert!(risk_group_curves(&Outcomes::new(&[], None).unwrap(), &[], 3, 0.95).is_empty());
}
