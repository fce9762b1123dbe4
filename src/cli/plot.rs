//! `lungs plot`

use super::output::Output;
use super::{Done, Failure};
use crate::pipeline;
use crate::report::{self, preparation::redraw_preparation};
use crate::results::RunFolder;
use clap::Args;
use std::path::PathBuf;

/// Draw a run's plots and its quality control page again, from its tables alone.
///
/// The same tables give the same bytes.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs plot results/demo/2026-01-31T10-15-02Z-5f3a9c")]
pub(super) struct Plot {
    /// Run folders; given the folder of an experiment, its newest finished run is taken.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
}

impl Plot {
    pub fn execute(&self, output: &Output) -> Done {
        for path in &self.runs {
            for (run, spec) in RunFolder::find(path)?.members()? {
                let cache = pipeline::cache_folder(&spec);
                if let Some(page) = redraw_preparation(&run, &cache).map_err(Failure::work)? {
                    output.say(format!("quality page in {}", page.display()));
                }
                let drawn = report::redraw(&run).map_err(Failure::work)?;
                output.say(format!("{} files in {}", drawn.len(), run.plots().display()));
                for file in drawn {
                    output.detail(format!("  {}", file.display()));
                }
            }
        }
        Ok(())
    }
}
