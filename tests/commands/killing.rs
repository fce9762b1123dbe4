//! Runs that are killed repeatedly.

use super::support::{Workspace, assert_same_runs};
use rand::RngExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ARGUMENTS: [&str; 9] = [
    "run",
    "small.toml",
    "-q",
    "--set",
    "train.epochs=3",
    "--set",
    "split.valid=0.2",
    "--set",
    "split.test=0.1",
];

fn start(workspace: &Workspace) -> Child {
    // A checkpoint after every step, so that many kills interrupt the writing of a checkpoint.
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(ARGUMENTS)
        .args(["--set", "train.checkpoint_minutes=0.000001"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The stage of a run, for failure messages and to check that kills reach every stage.
fn stage(workspace: &Workspace) -> &'static str {
    let runs = std::fs::read_dir(workspace.path("results/small")).into_iter().flatten().flatten();
    let Some(run) = runs.map(|entry| entry.path()).max() else { return "before the run" };
    let checkpoints: Vec<String> = std::fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let has_checkpoint =
        |name: &str| checkpoints.iter().any(|checkpoint| checkpoint.starts_with(name));
    if !run.join("preparation.csv").is_file() {
        "preparation"
    } else if has_checkpoint(".partial-") {
        "writing a checkpoint"
    } else if !has_checkpoint("epoch-003") || has_checkpoint("epoch-003-batch") {
        "training"
    } else {
        "evaluation"
    }
}

/// Kills runs at thirty random times from a fixed seed. The stage at each time depends on the machine and must not
/// matter.
#[test]
fn a_run_killed_at_thirty_random_times_equals_an_uninterrupted_run() {
    let uninterrupted = Workspace::new();
    let start_time = Instant::now();
    assert_eq!(uninterrupted.lungs(&ARGUMENTS).code, 0);
    let duration = start_time.elapsed();
    let expected = uninterrupted.newest_run("small");

    let mut random = lungs_base::random::stream(5, "kills");
    let mut workspace = Workspace::new();
    let (mut killed, mut history) = (0, Vec::new());
    let check_finished = |workspace: &Workspace, history: &mut Vec<String>| {
        assert_same_runs(&expected, &workspace.newest_run("small"), &history.join("\n"));
        history.clear();
    };
    while killed < 30 {
        let mut child = start(&workspace);
        let delay = Duration::from_secs_f64(duration.as_secs_f64() * random.random_range(0.0..0.9));
        let kill_time = Instant::now() + delay;
        while Instant::now() < kill_time && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        match child.try_wait().unwrap() {
            // The run finished before the kill: compare it, and start a new one.
            Some(status) => {
                assert!(status.success(), "{status} after\n{}", history.join("\n"));
                check_finished(&workspace, &mut history);
                workspace = Workspace::new();
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
                history.push(format!("killed after {delay:.3?} in {}", stage(&workspace)));
                println!("{}", history.last().unwrap());
            }
        }
    }
    assert!(start(&workspace).wait().unwrap().success());
    check_finished(&workspace, &mut history);
}
