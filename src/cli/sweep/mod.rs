//! `lungs sweep`

mod cluster;
mod jobs;
mod once;
mod table;

use super::interrupt::Interrupt;
use super::output::Output;
use super::{Done, Failure};
use crate::plan::{Plan, plan};
use crate::prepare::Shard;
use crate::report::{CompareOptions, Comparison, ReportError, compare};
use crate::slurm::shell;
use crate::spec::{Overrides, load_sweep};
use crate::sweep::{PlannedRun, State, SweepFolder, combinations, expand, runs_at, standing};
use crate::{device, spec};
use clap::Args;
use jobs::{Jobs, Left, shares};
use std::io::IsTerminal;
use std::path::PathBuf;
use table::{Forecast, View};

/// Run every run of a spec's [sweep] table, and compare them.
///
/// The table stands for many runs: a grid and lists of keys, seeds, folds. Each is what `lungs run` would
/// make of the same spec. The same command continues: what is finished is not done again, what failed is
/// tried again, and a run that another process works in is left to it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs sweep experiments/demo-sweep.toml --dry-run      the runs, and what they take\n  lungs sweep experiments/demo-sweep.toml --jobs 2\n  lungs sweep experiments/demo-sweep.toml --status       results so far\n  lungs sweep experiments/demo-sweep.toml --only 3/6     one run, as a task of a job array\n  lungs sweep experiments/demo-sweep.toml --slurm        every run a job of a Slurm cluster"
)]
pub(super) struct Sweep {
    /// A spec (.toml) with a [sweep] table.
    spec: PathBuf,

    /// Override a key of all runs, as train.epochs=10, or of the sweep. Can be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Runs that work at once; they share the threads.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// The one run to do, by its number; `3/20` also says how many there must be.
    #[arg(long, value_name = "INDEX", value_parser = only)]
    only: Option<Only>,

    /// Print the results so far; do nothing.
    #[arg(long, conflicts_with_all = ["dry_run", "only"])]
    status: bool,

    /// Print the runs, the keys that they vary and what they would take; do nothing. With --slurm, print
    /// the scripts.
    #[arg(long, conflicts_with = "only")]
    dry_run: bool,

    /// Give the runs to Slurm: a job that prepares, an array with a task for each run that is left, and a
    /// job that compares, with what [slurm] of the spec asks for. The jobs continue by themselves when
    /// their time is up or a node is lost.
    #[arg(long, conflicts_with_all = ["only", "status", "prepare", "compare", "json"])]
    slurm: bool,

    /// Prepare the series of all runs; run nothing.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run", "compare"])]
    prepare: bool,

    /// With --prepare: one part of several, as 3/20, by the hash of the series' UIDs.
    #[arg(long, value_name = "PART", requires = "prepare")]
    shard: Option<Shard>,

    /// Write the comparison of what is finished; run nothing. Fails while a run is not finished.
    #[arg(long, conflicts_with_all = ["only", "status", "dry_run"])]
    compare: bool,

    /// Continue each run with its original labels, lists and scans although they have changed; runs that
    /// have not started use the current ones.
    #[arg(long, conflicts_with_all = ["status", "prepare", "compare"])]
    keep_inputs: bool,

    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// `3` or `3/20`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Only {
    index: usize,
    of: Option<usize>,
}

fn only(text: &str) -> Result<Only, String> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|&number| number > 0);
    let (index, of) = match text.split_once('/') {
        None => (number(text), Some(None)),
        Some((index, of)) => (number(index), number(of).map(Some)),
    };
    match (index, of) {
        (Some(index), Some(of)) => Ok(Only { index, of }),
        _ => Err("expected the number of a run, from 1, as 3 or 3/20".to_owned()),
    }
}

/// What all ways to call the command have in common.
struct Work {
    folder: SweepFolder,
    runs: Vec<PlannedRun>,
    table: spec::SweepTable,
}

impl Sweep {
    pub fn execute(&self, output: &Output) -> Done {
        let source = load_sweep(&self.spec, &Overrides::from_process(&self.set))?;
        let mut runs = expand(&source)?;
        let folder = SweepFolder::of(&runs, &source.table.name);
        folder.settle_names(&mut runs)?;
        let work = Work { folder, runs, table: source.table };
        if self.status {
            let view = work.view()?;
            return self.answer(&view, &view.tell(), output);
        }
        if self.slurm {
            return cluster::submit(self, &work, output);
        }
        if self.dry_run {
            let forecast = work.forecast()?;
            let told = forecast.tell(&work.runs, usize::from(self.jobs));
            return self.answer(&forecast, &told, output);
        }
        // With --json, the answer is all there is.
        let told = Output::new(output.is_quiet() || self.json, output.is_verbose());
        if self.prepare {
            let runs: Vec<&PlannedRun> = work.runs.iter().collect();
            return once::prepare(&runs, &work.folder, self.shard, &told, &Interrupt::listen());
        }
        if self.compare {
            return self.compare(&work, &told, output);
        }
        self.run(&work, &told, output)
    }

    /// Compares what is finished.
    fn compare(&self, work: &Work, told: &Output, answers: &Output) -> Done {
        work.folder.write_manifest(&self.spec, &work.runs)?;
        self.conclude(work, &[], &Interrupt::listen(), told, answers)?;
        let view = work.view()?;
        if view.count(State::Finished) == view.runs.len() {
            Ok(())
        } else {
            Err(Failure::work(format!(
                "not every run is finished: {}. To do what is left:\n  {}",
                view.summary(),
                self.again()
            )))
        }
    }

    fn answer(&self, view: &impl serde::Serialize, told: &str, output: &Output) -> Done {
        if self.json {
            output.answer(serde_json::to_string_pretty(view).map_err(Failure::work)?)
        } else {
            output.answer(told)
        }
        Ok(())
    }

    /// Runs what is left.
    fn run(&self, work: &Work, told: &Output, answers: &Output) -> Done {
        let places = self.places(work)?;
        let interrupt = Interrupt::listen();
        let left: Vec<usize> = places
            .iter()
            .copied()
            .filter(|&at| standing(&work.folder, &work.runs[at], None).state != State::Finished)
            .collect();
        told.say(format!(
            "{}: {} of {} runs to do → {}",
            work.runs[0].spec.experiment.name,
            left.len(),
            places.len(),
            work.folder.root().display()
        ));
        if !self.keep_inputs {
            once::check_inputs(places.iter().map(|&at| &work.runs[at]), &work.folder)?;
        }
        let runs: Vec<&PlannedRun> = left.iter().map(|&at| &work.runs[at]).collect();
        once::check_weights(&runs)?;
        work.folder.write_manifest(&self.spec, &work.runs)?;
        once::prepare(&runs, &work.folder, None, told, &interrupt)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = usize::from(self.jobs).min(left.len().max(1));
        let jobs = Jobs {
            folder: &work.folder,
            runs: &work.runs,
            threads: shares(cores, at_once),
            devices: &work.table.devices,
            on_failure: work.table.on_failure,
            follow: at_once == 1,
            keep_inputs: self.keep_inputs,
        };
        let on_terminal = std::io::stdout().is_terminal();
        let mut done = 0;
        interrupt.set_training(true);
        let ended = jobs.work(&left, &interrupt, told, |place, ended| {
            done += 1;
            let name = &work.runs[place].name;
            told.say(match ended {
                Left::Finished => format!("[{done}/{}] {name} is finished", left.len()),
                Left::Failed(why) => format!("[{done}/{}] {name} failed: {why}", left.len()),
                Left::InWork => {
                    format!("[{done}/{}] {name} is running in another process", left.len())
                }
                Left::Stopped => format!("[{done}/{}] {name} has stopped", left.len()),
            });
            if on_terminal && let Ok(view) = work.view() {
                told.say(format!("\n{}\n", view.tell()));
            }
        });
        interrupt.set_training(false);
        let ended = ended?;
        work.folder.write_manifest(&self.spec, &work.runs)?;
        self.conclude(work, &ended, &interrupt, told, answers)
    }

    /// The table, the comparison, and how it went.
    fn conclude(
        &self,
        work: &Work,
        ended: &[(usize, Left)],
        interrupt: &Interrupt,
        told: &Output,
        answers: &Output,
    ) -> Done {
        let view = work.view()?;
        let all = view.count(State::Finished) == view.runs.len();
        let page = if self.only.is_none() || all { work.compare(&view) } else { None };
        told.say("");
        self.answer(&view, &view.tell(), answers)?;
        match page {
            Some(Ok(comparison)) => {
                let tests: Vec<&str> =
                    comparison.tests.iter().map(|test| test.sentence.as_str()).collect();
                if !tests.is_empty() {
                    told.say(format!("\n{}", tests.join("\n")));
                }
                told.say(format!("\nComparison: {}", work.folder.comparison_page().display()));
            }
            Some(Err(why)) => told.say(format!("\nThe runs cannot be compared: {why}")),
            None => {}
        }
        let of = |wanted: fn(&Left) -> bool| ended.iter().filter(|(_, left)| wanted(left)).count();
        let elsewhere = of(|left| *left == Left::InWork);
        if elsewhere > 0 {
            told.say(format!("{elsewhere} of the running runs belong to other processes."));
        }
        let (failed, stopped) = (of(|l| matches!(l, Left::Failed(_))), of(|l| *l == Left::Stopped));
        if interrupt.interrupter.should_stop() {
            told.say(format!("\nStopped: {}. To continue:\n  {}", view.summary(), self.again()));
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        if failed > 0 {
            let rest = match stopped {
                0 => String::new(),
                count => {
                    format!(", and {count} were stopped or not begun (sweep.on_failure = \"stop\")")
                }
            };
            let (count, logs) = (ended.len(), work.folder.root().join("logs"));
            return Err(Failure::work(format!(
                "{failed} of {count} runs failed{rest}; what each printed is in {}. The same command \
                 tries them again: {}",
                logs.display(),
                self.again()
            )));
        }
        if stopped > 0 {
            told.say(format!("\n{}. To continue:\n  {}", view.summary(), self.again()));
            return Err(Failure::Stopped(interrupt.exit_code()));
        }
        Ok(())
    }

    /// Places of the runs that are meant.
    fn places(&self, work: &Work) -> Result<Vec<usize>, Failure> {
        let count = work.runs.len();
        let Some(only) = self.only else { return Ok((0..count).collect()) };
        if let Some(of) = only.of.filter(|&of| of != count) {
            return Err(Failure::request(format!(
                "`--only {}/{of}` means a sweep of {of} runs, {} stands for {count}; see them with \
                 --dry-run",
                only.index,
                self.spec.display()
            )));
        }
        if only.index <= count {
            Ok(vec![only.index - 1])
        } else {
            Err(Failure::request(format!(
                "`--only {}`: {} stands for {count} runs; see them with --dry-run",
                only.index,
                self.spec.display()
            )))
        }
    }

    /// The command that continues.
    fn again(&self) -> String {
        let mut told = format!("lungs sweep {}", self.spec.display());
        for set in &self.set {
            told += &format!(" --set {}", shell(set));
        }
        if self.keep_inputs {
            told += " --keep-inputs";
        }
        if self.jobs > 1 {
            told += &format!(" --jobs {}", self.jobs);
        }
        match self.only {
            Some(Only { index, of: Some(of) }) => told + &format!(" --only {index}/{of}"),
            Some(Only { index, of: None }) => told + &format!(" --only {index}"),
            None => told,
        }
    }
}

impl Work {
    /// Where everything stands now.
    fn view(&self) -> Result<View, Failure> {
        let known = self.folder.manifest()?.unwrap_or_default();
        let by = self.table.best;
        let stand = |(place, run): (usize, &PlannedRun)| {
            let entry = known.runs.iter().find(|entry| entry.hash == run.hash);
            let failure = entry.and_then(|entry| entry.failure.as_deref());
            let mut found = standing(&self.folder, run, failure).with_figures(by);
            found.index = place + 1;
            found
        };
        let runs: Vec<_> = self.runs.iter().enumerate().map(stand).collect();
        let combinations = combinations(&self.runs, &runs, by);
        let pooled = self.runs.iter().any(|run| run.spec.is_of_all_folds());
        let part = if pooled { "out-of-fold" } else { "validation" };
        Ok(View { folder: self.folder.root().to_owned(), best_by: by, part, runs, combinations })
    }

    /// What each run would take.
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

    /// Writes the comparison of all finished runs; nothing of fewer than two.
    fn compare(&self, view: &View) -> Option<Result<Comparison, ReportError>> {
        let write = || -> Result<Option<Comparison>, ReportError> {
            let runs = runs_at(self.folder.root())?;
            if runs.len() < 2 {
                return Ok(None);
            }
            let comparison = match compare(&runs, CompareOptions::default()) {
                // Where the sweep varies who is in the study.
                Err(ReportError::DifferentExams { .. }) => {
                    compare(&runs, CompareOptions { common: true })
                }
                other => other,
            };
            let mut comparison = comparison?;
            comparison.best = view.best_in_words();
            comparison.write_page(&self.folder.comparison_page())?;
            comparison.write_csv(&self.folder.comparison_table())?;
            Ok(Some(comparison))
        };
        write().transpose()
    }
}
