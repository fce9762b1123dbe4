//! The code of the GPU path on CubeCL's CPU runtime: `just test-gpu-code`.

use super::continuing::interrupt;
use super::support::{SPEC, Workspace, assert_same_bytes};
use std::fs;
use std::path::{Path, PathBuf};

/// Trains `small.toml` as an experiment called `name`, with these settings.
fn train(workspace: &Workspace, name: &str, sets: &[&str]) -> PathBuf {
    let name_set = format!("experiment.name={name}");
    let mut arguments = vec!["run", "small.toml", "--set", &name_set];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    let run = workspace.lungs(&arguments);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    workspace.newest_run(name)
}

/// The validation losses of a run, by epoch.
fn losses(run: &Path) -> Vec<f64> {
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(metrics.as_bytes());
    let column = rows.headers().unwrap().iter().position(|name| name == "valid_loss").unwrap();
    rows.records().map(|row| row.unwrap()[column].parse().unwrap()).collect()
}

#[test]
fn a_training_with_the_gpu_code_follows_that_on_the_cpu() {
    let workspace = Workspace::new();
    let gpu_code = train(&workspace, "gpu-code", &["runtime.device=cubecl-cpu"]);
    let provenance = fs::read_to_string(gpu_code.join("provenance.json")).unwrap();
    assert!(provenance.contains("cubecl-cpu"), "{provenance}");
    let cpu = train(&workspace, "cpu", &[]);
    let (gpu_code, cpu) = (losses(&gpu_code), losses(&cpu));
    assert_eq!(gpu_code.len(), cpu.len());
    for (gpu_code, cpu) in gpu_code.iter().zip(&cpu) {
        let close = (gpu_code - cpu).abs() < 0.02 * cpu.abs();
        assert!(close, "{gpu_code} with the GPU's code, {cpu} on the CPU");
    }
}

#[test]
fn two_trainings_and_two_devices_give_the_same_bytes() {
    let workspace = Workspace::new();
    let device = "runtime.device=cubecl-cpu";
    let first = train(&workspace, "first", &["train.accumulate=2", device]);
    let second = train(&workspace, "second", &["train.accumulate=2", device]);
    assert_same_bytes(&first, &second);
    let devices = r#"runtime.device=["cubecl-cpu", "cubecl-cpu"]"#;
    let parallel = train(&workspace, "parallel", &["train.accumulate=2", devices]);
    assert_same_bytes(&first, &parallel);
}

#[test]
fn a_killed_training_continues_to_the_same_bytes() {
    let spec = format!("{SPEC}\n[runtime]\ndevice = \"cubecl-cpu\"\n");
    let uninterrupted = Workspace::new();
    uninterrupted.write("small.toml", &spec);
    assert_eq!(uninterrupted.lungs(&["run", "small.toml", "-q"]).code, 0);
    let killed = Workspace::new();
    killed.write("small.toml", &spec);
    let code = interrupt(&killed, "-KILL");
    assert!([None, Some(0)].contains(&code), "{code:?}");
    let run = killed.newest_run("small");
    let resumed = killed.lungs(&["run", "small.toml"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_same_bytes(&uninterrupted.newest_run("small"), &run);
}
