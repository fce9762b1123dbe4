//! `lungs plot`

use super::CommandResult;
use super::output::Output;
use crate::pipeline;
use crate::sweep::find_runs;
use clap::Args;
use lungs_base::text::counted;
use lungs_report::{self as report, preparation::redraw_preparation};
use lungs_spec::results::{EventFiles, ResultsError, RunFolder};
use std::path::PathBuf;

/// Redraw the plots and pages of runs from their tables.
///
/// The same tables give identical files, except for the times in TensorBoard's event files.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs plot results/demo/2026-01-31T10-15-02Z-5f3a9c")]
pub(super) struct Plot {
    /// Run folders, folders of experiments (newest finished run) or folders of sweeps (all finished runs).
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// Write TensorBoard's event files also for runs without them.
    #[arg(long)]
    tensorboard: bool,
}

impl Plot {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let mut runs: Vec<RunFolder> = Vec::new();
        for path in &self.runs {
            runs.extend(find_runs(path)?);
        }
        for folder in runs {
            if folder.cross_validation_file().is_file() {
                let cache = pipeline::cache_folder(&folder.spec()?);
                let files = report::redraw_folds(&folder, &cache)?;
                output.say(format!(
                    "{} in {}",
                    counted(files.len(), "file", "files"),
                    folder.plots().display()
                ));
            }
            for (run, spec) in folder.members()? {
                let cache = pipeline::cache_folder(&spec);
                if let Some(page) = redraw_preparation(&run, &cache)? {
                    output.say(format!("quality page in {}", page.display()));
                }
                let files = report::redraw(&run, &cache)?;
                output.say(format!(
                    "{} in {}",
                    counted(files.len(), "file", "files"),
                    run.plots().display()
                ));
                for file in files {
                    output.detail(format!("  {}", file.display()));
                }
                let requested = (self.tensorboard || spec.train.tensorboard) && !run.is_external();
                if requested || run.tensorboard().is_dir() {
                    write_event_files(&run, output)?;
                }
            }
        }
        Ok(())
    }
}

/// Rewrites TensorBoard's event files from the tables. Skips a running run, which writes them itself.
fn write_event_files(run: &RunFolder, output: &Output) -> CommandResult {
    let _lock = match run.lock() {
        Ok(lock) => lock,
        Err(ResultsError::InUse { .. }) => {
            output.say("event files not rewritten: another process is running this run");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for file in EventFiles::redraw(run)? {
        output.detail(format!("  {}", file.display()));
    }
    output.say(format!("event files in {}", run.tensorboard().display()));
    Ok(())
}
