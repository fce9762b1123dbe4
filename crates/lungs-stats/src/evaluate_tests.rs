//! `evaluate` as a whole: consistent metrics, undefined metrics with reasons, JSON.

use super::super::logit::sigmoid;
use super::super::normal::quantile;
use super::super::testing::{fixture_json, fixture_npy, normal_draws};
use super::super::{
    ReliabilityBin, debiased_calibration_error, expected_calibration_error, reliability_bins,
};
use super::*;

fn scored(patient: usize, label: bool, logit: f64) -> ScoredExam {
    ScoredExam {
        patient_id: format!("patient-{patient:03}"),
        exam_id: format!("exam-{patient:03}"),
        label,
        logit,
        probability: sigmoid(logit),
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
    // The sum over a patient's exams is rounded in their order.
    let backwards = evaluate(&backwards, &options).auc;
    assert_eq!(backwards.value, evaluation.auc.value);
    assert_eq!(backwards.bootstrap_interval, evaluation.auc.bootstrap_interval);
    let ends = |auc: &AucMetrics| auc.interval.map(|it| [it.low, it.high]).unwrap();
    let pairs = ends(&backwards).into_iter().zip(ends(&evaluation.auc));
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
    let method = evaluation.auc.interval.unwrap().method;
    // 33 positive patients, of whom fewer than four are ranked wrongly.
    assert_eq!(method, Method::ScaledScore);
    let interval = evaluation.operating_points[0].sensitivity.interval.unwrap();
    assert_eq!(interval.method, Method::RaoScottWilson);
}

#[test]
fn few_positive_exams_give_a_warning_and_no_bootstrap_intervals() {
    let mut exams = simulated(200, 1);
    let mut positives = 0;
    exams.retain(|exam| {
        positives += usize::from(exam.label);
        !exam.label || positives <= 4
    });
    let options = Options { bootstrap_replicates: 50, ..Options::default() };
    let (evaluation, curves) = evaluate_with_curves(&exams, &options);
    assert!(evaluation.warning.unwrap().starts_with("4 positive exams, fewer than 10"));
    assert_eq!(evaluation.auc.bootstrap_interval, None);
    assert!(evaluation.auc.bootstrap_reason.unwrap().starts_with("no bootstrap interval: 4 pos"));
    assert!(evaluation.auc.interval.unwrap().low < evaluation.auc.value.unwrap());
    for estimate in [evaluation.average_precision, evaluation.calibration.brier] {
        assert!(estimate.value.is_some() && estimate.interval.is_none());
        assert!(estimate.reason.unwrap().starts_with("no bootstrap interval"));
    }
    assert!(curves.roc_band.is_empty() && !curves.decision.is_empty());
    assert_eq!(evaluate(&simulated(200, 1), &options).warning, None);
}

#[test]
fn no_interval_excludes_its_own_estimate() {
    // A model that ranks most positive exams low, with probabilities that are far off.
    let noise = normal_draws(13, "bad", 150);
    let exams: Vec<ScoredExam> = (0..150)
        .map(|i| scored(i, i % 10 == 0, noise[i] - if i % 10 == 0 { 1.5 } else { 0.0 }))
        .collect();
    let evaluation = evaluate(&exams, &Options { bootstrap_replicates: 400, ..Options::default() });
    let calibration = &evaluation.calibration;
    let error = &calibration.expected_calibration_error;
    assert!(error.interval.is_none() && error.reason.is_some());
    let debiased = calibration.expected_calibration_error_debiased.value.unwrap();
    assert!(debiased < error.value.unwrap() && debiased > 0.1);
    for estimate in [
        &evaluation.average_precision,
        &evaluation.partial_auc.area,
        &evaluation.cross_entropy,
        &calibration.brier,
    ] {
        let value = estimate.value.unwrap();
        match estimate.interval {
            Some(it) => assert!(it.low <= value && value <= it.high, "{estimate:?}"),
            None => assert!(estimate.reason.is_some()),
        }
    }
    // The percentiles of average precision do exclude it here, or nearly; the corrected ones do not.
    assert!(evaluation.average_precision.interval.is_some());
}

#[test]
fn the_debiased_calibration_error_of_true_probabilities_is_near_zero() {
    let noise = normal_draws(17, "calibrated", 4000);
    let mean_of = |metric: &dyn Fn(&[ReliabilityBin]) -> Option<f64>| {
        let errors = (0..20).map(|cohort| {
            let exams = (0..100).map(|exam| {
                let index = cohort * 100 + exam;
                let z = noise[index];
                (sigmoid(z), noise[2000 + index] < quantile(sigmoid(z)))
            });
            let (probabilities, labels): (Vec<f64>, Vec<bool>) = exams.unzip();
            metric(&reliability_bins(&probabilities, &labels, 10, 0.95)).unwrap()
        });
        errors.sum::<f64>() / 20.0
    };
    let (plain, debiased) =
        (mean_of(&expected_calibration_error), mean_of(&debiased_calibration_error));
    assert!(plain > 0.08 && debiased < 0.7 * plain, "{plain} {debiased}");
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
            .starts_with("1 of 30 predictions is unusable, first exam exam-003")
    );
    let evaluation = evaluate(&separable, &Options::default());
    assert_eq!(evaluation.auc.value, Some(1.0));
    assert!(evaluation.auc.interval.unwrap().low < 0.9);
    assert!(
        evaluation.calibration.slope.reason.unwrap().contains("separate the classes perfectly")
    );
}

#[test]
#[ignore = "needs shared/fixtures"]
fn cross_entropy_and_accuracy_equal_the_reference() {
    let reference = fixture_json("losses/loss_reference.json");
    let logits = fixture_npy("losses/logits.npy");
    let z: Vec<f64> = logits.chunks(2).map(|pair| pair[1] - pair[0]).collect();
    let labels: Vec<bool> =
        fixture_npy("losses/labels.npy").iter().map(|&label| label == 1.0).collect();
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
