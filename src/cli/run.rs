//! `lungs run`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::slurm::{Dependency, Submission, Submitter};
use super::{CommandResult, Failure};
use crate::pipeline::{self, LastStage, PipelineError};
use clap::Args;
use lungs_base::text::counted;
use lungs_report as report;
use lungs_spec::results::{RunFolder, find_run};
use lungs_spec::spec::{Overrides, Spec, load, load_resolved};
use lungs_study::cohort::SplitLists;
use lungs_train::{self as training, Completion};
use std::path::{Path, PathBuf};

/// Run an experiment, or resume it after an interruption.
///
/// With a spec, resumes the newest run of the same spec, or starts a new run if there is none. With a run
/// folder, resumes that run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs run experiments/demo.toml\n  lungs run experiments/baseline.toml --set train.epochs=10 \\\n      --set runtime.device=cuda:1\n  lungs run results/demo/2026-01-31T10-15-02Z-5f3a9c     resume this run"
)]
pub(super) struct Run {
    #[command(flatten)]
    selection: RunSelection,
}

/// Train only: `run` without the final evaluation and plots.
///
/// Resumes like `run`. `lungs run` or `lungs evaluate` then computes the evaluation and the plots.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs train experiments/baseline.toml\n  lungs train results/demo/2026-01-31T10-15-02Z-5f3a9c     resume this run"
)]
pub(super) struct Train {
    #[command(flatten)]
    selection: RunSelection,
}

/// The run to start or to resume.
#[derive(Args)]
struct RunSelection {
    /// A spec (.toml), or the folder of a run to resume.
    #[arg(value_name = "SPEC|RUN")]
    spec: PathBuf,

    /// Override a key of the spec, e.g. train.epochs=10. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Start a new run even if a run of the same spec exists.
    #[arg(long)]
    fresh: bool,

    /// Resume with the original labels, lists and images even if they have changed since the run began.
    #[arg(long, conflicts_with = "fresh")]
    keep_inputs: bool,

    /// Show training curves in the terminal. Press `q` to stop with a checkpoint.
    #[arg(long, conflicts_with = "slurm")]
    tui: bool,

    #[command(flatten)]
    submission: Submission,

    /// Stop with a checkpoint when standard input closes.
    #[arg(long, hide = true)]
    tethered: bool,
}

impl Run {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        self.selection.execute(output, LastStage::Report)
    }
}

impl Train {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        self.selection.execute(output, LastStage::Training)
    }
}

impl RunSelection {
    fn execute(&self, output: &Output, until: LastStage) -> CommandResult {
        if self.submission.slurm {
            return self.submit(output, until);
        }
        // Before the run folder exists: whoever sees the folder may send a signal at once.
        let interrupt = Interrupt::listen();
        if self.tethered {
            Interrupt::stop_at_end_of_input();
        }
        let (run, result) = match self.find_or_create_run() {
            Ok((spec, folder)) => {
                let result = self.execute_in(&spec, &folder, output, until, &interrupt);
                (Some(folder), result)
            }
            // The folder of a run whose spec cannot be used records the failure too.
            Err(failure) => (RunFolder::open(&self.spec).ok(), Err(failure)),
        };
        // The folder of a run that another process works on stays as it is.
        if let (Some(run), Err(failure)) = (&run, &result)
            && let Some(record) = failure.record()
            && run.holder().is_none()
        {
            // The error itself is reported in any case.
            let _ = record.write(run);
        }
        result
    }

    /// Runs the stages in the run folder.
    fn execute_in(
        &self,
        spec: &Spec,
        folder: &RunFolder,
        output: &Output,
        until: LastStage,
        interrupt: &Interrupt,
    ) -> CommandResult {
        if folder.holder().is_none() {
            lungs_base::files::remove(&folder.failure_file()).map_err(Failure::work)?;
        }
        output.report_renamed_keys(spec);
        use_threads(spec);
        if !self.keep_inputs {
            pipeline::check_inputs(spec, folder)?;
        }
        if spec.is_of_all_folds() {
            return self.cross_validate(spec, folder, output, until, interrupt);
        }
        if folder.is_finished() {
            if !folder.has_metrics_of(spec)? {
                return self.update_evaluation(spec, folder, output, interrupt);
            }
            output.say(format!("{} is finished already.", folder.root().display()));
            output.say("Start a new run with `--fresh`, or redraw the plots with `lungs plot`.\n");
            output.answer(report::headline(folder)?);
            return Ok(());
        }
        output.say(format!("{} → {}", spec.experiment.name, folder.root().display()));
        let progress = self.progress(spec, output, interrupt);
        let outcome =
            pipeline::run(spec, folder, until, &interrupt.interrupter, &progress.observer())?;
        match outcome {
            Completion::Interrupted { epoch, step } => {
                print_resume_command(output, until, folder, (epoch, step));
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            Completion::Finished { selected, last } if until == LastStage::Training => {
                output.answer(format!(
                    "\nTrained {}, selected epoch {selected}. To compute metrics and plots:\n  \
                     lungs evaluate {}",
                    counted(last, "epoch", "epochs"),
                    folder.root().display()
                ));
                Ok(())
            }
            Completion::Finished { .. } => {
                output.answer("");
                output.answer(report::headline(folder)?);
                Ok(())
            }
        }
    }

    /// Evaluates a finished run again with the current settings of `[evaluate]` and `[report]`.
    fn update_evaluation(
        &self,
        spec: &Spec,
        folder: &RunFolder,
        output: &Output,
        interrupt: &Interrupt,
    ) -> CommandResult {
        output.say(format!(
            "{} is trained, but its [evaluate] or [report] settings have changed; recomputing the metrics.\n",
            folder.root().display()
        ));
        let progress = self.progress(spec, output, interrupt);
        pipeline::evaluate(spec, folder, &progress.observer())?;
        let headline = if spec.is_of_all_folds() {
            report::headline_of_folds(folder)
        } else {
            report::headline(folder)
        };
        output.answer(headline?);
        Ok(())
    }

    /// The progress display: with `--tui` the dashboard, if the terminal supports it.
    fn progress<'a>(&self, spec: &Spec, output: &Output, interrupt: &'a Interrupt) -> Progress<'a> {
        let progress = Progress::new(output.is_quiet(), interrupt);
        if self.tui { progress.with_dashboard(&spec.experiment.name) } else { progress }
    }

    /// Runs all unfinished folds of a cross-validation.
    fn cross_validate(
        &self,
        spec: &Spec,
        folder: &RunFolder,
        output: &Output,
        until: LastStage,
        interrupt: &Interrupt,
    ) -> CommandResult {
        if folder.cross_validation_file().is_file() {
            if !folder.has_metrics_of(spec)? {
                return self.update_evaluation(spec, folder, output, interrupt);
            }
            output.say(format!("{} is finished already.", folder.root().display()));
            output.say("Start a new cross-validation with `--fresh`.\n");
            output.answer(report::headline_of_folds(folder)?);
            return Ok(());
        }
        output.say(format!("{} → {}", spec.experiment.name, folder.root().display()));
        let progress = self.progress(spec, output, interrupt);
        let interrupter = &interrupt.interrupter;
        match pipeline::cross_validate(spec, folder, until, interrupter, &progress.observer())? {
            Completion::Interrupted { epoch, step } => {
                print_resume_command(output, until, folder, (epoch, step));
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            Completion::Finished { .. } if until == LastStage::Training => {
                output.answer(format!(
                    "\nTrained {} folds. To compute metrics:\n  lungs run {}",
                    spec.split.folds,
                    folder.root().display()
                ));
                Ok(())
            }
            Completion::Finished { .. } => {
                output.answer(format!("\n{}", report::headline_of_folds(folder)?));
                Ok(())
            }
        }
    }

    /// The spec, and the folder of the run to resume if there is one.
    fn find_run(&self) -> Result<(Spec, Option<RunFolder>), Failure> {
        if self.spec.is_dir() {
            let (spec, folder) = self.open_run(&self.spec)?;
            return Ok((spec, Some(folder)));
        }
        let spec = load(&self.spec, &Overrides::from_process(&self.set))?;
        let existing = if self.fresh { None } else { find_run(&spec) };
        Ok((spec, existing))
    }

    /// The spec and the run folder, which is created if there is no run to resume.
    fn find_or_create_run(&self) -> Result<(Spec, RunFolder), Failure> {
        let (spec, existing) = self.find_run()?;
        let folder = match existing {
            Some(folder) => folder,
            None => {
                // Invalid weights and lists fail here, before a run folder is created.
                training::initial_weights(&spec).map_err(PipelineError::from)?;
                SplitLists::read(&spec).map_err(Failure::request)?;
                RunFolder::create(&spec)?
            }
        };
        Ok((spec, folder))
    }

    /// Submits the run to Slurm; with `slurm.shards`, after an array of preparation jobs.
    fn submit(&self, output: &Output, until: LastStage) -> CommandResult {
        let (spec, existing) = self.find_run()?;
        output.report_renamed_keys(&spec);
        let (root, changes) = match existing {
            Some(run) => {
                if !self.keep_inputs {
                    pipeline::check_inputs(&spec, &run)?;
                }
                if run.is_finished() && run.has_metrics_of(&spec)? {
                    output.say(format!("{} is finished already.", run.root().display()));
                    return Ok(());
                }
                // The spec in the run folder may differ in keys that do not affect results.
                (run.root().to_owned(), spec.settings_over(&run.spec()?))
            }
            None if self.submission.dry_run => (RunFolder::planned(&spec), Vec::new()),
            None => (self.find_or_create_run()?.1.root().to_owned(), Vec::new()),
        };
        let set: Vec<String> = changes.into_iter().flat_map(|key| ["--set".into(), key]).collect();
        let submitter = Submitter { spec: &spec, folder: &root, submission: &self.submission };
        let verb = if until == LastStage::Training { "train" } else { "run" };
        let keep_inputs = self.keep_inputs.then(|| "--keep-inputs".to_owned());
        let command = [vec![verb.to_owned(), root.display().to_string()], set.clone()].concat();
        let command = command.into_iter().chain(keep_inputs).collect();
        let about = format!("One run, submitted by `lungs {verb} --slurm`.");
        let run = submitter.job("run", &about, command)?.training();
        if spec.slurm.shards == 0 {
            return submitter.submit(&[(run, None)], output);
        }
        let run_spec = root.join("spec.toml").display().to_string();
        let shards = submitter.preparation([vec!["prepare".to_owned(), run_spec], set].concat())?;
        submitter.submit(&[(shards, None), (run, Some(Dependency::Success))], output)
    }

    /// An existing run with its spec. Keys of `--set` must not affect results.
    fn open_run(&self, path: &Path) -> Result<(Spec, RunFolder), Failure> {
        let folder = RunFolder::open_run(path)?;
        if self.fresh {
            return Err(Failure::request(
                "`--fresh` starts a new run: expected a spec (.toml), found a run folder",
            ));
        }
        let original = folder.spec()?;
        let spec = load_resolved(&folder.spec_file(), &self.set)?;
        let differences = original.result_differences(&spec);
        if differences.is_empty() {
            return Ok((spec, folder));
        }
        let lines: Vec<String> = differences
            .iter()
            .map(|difference| {
                let value = |index: usize| {
                    difference.values[index].clone().unwrap_or_else(|| "unset".into())
                };
                format!("  {}: {} in the run, {} requested", difference.key, value(0), value(1))
            })
            .collect();
        Err(Failure::request(format!(
            "{} cannot be resumed with different values of keys that affect its results:\n{}\nTo start a \
             new run with these values, give a spec instead of the run folder",
            path.display(),
            lines.join("\n")
        )))
    }
}

fn print_resume_command(
    output: &Output,
    until: LastStage,
    folder: &RunFolder,
    (epoch, step): (usize, usize),
) {
    let verb = if until == LastStage::Training { "train" } else { "run" };
    output.answer(format!(
        "\nStopped in epoch {epoch} after step {step}; a checkpoint is saved. To resume:\n  \
         lungs {verb} {}",
        folder.root().display()
    ));
}

/// Sets the number of threads of this process to `runtime.threads`.
pub(super) fn use_threads(spec: &Spec) {
    // Fails only if the pool exists already; that pool uses every core.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(spec.runtime.threads).build_global();
}
