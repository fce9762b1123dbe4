//! `lungs sweep`

mod arguments;
mod cluster;
mod expanded;
mod jobs;
mod once;
mod table;

use super::interrupt::Interrupt;
use super::output::Output;
use super::{CommandResult, Failure};
use crate::sweep::{PlannedRun, RunStatus, SweepFolder, expand, run_summary};
use arguments::RunNumber;
use expanded::ExpandedSweep;
use jobs::{Jobs, RunOutcome, threads_per_job};
use lungs_base::text::counted;
use lungs_spec::spec::{Overrides, load_sweep};
use std::io::IsTerminal;

pub(super) use arguments::Sweep;

impl Sweep {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let source = load_sweep(&self.spec, &Overrides::from_process(&self.set))?;
        let mut runs = expand(&source)?;
        // The runs have the layers in common.
        runs.first().iter().for_each(|run| output.report_renamed_keys(&run.spec));
        let folder = SweepFolder::of(&runs, &source.table.name);
        folder.assign_names(&mut runs)?;
        let sweep = ExpandedSweep { folder, runs, table: source.table };
        if self.status {
            let view = sweep.view()?;
            return self.print_result(&view, &view.text(), output);
        }
        if self.slurm {
            return cluster::submit(self, &sweep, output);
        }
        if self.dry_run {
            let forecast = sweep.forecast()?;
            let text = forecast.text(&sweep.runs, usize::from(self.jobs));
            return self.print_result(&forecast, &text, output);
        }
        // With --json, only the result is printed.
        let messages = Output::new(output.is_quiet() || self.json, output.is_verbose());
        if self.prepare {
            let runs: Vec<&PlannedRun> = sweep.runs.iter().collect();
            let interrupt = Interrupt::listen();
            return once::prepare(&runs, &sweep.folder, self.shard, &messages, &interrupt);
        }
        if self.compare {
            return self.compare(&sweep, &messages, output);
        }
        self.run(&sweep, &messages, output)
    }

    /// Compares the finished runs.
    fn compare(&self, sweep: &ExpandedSweep, messages: &Output, output: &Output) -> CommandResult {
        sweep.folder.write_manifest(&self.spec, &sweep.runs)?;
        self.conclude(sweep, &[], &Interrupt::listen(), messages, output)?;
        let view = sweep.view()?;
        if view.count(RunStatus::Finished) == view.runs.len() {
            Ok(())
        } else {
            Err(Failure::work(format!(
                "some runs are not finished: {}. To run them:\n  {}",
                view.summary(),
                self.resume_command()
            )))
        }
    }

    /// Prints a result as text, or as JSON with `--json`.
    fn print_result(
        &self,
        result: &impl serde::Serialize,
        text: &str,
        output: &Output,
    ) -> CommandResult {
        if self.json {
            output.answer(serde_json::to_string_pretty(result).map_err(Failure::work)?)
        } else {
            output.answer(text)
        }
        Ok(())
    }

    /// Executes the unfinished runs.
    fn run(&self, sweep: &ExpandedSweep, messages: &Output, output: &Output) -> CommandResult {
        let indices = self.run_indices(sweep)?;
        let interrupt = Interrupt::listen();
        let is_finished = |index: usize| {
            let summary = run_summary(&sweep.folder, &sweep.runs[index], None);
            summary.state == RunStatus::Finished
        };
        let unfinished: Vec<usize> =
            indices.iter().copied().filter(|&index| !is_finished(index)).collect();
        messages.say(format!(
            "{}: {} of {} to do → {}",
            sweep.runs[0].spec.experiment.name,
            unfinished.len(),
            counted(indices.len(), "run", "runs"),
            sweep.folder.root().display()
        ));
        if !self.keep_inputs {
            once::check_inputs(indices.iter().map(|&index| &sweep.runs[index]), &sweep.folder)?;
        }
        let runs: Vec<&PlannedRun> = unfinished.iter().map(|&index| &sweep.runs[index]).collect();
        once::check_weights(&runs)?;
        sweep.folder.write_manifest(&self.spec, &sweep.runs)?;
        once::prepare(&runs, &sweep.folder, None, messages, &interrupt)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel_runs = usize::from(self.jobs).min(unfinished.len().max(1));
        let jobs = Jobs {
            folder: &sweep.folder,
            runs: &sweep.runs,
            threads: threads_per_job(cores, parallel_runs),
            devices: &sweep.table.devices,
            on_failure: sweep.table.on_failure,
            follow: parallel_runs == 1,
            keep_inputs: self.keep_inputs,
        };
        let on_terminal = std::io::stdout().is_terminal();
        let mut ended_runs = 0;
        interrupt.set_training(true);
        let outcomes = jobs.execute(&unfinished, &interrupt, messages, |index, outcome| {
            ended_runs += 1;
            let name = &sweep.runs[index].name;
            let outcome = match outcome {
                RunOutcome::Finished => "finished".to_owned(),
                RunOutcome::Failed(reason) => format!("failed: {reason}"),
                RunOutcome::RunningElsewhere => "running (another process)".to_owned(),
                RunOutcome::Stopped => "stopped".to_owned(),
            };
            messages.say(format!("[{ended_runs}/{}] {name} {outcome}", unfinished.len()));
            if on_terminal && let Ok(view) = sweep.view() {
                messages.say(format!("\n{}\n", view.text()));
            }
        });
        interrupt.set_training(false);
        let outcomes = outcomes?;
        sweep.folder.write_manifest(&self.spec, &sweep.runs)?;
        self.conclude(sweep, &outcomes, &interrupt, messages, output)
    }

    /// Prints the table and the comparison, and returns the result of the command.
    fn conclude(
        &self,
        sweep: &ExpandedSweep,
        outcomes: &[(usize, RunOutcome)],
        interrupt: &Interrupt,
        messages: &Output,
        output: &Output,
    ) -> CommandResult {
        let view = sweep.view()?;
        let all_finished = view.count(RunStatus::Finished) == view.runs.len();
        let comparison =
            if self.only.is_none() || all_finished { sweep.compare(&view) } else { None };
        messages.say("");
        self.print_result(&view, &view.text(), output)?;
        match comparison {
            Some(Ok(comparison)) => {
                let tests: Vec<&str> =
                    comparison.tests.iter().map(|test| test.sentence.as_str()).collect();
                if !tests.is_empty() {
                    messages.say(format!("\n{}", tests.join("\n")));
                }
                let page = sweep.folder.comparison_page();
                messages.say(format!("\nComparison: {}", page.display()));
            }
            Some(Err(error)) => messages.say(format!("\nThe runs cannot be compared: {error}")),
            None => {}
        }
        let count = |test: fn(&RunOutcome) -> bool| {
            outcomes.iter().filter(|(_, outcome)| test(outcome)).count()
        };
        let elsewhere = count(|outcome| *outcome == RunOutcome::RunningElsewhere);
        if elsewhere > 0 {
            let total = counted(outcomes.len(), "run", "runs");
            messages.say(format!("{elsewhere} of {total}: running in another process."));
        }
        let failed = count(|outcome| matches!(outcome, RunOutcome::Failed(_)));
        let stopped = count(|outcome| *outcome == RunOutcome::Stopped);
        let resume = self.resume_command();
        if interrupt.interrupter.should_stop() {
            messages.say(format!("\nStopped: {}. To resume:\n  {resume}", view.summary()));
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        if failed > 0 {
            let rest = match stopped {
                0 => String::new(),
                count => {
                    format!(", {count} stopped or not started (sweep.on_failure = \"stop\")")
                }
            };
            let total = counted(outcomes.len(), "run", "runs");
            let logs = sweep.folder.root().join("logs");
            return Err(Failure::work(format!(
                "{failed} of {total} failed{rest}; logs: {}. To retry: `{resume}`",
                logs.display()
            )));
        }
        if stopped > 0 {
            messages.say(format!("\n{}. To resume:\n  {resume}", view.summary()));
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        Ok(())
    }

    /// Indices of the runs to execute: all, or the run of `--only`.
    fn run_indices(&self, sweep: &ExpandedSweep) -> Result<Vec<usize>, Failure> {
        let count = sweep.runs.len();
        let Some(RunNumber { number, total }) = self.only else { return Ok((0..count).collect()) };
        if let Some(total) = total.filter(|&total| total != count) {
            return Err(Failure::request(format!(
                "`--only {number}/{total}`: {} has {}, expected {total}; list them with \
                 --dry-run",
                self.spec.display(),
                counted(count, "run", "runs")
            )));
        }
        if number <= count {
            Ok(vec![number - 1])
        } else {
            Err(Failure::request(format!(
                "`--only {number}`: {} has only {}; list them with --dry-run",
                self.spec.display(),
                counted(count, "run", "runs")
            )))
        }
    }
}
