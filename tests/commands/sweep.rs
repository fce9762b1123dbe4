//! `lungs sweep`.

use super::support::{CommandOutput, Workspace, run_files, settings, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const GRID: &str = r#"
extends = "small.toml"
[sweep]
seeds = [1, 2]
[sweep.grid]
"loss.name" = ["cross-entropy", "focal"]
"#;

const NAMES: [&str; 4] = [
    "loss-cross-entropy_seed-1",
    "loss-cross-entropy_seed-2",
    "loss-focal_seed-1",
    "loss-focal_seed-2",
];

fn workspace_with(sweep: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("sweep.toml", sweep);
    workspace
}

fn run_path(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path("results/small/sweep").join(name)
}

/// `lungs sweep sweep.toml` with further arguments.
fn sweep(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    workspace.lungs(&[&["sweep", "sweep.toml"], arguments].concat())
}

/// States of all runs in order, from `--status --json`.
fn states(workspace: &Workspace) -> Vec<String> {
    let done = sweep(workspace, &["--status", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let view: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let runs = view["runs"].as_array().unwrap();
    runs.iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

fn start(workspace: &Workspace, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args([&["sweep", "sweep.toml"], arguments].concat())
        .current_dir(workspace.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The [`run_files`] of a run, without the depth of relative paths.
fn comparable_files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = run_files(run);
    if let Some(page) = files.get_mut("preparation.html") {
        *page = String::from_utf8_lossy(page).replace("../", "").into_bytes();
    }
    files
}

#[track_caller]
fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (comparable_files(a), comparable_files(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn each_run_is_identical_to_a_single_run_for_any_number_of_jobs() {
    let workspace = workspace_with(GRID);
    let done = sweep(&workspace, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("preparation  17 volumes in prepared, 17 new"), "{}", done.stdout);
    assert!(done.stdout.contains("17 volumes in prepared, 0 new"), "{}", done.stdout);

    let single = Workspace::new();
    for (name, set) in NAMES.iter().zip([
        ["loss.name=cross-entropy", "experiment.seed=1"],
        ["loss.name=cross-entropy", "experiment.seed=2"],
        ["loss.name=focal", "experiment.seed=1"],
        ["loss.name=focal", "experiment.seed=2"],
    ]) {
        let run = single.lungs(&["run", "small.toml", "-q", "--set", set[0], "--set", set[1]]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let folder = single.newest_run("small");
        assert_same(&run_path(&workspace, name), &folder);
        let spec = |run: &Path| fs::read_to_string(run.join("spec.toml")).unwrap();
        assert_eq!(spec(&run_path(&workspace, name)), spec(&folder));
        fs::remove_dir_all(folder).unwrap();
    }

    let two = workspace_with(GRID);
    let done = sweep(&two, &["--jobs", "2"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    for name in NAMES {
        assert_same(&run_path(&workspace, name), &run_path(&two, name));
    }
    let metrics = |workspace: &Workspace| -> Vec<String> {
        let text = fs::read_to_string(run_path(workspace, "comparison.csv")).unwrap();
        let timed = |line: &&str| !line.contains("seconds") && !line.contains("memory");
        text.lines().filter(timed).map(str::to_owned).collect()
    };
    assert_eq!(metrics(&workspace), metrics(&two));

    // The comparison page, and other commands with the folder of a sweep.
    let page = fs::read_to_string(run_path(&workspace, "comparison.html")).unwrap();
    for text in ["Best of 2 combinations by validation AUC", "loss = focal, seed 2", "(2 runs)"] {
        assert!(page.contains(text), "{text}");
    }
    let compared = workspace.lungs(&["compare", "results/small/sweep"]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    for name in NAMES {
        assert!(compared.stdout.contains(&format!("sweep/{name}")), "{}", compared.stdout);
    }
    fs::remove_dir_all(run_path(&workspace, NAMES[1]).join("plots")).unwrap();
    assert_eq!(workspace.lungs(&["plot", "results/small/sweep"]).code, 0);
    assert_same(&run_path(&workspace, NAMES[1]), &run_path(&two, NAMES[1]));
    let rejected = workspace.lungs(&["predict", "--model", "results/small/sweep", "ct"]);
    assert_eq!(rejected.code, 2);
    assert!(rejected.stderr.contains("is a sweep of several runs"), "{}", rejected.stderr);

    // Finished runs are not repeated. A changed table adds runs and keeps removed runs on disk.
    let provenance =
        |name: &str| fs::read(run_path(&workspace, name).join("provenance.json")).unwrap();
    let before = NAMES.map(provenance);
    workspace.write("sweep.toml", &GRID.replace("seeds = [1, 2]", "seeds = [2, 3]"));
    let done = sweep(&workspace, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("2 of 4 runs to do"), "{}", done.stdout);
    assert_eq!(NAMES.map(provenance), before);
    assert!(run_path(&workspace, "loss-focal_seed-3").join("evaluation.json").is_file());
    let text = fs::read_to_string(run_path(&workspace, "sweep.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows: Vec<_> = manifest["runs"].as_array().unwrap().iter().collect();
    let row = |row: &serde_json::Value| {
        (row["name"].as_str().unwrap().to_owned(), row["wanted"].as_bool().unwrap())
    };
    let rows: Vec<(String, bool)> = rows.into_iter().map(row).collect();
    let current = ["cross-entropy_seed-2", "cross-entropy_seed-3", "focal_seed-2", "focal_seed-3"];
    let current = current.map(|name| (format!("loss-{name}"), true));
    let removed = [NAMES[0], NAMES[2]].map(|name| (name.to_owned(), false));
    assert_eq!(rows, [&current[..], &removed].concat());
    let page = fs::read_to_string(run_path(&workspace, "comparison.html")).unwrap();
    assert!(page.contains("seed 3") && !page.contains("seed 1"), "only runs of the current table");
}

#[test]
fn a_killed_and_interrupted_sweep_resumes_to_identical_files() {
    let longer = GRID.replace("[sweep]", "train.epochs = 4\n[sweep]");
    let uninterrupted = workspace_with(&longer);
    assert_eq!(sweep(&uninterrupted, &["-q"]).code, 0);

    let workspace = workspace_with(&longer);
    let mut killed = start(&workspace, &["--jobs", "2"]);
    let first = run_path(&workspace, NAMES[0]);
    wait_until("an epoch", || first.join("checkpoints/epoch-001").is_dir());
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Its child processes stop with a checkpoint.
    wait_until("the end of its runs", || states(&workspace).iter().all(|state| state != "in-work"));

    let mut stopped = start(&workspace, &[]);
    let third = run_path(&workspace, NAMES[2]);
    wait_until("the third run", || {
        third.join("checkpoints/epoch-001").is_dir() || stopped.try_wait().unwrap().is_some()
    });
    let before = fs::read(run_path(&workspace, NAMES[1]).join("provenance.json")).unwrap();
    Command::new("kill").args(["-INT", &stopped.id().to_string()]).status().unwrap();
    let output = stopped.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!([Some(130), Some(0)].contains(&output.status.code()), "{stdout}");
    if output.status.code() == Some(130) {
        assert!(stdout.contains("To resume:\n  lungs sweep sweep.toml"), "{stdout}");
        assert!(
            states(&workspace).iter().all(|state| state != "in-work"),
            "the sweep waits for its runs"
        );
    }

    let done = sweep(&workspace, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(states(&workspace), ["finished"; 4]);
    for name in NAMES {
        assert_same(&run_path(&uninterrupted, name), &run_path(&workspace, name));
    }
    let after = fs::read(run_path(&workspace, NAMES[1]).join("provenance.json")).unwrap();
    assert!(before == after, "a finished run was repeated");
}

const ONE_FAILS: &str = r#"
extends = "small.toml"
train.epochs = 1
[sweep]
on_failure = "continue"
[[sweep.list]]
name = "giants"
preprocess.min_lung_ml = 100000
[[sweep.list]]
name = "everybody"
preprocess.min_lung_ml = 500
[[sweep.list]]
name = "brief"
train.epochs = 2
"#;

#[test]
fn a_failed_run_stops_the_sweep_with_on_failure_stop() {
    let workspace = workspace_with(ONE_FAILS);
    let done = sweep(&workspace, &["--set", "sweep.on_failure=stop"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert_eq!(states(&workspace), ["failed", "waiting", "waiting"]);
    let status = sweep(&workspace, &["--status"]);
    settings().bind(|| insta::assert_snapshot!("sweep-status-failed", status.stdout));
    // The process of the run recorded its failure, and deletes the record when it starts again.
    let run = workspace.path("results/small/sweep/giants");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("failure.json")).unwrap()).unwrap();
    let message = record["message"].as_str().unwrap();
    assert!(message.starts_with("chose 17 series, none of which could be prepared"), "{message}");
    assert_eq!(record["exit_code"], 1);
    let set = ["run", "results/small/sweep/giants", "--set", "train.epochs=9"];
    assert_eq!(workspace.lungs(&set).code, 2, "a key that affects results");
    let record = fs::read_to_string(run.join("failure.json")).unwrap();
    assert!(record.contains("train.epochs") && record.contains("\"exit_code\": 2"), "{record}");
    settings().bind(|| insta::assert_snapshot!("sweep-failed", done.stderr));

    let done = sweep(&workspace, &["--jobs", "2"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert_eq!(states(&workspace), ["failed", "finished", "finished"]);
    assert!(done.stderr.contains("1 of 3 runs failed"), "{}", done.stderr);
    let log = fs::read_to_string(workspace.path("results/small/sweep/logs/giants.log")).unwrap();
    assert_eq!(log.matches("Error:").count(), 2, "both attempts are in the log: {log}");
}

#[test]
fn only_runs_one_run_and_a_run_never_runs_twice_at_once() {
    let workspace = workspace_with(GRID);
    let done = sweep(&workspace, &["--only", "3/4"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(states(&workspace), ["waiting", "waiting", "finished", "waiting"]);
    assert!(!run_path(&workspace, "comparison.html").exists());

    // Another process holds the lock of the first run.
    fs::create_dir_all(run_path(&workspace, NAMES[0])).unwrap();
    let lock = fs::File::create(run_path(&workspace, NAMES[0]).join("run.lock")).unwrap();
    let spec = fs::read_to_string(run_path(&workspace, NAMES[2]).join("spec.toml")).unwrap();
    let spec = spec.replace("\"focal\"", "\"cross-entropy\"");
    fs::write(run_path(&workspace, NAMES[0]).join("spec.toml"), spec).unwrap();
    lock.lock().unwrap();
    assert_eq!(states(&workspace)[0], "in-work");
    let done = sweep(&workspace, &["--only", "1"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("running in another process"), "{}", done.stdout);
    assert!(!run_path(&workspace, NAMES[0]).join("cohort.csv").exists());
    drop(lock);

    // Overlapping workers execute each run once.
    let mut workers: Vec<Child> = [&["--only", "1"][..], &["--only", "1"], &["--jobs", "2"]]
        .map(|a| start(&workspace, a))
        .into();
    for worker in &mut workers {
        assert_eq!(worker.wait().unwrap().code(), Some(0));
    }
    wait_until("the last run", || states(&workspace) == ["finished"; 4]);
    for name in NAMES {
        let text = fs::read_to_string(run_path(&workspace, name).join("provenance.json")).unwrap();
        let provenance: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(provenance["started"].as_array().unwrap().len(), 1, "{name}");
    }
}

#[test]
fn folds_and_complete_cross_validations_can_be_runs() {
    let folds = "extends = \"small.toml\"\ntrain.epochs = 1\nsplit.folds = 2\n[sweep]\n";
    let workspace = workspace_with(&format!(
        "{folds}folds = \"all\"\n[sweep.grid]\n\"train.batch_size\" = [3, 4]\n"
    ));
    let done = sweep(&workspace, &["--jobs", "2"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let view = sweep(&workspace, &["--status"]).stdout;
    assert!(view.contains("train.batch_size = 3  2 "), "{view}");
    assert!(run_path(&workspace, "batch_size-4_fold-2/evaluation.json").is_file());

    let workspace = workspace_with(&format!("{folds}best = \"valid-brier\"\nseeds = [1, 2]\n"));
    let done = sweep(&workspace, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(run_path(&workspace, "seed-2/cross-validation.json").is_file());
    assert!(done.stdout.contains("out-of-fold Brier, mean ± sd"), "{}", done.stdout);
}

#[test]
fn dry_run_lists_the_runs_without_running_them() {
    let workspace = workspace_with(&GRID.replace("[sweep]", "runtime.threads = 2\n[sweep]"));
    let listed = sweep(&workspace, &["--dry-run"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    settings().bind(|| insta::assert_snapshot!("sweep-dry-run", listed.stdout));
    let status = sweep(&workspace, &["--status"]);
    settings().bind(|| insta::assert_snapshot!("sweep-status", status.stdout));
    assert!(!workspace.path("results").exists() && !workspace.path("prepared").exists());
    let json = sweep(&workspace, &["--dry-run", "--json"]);
    let forecast: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(forecast["runs"][3]["settings"]["loss.name"], "focal");
    assert!(forecast["runs"][3]["plan"]["training_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn with_json_only_the_result_is_printed() {
    let workspace =
        workspace_with("extends = \"small.toml\"\ntrain.epochs = 1\n[sweep]\nseeds = [1, 2]\n");
    let done = sweep(&workspace, &["--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let view: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(view["runs"][1]["state"], "finished");
    assert_eq!(view["combinations"][0]["runs"], serde_json::json!([1, 2]));
}

#[test]
fn invalid_requests_are_rejected() {
    let cases = [
        ("sweep-run", "seeds = [1]\n", &["run", "sweep.toml"][..]),
        ("sweep-none", "seeds = [1]\n", &["sweep", "small.toml"]),
        ("sweep-nothing", "", &["sweep", "sweep.toml"]),
        ("sweep-key", "seds = [1]\n", &["sweep", "sweep.toml"]),
        ("sweep-grid-key", "[sweep.grid]\n\"train.epoch\" = [1]\n", &["sweep", "sweep.toml"]),
        (
            "sweep-same",
            "[sweep.grid]\n\"loss.gamma\" = [1.0, 2.0]\n",
            &["sweep", "sweep.toml", "--dry-run"],
        ),
        ("sweep-set", "seeds = [1]\n", &["sweep", "sweep.toml", "--set", "experiment.seed=2"]),
        ("sweep-only", "seeds = [1, 2]\n", &["sweep", "sweep.toml", "--only", "3"]),
        ("sweep-only-of", "seeds = [1, 2]\n", &["sweep", "sweep.toml", "--only", "2/3"]),
        (
            "sweep-weights",
            "[sweep.grid]\n\"model.init\" = [\"nowhere.pt\"]\n",
            &["sweep", "sweep.toml"],
        ),
    ];
    for (name, table, arguments) in cases {
        let workspace = workspace_with(&format!("extends = \"small.toml\"\n[sweep]\n{table}"));
        let done = workspace.lungs(arguments);
        assert_eq!(done.code, 2, "{name}: {}{}", done.stdout, done.stderr);
        assert!(!workspace.path("results").exists(), "{name}");
        settings().bind(|| insta::assert_snapshot!(name, done.stderr));
    }
}
