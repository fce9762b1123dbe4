//! Validation and order of follow-up.

use super::super::testing::cohorts;
use super::*;
use proptest::prelude::*;

fn follow_up(time_years: f64, event: bool) -> FollowUp {
    FollowUp { time_years, event }
}

#[test]
fn a_wrong_time_is_an_error_that_names_the_exam() {
    for time in [-0.5, f64::NAN, f64::INFINITY] {
        let exams = [follow_up(1.0, true), follow_up(time, false)];
        let error = Outcomes::new(&exams, None).unwrap_err().to_string();
        let expected = format!(
            "exam 2: the follow-up time is {time} years, expected a finite number of at least 0"
        );
        assert_eq!(error, expected);
    }
    let error = Outcomes::new(&[follow_up(1.0, true)], Some(&[])).unwrap_err().to_string();
    assert_eq!(error, "0 patients, expected 1, one for each exam");
}

#[test]
fn status_counts_a_follow_up_that_ends_at_the_horizon_as_free() {
    let exams = [
        follow_up(1.0, true),
        follow_up(2.0, true),
        follow_up(3.0, true),
        follow_up(1.0, false),
        follow_up(2.0, false),
        follow_up(3.0, false),
    ];
    let outcomes = Outcomes::new(&exams, None).unwrap();
    let status: Vec<Status> = (0..6).map(|exam| outcomes.status(exam, 2.0)).collect();
    use lungs_base::follow_up::Status::{Cancer, Free, Unknown};
    assert_eq!(status, [Cancer, Cancer, Free, Unknown, Free, Free]);
    assert_eq!((outcomes.len(), outcomes.event_count()), (6, 3));
    assert_eq!(outcomes.unknown_risk(3.0), None);
    let reason = outcomes.unknown_risk(4.0).unwrap();
    assert_eq!(reason, "no exam is followed to 4 years: the longest follow-up is 3 years");
}

proptest! {
    #[test]
    fn steps_count_every_exam_once(cohort in cohorts()) {
        let outcomes = cohort.clustered();
        let steps = outcomes.steps();
        prop_assert_eq!(steps[0].at_risk, outcomes.len());
        for (index, step) in steps.iter().enumerate() {
            let next = steps.get(index + 1).map_or(0, |next| next.at_risk);
            prop_assert_eq!(step.at_risk - step.events - step.censored, next);
            prop_assert!(steps.get(index + 1).is_none_or(|next| next.time_years > step.time_years));
        }
        for (exam, &step) in outcomes.step_of().iter().enumerate() {
            prop_assert_eq!(steps[step].time_years, cohort.follow_ups[exam].time_years);
        }
        let largest = outcomes.patients().iter().max().unwrap();
        prop_assert_eq!(largest + 1, outcomes.patient_count());
    }
}
