//! Runs that stop and go on.

use super::support::{Workplace, assert_same_bytes, assert_same_runs};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a run and sends it a signal once it has trained for some batches: the first epoch's
/// checkpoint is there, the second one is under way.
fn interrupt(place: &Workplace, signal: &str) -> Option<i32> {
    interrupt_once(place, signal, "checkpoints/epoch-001")
}

/// Starts a run and sends it a signal once something is in its folder.
fn interrupt_once(place: &Workplace, signal: &str, there: &str) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["run", "small.toml", "--set", "train.epochs=2"])
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
        let runs = fs::read_dir(place.path("results/small")).into_iter().flatten();
        let begun = runs.flatten().any(|run| run.path().join(there).exists());
        if begun {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    // The process may be done already, and then there is nothing to signal.
    let _ = Command::new("kill").args([signal, &id]).status().unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_run_that_is_interrupted_or_killed_continues_to_the_same_bytes() {
    let whole = Workplace::new();
    assert_eq!(whole.lungs(&["run", "small.toml", "-q"]).code, 0);

    let stopped = Workplace::new();
    let code = interrupt(&stopped, "-INT");
    assert!([Some(130), Some(0)].contains(&code), "{code:?}");
    let killed = Workplace::new();
    let code = interrupt(&killed, "-KILL");
    assert!([None, Some(0)].contains(&code), "{code:?}");

    for place in [&stopped, &killed] {
        let folder = place.newest_run("small");
        let run = place.lungs(&["run", "small.toml"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(place.newest_run("small"), folder, "the same run is continued");
        assert_same_bytes(&whole.newest_run("small"), &folder);
    }
}

#[test]
fn an_interruption_says_how_to_continue() {
    let place = Workplace::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["run", "small.toml", "--set", "train.epochs=500"])
        .current_dir(place.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trained = || {
        let runs = fs::read_dir(place.path("results/small")).into_iter().flatten();
        runs.flatten().any(|run| run.path().join("checkpoints/epoch-001").is_dir())
    };
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline && !trained() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut told).unwrap();
    let run = place.newest_run("small");
    let run = run.strip_prefix(place.path("")).unwrap();
    assert!(told.contains(&format!("To resume:\n  lungs run {}", run.display())), "{told}");
}

#[test]
fn a_schedulers_warning_makes_a_checkpoint_and_a_code_that_says_try_again() {
    let whole = Workplace::new();
    assert_eq!(whole.lungs(&["run", "small.toml", "-q"]).code, 0);
    // In the middle of training, and before it.
    for there in ["checkpoints/epoch-001", "spec.toml"] {
        let place = Workplace::new();
        let code = interrupt_once(&place, "-USR1", there);
        warned(&whole, &place, code);
    }
    let help = whole.lungs(&["--help"]).stdout.replace('\n', " ");
    assert!(help.contains("75   stopped by SIGUSR1 (scheduler warning)"), "{help}");
}

/// A run that ended with `code` on a warning goes on to the bytes of one that did not.
fn warned(whole: &Workplace, place: &Workplace, code: Option<i32>) {
    // The last step may have been done already.
    assert!([Some(75), Some(0)].contains(&code), "{code:?}");
    let run = place.newest_run("small");
    if code == Some(75) && run.join("checkpoints").is_dir() {
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains("training was interrupted; everything needed"), "{log}");
    }
    assert_eq!(place.lungs(&["run", "small.toml", "-q"]).code, 0);
    assert_same_runs(&whole.newest_run("small"), &run, "after SIGUSR1");
}

#[test]
fn an_old_run_does_not_continue_with_other_keys() {
    let place = Workplace::new();
    assert_eq!(place.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]).code, 0);
    let run = place.newest_run("small");
    let run = run.to_str().unwrap();
    let refused = place.lungs(&["run", run, "--set", "train.learning_rate=0.5"]);
    assert_eq!(refused.code, 2);
    let told = refused.stderr.replace(['│', '\n'], " ");
    assert!(told.contains("train.learning_rate: 0.001 in the run, 0.5 requested"), "{told}");
    let allowed = place.lungs(&["run", run, "--set", "runtime.threads=1"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
}
