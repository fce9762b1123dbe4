//! Submits a sweep to a Slurm cluster: preparation, an array of runs, the comparison.

use super::super::CommandResult;
use super::super::output::Output;
use super::super::slurm::{Dependency, Submission, Submitter};
use super::arguments::Sweep;
use super::expanded::ExpandedSweep;
use super::once;
use crate::slurm::TASK;
use crate::sweep::{PlannedRun, RunStatus};

/// Submits the unfinished runs of a sweep, or prints the scripts with `--dry-run`.
pub(super) fn submit(sweep: &Sweep, expanded: &ExpandedSweep, output: &Output) -> CommandResult {
    let view = expanded.view()?;
    let unfinished = view.runs.iter().filter(|run| run.state != RunStatus::Finished);
    let unfinished: Vec<usize> = unfinished.map(|run| run.index).collect();
    if unfinished.is_empty() {
        output.say("All runs are finished. To compare them again:");
        output.say(format!("  {} --compare", sweep.resume_command()));
        return Ok(());
    }
    let runs: Vec<&PlannedRun> = unfinished.iter().map(|index| &expanded.runs[index - 1]).collect();
    let submission = Submission { slurm: true, dry_run: sweep.dry_run };
    if !sweep.dry_run {
        if !sweep.keep_inputs {
            once::check_inputs(runs.iter().copied(), &expanded.folder)?;
        }
        once::check_weights(&runs)?;
        expanded.folder.write_manifest(&sweep.spec, &expanded.runs)?;
    }
    // A sweep cannot vary `[slurm]`, so that the first run has the settings of all jobs.
    let spec = &expanded.runs[0].spec;
    let submitter = Submitter { spec, folder: expanded.folder.root(), submission: &submission };
    let mut command = vec!["sweep".to_owned(), sweep.spec.display().to_string()];
    command.extend(sweep.set.iter().flat_map(|set| ["--set".into(), set.clone()]));
    let with_flags = |flags: &[&str]| -> Vec<String> {
        command.iter().cloned().chain(flags.iter().map(|flag| (*flag).to_owned())).collect()
    };
    let preparation = submitter.preparation(with_flags(&["--prepare"]))?;
    let run_number = format!("{TASK}/{}", expanded.runs.len());
    let about = "The unfinished runs of a sweep, one task per run.";
    let mut flags = vec!["--only", &run_number];
    flags.extend(sweep.keep_inputs.then_some("--keep-inputs"));
    let mut array = submitter.job("runs", about, with_flags(&flags))?.training();
    array.tasks = unfinished;
    let about = "The comparison of all finished runs of a sweep.";
    let comparison = submitter.job("compare", about, with_flags(&["--compare"]))?;
    let jobs = [
        (preparation, None),
        (array, Some(Dependency::Success)),
        // After failed runs too: the comparison covers the finished runs.
        (comparison, Some(Dependency::End)),
    ];
    submitter.submit(&jobs, output)
}
