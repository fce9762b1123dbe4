//! What `[evaluate]` adds to the figures, and to predictions.

use super::support::{Workplace, settings};
use std::collections::BTreeMap;
use std::fs;

/// The labels of the cohort with columns for sex, age and weight.
fn labels_with_columns(place: &Workplace) {
    let text = fs::read_to_string(place.path("ct/labels.csv")).unwrap();
    let mut lines = text.lines();
    let mut told = format!("{},sex,age,sampling_weight\n", lines.next().unwrap());
    for (at, line) in lines.enumerate() {
        let sex = ["f", "m"][at % 2];
        told += &format!("{line},{sex},{},{}\n", 50 + at, 1 + at % 3);
    }
    place.write("labels.csv", &told);
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
fn figures_by_group_by_weight_and_calibrated_stand_in_the_evaluation() {
    let place = Workplace::new();
    labels_with_columns(&place);
    let run = place.lungs(&[&["run", "small.toml", "-q"], &SETS[..], &COLUMNS].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let folder = place.newest_run("small");
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
    let kept = json("calibration.json");
    assert_eq!(kept["wanted"], "isotonic");
    assert_eq!(kept["fitted_on"], "valid");
    assert!(kept["calibrator"]["method"] == "isotonic", "{kept}");
    assert!(test["recalibrated"]["after"]["brier"]["value"].is_f64());

    // The same map reaches whoever predicts with the run.
    let model = folder.to_str().unwrap();
    let done = place.lungs(&["predict", "--model", model, "ct/P0001", "--out", "p.csv"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("calibrated_probability: by isotonic"), "{}", done.stdout);
    let rows: Vec<BTreeMap<String, String>> = csv::Reader::from_path(place.path("p.csv"))
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect();
    let both = |row: &BTreeMap<String, String>| {
        row["probability"].is_empty() == row["calibrated_probability"].is_empty()
    };
    assert!(rows.iter().all(both) && rows.iter().any(|row| !row["probability"].is_empty()));
    // And evaluating again restores every byte.
    let before = fs::read(folder.join("evaluation.json")).unwrap();
    assert_eq!(place.lungs(&["evaluate", model]).code, 0);
    assert!(fs::read(folder.join("evaluation.json")).unwrap() == before);
}

#[test]
fn columns_that_cannot_be_used_are_told_before_anything_is_done() {
    let place = Workplace::new();
    labels_with_columns(&place);
    let told = |key: &str| {
        let [flag, key] = set(key);
        let sets = ["--set", "data.labels=labels.csv", &flag, &key];
        let done = place.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat());
        assert_eq!(done.code, 1, "{}", done.stdout);
        done.stderr
    };
    let unknown = told("evaluate.subgroups=[\"smoker\"]");
    settings().bind(|| insta::assert_snapshot!("unknown-column", unknown));
    let weight = told("evaluate.weight_column=sex");
    settings().bind(|| insta::assert_snapshot!("weight-not-a-number", weight));
    assert!(!place.path("prepared").join("previews").exists());
    let [flag, key] = set("evaluate.subgroups=[{ column = \"age\", edges = [60, 55] }]");
    let wrong = place.lungs(&["check", "small.toml", &flag, &key]);
    assert!(wrong.stderr.contains("in ascending order"), "{}", wrong.stderr);
}
