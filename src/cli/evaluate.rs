//! `lungs evaluate`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::run::use_threads;
use super::{Done, Failure};
use crate::pipeline;
use crate::report;
use crate::results::RunFolder;
use crate::spec::load_resolved;
use clap::Args;
use std::path::PathBuf;

/// Evaluate runs with their best epoch so far, and draw their plots.
///
/// Takes the epoch that the spec selects among those trained so far, scores the test part with it
/// where there is one that it has not scored yet, and writes `evaluation.json` and plots anew. Of a cross-validation, every fold,
/// and then their pooled predictions.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c --set evaluate.subgroups=[\"manufacturer\"]"
)]
pub(super) struct Evaluate {
    /// Run folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// Other figures than the run was asked for, as evaluate.prevalence=0.01; kept with the run. Can
    /// be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Continue with the original labels, lists and scans although they have changed.
    #[arg(long)]
    keep_inputs: bool,
}

impl Evaluate {
    pub fn execute(&self, output: &Output) -> Done {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        for path in &self.runs {
            let whole = RunFolder::open(path)?;
            let spec = load_resolved(&whole.spec_file(), &self.set)?;
            let others = whole.spec()?.result_differences(&spec);
            if let Some(other) = others.first() {
                return Err(Failure::request(format!(
                    "{} affects what the run has learned and cannot be set here; keys of \
                     [evaluate] can",
                    other.key
                )));
            }
            use_threads(&spec);
            if !self.keep_inputs {
                pipeline::check_inputs(&spec, &whole)?;
            }
            pipeline::evaluate(&spec, &whole, &progress)?;
            for (run, _) in whole.members()? {
                output.answer(report::headline(&run).map_err(Failure::work)?);
            }
            if spec.is_of_all_folds() {
                output.answer(report::headline_of_folds(&whole).map_err(Failure::work)?);
            }
        }
        Ok(())
    }
}
