//! `lungs export`

use super::output::Output;
use super::{CommandResult, Failure};
use crate::pipeline::archive::export;
use clap::Args;
use lungs_base::text::counted;
use lungs_spec::results::RunFolder;
use std::path::PathBuf;

/// Export a finished run as one archive with a model card, for `lungs predict --model`.
///
/// The archive contains the weights of the selected epoch (of each fold for a cross-validation), the spec,
/// the preprocessing, the calibration, the metrics with confidence intervals, a model card with intended
/// use and limitations, and checksums. It contains no data of single exams or patients. Check the spec
/// before you share the archive: it contains the paths of your data.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs export results/demo\n  lungs export results/demo/2026-01-31T10-15-02Z-5f3a9c --out model.zip \\\n      --notes about.md\n  lungs predict --model model.zip data/new-patient"
)]
pub(super) struct Export {
    /// A finished run, or the folder of an experiment for its newest finished run.
    run: PathBuf,

    /// Output file. [default: `<experiment>-<run>.lungs.zip` in the working directory]
    #[arg(long, value_name = "ZIP")]
    out: Option<PathBuf>,

    /// Text file for the model card, e.g. authors, training data and purpose.
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
}

impl Export {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let run = RunFolder::find(&self.run)?;
        if run.is_external() {
            return Err(Failure::request(format!(
                "{} is the evaluation of a model on other exams and has no network, expected a run; export the model \
                 that it evaluated",
                run.root().display()
            )));
        }
        let notes = self.notes.as_deref().map(|path| {
            let read = std::fs::read_to_string(path);
            read.map_err(|error| {
                Failure::request(format!("cannot read {}: {error}", path.display()))
            })
        });
        let notes = notes.transpose()?;
        let default_path = || PathBuf::from(run.name().replace('/', "-") + ".lungs.zip");
        let path = self.out.clone().unwrap_or_else(default_path);
        let archive = export(&run, notes.as_deref(), &path)?;
        let networks = counted(archive.networks, "network", "networks");
        output.answer(format!(
            "{networks}, {:.1} MB: {}\nModel card: MODEL_CARD.md in the archive. The spec in it contains the paths of your data.\n\n\
             Research use only: not a medical device.",
            archive.bytes as f64 / 1e6,
            path.display()
        ));
        Ok(())
    }
}
