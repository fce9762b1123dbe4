//! `lungs evaluate`

use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::Progress;
use super::run::use_threads;
use super::{CommandResult, Failure};
use crate::pipeline;
use clap::Args;
use lungs_report as report;
use lungs_spec::results::RunFolder;
use lungs_spec::spec::load_resolved;
use std::path::PathBuf;

/// Evaluate runs with the epoch selected so far, and draw their plots.
///
/// Selects an epoch among those trained so far by the rule of the spec, predicts the test split if there is
/// one without predictions, and rewrites `evaluation.json` and the plots. For a cross-validation, evaluates
/// each fold and then the pooled predictions.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c\n  lungs evaluate results/demo/2026-01-31T10-15-02Z-5f3a9c --set evaluate.subgroups=[\"manufacturer\"]"
)]
pub(super) struct Evaluate {
    /// Run folders.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// Override a key of [evaluate], e.g. evaluate.prevalence=0.01; saved with the run. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Use the original labels, lists and images even if they have changed since the run began.
    #[arg(long)]
    keep_inputs: bool,
}

impl Evaluate {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet(), &interrupt);
        for path in &self.runs {
            let folder = RunFolder::open(path)?;
            let spec = load_resolved(&folder.spec_file(), &self.set)?;
            output.report_renamed_keys(&spec);
            let differences = folder.spec()?.result_differences(&spec);
            if let Some(difference) = differences.first() {
                return Err(Failure::request(format!(
                    "--set {}: this key affects training and cannot change after it; expected a key of \
                     [evaluate]",
                    difference.key
                )));
            }
            use_threads(&spec);
            if !self.keep_inputs {
                pipeline::check_inputs(&spec, &folder)?;
            }
            pipeline::evaluate(&spec, &folder, &progress.observer())?;
            for (run, _) in folder.members()? {
                output.answer(report::headline(&run).map_err(Failure::work)?);
            }
            if spec.is_of_all_folds() {
                output.answer(report::headline_of_folds(&folder).map_err(Failure::work)?);
            }
        }
        Ok(())
    }
}
