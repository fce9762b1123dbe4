//! Cross-validation.

use super::support::{Workspace, assert_same_runs, table};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

const RUN: [&str; 8] = [
    "run",
    "small.toml",
    "--set",
    "split.folds=3",
    "--set",
    "train.epochs=1",
    "--set",
    "train.checkpoint_minutes=0.000001",
];

/// The AUC: the fraction of pairs in which the positive exam has the higher score.
fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    let of = |class| scored.iter().filter(move |(_, label)| *label == class).map(|(z, _)| *z);
    let pairs: Vec<f64> = of(true)
        .flat_map(|p| of(false).map(move |n| if p > n { 1.0 } else { f64::from(p == n) / 2.0 }))
        .collect();
    (!pairs.is_empty()).then(|| pairs.iter().sum::<f64>() / pairs.len() as f64)
}

#[test]
fn every_exam_has_one_prediction_of_a_network_without_its_patient() {
    let workspace = Workspace::new();
    let done = workspace.lungs(&RUN);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = workspace.newest_run("small");
    let pooled = table(&run.join("predictions/out-of-fold.csv"));
    let exams: BTreeSet<&String> = pooled.iter().map(|row| &row["exam"]).collect();
    assert_eq!(exams.len(), pooled.len(), "one row per exam");

    let scored = |rows: &[BTreeMap<String, String>]| -> Vec<(f64, bool)> {
        rows.iter().map(|row| (row["logit"].parse().unwrap(), row["label"] == "1")).collect()
    };
    let text = fs::read_to_string(run.join("cross-validation.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&text).unwrap();
    let assert_close =
        |value: &serde_json::Value, expected: Option<f64>| match (value.as_f64(), expected) {
            (Some(value), Some(expected)) => assert!((value - expected).abs() < 1e-12),
            (value, expected) => assert_eq!(value, expected),
        };
    let mut aucs = Vec::new();
    let mut chosen = BTreeSet::new();
    for fold in 1..=3 {
        let cohort = table(&run.join(format!("fold-{fold}/cohort.csv")));
        let of = |split: &str| -> BTreeSet<String> {
            let rows = cohort.iter().filter(|row| row["split"] == split);
            rows.map(|row| row["patient"].clone()).collect()
        };
        let fold_rows: Vec<BTreeMap<String, String>> =
            pooled.iter().filter(|row| row["fold"] == fold.to_string()).cloned().collect();
        let patients: BTreeSet<String> =
            fold_rows.iter().map(|row| row["patient"].clone()).collect();
        assert_eq!(patients, of("test"));
        assert!(patients.is_disjoint(&of("train")) && patients.is_disjoint(&of("valid")));
        chosen
            .extend(cohort.iter().filter(|row| row["chosen"] == "true").map(|r| r["exam"].clone()));
        let fold_auc = auc(&scored(&fold_rows));
        assert_close(&metrics["folds"][fold - 1]["auc"], fold_auc);
        aucs.extend(fold_auc);
    }
    assert_eq!(exams, chosen.iter().collect());
    assert_close(&metrics["pooled"]["auc"]["value"], auc(&scored(&pooled)));
    let mean = (aucs.len() == 3).then(|| aucs.iter().sum::<f64>() / 3.0);
    assert_close(&metrics["mean_auc"], mean);

    assert!(done.stdout.contains("Cross-validation in 3 folds"), "{}", done.stdout);
    let again = workspace.lungs(&RUN);
    assert_eq!(again.code, 0);
    assert!(again.stdout.contains("is finished already"), "{}", again.stdout);
    assert_eq!(workspace.newest_run("small"), run);
}

#[test]
fn a_cross_validation_predicts_plots_and_is_evaluated_again() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&RUN).code, 0);
    let run = workspace.newest_run("small");
    let folder = run.to_str().unwrap();
    let metrics = fs::read(run.join("cross-validation.json")).unwrap();
    let picture = fs::read(run.join("fold-2/plots/roc.svg")).unwrap();
    fs::remove_file(run.join("cross-validation.json")).unwrap();
    fs::remove_dir_all(run.join("fold-2/plots")).unwrap();
    let done = workspace.lungs(&["evaluate", folder]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("Cross-validation in 3 folds"), "{}", done.stdout);
    assert_eq!(fs::read(run.join("cross-validation.json")).unwrap(), metrics);
    assert_eq!(fs::read(run.join("fold-2/plots/roc.svg")).unwrap(), picture);
    let pooled = fs::read(run.join("plots/roc.svg")).unwrap();
    assert!(run.join("curves/out-of-fold-decision.csv").is_file());
    fs::remove_dir_all(run.join("plots")).unwrap();
    fs::remove_dir_all(run.join("fold-2/plots")).unwrap();
    assert_eq!(workspace.lungs(&["plot", folder]).code, 0);
    assert!(fs::read(run.join("plots/roc.svg")).unwrap() == pooled);
    assert_eq!(fs::read(run.join("fold-2/plots/roc.svg")).unwrap(), picture);

    // Other metrics are computed for the pooled exams too, without training again.
    let mut again = RUN.to_vec();
    let sets = ["evaluate.prevalence=0.01", "evaluate.subgroups=[\"manufacturer\"]"];
    again.extend(sets.iter().flat_map(|set| ["--set", set]));
    let done = workspace.lungs(&again);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(workspace.newest_run("small"), run);
    let text = fs::read_to_string(run.join("cross-validation.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let groups = &json["pooled"]["subgroups"][0]["groups"];
    let exams: u64 = groups.as_array().unwrap().iter().map(|g| g["exams"].as_u64().unwrap()).sum();
    assert_eq!(exams, json["pooled"]["exams"].as_u64().unwrap());
    assert_eq!(json["pooled"]["operating_points"][0]["at_prevalence"]["prevalence"], 0.01);
    assert!(workspace.lungs(&again).stdout.contains("is finished already"));

    // The prediction of the ensemble is the mean of the predictions of the folds.
    let predicted = |models: &[&str]| -> Vec<f64> {
        let mut arguments = vec!["predict", "--out", "out.csv", "--cache", "cache", "ct"];
        arguments.extend(models.iter().flat_map(|model| ["--model", model]));
        let done = workspace.lungs(&arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let rows = table(&workspace.path("out.csv"));
        rows.iter().filter_map(|row| row["probability"].parse().ok()).collect()
    };
    let ensemble = predicted(&[folder]);
    let folds: Vec<Vec<f64>> =
        (1..=3).map(|fold| predicted(&[&format!("{folder}/fold-{fold}")])).collect();
    assert!(!ensemble.is_empty());
    for (index, probability) in ensemble.iter().enumerate() {
        let mean = folds.iter().map(|fold| fold[index]).sum::<f64>() / 3.0;
        assert!((probability - mean).abs() < 1e-12);
    }
}

#[test]
fn killed_folds_resume_to_the_same_bytes_from_the_spec_or_the_folder() {
    let uninterrupted = Workspace::new();
    assert_eq!(uninterrupted.lungs(&RUN).code, 0);
    let workspace = Workspace::new();
    let mut target = "small.toml".to_owned();
    for after_ms in (1..).map(|attempt| 200 * attempt) {
        let mut arguments = vec!["run", &target, "-q"];
        if target == "small.toml" {
            arguments.extend(&RUN[2..]);
        }
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lungs"))
            .args(arguments)
            .current_dir(workspace.path(""))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if workspace.path("results/small").is_dir() {
            let run = workspace.newest_run("small");
            if run.join("spec.toml").is_file() {
                target = run.to_str().unwrap().to_owned();
            }
        }
    }
    assert_same_runs(
        &uninterrupted.newest_run("small"),
        &workspace.newest_run("small"),
        "three folds",
    );
}

#[test]
fn invalid_folds_are_errors() {
    let workspace = Workspace::new();
    for (set, expected) in [
        ("split.folds=1", "split.folds: found 1, expected 0 (off), or 2 to 100"),
        ("split.fold=1", "split.fold: found 1, expected 0 (all folds), or at most split.folds"),
    ] {
        let refused = workspace.lungs(&["run", "small.toml", "--set", set]);
        assert_eq!(refused.code, 2);
        let message = refused.flat();
        assert!(message.contains(expected), "{message}");
    }
    let both = ["run", "small.toml", "--set", "split.folds=3", "--set", "split.valid=0.2"];
    let refused = workspace.lungs(&[&both[..], &["--set", "split.test=0.1"]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("set together with split.folds"), "{}", refused.stderr);
}
