//! A sweep as jobs of a Slurm cluster: preparation, an array of runs, the comparison.

use super::super::Done;
use super::super::output::Output;
use super::super::slurm::{After, Call, Submission};
use super::{Sweep, Work, once};
use crate::slurm::TASK;
use crate::sweep::{PlannedRun, State};

/// Submits what is left of a sweep, or prints the scripts.
pub(super) fn submit(sweep: &Sweep, work: &Work, output: &Output) -> Done {
    let view = work.view()?;
    let left: Vec<usize> =
        view.runs.iter().filter(|run| run.state != State::Finished).map(|run| run.index).collect();
    if left.is_empty() {
        output.say("Every run is finished. To compare them again:");
        output.say(format!("  {} --compare", sweep.again()));
        return Ok(());
    }
    let runs: Vec<&PlannedRun> = left.iter().map(|index| &work.runs[index - 1]).collect();
    let submission = Submission { slurm: true, dry_run: sweep.dry_run };
    if !sweep.dry_run {
        if !sweep.keep_inputs {
            once::check_inputs(runs.iter().copied(), &work.folder)?;
        }
        once::check_weights(&runs)?;
        work.folder.write_manifest(&sweep.spec, &work.runs)?;
    }
    // What is asked for is the same for all runs: `[slurm]` cannot be varied.
    let spec = &work.runs[0].spec;
    let call = Call { spec, folder: work.folder.root(), submission: &submission };
    let mut command = vec!["sweep".to_owned(), sweep.spec.display().to_string()];
    command.extend(sweep.set.iter().flat_map(|set| ["--set".into(), set.clone()]));
    let with = |flags: &[&str]| -> Vec<String> {
        command.iter().cloned().chain(flags.iter().map(|flag| (*flag).to_owned())).collect()
    };
    let preparation = call.preparation(with(&["--prepare"]))?;
    let of = format!("{TASK}/{}", work.runs.len());
    let about = format!("The runs of a sweep, a task for each of {}.", left.len());
    let mut flags = vec!["--only", &of];
    flags.extend(sweep.keep_inputs.then_some("--keep-inputs"));
    let mut array = call.job("runs", &about, with(&flags))?.training();
    array.tasks = left;
    let about = "The comparison of all finished runs of a sweep.";
    let comparison = call.job("compare", about, with(&["--compare"]))?;
    let jobs = [
        (preparation, None),
        (array, Some(After::Success)),
        // Also of what there is where a run has failed.
        (comparison, Some(After::End)),
    ];
    call.submit(&jobs, output)
}
