//! Interrupted and resumed runs.

use super::support::{Workspace, assert_same_bytes, assert_same_runs};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a run and sends it a signal in its second epoch, when the checkpoint of the first one exists.
pub(super) fn interrupt(workspace: &Workspace, signal: &str) -> Option<i32> {
    interrupt_at(workspace, signal, "checkpoints/epoch-001")
}

/// Starts a run and sends it a signal once `file` exists in its folder.
fn interrupt_at(workspace: &Workspace, signal: &str, file: &str) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["run", "small.toml", "--set", "train.epochs=2"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
        let runs = fs::read_dir(workspace.path("results/small")).into_iter().flatten();
        let exists = runs.flatten().any(|run| run.path().join(file).exists());
        if exists {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    // `kill` fails if the process has ended already.
    let _ = Command::new("kill").args([signal, &id]).status().unwrap();
    child.wait().unwrap().code()
}

#[test]
fn an_interrupted_or_killed_run_resumes_to_identical_files() {
    let uninterrupted = Workspace::new();
    assert_eq!(uninterrupted.lungs(&["run", "small.toml", "-q"]).code, 0);

    let stopped = Workspace::new();
    let code = interrupt(&stopped, "-INT");
    assert!([Some(130), Some(0)].contains(&code), "{code:?}");
    let killed = Workspace::new();
    let code = interrupt(&killed, "-KILL");
    assert!([None, Some(0)].contains(&code), "{code:?}");

    for workspace in [&stopped, &killed] {
        let folder = workspace.newest_run("small");
        let run = workspace.lungs(&["run", "small.toml"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(workspace.newest_run("small"), folder, "the same run is resumed");
        assert_same_bytes(&uninterrupted.newest_run("small"), &folder);
    }
}

#[test]
fn an_interruption_prints_the_command_that_resumes() {
    let workspace = Workspace::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["run", "small.toml", "--set", "train.epochs=500"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trained = || {
        let runs = fs::read_dir(workspace.path("results/small")).into_iter().flatten();
        runs.flatten().any(|run| run.path().join("checkpoints/epoch-001").is_dir())
    };
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline && !trained() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut stdout = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut stdout).unwrap();
    let run = workspace.newest_run("small");
    let run = run.strip_prefix(workspace.path("")).unwrap();
    assert!(stdout.contains(&format!("To resume:\n  lungs run {}", run.display())), "{stdout}");
}

#[test]
fn sigusr1_saves_a_checkpoint_and_exits_with_75() {
    let uninterrupted = Workspace::new();
    assert_eq!(uninterrupted.lungs(&["run", "small.toml", "-q"]).code, 0);
    // During training, and before it.
    for file in ["checkpoints/epoch-001", "spec.toml"] {
        let workspace = Workspace::new();
        let code = interrupt_at(&workspace, "-USR1", file);
        assert_resumes(&uninterrupted, &workspace, code);
    }
    let help = uninterrupted.lungs(&["--help"]).stdout.replace('\n', " ");
    assert!(help.contains("75   stopped by SIGUSR1 (scheduler warning)"), "{help}");
}

/// Asserts that a run that ended with `code` after SIGUSR1 resumes to the files of an uninterrupted run.
fn assert_resumes(uninterrupted: &Workspace, workspace: &Workspace, code: Option<i32>) {
    // The run may have finished before the signal.
    assert!([Some(75), Some(0)].contains(&code), "{code:?}");
    let run = workspace.newest_run("small");
    if code == Some(75) && run.join("checkpoints").is_dir() {
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains("training interrupted; the run can be resumed"), "{log}");
    }
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q"]).code, 0);
    assert_same_runs(&uninterrupted.newest_run("small"), &run, "after SIGUSR1");
}

#[test]
fn an_existing_run_does_not_resume_with_different_keys() {
    let workspace = Workspace::new();
    assert_eq!(workspace.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]).code, 0);
    let run = workspace.newest_run("small");
    let run = run.to_str().unwrap();
    let rejected = workspace.lungs(&["run", run, "--set", "train.learning_rate=0.5"]);
    assert_eq!(rejected.code, 2);
    let message = rejected.stderr.replace(['│', '\n'], " ");
    assert!(message.contains("train.learning_rate: 0.001 in the run, 0.5 requested"), "{message}");
    let allowed = workspace.lungs(&["run", run, "--set", "runtime.threads=1"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
}
