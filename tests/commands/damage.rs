//! Damaged checkpoints.

use super::support::{Workspace, assert_same_runs, copy_folder};
use std::fs;
use std::path::{Path, PathBuf};

/// Damages a file in the named way.
fn damage(file: &Path, how: &str) {
    let mut bytes = fs::read(file).unwrap();
    match how {
        "one bit" => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }
        "cut short" => fs::write(file, &bytes[..bytes.len() - 9]).unwrap(),
        "missing" => fs::remove_file(file).unwrap(),
        other => panic!("{other}"),
    }
}

const RUN: [&str; 5] = ["run", "small.toml", "-q", "--set", "train.epochs=4"];

/// A workspace with an uninterrupted run, and the run.
fn uninterrupted() -> (Workspace, PathBuf) {
    let workplace = Workspace::new();
    assert_eq!(workplace.lungs(&RUN).code, 0);
    let run = workplace.newest_run("small");
    (workplace, run)
}

/// A copy of an uninterrupted run, without its last epoch.
fn without_last_epoch(workplace: &Workspace, uninterrupted: &Path) -> PathBuf {
    let folder = workplace.path("results/small/copy");
    let _ = fs::remove_dir_all(&folder);
    copy_folder(uninterrupted, &folder);
    // The state after a kill in the fourth epoch.
    for removed in ["checkpoints/epoch-004", "plots"] {
        fs::remove_dir_all(folder.join(removed)).unwrap();
    }
    fs::remove_file(folder.join("evaluation.json")).unwrap();
    let provenance = fs::read_to_string(folder.join("provenance.json")).unwrap();
    let mut provenance: serde_json::Value = serde_json::from_str(&provenance).unwrap();
    provenance["finished"] = serde_json::Value::Null;
    fs::write(folder.join("provenance.json"), provenance.to_string()).unwrap();
    folder
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_previous_one_is_used() {
    let (workplace, uninterrupted) = uninterrupted();
    for (file, how) in [
        ("weights.safetensors", "one bit"),
        ("optimizer.bpk", "cut short"),
        ("state.json", "missing"),
        ("checksums.json", "cut short"),
    ] {
        let run = without_last_epoch(&workplace, &uninterrupted);
        // The latest checkpoint, whichever epoch is best.
        let mut kept: Vec<_> = fs::read_dir(run.join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        let latest = kept.pop().unwrap();
        damage(&run.join("checkpoints").join(&latest).join(file), how);
        let done = workplace.lungs(&["run", run.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        for message in [&done.stdout, &log] {
            assert!(message.contains(&format!("{latest} is damaged ({file}")), "{how}: {message}");
            assert!(message.contains(&format!("damaged-{latest}")), "{message}");
        }
        let damaged_folder = run.join("checkpoints").join(format!("damaged-{latest}"));
        assert!(damaged_folder.is_dir(), "the damaged checkpoint is kept");
        fs::remove_dir_all(damaged_folder).unwrap();
        assert_same_runs(&uninterrupted, &run, &format!("{file} {how}"));
    }
}

#[test]
fn with_every_checkpoint_damaged_training_restarts_with_a_warning() {
    let (workplace, uninterrupted) = uninterrupted();
    let run = without_last_epoch(&workplace, &uninterrupted);
    for checkpoint in fs::read_dir(run.join("checkpoints")).unwrap() {
        damage(&checkpoint.unwrap().path().join("weights.safetensors"), "one bit");
    }
    let done = workplace.lungs(&["run", run.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stdout.contains("no earlier checkpoint exists, so training restarts"),
        "{}",
        done.stdout
    );
    for entry in fs::read_dir(run.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("damaged-") {
            fs::remove_dir_all(path).unwrap();
        }
    }
    assert_same_runs(&uninterrupted, &run, "restarted");
}

#[test]
fn damaged_weights_of_the_selected_epoch_are_an_error_of_evaluation() {
    let workplace = Workspace::new();
    let run = ["run", "small.toml", "-q", "--set", "split.valid=0.2", "--set", "split.test=0.1"];
    assert_eq!(workplace.lungs(&run).code, 0);
    let run = workplace.newest_run("small");
    for checkpoint in fs::read_dir(run.join("checkpoints")).unwrap() {
        damage(&checkpoint.unwrap().path().join("weights.safetensors"), "one bit");
    }
    // Metrics can be recomputed from existing predictions; new predictions need weights.
    let evaluated = workplace.lungs(&["evaluate", run.to_str().unwrap()]);
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
        let done = workplace.lungs(&command);
        assert_eq!(done.code, 1, "{}", done.stdout);
        let message = done.flat();
        assert!(message.contains("is damaged (weights.safetensors: its checksum"), "{message}");
        assert!(message.contains("restore this folder from a backup, or train again"), "{message}");
    }
}

#[test]
fn a_table_with_missing_rows_is_an_error_and_no_checkpoint_changes() {
    let (workplace, uninterrupted) = uninterrupted();
    let run = without_last_epoch(&workplace, &uninterrupted);
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let first: Vec<&str> = metrics.lines().take(3).collect();
    fs::write(run.join("metrics.csv"), first.join("\n") + "\n").unwrap();
    let done = workplace.lungs(&["run", run.to_str().unwrap()]);
    assert_eq!(done.code, 1);
    let message = done.flat();
    assert!(message.contains("it has 2 rows up to the last checkpoint, expected 6"), "{message}");
    assert!(run.join("checkpoints/epoch-003").is_dir());
}
