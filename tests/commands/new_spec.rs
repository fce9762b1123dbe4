//! `lungs new`, the next command of `lungs check`, and the help for missing data.

use super::support::{Workspace, cohort};
use std::fs;

/// Settings that make a run of a new spec small.
const SMALL: [&str; 8] = [
    "preprocess.spacing_mm=10",
    "preprocess.size=[24,32,40]",
    "model.slices=24",
    "model.width=0.1",
    "data.cache=prepared",
    "train.epochs=1",
    "train.learning_rate=1e-3",
    "train.gradient_checkpointing=false",
];

fn read(workspace: &Workspace, name: &str) -> String {
    fs::read_to_string(workspace.path(name)).unwrap()
}

#[test]
fn a_new_spec_describes_the_folder_and_runs() {
    let workspace = Workspace::new();
    let new = workspace.lungs(&["new", "mine", "--data", "ct"]);
    assert_eq!(new.code, 0, "{}", new.stderr);
    assert!(new.stdout.contains("Next:\n  lungs check experiments/mine.toml"), "{}", new.stdout);
    let text = read(&workspace, "experiments/mine.toml");
    for part in [
        "name = \"mine\"",
        "root   = \"ct\"\nlabels = \"ct/labels.csv\"\n# ",
        "matched by series_uid (",
        "of 12 patients",
        "device = \"auto\"                   # here: ",
        "# folds = 5",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("#:schema") && !text.contains("[outcome]"), "{text}");

    let check = workspace.lungs(&["check", "experiments/mine.toml"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    let last = check.stdout.trim_end().lines().last().unwrap();
    assert_eq!(
        last.split_whitespace().collect::<Vec<_>>().join(" "),
        "next lungs run experiments/mine.toml"
    );
    let mut arguments = vec!["run", "experiments/mine.toml", "-q"];
    arguments.extend(SMALL.into_iter().flat_map(|set| ["--set", set]));
    let run = workspace.lungs(&arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    arguments[0] = "check";
    let check = workspace.lungs(&arguments);
    let last = check.stdout.trim_end().lines().last().unwrap();
    assert!(last.contains("--set 'preprocess.size=[24,32,40]'"), "{last}");
    assert!(last.contains("(shows the metrics of results/mine/"), "{last}");
}

#[test]
fn an_existing_spec_is_not_replaced() {
    let workspace = Workspace::new();
    let arguments = ["new", "small", "--data", "ct", "--out", "small.toml"];
    let before = read(&workspace, "small.toml");
    let new = workspace.lungs(&arguments);
    assert_eq!(new.code, 2);
    assert!(new.flat().contains("small.toml exists and is not replaced"), "{}", new.stderr);
    assert_eq!(read(&workspace, "small.toml"), before);
}

#[test]
fn without_labels_the_spec_names_the_file_to_write() {
    let workspace = Workspace::new();
    let patient = fs::read_dir(cohort()).unwrap().map(|entry| entry.unwrap().path());
    let patient = patient.filter(|path| path.is_dir()).min().unwrap();
    std::os::unix::fs::symlink(patient, workspace.path("one")).unwrap();
    let new = workspace.lungs(&["new", "one", "--data", "one", "--out", "one.toml"]);
    assert_eq!(new.code, 0, "{}", new.stderr);
    assert!(new.stdout.contains("one/labels.csv does not exist yet"), "{}", new.stdout);
    assert!(new.flat().contains("Next, write one/labels.csv"), "{}", new.stdout);
    assert!(read(&workspace, "one.toml").contains("labels = \"one/labels.csv\""));
    let check = workspace.lungs(&["check", "one.toml"]);
    assert!(check.code == 2 && check.stderr.contains("one/labels.csv"), "{}", check.stderr);
}

#[test]
fn labels_that_cannot_be_used_are_an_error_and_write_nothing() {
    let workspace = Workspace::new();
    workspace.write("outcomes.csv", "patient_id,cancer\nA,1\n");
    workspace.write("others.csv", "patient_id,label\nnobody,1\n");
    fs::create_dir(workspace.path("empty")).unwrap();
    for (data, labels, expected) in [
        ("ct", "outcomes.csv", "has no column `label`"),
        ("ct", "others.csv", "matches no series"),
        ("ct", "missing.csv", "missing.csv"),
        ("empty", "others.csv", "no CT images in empty"),
        ("nowhere", "others.csv", "--data: nowhere does not exist"),
    ] {
        let new = workspace.lungs(&["new", "x", "--data", data, "--labels", labels]);
        assert_eq!(new.code, 2, "{}", new.stdout);
        assert!(new.flat().contains(expected), "{expected}: {}", new.stderr);
    }
    let new = workspace.lungs(&["new", "a/b", "--data", "ct", "--out", "x.toml"]);
    assert!(new.code == 2 && new.flat().contains("experiment.name"), "{}", new.stderr);
    assert!(!workspace.path("experiments").exists() && !workspace.path("x.toml").exists());
}

#[test]
fn follow_up_in_the_labels_is_a_survival_outcome_and_the_schema_is_named() {
    let workspace = Workspace::new();
    let labels = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let mut rows = labels.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let [series, label] =
        ["series_uid", "label"].map(|name| header.iter().position(|it| *it == name).unwrap());
    let follow_up = rows.map(|cells| match cells[label] {
        "1" => format!("{},200,\n", cells[series]),
        _ => format!("{},,1500\n", cells[series]),
    });
    let table =
        format!("series_uid,days_to_event,days_followed\n{}", follow_up.collect::<String>());
    workspace.write("times.csv", &table);
    workspace.write("docs/spec.schema.json", "{}");
    let new = workspace.lungs(&["new", "later", "--data", "ct", "--labels", "times.csv"]);
    assert_eq!(new.code, 0, "{}", new.stderr);
    let text = read(&workspace, "experiments/later.toml");
    assert!(text.starts_with("#:schema ../docs/spec.schema.json\n"), "{text}");
    assert!(text.contains("name = \"survival\"\nhorizons_years = [1, 2, 3, 4]"), "{text}");
    let check = workspace.lungs(&["check", "experiments/later.toml"]);
    assert!(
        check.code == 0 && check.stdout.contains("follow-up"),
        "{}{}",
        check.stdout,
        check.stderr
    );
}
