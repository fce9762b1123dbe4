//! Metrics and predictions with the keys of `[evaluate]`.

use super::support::{Workspace, settings};
use std::collections::BTreeMap;
use std::fs;

/// The labels of the cohort with columns for sex, age and weight.
fn labels_with_columns(workspace: &Workspace) {
    let text = fs::read_to_string(workspace.path("ct/labels.csv")).unwrap();
    let mut lines = text.lines();
    let mut table = format!("{},sex,age,sampling_weight\n", lines.next().unwrap());
    for (index, line) in lines.enumerate() {
        let sex = ["f", "m"][index % 2];
        table += &format!("{line},{sex},{},{}\n", 50 + index, 1 + index % 3);
    }
    workspace.write("labels.csv", &table);
}

const SETS: [&str; 12] = [
    "--set",
    "data.labels=labels.csv",
    "--set",
    "split.train=0.4",
    "--set",
    "split.valid=0.3",
    "--set",
    "split.test=0.3",
    "--set",
    "train.epochs=1",
    "--set",
    "evaluate.recalibrate=isotonic",
];

const COLUMNS: [&str; 8] = [
    "--set",
    "evaluate.subgroups=[\"sex\", \"manufacturer\", { column = \"age\", edges = [55, 60] }]",
    "--set",
    "evaluate.weight_column=sampling_weight",
    "--set",
    "evaluate.prevalence=0.01",
    "--set",
    "evaluate.threshold=0.4",
];

fn set(key: &str) -> [String; 2] {
    ["--set".into(), key.into()]
}

#[test]
fn the_evaluation_has_subgroups_weights_and_calibration() {
    let workspace = Workspace::new();
    labels_with_columns(&workspace);
    let run = workspace.lungs(&[&["run", "small.toml", "-q"], &SETS[..], &COLUMNS].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let folder = workspace.newest_run("small");
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let test = &json("evaluation.json")["parts"]["test"];
    let by: Vec<&str> = test["subgroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["sex", "manufacturer", "age"]);
    let exams = test["exams"].as_u64().unwrap();
    for column in test["subgroups"].as_array().unwrap() {
        let groups = column["groups"].as_array().unwrap();
        let inside: u64 = groups.iter().map(|group| group["exams"].as_u64().unwrap()).sum();
        assert_eq!(inside + column["unknown"].as_u64().unwrap(), exams);
        assert!(groups.iter().all(|group| group["warning"].is_string()), "{column}");
    }
    assert!(test["weighted"]["effective_exams"].as_f64().unwrap() <= exams as f64);
    assert_eq!(test["weighted"]["column"], "sampling_weight");
    let first = &test["operating_points"][0];
    assert_eq!(first["at"], 0.4);
    assert_eq!(first["chosen_on"], "none");
    assert_eq!(first["at_prevalence"]["prevalence"], 0.01);
    let points = test["operating_points"].as_array().unwrap();
    assert!(points.iter().any(|point| point["chosen_on"] == "validation"));
    let calibration = json("calibration.json");
    assert_eq!(calibration["wanted"], "isotonic");
    assert_eq!(calibration["fitted_on"], "valid");
    assert!(calibration["calibrator"]["method"] == "isotonic", "{calibration}");
    assert!(test["recalibrated"]["after"]["brier"]["value"].is_f64());

    // `predict` applies the same map.
    let model = folder.to_str().unwrap();
    let done = workspace.lungs(&["predict", "--model", model, "ct/P0001", "--out", "p.csv"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("calibrated_probability: by isotonic"), "{}", done.stdout);
    let rows: Vec<BTreeMap<String, String>> = csv::Reader::from_path(workspace.path("p.csv"))
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect();
    let both = |row: &BTreeMap<String, String>| {
        row["probability"].is_empty() == row["calibrated_probability"].is_empty()
    };
    assert!(rows.iter().all(both) && rows.iter().any(|row| !row["probability"].is_empty()));
    // Evaluating again gives the same bytes.
    let before = fs::read(folder.join("evaluation.json")).unwrap();
    assert_eq!(workspace.lungs(&["evaluate", model]).code, 0);
    assert!(fs::read(folder.join("evaluation.json")).unwrap() == before);
}

#[test]
fn other_metrics_of_a_finished_run_need_no_training() {
    let workspace = Workspace::new();
    labels_with_columns(&workspace);
    let run = |more: &[&str]| {
        let done = workspace.lungs(&[&["run", "small.toml"], &SETS[..], more].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        done
    };
    run(&["--set", "evaluate.recalibrate=none"]);
    let folder = workspace.newest_run("small");
    let weights = fs::metadata(folder.join("checkpoints")).unwrap().modified().unwrap();
    let predictions = fs::read(folder.join("predictions/test-epoch-001.csv")).unwrap();
    let plain = fs::read(folder.join("evaluation.json")).unwrap();
    assert!(!folder.join("calibration.json").exists());
    // The report describes age and sex of the labels without being asked.
    let columns = fs::read_to_string(folder.join("exam-columns.csv")).unwrap();
    assert!(columns.contains(",sex,f\n") && columns.contains(",age,5"), "{columns}");
    assert!(!columns.contains("sampling_weight"), "{columns}");

    // The same experiment with other metrics is the same run.
    let again = run(&COLUMNS);
    assert!(again.stdout.contains("recomputing the metrics"), "{}", again.stdout);
    assert_eq!(workspace.newest_run("small"), folder);
    let json = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join("evaluation.json")).unwrap()).unwrap()
    };
    assert_eq!(json()["parts"]["test"]["subgroups"].as_array().unwrap().len(), 3);
    assert!(folder.join("calibration.json").is_file());
    assert_eq!(fs::metadata(folder.join("checkpoints")).unwrap().modified().unwrap(), weights);
    assert_eq!(fs::read(folder.join("predictions/test-epoch-001.csv")).unwrap(), predictions);
    // Now the run is finished with these metrics.
    assert!(run(&COLUMNS).stdout.contains("is finished already"));

    // With the run folder too. Metrics that are no longer requested are removed.
    let model = folder.to_str().unwrap();
    let sets = ["evaluate.recalibrate=none", "evaluate.subgroups=[]"];
    let back: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = workspace.lungs(&[&["evaluate", model], &back[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!folder.join("calibration.json").exists());
    assert!(json()["parts"]["test"].get("subgroups").is_none());
    let spec = fs::read_to_string(folder.join("spec.toml")).unwrap();
    assert!(spec.contains("prevalence = 0.01") && spec.contains("subgroups = []"), "{spec}");
    assert_ne!(
        fs::read(folder.join("evaluation.json")).unwrap(),
        plain,
        "the weighted metrics are still requested"
    );
    let refused = workspace.lungs(&["evaluate", model, "--set", "train.epochs=9"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("train.epochs: this key affects training"),
        "{}",
        refused.stderr
    );
    let unknown = workspace.lungs(&["evaluate", model, "--set", "evaluate.subgroups=[\"smoker\"]"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("no column `smoker`"), "{}", unknown.stderr);
}

#[test]
fn invalid_columns_are_errors_before_preparation() {
    let workspace = Workspace::new();
    labels_with_columns(&workspace);
    let error = |key: &str| {
        let [flag, key] = set(key);
        let sets = ["--set", "data.labels=labels.csv", &flag, &key];
        let done = workspace.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat());
        assert_eq!(done.code, 2, "{}", done.stdout);
        done.stderr
    };
    let unknown = error("evaluate.subgroups=[\"smoker\"]");
    settings().bind(|| insta::assert_snapshot!("unknown-column", unknown));
    let weight = error("evaluate.weight_column=sex");
    settings().bind(|| insta::assert_snapshot!("weight-not-a-number", weight));
    assert!(!workspace.path("prepared").join("previews").exists());
    let [flag, key] = set("evaluate.subgroups=[{ column = \"age\", edges = [60, 55] }]");
    let wrong = workspace.lungs(&["check", "small.toml", &flag, &key]);
    assert!(wrong.stderr.contains("in ascending order"), "{}", wrong.stderr);
}

/// A small experiment whose validation has enough exams, in variants by `--set`.
fn variant(workspace: &Workspace, name: &str, sets: &[&str]) {
    let name = format!("experiment.name={name}");
    let mut arguments = vec!["run", "small.toml", "-q", "--set", &name];
    let common = ["train.epochs=1", "split.train=0.5", "split.valid=0.5"];
    for set in common.iter().chain(sets) {
        arguments.extend(["--set", set]);
    }
    let done = workspace.lungs(&arguments);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn a_comparison_is_also_a_page_and_a_table() {
    let workspace = Workspace::new();
    variant(&workspace, "cross", &[]);
    variant(&workspace, "focal", &["loss.name=focal"]);
    variant(&workspace, "faster", &["train.learning_rate=0.01"]);
    let runs = ["results/cross", "results/focal", "results/faster"];
    let files = ["--html", "comparison.html", "--csv", "comparison.csv"];
    let done = workspace.lungs(&[&["compare"], &runs[..], &files].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    for words in [
        "the AUC of loss.alpha = 0.25, loss.gamma = 2.0, loss.name = focal is ",
        "and that of loss.name = cross-entropy is ",
        "the AUC of train.learning_rate = 0.01 is ",
        "Holm-corrected for 2 tests",
        "validation exams (",
    ] {
        assert!(done.stdout.contains(words), "{words}: {}", done.stdout);
    }
    let page = fs::read_to_string(workspace.path("comparison.html")).unwrap();
    // The validation split has fewer than twenty exams of a class.
    assert!(page.contains("permutation test"), "{page}");
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(!page.contains("src=") && !page.contains("<script"), "no external content");
    let again = workspace.lungs(&[&["compare"], &runs[..], &files].concat());
    assert_eq!(again.stdout, done.stdout);
    assert_eq!(fs::read_to_string(workspace.path("comparison.html")).unwrap(), page);
    let table = fs::read_to_string(workspace.path("comparison.csv")).unwrap();
    assert!(table.starts_with("run,metric,value,low,high,text\n"), "{table}");
    assert!(table.lines().any(|line| line.contains(",validation AUC,")), "{table}");
}

#[test]
fn runs_on_different_exams_are_an_error_and_seeds_are_a_group() {
    let workspace = Workspace::new();
    variant(&workspace, "one", &[]);
    variant(&workspace, "other", &["loss.name=focal", "experiment.seed=38"]);
    let refused = workspace.lungs(&["compare", "results/one", "results/other"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    settings().bind(|| insta::assert_snapshot!("other-exams", refused.stderr));
    let common = workspace.lungs(&["compare", "results/one", "results/other", "--common"]);
    assert_eq!(common.code, 0, "{}", common.stderr);

    // Two seeds of each: mean and deviation, and tests seed by seed.
    variant(&workspace, "one-again", &["experiment.seed=38"]);
    variant(&workspace, "other-again", &["loss.name=focal"]);
    let four = ["results/one", "results/one-again", "results/other", "results/other-again"];
    let grouped = workspace.lungs(&[&["compare", "--json", "-q"], &four[..]].concat());
    assert_eq!(grouped.code, 0, "{}", grouped.stderr);
    let json: serde_json::Value = serde_json::from_str(&grouped.stdout).unwrap();
    assert_eq!(json["groups"][0]["runs"], serde_json::json!([0, 1]));
    assert_eq!(json["groups"][1]["runs"], serde_json::json!([2, 3]));
    let brier = |run: usize| {
        let metrics = json["metrics"].as_array().unwrap();
        let metric = metrics.iter().find(|metric| metric["name"] == "validation Brier").unwrap();
        metric["cells"][run]["value"].as_f64().unwrap()
    };
    let spread = json["groups"][0]["spread"].as_array().unwrap();
    let spread = spread.iter().find(|row| row["name"] == "validation Brier").unwrap();
    let (a, b) = (brier(0), brier(1));
    assert!((spread["mean"].as_f64().unwrap() - (a + b) / 2.0).abs() < 1e-12);
    // Of two, the standard deviation is their distance by the square root of two.
    assert!((spread["sd"].as_f64().unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12);
    let against = |test: usize| json["tests"][test]["name_b"].as_str().unwrap();
    assert!(against(0).starts_with("one-again/") && against(1).starts_with("one/"));
    let text = workspace.lungs(&[&["compare"], &four[..]].concat());
    assert!(text.stdout.contains("Mean ± standard deviation"), "{}", text.stdout);

    let seeds = workspace.lungs(&["compare", "results/one", "results/one-again"]);
    assert_eq!(seeds.code, 0, "{}", seeds.stderr);
    assert!(seeds.stdout.contains("No paired test"), "{}", seeds.stdout);
}
