//! `lungs run`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::slurm::{After, Call, Submission};
use super::{Done, Failure};
use crate::cohort::SplitLists;
use crate::pipeline::{self, LastStage, PipelineError};
use crate::report;
use crate::results::{RunFolder, find_run};
use crate::spec::{Overrides, Spec, load, load_resolved};
use crate::training::{self, Outcome};
use clap::Args;
use std::path::{Path, PathBuf};

/// Run an experiment, or continue it where it stopped.
///
/// Given a spec, a run of the same spec is continued if there is one, else a new one begins.
/// Given a run folder, that run is continued.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs run experiments/demo.toml\n  lungs run experiments/baseline.toml --set train.epochs=10 --set runtime.device=cuda:1\n  lungs run results/demo/2026-01-31T10-15-02Z-5f3a9c     continue this run"
)]
pub(super) struct Run {
    #[command(flatten)]
    which: Which,
}

/// Train alone: everything that `run` does but the final evaluation and plots.
///
/// Continues like `run`; a following `lungs run` or `lungs evaluate` does the rest.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs train experiments/baseline.toml\n  lungs train results/demo/2026-01-31T10-15-02Z-5f3a9c     continue this run"
)]
pub(super) struct Train {
    #[command(flatten)]
    which: Which,
}

/// Which run is meant.
#[derive(Args)]
struct Which {
    /// A spec (.toml), or the folder of a run to continue.
    spec: PathBuf,

    /// Override a key of the spec, as train.epochs=10. Can be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Start a new run even if a run of the same spec exists.
    #[arg(long)]
    fresh: bool,

    /// Continue with the original labels, lists and scans although they have changed.
    #[arg(long, conflicts_with = "fresh")]
    keep_inputs: bool,

    /// Show training curves in the terminal; `q` stops with a checkpoint.
    #[arg(long, conflicts_with = "slurm")]
    tui: bool,

    #[command(flatten)]
    submission: Submission,

    /// Stop with a checkpoint when standard input closes.
    #[arg(long, hide = true)]
    tethered: bool,
}

impl Run {
    pub fn execute(&self, output: &Output) -> Done {
        self.which.work(output, LastStage::Report)
    }
}

impl Train {
    pub fn execute(&self, output: &Output) -> Done {
        self.which.work(output, LastStage::Training)
    }
}

impl Which {
    fn work(&self, output: &Output, until: LastStage) -> Done {
        if self.submission.slurm {
            return self.submit(output, until);
        }
        // Before the folder is there: whoever sees it may signal at once.
        let interrupt = Interrupt::listen();
        if self.tethered {
            Interrupt::stop_when_input_ends();
        }
        let (spec, folder) = self.find()?;
        use_threads(&spec);
        if !self.keep_inputs {
            pipeline::check_inputs(&spec, &folder)?;
        }
        if spec.is_of_all_folds() {
            return self.cross_validate(&spec, &folder, output, until, &interrupt);
        }
        if folder.is_finished() {
            if !folder.has_metrics_of(&spec)? {
                return self.evaluate_anew(&spec, &folder, output, &interrupt);
            }
            output.say(format!("{} is finished already.", folder.root().display()));
            output.say("`--fresh` begins a new run; `lungs plot` draws its plots again.\n");
            output.answer(report::headline(&folder).map_err(Failure::work)?);
            return Ok(());
        }
        output.say(format!("{} → {}", spec.experiment.name, folder.root().display()));
        let progress = self.progress(&spec, output, &interrupt);
        let outcome = pipeline::run(&spec, &folder, until, &interrupt.interrupter, &progress)?;
        match outcome {
            Outcome::Interrupted { epoch, step } => {
                tell_how_to_continue(output, until, &folder, (epoch, step));
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            Outcome::Finished { selected, last } if until == LastStage::Training => {
                output.answer(format!(
                    "\nTrained {last} epochs; epoch {selected} is selected. For figures and plots:\n  \
                     lungs evaluate {}",
                    folder.root().display()
                ));
                Ok(())
            }
            Outcome::Finished { .. } => {
                output.answer("");
                output.answer(report::headline(&folder).map_err(Failure::work)?);
                Ok(())
            }
        }
    }

    /// Gives a finished run the figures that its spec asks for now.
    fn evaluate_anew(
        &self,
        spec: &Spec,
        folder: &RunFolder,
        output: &Output,
        interrupt: &Interrupt,
    ) -> Done {
        output.say(format!(
            "{} is trained; other figures than it has are wanted: they are computed anew.\n",
            folder.root().display()
        ));
        pipeline::evaluate(spec, folder, &self.progress(spec, output, interrupt))?;
        let headline = if spec.is_of_all_folds() {
            report::headline_of_folds(folder)
        } else {
            report::headline(folder)
        };
        output.answer(headline.map_err(Failure::work)?);
        Ok(())
    }

    /// Who watches: a dashboard where one is asked for and can be.
    fn progress<'a>(&self, spec: &Spec, output: &Output, interrupt: &'a Interrupt) -> Progress<'a> {
        let progress = Progress::new(output.is_quiet(), interrupt);
        if self.tui { progress.with_dashboard(&spec.experiment.name) } else { progress }
    }

    /// Runs every fold of a cross-validation, or what is left of them.
    fn cross_validate(
        &self,
        spec: &Spec,
        folder: &RunFolder,
        output: &Output,
        until: LastStage,
        interrupt: &Interrupt,
    ) -> Done {
        if folder.cross_validation_file().is_file() {
            if !folder.has_metrics_of(spec)? {
                return self.evaluate_anew(spec, folder, output, interrupt);
            }
            output.say(format!("{} is finished already.", folder.root().display()));
            output.say("`--fresh` begins a new one.\n");
            output.answer(report::headline_of_folds(folder).map_err(Failure::work)?);
            return Ok(());
        }
        output.say(format!("{} → {}", spec.experiment.name, folder.root().display()));
        let progress = self.progress(spec, output, interrupt);
        let interrupter = &interrupt.interrupter;
        match pipeline::cross_validate(spec, folder, until, interrupter, &progress)? {
            Outcome::Interrupted { epoch, step } => {
                tell_how_to_continue(output, until, folder, (epoch, step));
                Err(Failure::Stopped(interrupt.exit_code()))
            }
            Outcome::Finished { .. } if until == LastStage::Training => {
                output.answer(format!(
                    "\nTrained {} folds. For figures:\n  lungs run {}",
                    spec.split.folds,
                    folder.root().display()
                ));
                Ok(())
            }
            Outcome::Finished { .. } => {
                output.answer(format!(
                    "\n{}",
                    report::headline_of_folds(folder).map_err(Failure::work)?
                ));
                Ok(())
            }
        }
    }

    /// The spec, and the folder to work in where there is one.
    fn look(&self) -> Result<(Spec, Option<RunFolder>), Failure> {
        if self.spec.is_dir() {
            let (spec, folder) = self.open(&self.spec)?;
            return Ok((spec, Some(folder)));
        }
        let spec = load(&self.spec, &Overrides::from_process(&self.set))?;
        let known = if self.fresh { None } else { find_run(&spec) };
        Ok((spec, known))
    }

    /// The spec and the folder to work in.
    fn find(&self) -> Result<(Spec, RunFolder), Failure> {
        let (spec, known) = self.look()?;
        let folder = match known {
            Some(folder) => folder,
            None => {
                // Weights and lists that cannot be used leave no folder of a run that never was.
                training::initial_weights(&spec).map_err(PipelineError::from)?;
                SplitLists::read(&spec).map_err(Failure::request)?;
                RunFolder::create(&spec)?
            }
        };
        Ok((spec, folder))
    }

    /// Gives the run to Slurm, after its preparation where that is shared among jobs.
    fn submit(&self, output: &Output, until: LastStage) -> Done {
        let (spec, known) = self.look()?;
        let (root, changes) = match known {
            Some(run) => {
                if !self.keep_inputs {
                    pipeline::check_inputs(&spec, &run)?;
                }
                if run.is_finished() && run.has_metrics_of(&spec)? {
                    output.say(format!("{} is finished already.", run.root().display()));
                    return Ok(());
                }
                // The kept spec may differ in what does not affect results.
                (run.root().to_owned(), spec.settings_over(&run.spec()?))
            }
            None if self.submission.dry_run => (RunFolder::planned(&spec), Vec::new()),
            None => (self.find()?.1.root().to_owned(), Vec::new()),
        };
        let set: Vec<String> = changes.into_iter().flat_map(|key| ["--set".into(), key]).collect();
        let call = Call { spec: &spec, folder: &root, submission: &self.submission };
        let verb = if until == LastStage::Training { "train" } else { "run" };
        let keep = self.keep_inputs.then(|| "--keep-inputs".to_owned());
        let command = [vec![verb.to_owned(), root.display().to_string()], set.clone()].concat();
        let command = command.into_iter().chain(keep).collect();
        let about = format!("One run, by `lungs {verb} --slurm`.");
        let run = call.job("run", &about, command)?.training();
        if spec.slurm.shards == 0 {
            return call.submit(&[(run, None)], output);
        }
        let kept = root.join("spec.toml").display().to_string();
        let parts = call.preparation([vec!["prepare".to_owned(), kept], set].concat())?;
        call.submit(&[(parts, None), (run, Some(After::Success))], output)
    }

    /// An old run, with the keys of `--set` where they do not affect results.
    fn open(&self, path: &Path) -> Result<(Spec, RunFolder), Failure> {
        let folder = RunFolder::open(path)?;
        if self.fresh {
            return Err(Failure::request(
                "`--fresh` begins a new run and needs a spec, not the folder of a run",
            ));
        }
        let kept = folder.spec()?;
        let spec = load_resolved(&folder.spec_file(), &self.set)?;
        let differences = kept.result_differences(&spec);
        if differences.is_empty() {
            return Ok((spec, folder));
        }
        let told: Vec<String> = differences
            .iter()
            .map(|difference| {
                let value = |place: usize| {
                    difference.values[place].clone().unwrap_or_else(|| "unset".into())
                };
                format!("  {}: {} in the run, {} asked for", difference.key, value(0), value(1))
            })
            .collect();
        Err(Failure::request(format!(
            "{} cannot be continued with other keys that affect its results:\n{}\nGive a spec with \
             these keys instead of the run folder: that begins a new run",
            path.display(),
            told.join("\n")
        )))
    }
}

fn tell_how_to_continue(
    output: &Output,
    until: LastStage,
    folder: &RunFolder,
    (epoch, step): (usize, usize),
) {
    let verb = if until == LastStage::Training { "train" } else { "run" };
    output.answer(format!(
        "\nStopped in epoch {epoch} after step {step}; everything is kept. To continue:\n  \
         lungs {verb} {}",
        folder.root().display()
    ));
}

/// Sets the number of threads of this process, as the spec wants it.
pub(super) fn use_threads(spec: &Spec) {
    // An error says that the pool is there already, with every core: good enough.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(spec.runtime.threads).build_global();
}
