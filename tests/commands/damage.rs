//! Checkpoints that a disk or a person has damaged.

use super::support::{Workspace, assert_same_runs};
use std::fs;
use std::path::Path;

/// What is wrong with a file, by name.
fn damage(file: &Path, how: &str) {
    let mut bytes = fs::read(file).unwrap();
    match how {
        "one bit" => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }
        "cut short" => fs::write(file, &bytes[..bytes.len() - 9]).unwrap(),
        "gone" => fs::remove_file(file).unwrap(),
        other => panic!("{other}"),
    }
}

const RUN: [&str; 5] = ["run", "small.toml", "-q", "--set", "train.epochs=4"];

/// A run that never stopped.
fn whole() -> Workspace {
    let whole = Workspace::new();
    assert_eq!(whole.lungs(&RUN).code, 0);
    whole
}

/// The same run that is to train its last epoch still.
fn trained_for_three_of_four_epochs() -> Workspace {
    let place = whole();
    // As a process leaves it that is killed after the third epoch.
    let folder = place.newest_run("small");
    for gone in ["checkpoints/epoch-004", "plots"] {
        fs::remove_dir_all(folder.join(gone)).unwrap();
    }
    fs::remove_file(folder.join("evaluation.json")).unwrap();
    let provenance = fs::read_to_string(folder.join("provenance.json")).unwrap();
    let mut provenance: serde_json::Value = serde_json::from_str(&provenance).unwrap();
    provenance["finished"] = serde_json::Value::Null;
    fs::write(folder.join("provenance.json"), provenance.to_string()).unwrap();
    place
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_it_is_used() {
    let whole = whole();
    for (file, how) in [
        ("weights.safetensors", "one bit"),
        ("optimizer.bpk", "cut short"),
        ("state.json", "gone"),
        ("checksums.json", "cut short"),
    ] {
        let place = trained_for_three_of_four_epochs();
        let run = place.newest_run("small");
        // Wherever the best epoch is: the furthest checkpoint that is left.
        let mut kept: Vec<_> = fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        let furthest = kept.pop().unwrap();
        damage(&run.join("checkpoints").join(&furthest).join(file), how);
        let told = place.lungs(&["run", run.to_str().unwrap()]);
        assert_eq!(told.code, 0, "{}", told.stderr);
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        for said in [&told.stdout, &log] {
            assert!(said.contains(&format!("{furthest} is damaged ({file}")), "{how}: {said}");
            assert!(said.contains(&format!("damaged-{furthest}")), "{said}");
        }
        let aside = run.join("checkpoints").join(format!("damaged-{furthest}"));
        assert!(aside.is_dir(), "it is kept for whoever wants to look");
        fs::remove_dir_all(aside).unwrap();
        assert_same_runs(&whole.newest_run("small"), &run, &format!("{file} {how}"));
    }
}

#[test]
fn with_every_checkpoint_damaged_training_begins_again_said_aloud() {
    let (whole, place) = (whole(), trained_for_three_of_four_epochs());
    let run = place.newest_run("small");
    for checkpoint in fs::read_dir(run.join("checkpoints")).unwrap() {
        damage(&checkpoint.unwrap().path().join("weights.safetensors"), "one bit");
    }
    let told = place.lungs(&["run", run.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(
        told.stdout.contains("none is left before it: training begins again"),
        "{}",
        told.stdout
    );
    for entry in fs::read_dir(run.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("damaged-") {
            fs::remove_dir_all(path).unwrap();
        }
    }
    assert_same_runs(&whole.newest_run("small"), &run, "begun again");
}

#[test]
fn damaged_weights_of_the_selected_epoch_are_an_error_of_evaluation() {
    let place = Workspace::new();
    let run = ["run", "small.toml", "-q", "--set", "split.valid=0.2", "--set", "split.test=0.1"];
    assert_eq!(place.lungs(&run).code, 0);
    let run = place.newest_run("small");
    for checkpoint in fs::read_dir(run.join("checkpoints")).unwrap() {
        damage(&checkpoint.unwrap().path().join("weights.safetensors"), "one bit");
    }
    // Figures can be computed anew from predictions that are there; scoring needs weights.
    let evaluated = place.lungs(&["evaluate", run.to_str().unwrap()]);
    assert_eq!(evaluated.code, 0, "{}", evaluated.stderr);
    for predictions in fs::read_dir(run.join("predictions")).unwrap() {
        let path = predictions.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("test") {
            fs::remove_file(path).unwrap();
        }
    }
    for command in [
        vec!["evaluate", run.to_str().unwrap()],
        vec!["predict", "--model", run.to_str().unwrap(), "ct"],
    ] {
        let told = place.lungs(&command);
        assert_eq!(told.code, 1, "{}", told.stdout);
        let said = told.stderr.replace(['│', '\n'], " ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("is damaged (weights.safetensors: its checksum"), "{said}");
        assert!(said.contains("bring this folder back from a copy, or train anew"), "{said}");
    }
}

#[test]
fn a_table_that_lost_rows_is_told_and_no_checkpoint_is_touched() {
    let place = trained_for_three_of_four_epochs();
    let run = place.newest_run("small");
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let first: Vec<&str> = metrics.lines().take(3).collect();
    fs::write(run.join("metrics.csv"), first.join("\n") + "\n").unwrap();
    let told = place.lungs(&["run", run.to_str().unwrap()]);
    assert_eq!(told.code, 1);
    let said = told.stderr.replace(['│', '\n'], " ");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it has 2 rows up to the last checkpoint, expected 6"), "{said}");
    assert!(run.join("checkpoints/epoch-003").is_dir());
}
