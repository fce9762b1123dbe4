//! `lungs plot`

use super::output::Output;
use super::{Done, Failure};
use crate::pipeline;
use crate::report::{self, preparation::redraw_preparation};
use crate::results::{EventFiles, ResultsError, RunFolder};
use crate::sweep::runs_at;
use clap::Args;
use std::path::PathBuf;

/// Draw a run's plots and pages again, from its tables alone.
///
/// The same tables give the same bytes, but for the times in event files.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs plot results/demo/2026-01-31T10-15-02Z-5f3a9c")]
pub(super) struct Plot {
    /// Run folders. An experiment's folder stands for its newest finished run, a sweep's folder for all its
    /// finished runs.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// Also write TensorBoard's event files, for runs that have none.
    #[arg(long)]
    tensorboard: bool,
}

impl Plot {
    pub fn execute(&self, output: &Output) -> Done {
        let mut runs: Vec<RunFolder> = Vec::new();
        for path in &self.runs {
            runs.extend(runs_at(path)?);
        }
        for whole in runs {
            if whole.cross_validation_file().is_file() {
                let cache = pipeline::cache_folder(&whole.spec()?);
                let drawn = report::redraw_folds(&whole, &cache).map_err(Failure::work)?;
                output.say(format!("{} files in {}", drawn.len(), whole.plots().display()));
            }
            for (run, spec) in whole.members()? {
                let cache = pipeline::cache_folder(&spec);
                if let Some(page) = redraw_preparation(&run, &cache).map_err(Failure::work)? {
                    output.say(format!("quality page in {}", page.display()));
                }
                let drawn = report::redraw(&run, &cache).map_err(Failure::work)?;
                output.say(format!("{} files in {}", drawn.len(), run.plots().display()));
                for file in drawn {
                    output.detail(format!("  {}", file.display()));
                }
                let wanted = self.tensorboard || spec.train.tensorboard;
                if wanted || run.tensorboard().is_dir() {
                    event_files(&run, output)?;
                }
            }
        }
        Ok(())
    }
}

/// Makes TensorBoard's files say what the tables say; a run at work does so itself.
fn event_files(run: &RunFolder, output: &Output) -> Done {
    let _lock = match run.lock() {
        Ok(lock) => lock,
        Err(ResultsError::InUse { .. }) => {
            output.say("a process works in this run: its TensorBoard files are its own");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for file in EventFiles::redraw(run)? {
        output.detail(format!("  {}", file.display()));
    }
    output.say(format!("events in {}", run.tensorboard().display()));
    Ok(())
}
