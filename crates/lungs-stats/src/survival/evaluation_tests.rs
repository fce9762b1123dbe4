//! The evaluation as a whole.

use super::super::testing::references;
use super::super::{FollowUp, Status};
use super::*;

#[test]
fn an_evaluation_has_every_metric_at_every_horizon() {
    let reference = &references()[1];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    let evaluation = evaluate_survival(&outcomes, &table, 5, 0.95).unwrap();
    assert_eq!((evaluation.exams, evaluation.patients), (300, 300));
    assert_eq!(evaluation.horizons.len(), 6);
    for it in &evaluation.horizons {
        let undefined: Vec<&SurvivalEstimate> =
            [&it.auc, &it.brier, &it.prediction_accuracy, &it.calibration.observed]
                .into_iter()
                .filter(|estimate| estimate.interval.is_none())
                .collect();
        assert!(undefined.is_empty(), "{undefined:?}");
        let known =
            (0..300).filter(|&exam| outcomes.status(exam, it.horizon_years) != Status::Unknown);
        assert_eq!(it.follow_up_auc.positives + it.follow_up_auc.negatives, known.count());
    }
    assert_eq!(evaluation.uno_c.value, uno_c(&outcomes, table.last_risks(), 6.0, 0.95).value);
    let text = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<SurvivalEvaluation>(&text).unwrap(), evaluation);
}

#[test]
fn exams_without_cancer_and_no_exams_give_reasons() {
    let exams = [1.0, 2.0, 3.0].map(|time_years| FollowUp { time_years, event: false });
    let outcomes = Outcomes::new(&exams, None).unwrap();
    let table = RiskTable::new(&[1.0, 2.0], &vec![vec![0.1, 0.2]; 3]).unwrap();
    let evaluation = evaluate_survival(&outcomes, &table, 5, 0.95).unwrap();
    let first = &evaluation.horizons[0];
    assert_eq!(first.auc.reason.as_deref(), Some("no exam has cancer within 1 years"));
    assert!(first.prediction_accuracy.reason.is_some() && evaluation.harrell_c.reason.is_some());
    assert_eq!(evaluation.curve.len(), 3);
    let nobody = Outcomes::new(&[], None).unwrap();
    let empty = RiskTable::new(&[1.0, 2.0], &[]).unwrap();
    let evaluation = evaluate_survival(&nobody, &empty, 5, 0.95).unwrap();
    assert_eq!(evaluation.horizons[0].auc.reason.as_deref(), Some("there are no exams"));
    let error = evaluate_survival(&nobody, &table, 5, 0.95).unwrap_err().to_string();
    assert_eq!(error, "3 rows of risks, expected 0, one for each exam");
}
