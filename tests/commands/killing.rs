//! Runs that are killed again and again.

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

fn start(place: &Workspace) -> Child {
    // After every step: many kills shall fall into the writing of checkpoints.
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(ARGUMENTS)
        .args(["--set", "train.checkpoint_minutes=0.000001"])
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Where a run stands, for the message of a failure and to see that kills reach every stage.
fn stage(place: &Workspace) -> &'static str {
    let runs = std::fs::read_dir(place.path("results/small")).into_iter().flatten().flatten();
    let Some(run) = runs.map(|entry| entry.path()).max() else { return "before the run" };
    let checkpoints: Vec<String> = std::fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let there = |name: &str| checkpoints.iter().any(|checkpoint| checkpoint.starts_with(name));
    if !run.join("preparation.csv").is_file() {
        "preparation"
    } else if there(".partial-") {
        "writing a checkpoint"
    } else if !there("epoch-003") || there("epoch-003-batch") {
        "training"
    } else {
        "evaluation"
    }
}

/// Thirty moments drawn from a seed; where in its work each finds the process depends on the
/// machine, and must not matter.
#[test]
fn a_run_killed_at_thirty_random_moments_is_the_run_never_killed() {
    let whole = Workspace::new();
    let began = Instant::now();
    assert_eq!(whole.lungs(&ARGUMENTS).code, 0);
    let life = began.elapsed();
    let whole = whole.newest_run("small");

    let mut random = lungs::random::stream(5, "kills");
    let mut place = Workspace::new();
    let (mut killed, mut told) = (0, Vec::new());
    let finished = |place: &Workspace, told: &mut Vec<String>| {
        assert_same_runs(&whole, &place.newest_run("small"), &told.join("\n"));
        told.clear();
    };
    while killed < 30 {
        let mut child = start(&place);
        let after = Duration::from_secs_f64(life.as_secs_f64() * random.random_range(0.0..0.9));
        let moment = Instant::now() + after;
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        match child.try_wait().unwrap() {
            // It was done first: compare, and begin again elsewhere.
            Some(status) => {
                assert!(status.success(), "{status} after\n{}", told.join("\n"));
                finished(&place, &mut told);
                place = Workspace::new();
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
                told.push(format!("killed after {after:.3?} in {}", stage(&place)));
                println!("{}", told.last().unwrap());
            }
        }
    }
    assert!(start(&place).wait().unwrap().success());
    finished(&place, &mut told);
}
