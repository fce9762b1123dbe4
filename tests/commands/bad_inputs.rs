//! Error messages for invalid inputs.

use super::support::{Workspace, a_series, cohort, settings};
use std::fs;

/// Asserts the exit code and the error message of a command.
#[track_caller]
fn fails(workspace: &Workspace, name: &str, code: i32, arguments: &[&str]) {
    let done = workspace.lungs(arguments);
    assert_eq!(done.code, code, "{}{}", done.stdout, done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!(name, done.stderr));
}

fn spec_with(workspace: &Workspace, from: &str, to: &str) {
    let text = fs::read_to_string(workspace.path("small.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in the spec");
    workspace.write("small.toml", &text.replace(from, to));
}

#[test]
fn missing_spec() {
    fails(&Workspace::new(), "missing-spec", 2, &["run", "nowhere.toml"]);
}

#[test]
fn missing_data() {
    let workspace = Workspace::new();
    fails(&workspace, "missing-data", 2, &["run", "small.toml", "--set", "data.root=nowhere"]);
}

#[test]
fn unknown_key() {
    let workspace = Workspace::new();
    spec_with(&workspace, "batch_size = 3", "batchsize = 3");
    fails(&workspace, "unknown-key", 2, &["run", "small.toml"]);
}

#[test]
fn wrong_type() {
    let workspace = Workspace::new();
    spec_with(&workspace, "epochs = 2", "epochs = \"two\"");
    fails(&workspace, "wrong-type", 2, &["run", "small.toml"]);
}

#[test]
fn impossible_values() {
    let workspace = Workspace::new();
    spec_with(&workspace, "slices = 24", "slices = 25\nkeep_prob = 0");
    fails(&workspace, "impossible-values", 2, &["check", "small.toml"]);
}

#[test]
fn not_toml() {
    let workspace = Workspace::new();
    spec_with(&workspace, "epochs = 2", "epochs 2");
    fails(&workspace, "not-toml", 2, &["run", "small.toml"]);
}

#[test]
fn a_spec_that_extends_itself() {
    let workspace = Workspace::new();
    workspace.write("loop.toml", "extends = \"loop.toml\"\n");
    fails(&workspace, "extends-itself", 2, &["run", "loop.toml"]);
}

#[test]
fn bad_override() {
    let workspace = Workspace::new();
    fails(&workspace, "bad-override", 2, &["run", "small.toml", "--set", "train.epochs"]);
}

#[test]
fn empty_folder() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("empty")).unwrap();
    fails(&workspace, "empty-folder", 2, &["run", "small.toml", "--set", "data.root=empty"]);
}

#[test]
fn text_file_named_dcm() {
    let workspace = Workspace::new();
    workspace.write("notes/readme.dcm", "These are notes, not slices.\n");
    fails(&workspace, "text-named-dcm", 2, &["run", "small.toml", "--set", "data.root=notes"]);
}

#[test]
fn a_series_of_one_slice() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("one")).unwrap();
    fs::copy(&a_series()[10], workspace.path("one/slice")).unwrap();
    fails(&workspace, "one-slice", 2, &["run", "small.toml", "--set", "data.root=one"]);
}

#[test]
fn a_truncated_file() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("cut")).unwrap();
    for (number, file) in a_series().iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        if number == 7 {
            bytes.truncate(bytes.len() - 1000);
        }
        fs::write(workspace.path(&format!("cut/{number:03}.dcm")), bytes).unwrap();
    }
    let out = ["prepare", "cut", "--out", "out", "--set", "data.select.min_slices=40"];
    let done = workspace.lungs(&out);
    assert_eq!(done.code, 1);
    settings().bind(|| insta::assert_snapshot!("truncated-file", done.stdout));
    settings().bind(|| insta::assert_snapshot!("truncated-file-error", done.stderr));
}

#[test]
fn labels_without_series() {
    let workspace = Workspace::new();
    workspace.write("labels.csv", "series_uid,label\n1.2.3,1\n1.2.4,0\n");
    let labels = "data.labels=labels.csv";
    fails(&workspace, "labels-without-series", 2, &["run", "small.toml", "--set", labels]);
}

#[test]
fn invalid_labels() {
    let workspace = Workspace::new();
    workspace.write("labels.csv", "series_uid,label\n1.2.3,cancer\n");
    let labels = "data.labels=labels.csv";
    fails(&workspace, "bad-label", 2, &["run", "small.toml", "--set", labels]);
    workspace.write("labels.csv", "series_uid,outcome\n1.2.3,1\n");
    fails(&workspace, "no-label-column", 2, &["run", "small.toml", "--set", labels]);
}

#[test]
fn a_patient_in_both_lists() {
    let workspace = Workspace::new();
    // A patient with two exams.
    let patient = fs::read_dir(cohort())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .find(|path| path.join(format!("{}-2", name(path))).is_dir())
        .expect("a patient with two exams");
    let exam = |number: usize| patient.join(format!("{}-{number}/2-axial", name(&patient)));
    workspace.write("train.list", &format!("{} 1\n", exam(1).display()));
    workspace.write("valid.list", &format!("{} 0\n", exam(2).display()));
    spec_with(
        &workspace,
        "labels = \"ct/labels.csv\"",
        "train_list = \"train.list\"\nvalid_list = \"valid.list\"",
    );
    let done = workspace.lungs(&["run", "small.toml"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    let message = done.stderr.replace(&name(&patient), "PATIENT");
    settings().bind(|| insta::assert_snapshot!("patient-in-both-lists", message));
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn unwritable_results_folder() {
    let workspace = Workspace::new();
    // A file in place of the folder is an error for root too.
    workspace.write("results", "a file\n");
    fails(&workspace, "unwritable-results", 1, &["run", "small.toml"]);
}

#[test]
fn unavailable_cuda() {
    let workspace = Workspace::new();
    let device = "runtime.device=cuda";
    fails(&workspace, "no-cuda", 2, &["check", "small.toml", "--set", device]);
}

#[test]
fn not_a_run_folder() {
    let workspace = Workspace::new();
    fails(&workspace, "not-a-run", 2, &["plot", "ct"]);
}

#[test]
fn evaluating_a_run_that_has_not_trained() {
    let workspace = Workspace::new();
    let check = workspace.lungs(&["check", "small.toml", "--verbose"]);
    let spec = check.stdout.split("spec hash").next().unwrap();
    workspace.write("results/small/begun/spec.toml", spec);
    fails(&workspace, "nothing-trained", 2, &["evaluate", "results/small/begun"]);
}

#[test]
fn preparing_into_the_data_folder() {
    fails(&Workspace::new(), "out-is-the-data", 2, &["prepare", "ct", "--out", "ct/../ct"]);
}

#[test]
fn a_phantom_folder_that_is_not_empty() {
    let workspace = Workspace::new();
    workspace.write("taken/notes.txt", "mine\n");
    fails(&workspace, "phantom-taken", 2, &["phantom", "taken"]);
}
