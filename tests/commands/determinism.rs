//! Settings that must not change the files of a run.

use super::support::{Workspace, assert_same_runs};
use std::path::PathBuf;

/// A spec with all random draws, averages and weights.
const RECIPE: &str = r#"
extends = "small.toml"
[experiment]
name = "recipe"
[model]
keep_prob = 0.8
[loss]
class_weights = "balanced"
[train]
epochs = 2
accumulate = 2
clip_norm = 0.5
weight_decay = 0.01
ema_decay = 0.9
sampling = "balanced"
select = "best-valid-average-precision"
[train.augment]
flip_width = true
shift_voxels = 1
rotate_degrees = 10
scale = 0.1
shift_hu = 20
noise_hu = 10
"#;

fn trained(spec: &str, name: &str, arguments: &[&str]) -> (Workspace, PathBuf) {
    // The recipe differs in training alone; runs of the small spec show that preparation depends on no setting either.
    let workspace = if name == "recipe" { Workspace::prepared() } else { Workspace::new() };
    workspace.write("recipe.toml", RECIPE);
    let mut all = vec!["run", spec];
    all.extend(arguments);
    let run = workspace.lungs(&all);
    assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    let folder = workspace.newest_run(name);
    (workspace, folder)
}

fn assert_independent_of_settings(spec: &str, name: &str) {
    let (_reference, reference) = trained(spec, name, &[]);
    for arguments in [
        &["--set", "runtime.threads=1"][..],
        &["--set", "runtime.threads=2"],
        &["--set", "runtime.threads=4"],
        &["--set", "runtime.workers=0"],
        &["--set", "runtime.workers=3", "--set", "runtime.threads=1"],
        &["--quiet"],
        &["--verbose"],
        &["--set", "runtime.device=cpu", "--set", "runtime.results=elsewhere/../results"],
        &["--set", "train.checkpoint_minutes=0"],
        &["--set", "train.checkpoint_minutes=0.000001"],
        &["--set", "train.tensorboard=true"],
        &["--set", "train.gradient_checkpointing=true"],
        &["--tui"],
    ] {
        let (_place, run) = trained(spec, name, arguments);
        assert_same_runs(&reference, &run, &format!("{arguments:?}"));
    }
}

#[test]
fn threads_workers_progress_and_the_clock_do_not_change_results() {
    assert_independent_of_settings("small.toml", "small");
}

#[test]
fn nor_do_they_with_all_features_of_the_recipe() {
    assert_independent_of_settings("recipe.toml", "recipe");
}

#[test]
fn devices_that_share_the_batches_of_a_step_do_not_change_results() {
    for (spec, name, devices) in [
        ("recipe.toml", "recipe", r#"["cpu", "cpu"]"#),
        ("small.toml", "small", r#"["cpu", "cpu", "cpu"]"#),
    ] {
        // One group of an epoch has fewer batches than there are devices.
        let accumulate = &["--set", "train.accumulate=4"][..];
        let (_reference, reference) = trained(spec, name, accumulate);
        let devices = format!("runtime.device={devices}");
        let (_place, run) = trained(spec, name, &[accumulate, &["--set", &devices]].concat());
        assert_same_runs(&reference, &run, &devices);
        let provenance = std::fs::read_to_string(run.join("provenance.json")).unwrap();
        assert!(provenance.contains("\"device\": \"cpu (CPU), cpu (CPU)"), "{provenance}");
    }
}

#[test]
fn a_run_of_the_recipe_resumes_to_identical_files() {
    let (_reference, reference) = trained("recipe.toml", "recipe", &[]);
    let workspace = Workspace::new();
    workspace.write("recipe.toml", RECIPE);
    // Killed repeatedly, 150 ms later each time, until a process finishes.
    for after_ms in (1..).map(|attempt| 150 * attempt) {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lungs"))
            .args(["run", "recipe.toml", "-q", "--set", "train.checkpoint_minutes=0.000001"])
            .current_dir(workspace.path(""))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(after_ms));
        match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
    assert_same_runs(&reference, &workspace.newest_run("recipe"), "killed and resumed");
}

#[test]
fn waiting_times_are_only_in_the_timings() {
    let (_place, run) = trained("small.toml", "small", &["--set", "runtime.workers=0"]);
    let table = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let timings = table("timings.csv");
    let mut lines = timings.lines();
    let header = lines.next().unwrap();
    assert_eq!(
        header,
        "epoch,train_seconds,valid_seconds,wait_seconds,wait_fraction,peak_memory_bytes,gpu_peak_memory_bytes"
    );
    for line in lines {
        let numbers: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
        let [_, Some(train), _, Some(wait), Some(fraction), peak, gpu] = numbers[..] else {
            panic!("{line}")
        };
        // A training process uses some megabytes of memory, and no GPU in this test.
        assert!(peak.is_none_or(|bytes| bytes > 8e6 && bytes % 1024.0 == 0.0), "{line}");
        assert!(gpu.is_none(), "{line}");
        // Without workers, the time for reading counts as waiting.
        assert!(wait > 0.0 && wait <= train, "{line}");
        assert!((fraction - wait / train).abs() < 0.01, "{line}");
    }
    for name in ["metrics.csv", "steps.csv"] {
        assert!(!table(name).contains("wait") && !table(name).contains("seconds"));
    }
}
