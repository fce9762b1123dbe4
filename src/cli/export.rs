//! `lungs export`

use super::output::Output;
use super::{Done, Failure};
use crate::pipeline::archive::export;
use crate::results::RunFolder;
use clap::Args;
use std::path::PathBuf;

/// Pack a finished run as one file that can be given away, with a model card.
///
/// The archive holds the weights of the selected epoch (of a cross-validation, of each fold), the spec,
/// how series are prepared, the calibration, the figures with intervals, a model card that says what it
/// is for and what it is not, and checksums. Nothing of single exams or patients is in it. `lungs predict
/// --model` takes it. Look at the spec before giving it away: it names the paths of your data.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs export results/demo\n  lungs export results/demo/2026-01-31T10-15-02Z-5f3a9c --out model.zip --notes about.md\n  lungs predict --model model.zip data/new-patient"
)]
pub(super) struct Export {
    /// A finished run. An experiment's folder stands for its newest finished run.
    run: PathBuf,

    /// File to write; default: `<experiment>-<run>.lungs.zip` in the working directory.
    #[arg(long, value_name = "ZIP")]
    out: Option<PathBuf>,

    /// Text for the model card: who made it, on what data, what for.
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
}

impl Export {
    pub fn execute(&self, output: &Output) -> Done {
        let run = RunFolder::find(&self.run)?;
        let notes = self.notes.as_deref().map(|path| {
            let read = std::fs::read_to_string(path);
            read.map_err(|error| {
                Failure::request(format!("cannot read {}: {error}", path.display()))
            })
        });
        let notes = notes.transpose()?;
        let own = || PathBuf::from(run.name().replace('/', "-") + ".lungs.zip");
        let path = self.out.clone().unwrap_or_else(own);
        let done = export(&run, notes.as_deref(), &path)?;
        let networks = match done.networks {
            1 => "one network".to_owned(),
            many => format!("{many} networks"),
        };
        output.answer(format!(
            "{networks}, {:.1} MB: {}\nIts card: MODEL_CARD.md in it. Its spec names the paths of your data.\n\n\
             Research use only: not a medical device.",
            done.bytes as f64 / 1e6,
            path.display()
        ));
        Ok(())
    }
}
