//! Exit codes of commands on a run that is not finished: an invalid request, whatever the command.

use super::support::{CommandOutput, Workspace};
use std::fs;

/// A workspace with two runs without a trained epoch: `results/small/begun`, and a cross-validation
/// `results/small/folds`.
fn unfinished() -> Workspace {
    let workspace = Workspace::new();
    for (run, arguments) in [("begun", &[][..]), ("folds", &["--set", "split.folds=3"])] {
        let check = workspace.lungs(&[&["check", "small.toml", "--verbose"], arguments].concat());
        assert_eq!(check.code, 0, "{}", check.stderr);
        let spec = check.stdout.split("spec hash").next().unwrap();
        workspace.write(&format!("results/small/{run}/spec.toml"), spec);
    }
    workspace
}

#[test]
fn an_unfinished_run_is_an_invalid_request_for_every_command() {
    let workspace = unfinished();
    workspace.write("theirs.csv", "exam,label,score\nA,0,1\nB,1,2\n");
    for run in ["results/small/begun", "results/small/folds"] {
        let commands: [&[&str]; 9] = [
            &["evaluate", run],
            &["predict", "--model", run, "ct"],
            &["evaluate", run, "--data", "ct", "--labels", "ct/labels.csv", "--out", "other"],
            &["compare", run, "theirs.csv"],
            &["plot", run],
            &["export", run],
            &["weights", "show", run],
            &["weights", "export", run, "--to", "burn", "-o", "weights.bpk"],
            &["export", "results/small"],
        ];
        for command in commands {
            let CommandOutput { code, stdout, stderr } = workspace.lungs(command);
            assert_eq!(code, 2, "{command:?}: {stdout}{stderr}");
            assert!(stderr.contains("results/small"), "{command:?}: {stderr}");
            assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
        }
    }
}

#[test]
fn damaged_results_are_failures() {
    let workspace = unfinished();
    let run = workspace.path("results/small/begun");
    fs::write(run.join("evaluation.json"), "{").unwrap();
    fs::write(run.join("metrics.csv"), "epoch,split\n").unwrap();
    let done = workspace.lungs(&["export", "results/small/begun"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("evaluation.json"), "{}", done.stderr);
}
