//! Models as one file.

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
    let read = |place| {
        let mut entry = zip.by_index(place).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

/// What a model says of the cohort, as the table without its paths.
fn predicted(place: &Workspace, model: &str) -> Vec<Vec<String>> {
    let done = place.lungs(&["predict", "--model", model, "ct", "--out", "p.csv", "--cache", "c"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let mut table = csv::Reader::from_path(place.path("p.csv")).unwrap();
    table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn an_exported_model_predicts_as_its_run_and_says_what_it_is() {
    let place = Workspace::new();
    let sets =
        ["train.epochs=1", "evaluate.recalibrate=platt", "split.train=0.5", "split.valid=0.5"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = place.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = place.newest_run("small");
    place.write("about.md", "Made by **nobody**.\n");
    let done = place.lungs(&["export", "results/small", "--out", "m.zip", "--notes", "about.md"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("Research use only"), "{}", done.stdout);

    let found = files(&place.path("m.zip"));
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
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
    let text = |name: &str| String::from_utf8(found[name].clone()).unwrap();
    let card = text("MODEL_CARD.md");
    for words in [
        "# Model card: small",
        "Not a medical device",
        "## Intended use",
        "**Not for**",
        "| AUC | ",
        "sensitivity, p ≥ 0.5",
        "which flatters the figures",
        "Made by **nobody**.",
        "(platt, fitted on the validation part)",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let patients = fs::read_to_string(run.join("cohort.csv")).unwrap();
    let patient = patients.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    for (name, bytes) in &found {
        let text = String::from_utf8_lossy(bytes);
        assert!(!patient.is_empty() && !text.contains(&patient), "{name} names a patient");
    }
    assert!(text("provenance.json").contains("\"host\": \"\""));

    // The same run, the same bytes; and the checksums are those of a common tool.
    assert_eq!(
        place.lungs(&["export", "results/small", "--out", "n.zip", "--notes", "about.md"]).code,
        0
    );
    assert!(fs::read(place.path("m.zip")).unwrap() == fs::read(place.path("n.zip")).unwrap());
    fs::create_dir(place.path("out")).unwrap();
    for (name, bytes) in &found {
        fs::write(place.path("out").join(name), bytes).unwrap();
    }
    let checked = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(place.path("out"))
        .output();
    if let Ok(checked) = checked {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }

    let model = run.to_str().unwrap();
    let by_run = predicted(&place, model);
    assert_eq!(predicted(&place, "m.zip"), by_run);
    let other = place.lungs(&[
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

    // A changed file is refused, whatever was changed.
    let mut bytes = fs::read(place.path("m.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.path("n.zip"), bytes).unwrap();
    let refused = place.lungs(&["predict", "--model", "n.zip", "ct"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("take the file again"), "{}", refused.stderr);
}

#[test]
fn the_folds_of_a_cross_validation_travel_together_and_unfinished_runs_do_not() {
    let place = Workspace::new();
    let sets = ["--set", "train.epochs=1", "--set", "split.folds=3"];
    let trained = place.lungs(&[&["train", "small.toml", "-q"], &sets[..]].concat());
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    let run = place.newest_run("small");
    let model = run.to_str().unwrap();
    let early = place.lungs(&["export", model]);
    assert_ne!(early.code, 0, "{}", early.stdout);
    assert!(early.stderr.contains("the run is not finished"), "{}", early.stderr);
    assert_eq!(place.lungs(&[&["run", "small.toml", "-q"], &sets[..]].concat()).code, 0);
    let done = place.lungs(&["export", model]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("3 networks"), "{}", done.stdout);
    let archive = fs::read_dir(place.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.ends_with(".lungs.zip"))
        .unwrap();
    let found = files(&place.path(&archive));
    assert!((1..=3).all(|fold| found.contains_key(&format!("fold-{fold}/weights.safetensors"))));
    assert!(found.contains_key("cross-validation.json"));
    let card = String::from_utf8(found["MODEL_CARD.md"].clone()).unwrap();
    assert!(card.contains("out-of-fold exams") && card.contains("3 networks"), "{card}");
    assert_eq!(predicted(&place, &archive), predicted(&place, model));
}
