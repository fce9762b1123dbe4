//! Sybil's AUC against the AUC of the labels.

use super::super::FollowUp;
use super::super::testing::cohorts;
use super::*;
use crate::auc;
use proptest::prelude::*;

#[test]
fn exams_of_unknown_status_are_excluded() {
    let exams = [(0.5, true), (3.0, true), (1.0, false), (2.0, false), (5.0, false)];
    let exams = exams.map(|(time_years, event)| FollowUp { time_years, event });
    let outcomes = Outcomes::new(&exams, None).unwrap();
    let it = follow_up_auc(&outcomes, &[0.5, 0.6, 0.9, 0.4, 0.1], 2.0, 0.95);
    // The later cancer is a negative exam that scores higher.
    assert_eq!((it.positives, it.negatives, it.excluded), (1, 3, 1));
    assert_eq!(it.auc.value, Some(2.0 / 3.0));
    let none = follow_up_auc(&outcomes, &[0.0; 5], 9.0, 0.95);
    assert_eq!((none.positives, none.negatives, none.excluded), (2, 0, 3));
    assert_eq!(none.auc.reason.as_deref(), Some("one class only: all 2 exams are positive"));
}

proptest! {
    #[test]
    fn it_is_the_auc_of_the_known_labels(cohort in cohorts(), horizon in 1u8..6) {
        let (horizon, mut scores, mut labels) = (f64::from(horizon), Vec::new(), Vec::new());
        for (it, &score) in cohort.follow_ups.iter().zip(&cohort.scores) {
            let is_positive = it.event && it.time_years <= horizon;
            if is_positive || it.time_years >= horizon {
                scores.push(score);
                labels.push(is_positive);
            }
        }
        let own = follow_up_auc(&cohort.clustered(), &cohort.scores, horizon, 0.95);
        prop_assert_eq!(own.auc.value, auc(&scores, &labels));
    }
}
