//! `lungs export`: a trained model as one file.

use super::support::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// The files of an archive by name.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let count = zip.len();
    let read = |index| {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

/// A model's predictions for the cohort, as rows of the table.
fn predictions(workspace: &Workspace, model: &str) -> Vec<Vec<String>> {
    let done =
        workspace.lungs(&["predict", "--model", model, "ct", "--out", "p.csv", "--cache", "c"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut table = csv::Reader::from_path(workspace.path("p.csv")).unwrap();
    table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn an_exported_model_predicts_as_its_run_and_has_a_model_card() {
    let workspace = Workspace::new();
    let sets =
        ["train.epochs=1", "evaluate.recalibrate=platt", "split.train=0.5", "split.valid=0.5"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = workspace.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = workspace.newest_run("small");
    workspace.write("about.md", "Made by **nobody**.\n");
    let done =
        workspace.lungs(&["export", "results/small", "--out", "m.zip", "--notes", "about.md"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("Research use only"), "{}", done.stdout);

    let archive = files(&workspace.path("m.zip"));
    let names: Vec<&str> = archive.keys().map(String::as_str).collect();
    let expected = [
        "MODEL_CARD.md",
        "SHA256SUMS",
        "calibration.json",
        "evaluation.json",
        "lungs-model.json",
        "preprocessing.toml",
        "provenance.json",
        "spec.toml",
        "weights.safetensors",
    ];
    assert_eq!(names, expected);
    let text = |name: &str| String::from_utf8(archive[name].clone()).unwrap();
    let card = text("MODEL_CARD.md");
    for words in [
        "# Model card: small",
        "Not a medical device",
        "## Intended use",
        "**Not for**",
        "| AUC | ",
        "sensitivity at p ≥ 0.5",
        "which biases the metrics upwards",
        "Made by **nobody**.",
        "(platt, fitted on the validation split)",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let patients = fs::read_to_string(run.join("cohort.csv")).unwrap();
    let patient = patients.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    for (name, bytes) in &archive {
        let text = String::from_utf8_lossy(bytes);
        assert!(!patient.is_empty() && !text.contains(&patient), "{name} names a patient");
    }
    assert!(text("provenance.json").contains("\"host\": \"\""));

    // Exporting again gives the same bytes; sha256sum confirms the checksums.
    assert_eq!(
        workspace.lungs(&["export", "results/small", "--out", "n.zip", "--notes", "about.md"]).code,
        0
    );
    assert!(
        fs::read(workspace.path("m.zip")).unwrap() == fs::read(workspace.path("n.zip")).unwrap()
    );
    fs::create_dir(workspace.path("out")).unwrap();
    for (name, bytes) in &archive {
        fs::write(workspace.path("out").join(name), bytes).unwrap();
    }
    let checked = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(workspace.path("out"))
        .output();
    if let Ok(checked) = checked {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }

    let model = run.to_str().unwrap();
    let by_run = predictions(&workspace, model);
    assert_eq!(predictions(&workspace, "m.zip"), by_run);
    let other = workspace.lungs(&[
        "predict",
        "--model",
        "out/weights.safetensors",
        "ct",
        "--out",
        "q.csv",
        "--spec",
        "out/preprocessing.toml",
    ]);
    assert_eq!(other.code, 0, "{}", other.stderr);

    // A single changed bit is detected.
    let mut bytes = fs::read(workspace.path("m.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(workspace.path("n.zip"), bytes).unwrap();
    let refused = workspace.lungs(&["predict", "--model", "n.zip", "ct"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    let words: Vec<&str> =
        refused.stderr.split([' ', '\n', '│']).filter(|it| !it.is_empty()).collect();
    assert!(words.join(" ").contains("get a new copy of the file"), "{}", refused.stderr);
}

#[test]
fn a_cross_validation_exports_all_folds_and_an_unfinished_run_is_an_error() {
    let workspace = Workspace::new();
    let sets = ["--set", "train.epochs=1", "--set", "split.folds=3"];
    let trained = workspace.lungs(&[&["train", "small.toml", "-q"], &sets[..]].concat());
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    let run = workspace.newest_run("small");
    let model = run.to_str().unwrap();
    let unfinished = workspace.lungs(&["export", model]);
    assert_ne!(unfinished.code, 0, "{}", unfinished.stdout);
    assert!(unfinished.stderr.contains("the run is not finished"), "{}", unfinished.stderr);
    assert_eq!(workspace.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat()).code, 0);
    let done = workspace.lungs(&["export", model]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("3 networks"), "{}", done.stdout);
    let archive = fs::read_dir(workspace.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.ends_with(".lungs.zip"))
        .unwrap();
    let contents = files(&workspace.path(&archive));
    assert!((1..=3).all(|fold| contents.contains_key(&format!("fold-{fold}/weights.safetensors"))));
    assert!(contents.contains_key("cross-validation.json"));
    let card = String::from_utf8(contents["MODEL_CARD.md"].clone()).unwrap();
    assert!(card.contains("out-of-fold exams") && card.contains("3 networks"), "{card}");
    assert_eq!(predictions(&workspace, &archive), predictions(&workspace, model));
}
