//! Output on a terminal. The tests need `script` of util-linux and are skipped without it.

use super::support::Workspace;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts `lungs` on a terminal of 150 columns and 45 rows.
fn on_a_terminal(workspace: &Workspace, arguments: &str) -> Option<Child> {
    let lungs = env!("CARGO_BIN_EXE_lungs");
    let child = Command::new("script")
        .args(["-qec", &format!("stty cols 150 rows 45; exec {lungs} {arguments}"), "/dev/null"])
        .current_dir(workspace.path(""))
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    child.ok()
}

/// Waits until the first epoch of a run is complete, sends keys at intervals of 0.7 s, and returns the exit code
/// and the output.
fn type_and_wait(workspace: &Workspace, mut child: Child, keys: &[&str]) -> (Option<i32>, String) {
    let mut screen = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        screen.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut keyboard = child.stdin.take().unwrap();
    if !keys.is_empty() {
        let deadline = Instant::now() + Duration::from_secs(300);
        let trained = || {
            let runs = fs::read_dir(workspace.path("results/small")).into_iter().flatten();
            runs.flatten().any(|run| run.path().join("checkpoints/epoch-001").is_dir())
        };
        while Instant::now() < deadline && !trained() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    for key in keys {
        keyboard.write_all(key.as_bytes()).unwrap();
        keyboard.flush().unwrap();
        std::thread::sleep(Duration::from_millis(700));
    }
    let code = child.wait().unwrap().code();
    drop(keyboard);
    (code, reader.join().unwrap())
}

const ENTER_ALTERNATE_SCREEN: &str = "\u{1b}[?1049h";
const LEAVE_ALTERNATE_SCREEN: &str = "\u{1b}[?1049l";

#[test]
fn bars_show_pace_eta_and_memory() {
    let workspace = Workspace::new();
    let Some(child) = on_a_terminal(&workspace, "run small.toml") else { return };
    let (code, screen) = type_and_wait(&workspace, child, &[]);
    assert_eq!(code, Some(0), "{screen}");
    for word in ["epoch 2/2 [", "loss 0.", " exams/s  ", "ETA ", " (epoch), ", " (run)  ", " MB"] {
        assert!(screen.contains(word), "{word}: {screen}");
    }
    assert!(screen.contains("epoch   2/2  training loss "), "{screen}");
    assert!(!screen.contains(ENTER_ALTERNATE_SCREEN));
}

#[test]
fn the_dashboard_stops_with_a_checkpoint_on_its_key_or_ctrl_c() {
    for keys in [&["q", "s"][..], &["\u{3}"]] {
        let workspace = Workspace::new();
        let arguments = "run small.toml --tui --set train.epochs=500";
        let Some(child) = on_a_terminal(&workspace, arguments) else { return };
        let (code, screen) = type_and_wait(&workspace, child, keys);
        assert_eq!(code, Some(130), "{screen}");
        let (before, rest) = screen.split_once(ENTER_ALTERNATE_SCREEN).unwrap();
        let (shown, after) = rest.rsplit_once(LEAVE_ALTERNATE_SCREEN).unwrap();
        assert!(before.contains("split        train"), "{before}");
        for word in [
            "Metrics",
            "Loss",
            "AUC",
            "Learning rate",
            "Pace",
            "exams/s",
            "Memory",
            "Status: small",
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        // The lines printed after the dashboard closes, and the command that resumes.
        assert!(after.contains("epoch   1/500  training loss "), "{after}");
        assert!(after.contains("a checkpoint is saved. To resume:"), "{after}");
        let run = workspace.newest_run("small");
        let log = fs::read_to_string(run.join("run.log")).unwrap();
        assert!(log.contains("training interrupted; the run can be resumed"), "{log}");
    }
}

#[test]
fn the_kill_key_ends_the_process_and_restores_the_terminal() {
    let workspace = Workspace::new();
    let arguments = "run small.toml --tui --set train.epochs=500";
    let Some(child) = on_a_terminal(&workspace, arguments) else { return };
    let (code, screen) = type_and_wait(&workspace, child, &["q", "k"]);
    assert_eq!(code, Some(130), "{screen}");
    let (_, after) = screen.rsplit_once(LEAVE_ALTERNATE_SCREEN).unwrap();
    assert!(after.contains("stopped; run the same command to resume"), "{after}");
    assert!(!screen.contains("panicked"), "{screen}");
}

#[test]
fn without_a_terminal_tui_prints_plain_lines() {
    let workspace = Workspace::new();
    let run = workspace.lungs(&["run", "small.toml", "--tui"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let note = "--tui: standard output is not a terminal; showing plain lines instead\n";
    assert!(run.stdout.contains(note), "{}", run.stdout);
    assert!(run.stdout.contains("epoch   2/2  training loss "), "{}", run.stdout);
}
