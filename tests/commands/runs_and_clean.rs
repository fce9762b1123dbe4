//! `lungs runs` and `lungs clean`.

use super::support::{Workspace, run_files};
use std::fs;
use std::path::{Path, PathBuf};

/// A finished run whose last epoch is selected, of four epochs.
fn four_epochs(workspace: &Workspace) -> PathBuf {
    let set = ["--set", "train.epochs=4", "--set", "train.select=last"];
    let run = workspace.lungs(&[&["run", "small.toml", "-q"][..], &set].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    workspace.newest_run("small")
}

/// Prepares volumes with other settings, and removes the run that needed them.
fn prepare_otherwise(workspace: &Workspace) {
    let run = workspace.lungs(&[
        "run",
        "small.toml",
        "-q",
        "--set",
        "preprocess.spacing_mm=11",
        "--set",
        "experiment.name=former",
        "--set",
        "train.epochs=1",
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    fs::remove_dir_all(workspace.path("results/former")).unwrap();
}

/// Names of the files in a folder with an extension; all with an empty one.
fn names(folder: &Path, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.ends_with(extension))
        .collect();
    names.sort();
    names
}

#[test]
fn runs_are_listed_with_status_epochs_metric_and_size() {
    let workspace = Workspace::prepared();
    let missing = workspace.lungs(&["runs"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("results does not exist"), "{}", missing.stderr);
    fs::create_dir(workspace.path("results")).unwrap();
    assert!(workspace.lungs(&["runs"]).stdout.starts_with("no runs in results"));

    assert_eq!(workspace.lungs(&["run", "small.toml", "-q"]).code, 0);
    let trained = ["train", "small.toml", "-q", "--set", "experiment.name=trained"];
    assert_eq!(workspace.lungs(&trained).code, 0);
    let lost = ["run", "small.toml", "-q", "--set", "experiment.name=lost", "--set", "data.root=x"];
    assert_eq!(workspace.lungs(&lost).code, 2);

    let listed = workspace.lungs(&["runs"]).stdout;
    let row = |name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("small/"), "finished 2/2 AUC", "{listed}");
    assert_eq!(row("trained/"), "stopped 2/2 AUC", "{listed}");
    assert!(row("lost/").starts_with("failed 0/2"), "{listed}");
    assert!(listed.contains("(validation so far)") && listed.contains("\n3 runs, "), "{listed}");

    let json = workspace.lungs(&["runs", "results/small", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let run = &json[0];
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(run["status"], "finished");
    assert_eq!(run["progress"], serde_json::json!({"unit": "epochs", "done": 2, "planned": 2}));
    assert_eq!(
        (&run["headline"]["metric"], &run["headline"]["is_final"]),
        (&"AUC".into(), &true.into())
    );
    let bytes: u64 = walkdir::WalkDir::new(workspace.newest_run("small"))
        .into_iter()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum();
    assert_eq!(run["bytes"], bytes);
    assert!(run["age_seconds"].is_u64(), "{run}");
}

#[test]
fn a_running_run_is_listed_as_running() {
    let workspace = Workspace::new();
    let run = workspace.path("results/small/stamp");
    workspace.write("results/small/stamp/spec.toml", "");
    let lock = fs::File::create(run.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let listed = workspace.lungs(&["runs"]).stdout;
    assert!(listed.contains("small/stamp  running  0"), "{listed}");
}

#[test]
fn former_checkpoints_and_volumes_are_removed_after_asking_and_the_run_stays_whole() {
    let workspace = Workspace::prepared();
    let needed = names(&workspace.path("prepared"), ".npz");
    let run = four_epochs(&workspace);
    prepare_otherwise(&workspace);
    let former = names(&workspace.path("prepared"), ".npz").len() - needed.len();
    assert!(former > 0);
    assert_eq!(names(&run.join("checkpoints"), ""), ["epoch-003", "epoch-004"]);

    let dry = workspace.lungs(&["clean", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.stdout.contains("1 checkpoint "), "{}", dry.stdout);
    assert!(dry.stdout.contains("of 1 former setting  "), "{}", dry.stdout);
    let unasked = workspace.lungs(&["clean"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.flat().contains("add --yes"), "{}", unasked.stderr);
    assert_eq!(names(&run.join("checkpoints"), ""), ["epoch-003", "epoch-004"]);

    let before = run_files(&run);
    let clean = workspace.lungs(&["clean", "--yes"]);
    assert_eq!(clean.code, 0, "{}", clean.stderr);
    assert!(clean.stdout.contains("\nRemoved "), "{}", clean.stdout);
    assert_eq!(names(&run.join("checkpoints"), ""), ["epoch-004"]);
    assert_eq!(names(&workspace.path("prepared"), ".npz"), needed);
    assert_eq!(names(&workspace.path("prepared"), ".png").len(), needed.len());
    let after = run_files(&run);
    assert!(before.iter().all(|(name, bytes)| {
        name.starts_with("checkpoints/epoch-003/") || after.get(name) == Some(bytes)
    }));
    assert_eq!(workspace.lungs(&["clean"]).stdout, "Nothing to remove.\n");

    // The run is finished, predicts, and is evaluated again.
    let run = run.display().to_string();
    for arguments in [&["run", run.as_str()][..], &["evaluate", &run], &["plot", &run]] {
        let done = workspace.lungs(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
    }
    assert_eq!(run_files(Path::new(&run)), after);
}

#[test]
fn volumes_that_a_spec_needs_and_checkpoints_that_are_all_kept_stay() {
    let workspace = Workspace::prepared();
    let set = ["--set", "train.epochs=4", "--set", "train.select=last"];
    let all = ["--set", "train.keep_checkpoints=all"];
    let run = workspace.lungs(&[&["run", "small.toml", "-q"][..], &set, &all].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    prepare_otherwise(&workspace);
    let volumes = names(&workspace.path("prepared"), ".npz");
    workspace
        .write("specs/former.toml", "extends = \"../small.toml\"\npreprocess.spacing_mm = 11\n");
    let clean = workspace.lungs(&["clean", "--yes", "--specs", "specs"]);
    assert_eq!(
        (clean.code, clean.stdout.as_str()),
        (0, "Nothing to remove.\n"),
        "{}",
        clean.stderr
    );
    assert_eq!(names(&workspace.path("prepared"), ".npz"), volumes);
    assert_eq!(names(&workspace.newest_run("small").join("checkpoints"), "").len(), 4);
    let missing = workspace.lungs(&["clean", "--specs", "nowhere"]);
    assert!(missing.code == 2 && missing.stderr.contains("nowhere does not exist"));
}

#[test]
fn nothing_of_a_running_run_is_removed_and_no_cache_with_an_unreadable_spec() {
    let workspace = Workspace::prepared();
    let run = four_epochs(&workspace);
    prepare_otherwise(&workspace);
    let volumes = names(&workspace.path("prepared"), ".npz");
    let lock = fs::OpenOptions::new().write(true).open(run.join("run.lock")).unwrap();
    lock.lock().unwrap();
    let clean = workspace.lungs(&["clean", "--yes"]);
    assert_eq!(clean.code, 0, "{}", clean.stderr);
    assert!(clean.stdout.contains("a process works on this run"), "{}", clean.stdout);
    assert!(clean.stdout.contains("a process uses this cache"), "{}", clean.stdout);
    assert!(clean.stdout.ends_with("Nothing to remove.\n"), "{}", clean.stdout);
    lock.unlock().unwrap();

    workspace.write("experiments/draft.toml", "train.epoch = 3\n");
    let clean = workspace.lungs(&["clean", "--yes"]);
    assert!(clean.stdout.contains("experiments/draft.toml cannot be read"), "{}", clean.stdout);
    assert_eq!(names(&workspace.path("prepared"), ".npz"), volumes);
    assert_eq!(names(&run.join("checkpoints"), ""), ["epoch-004"]);
}
