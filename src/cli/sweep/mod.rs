//! `lungs sweep`

mod cluster;
mod jobs;
mod once;
mod table;

use super::interrupt::Interrupt;
use super::output::Output;
use super::{CommandResult, Failure};
use crate::plan::{Plan, plan};
use crate::slurm::shell;
use crate::sweep::{
    PlannedRun, RunStatus, SweepFolder, expand, find_runs, rank_combinations, run_summary,
};
use clap::Args;
use jobs::{Jobs, RunOutcome, threads_per_job};
use lungs_base::text::counted;
use lungs_net::device;
use lungs_report::{CompareOptions, Comparison, ReportError, Subject, compare};
use lungs_spec::spec;
use lungs_spec::spec::{Overrides, load_sweep};
use lungs_study::prepare::Shard;
use std::io::IsTerminal;
use std::path::PathBuf;
use table::{Forecast, SweepView};

/// Run all runs of a spec's [sweep] table, and compare them.
///
/// The table defines many runs by a grid of keys, lists of keys, seeds and folds. Each run is identical to
/// `lungs run` with the same spec. The same command resumes a sweep: it skips finished runs, retries failed
/// runs, and leaves runs that are running in another process to that process.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs sweep experiments/demo-sweep.toml --dry-run      list the runs with estimates\n  lungs sweep experiments/demo-sweep.toml --jobs 2\n  lungs sweep experiments/demo-sweep.toml --status       show the current results\n  lungs sweep experiments/demo-sweep.toml --only 3/6     one run, e.g. as a task of a job array\n  lungs sweep experiments/demo-sweep.toml --slurm        submit the runs to a Slurm cluster"
)]
pub(super) struct Sweep {
    /// A spec (.toml) with a [sweep] table.
    spec: PathBuf,

    /// Override a key of all runs, e.g. train.epochs=10, or a key of the sweep. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Number of parallel runs. They share the threads.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Run only the run with this number, e.g. 3. With 3/20, fail unless the sweep has 20 runs.
    #[arg(long, value_name = "INDEX", value_parser = parse_run_number)]
    only: Option<RunNumber>,

    /// Show the current results without running anything.
    #[arg(long, conflicts_with_all = ["dry_run", "only"])]
    status: bool,

    /// List the runs, the keys that they vary, and estimates of memory and time, without running anything.
    /// With --slurm, print the batch scripts.
    #[arg(long, conflicts_with = "only")]
    dry_run: bool,

    /// Submit the sweep to Slurm with the settings of [slurm]: a preparation job, a job array with a task for
    /// each unfinished run, and a comparison job. Jobs are requeued at their time limit and after a node
    /// failure, and resume.
    #[arg(long, conflicts_with_all = ["only", "status", "prepare", "compare", "json"])]
    slurm: bool,

    /// Only prepare the series of all runs.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run", "compare"])]
    prepare: bool,

    /// With --prepare: prepare only one shard, e.g. 3/20 for the third of 20. Series are assigned to shards by
    /// the hash of their UID.
    #[arg(long, value_name = "INDEX/COUNT", requires = "prepare")]
    shard: Option<Shard>,

    /// Only compare the finished runs. Exits with 1 if a run is unfinished.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run"])]
    compare: bool,

    /// Resume runs with their original labels, lists and images even if they have changed. Runs that have not
    /// started use the current ones.
    #[arg(long, conflicts_with_all = ["status", "prepare", "compare"])]
    keep_inputs: bool,

    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The number of a run, from 1, and optionally the number of runs of the sweep: `3` or `3/20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RunNumber {
    number: usize,
    total: Option<usize>,
}

fn parse_run_number(text: &str) -> Result<RunNumber, String> {
    let positive = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
    let (number, total) = match text.split_once('/') {
        None => (positive(text), Some(None)),
        Some((number, total)) => (positive(number), positive(total).map(Some)),
    };
    match (number, total) {
        (Some(number), Some(total)) => Ok(RunNumber { number, total }),
        _ => Err("expected the number of a run from 1, e.g. 3 or 3/20".to_owned()),
    }
}

/// An expanded sweep with its folder.
struct ExpandedSweep {
    folder: SweepFolder,
    runs: Vec<PlannedRun>,
    table: spec::SweepTable,
}

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
                "{failed} of {total} failed{rest}; logs: {}. To retry: {resume}",
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

    /// The command that resumes the sweep.
    fn resume_command(&self) -> String {
        let mut command = format!("lungs sweep {}", self.spec.display());
        for set in &self.set {
            command += &format!(" --set {}", shell(set));
        }
        if self.keep_inputs {
            command += " --keep-inputs";
        }
        if self.jobs > 1 {
            command += &format!(" --jobs {}", self.jobs);
        }
        match self.only {
            Some(RunNumber { number, total: Some(total) }) => {
                command + &format!(" --only {number}/{total}")
            }
            Some(RunNumber { number, total: None }) => command + &format!(" --only {number}"),
            None => command,
        }
    }
}

impl ExpandedSweep {
    /// The current status and results of all runs.
    fn view(&self) -> Result<SweepView, Failure> {
        let manifest = self.folder.manifest()?.unwrap_or_default();
        let best_by = self.table.best;
        let summarise = |(index, run): (usize, &PlannedRun)| {
            let entry = manifest.runs.iter().find(|entry| entry.hash == run.hash);
            let failure = entry.and_then(|entry| entry.failure.as_deref());
            let mut summary = run_summary(&self.folder, run, failure).with_metrics(best_by);
            summary.index = index + 1;
            summary
        };
        let runs: Vec<_> = self.runs.iter().enumerate().map(summarise).collect();
        let combinations = rank_combinations(&self.runs, &runs, best_by);
        let pooled = self.runs.iter().any(|run| run.spec.is_of_all_folds());
        let split = if pooled { "out-of-fold" } else { "validation" };
        Ok(SweepView { folder: self.folder.root().to_owned(), best_by, split, runs, combinations })
    }

    /// The estimates of memory, disk space and time for all runs.
    fn forecast(&self) -> Result<Forecast, Failure> {
        let view = self.view()?;
        let mut cohorts = once::Cohorts::default();
        let mut plans: Vec<Plan> = Vec::new();
        for run in &self.runs {
            let devices = device::open_all(run.spec.runtime.device.names());
            let devices = devices.map_err(Failure::request)?;
            let cohort = cohorts.of(&run.spec)?;
            plans.push(plan(&run.spec, cohort.as_ref(), &devices).map_err(Failure::request)?);
        }
        Ok(Forecast::new(self.folder.root(), view.runs, plans))
    }

    /// Writes the comparison of all finished runs; `None` for fewer than two runs.
    fn compare(&self, view: &SweepView) -> Option<Result<Comparison, ReportError>> {
        let write = || -> Result<Option<Comparison>, ReportError> {
            let runs = find_runs(self.folder.root())?;
            let runs: Vec<Subject> = runs.into_iter().map(Subject::Run).collect();
            if runs.len() < 2 {
                return Ok(None);
            }
            let comparison = match compare(&runs, CompareOptions::default()) {
                // The sweep varies a key that changes the exams: compare on the exams in common.
                Err(ReportError::DifferentExams { .. }) => {
                    compare(&runs, CompareOptions { common: true, ..CompareOptions::default() })
                }
                result => result,
            };
            let mut comparison = comparison?;
            comparison.best = view.best_text();
            comparison.write_page(&self.folder.comparison_page())?;
            comparison.write_csv(&self.folder.comparison_table())?;
            Ok(Some(comparison))
        };
        write().transpose()
    }
}
