//! `lungs predict`

use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::{Done, Failure};
use crate::pipeline::predict::{Prediction, predict};
use crate::results::{RunFolder, write_csv};
use clap::Args;
use std::path::PathBuf;

/// Probability of lung cancer within one year for CT series.
///
/// Every CT image in the paths is prepared as the run's spec says and scored with the weights of
/// its selected epoch, dropout off. Series that cannot be used are listed with the reason.
/// Research use only: not a medical device.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs predict --model results/demo/2026-01-31T10-15-02Z-5f3a9c data/new-patient\n  lungs predict --model RUN data/a data/b --out predictions.csv"
)]
pub(super) struct Predict {
    /// Folder of a finished run. Given several times, the runs are an ensemble: their
    /// probabilities are averaged. So are those of the folds of a cross-validation.
    #[arg(long, required = true, value_name = "RUN")]
    model: Vec<PathBuf>,

    /// Folders with CT images (DICOM series, NIfTI, MetaImage, prepared .npz), at any depth, or
    /// single files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,

    /// Write a CSV instead of a table.
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,

    /// Keep prepared series here; default: a temporary folder that is removed.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,

    /// Where the network runs: auto, cpu, cuda, cuda:1.
    #[arg(long, default_value = "auto")]
    device: String,
}

impl Predict {
    pub fn execute(&self, output: &Output) -> Done {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet() || self.out.is_none(), &interrupt);
        let mut runs = Vec::new();
        for path in &self.model {
            runs.extend(RunFolder::find(path)?.members()?);
        }
        if let Some((_, spec)) = runs.first() {
            use_threads(spec);
        }
        let temporary = tempfile::tempdir().map_err(Failure::work)?;
        let cache = self.cache.as_deref().unwrap_or(temporary.path());
        let cache = (cache, self.cache.is_some());
        let rows = predict(&runs, &self.paths, cache, &self.device, &progress)?;
        match &self.out {
            Some(path) => {
                write_csv(path, &rows)?;
                output.say(format!("{} series in {}", rows.len(), path.display()));
            }
            None => output.answer(table(&rows)),
        }
        output.say("\nResearch use only: not a medical device.");
        match rows.iter().any(|row| row.probability.is_some()) {
            true => Ok(()),
            false => Err(Failure::work("none of the series could be scored")),
        }
    }
}

fn table(rows: &[Prediction]) -> String {
    let mut lines =
        vec![["probability", "patient", "series", "path / reason"].map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.probability.map_or("–".into(), |p| format!("{p:.4}")),
            row.patient.clone(),
            row.series.clone(),
            match (row.reason.is_empty(), row.series.is_empty()) {
                (true, _) => row.path.clone(),
                (false, true) => format!("{}: {}", row.path, row.reason),
                (false, false) => row.reason.clone(),
            },
        ]
    }));
    columns(&lines)
}
