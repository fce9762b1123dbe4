//! `evaluate` as a whole: consistent metrics, undefined metrics with reasons, JSON.

use super::testing::{fixture_json, fixture_npy_f32, normal_draws};
use super::*;

fn scored(patient: usize, label: bool, logit: f64) -> ScoredExam {
    ScoredExam {
        patient_id: format!("patient-{patient:03}"),
        exam_id: format!("exam-{patient:03}"),
        label,
        logit,
        probability: calibration::sigmoid(logit),
    }
}

fn simulated(count: usize, exams_per_patient: usize) -> Vec<ScoredExam> {
    let noise = normal_draws(11, "evaluate", count);
    (0..count)
        .map(|i| {
            let label = (i / exams_per_patient).is_multiple_of(3);
            scored(i / exams_per_patient, label, noise[i] + if label { 1.5 } else { -0.5 })
        })
        .collect()
}

#[test]
fn metrics_are_consistent_and_survive_json() {
    let options = Options { bootstrap_replicates: 300, ..Options::default() };
    let evaluation = evaluate(&simulated(300, 1), &options);
    assert_eq!(
        (evaluation.exams, evaluation.patients, evaluation.positives, evaluation.negatives),
        (300, 300, 100, 200)
    );
    let (auc, delong) = (evaluation.auc.value.unwrap(), evaluation.auc.interval.unwrap());
    let bootstrap = evaluation.auc.bootstrap_interval.unwrap();
    assert!(delong.low < auc && auc < delong.high);
    assert!(
        (delong.low - bootstrap.low).abs() < 0.02 && (delong.high - bootstrap.high).abs() < 0.02
    );
    assert_eq!(evaluation.accuracy.successes, {
        let half = &evaluation.operating_points[0];
        half.sensitivity.successes + half.specificity.successes
    });
    assert_eq!(
        evaluation.calibration.bins.iter().map(|bin| bin.observed.total).sum::<usize>(),
        300
    );
    assert!(evaluation.notes.is_empty());
    let json = serde_json::to_string_pretty(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap().calibration.bins.len(), 10);
    let tree = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(serde_json::from_value::<Evaluation>(tree).unwrap(), evaluation);
    assert_eq!(
        serde_json::to_string_pretty(&evaluate(&simulated(300, 1), &options)).unwrap(),
        json
    );
}

#[test]
fn several_exams_of_a_patient_give_a_note() {
    let options = Options { bootstrap_replicates: 50, ..Options::default() };
    let evaluation = evaluate(&simulated(300, 3), &options);
    assert_eq!(evaluation.patients, 100);
    assert!(evaluation.notes[0].starts_with("300 exams of 100 patients"));
    let mut backwards = simulated(300, 3);
    backwards.reverse();
    assert_eq!(evaluate(&backwards, &options).auc, evaluation.auc);
}

fn every_null_has_a_reason(value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            if fields.contains_key("reason") && fields.get("value").is_some_and(|v| v.is_null()) {
                assert!(fields["reason"].is_string(), "no reason in {value}");
            }
            fields.values().for_each(every_null_has_a_reason);
        }
        serde_json::Value::Array(items) => items.iter().for_each(every_null_has_a_reason),
        _ => {}
    }
}

#[test]
fn undefined_metrics_are_null_with_a_reason() {
    let one_class: Vec<ScoredExam> = (0..5).map(|i| scored(i, false, i as f64 - 2.0)).collect();
    let mut diverged = simulated(30, 1);
    diverged[3].logit = f64::NAN;
    diverged[3].probability = f64::NAN;
    let separable: Vec<ScoredExam> = (0..10).map(|i| scored(i, i > 4, i as f64 - 4.5)).collect();
    let constant: Vec<ScoredExam> = (0..10).map(|i| scored(i, i > 4, 0.0)).collect();
    let single = vec![scored(0, true, 0.3)];
    for (name, exams) in [
        ("no exam", Vec::new()),
        ("one exam", single),
        ("one class", one_class.clone()),
        ("diverged", diverged.clone()),
        ("separable", separable.clone()),
        ("constant", constant),
    ] {
        let evaluation =
            evaluate(&exams, &Options { bootstrap_replicates: 20, ..Options::default() });
        let json = serde_json::to_value(&evaluation).unwrap();
        every_null_has_a_reason(&json);
        let back: Evaluation = serde_json::from_value(json).unwrap();
        assert_eq!(back, evaluation, "{name}: a NaN would not come back");
    }
    let evaluation = evaluate(&one_class, &Options::default());
    assert_eq!(evaluation.auc.reason.as_deref(), Some("one class only: all 5 exams are negative"));
    assert_eq!(evaluation.cross_entropy.reason, None);
    let evaluation = evaluate(&diverged, &Options::default());
    assert!(
        evaluation
            .auc
            .reason
            .unwrap()
            .starts_with("1 of 30 predictions are unusable, first exam exam-003")
    );
    let evaluation = evaluate(&separable, &Options::default());
    assert_eq!(evaluation.auc.value, Some(1.0));
    assert!(evaluation.auc.interval.unwrap().low < 0.9);
    assert!(
        evaluation.calibration.slope.reason.unwrap().contains("separate the classes perfectly")
    );
}

#[test]
fn cross_entropy_and_accuracy_equal_the_reference() {
    let Some(reference) = fixture_json("losses/loss_reference.json") else { return };
    let logits = fixture_npy_f32("losses/logits.npy").unwrap();
    let z: Vec<f64> =
        logits.chunks(2).map(|pair| f64::from(pair[1]) - f64::from(pair[0])).collect();
    let path = "losses/labels.npy";
    let labels: Vec<bool> = testing::fixture_npy_labels(path).unwrap();
    let loss = mean_cross_entropy(&z, &labels).unwrap();
    assert!((loss - reference["cross_entropy_mean"].as_f64().unwrap()).abs() < 1e-5, "{loss}");
    let accuracy = accuracy(&z, &labels, None, 0.95).value.unwrap();
    assert_eq!(accuracy, reference["accuracy"].as_f64().unwrap());
}

#[test]
fn extreme_log_odds_stay_finite() {
    let loss = mean_cross_entropy(&[1e4, -1e4], &[false, true]).unwrap();
    assert_eq!(loss, 1e4);
    assert_eq!(mean_cross_entropy(&[1e4, -1e4], &[true, false]).unwrap(), 0.0);
}
