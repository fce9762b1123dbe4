//! `lungs evaluate`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::run::use_threads;
use super::{Done, Failure};
use crate::pipeline;
use crate::report;
use crate::results::RunFolder;
use clap::Args;
use std::path::PathBuf;

/// Evaluate runs as far as they have trained, and draw their plots.
///
/// Takes the epoch that the spec selects among those trained so far, scores the test part with it
/// if there is one, and writes `evaluation.json` and plots anew. Of a cross-validation, every fold,
/// and then their pooled predictions.
#[derive(Args)]
#[command(after_help = "Example:\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c")]
pub(super) struct Evaluate {
    /// Run folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
}

impl Evaluate {
    pub fn execute(&self, output: &Output) -> Done {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        for path in &self.runs {
            let whole = RunFolder::open(path)?;
            let members = whole.members()?;
            for (run, spec) in &members {
                use_threads(spec);
                pipeline::evaluate_run(spec, run, &progress)?;
                output.answer(report::headline(run).map_err(Failure::work)?);
            }
            let spec = whole.spec()?;
            if spec.is_of_all_folds() {
                let _lock = whole.lock()?;
                let folds: Vec<RunFolder> = members.into_iter().map(|(run, _)| run).collect();
                report::pool(&spec, &whole, &folds).map_err(Failure::work)?;
                output.answer(report::headline_of_folds(&whole).map_err(Failure::work)?);
            }
        }
        Ok(())
    }
}
