//! `lungs predict`

use super::explain::Explain;
use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::{Done, Failure};
use crate::pipeline::predict::{Model, Prediction, predict};
use crate::results::write_csv;
use clap::Args;
use std::path::PathBuf;

/// Probability of lung cancer within one year for CT series.
///
/// Every CT image in the paths is prepared as the model says and scored, dropout off; a run stands
/// for the weights of its selected epoch. Series that cannot be used are listed with the reason.
/// Research use only: not a medical device.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs predict --model results/demo/2026-01-31T10-15-02Z-5f3a9c data/new-patient\n  lungs predict --model RUN data/a data/b --out predictions.csv\n  lungs predict --model RUN data/a --explain looked-at\n  lungs predict --model weights/lungs-0.1.5.safetensors data/new-patient"
)]
pub(super) struct Predict {
    /// A run, a model that `lungs export` wrote, or a file of weights (.safetensors, .pt, .pth,
    /// model.ckpt-123). Given several times, the models are an ensemble: their probabilities are
    /// averaged. So are those of the folds of a cross-validation.
    #[arg(long, required = true, value_name = "RUN|FILE")]
    model: Vec<PathBuf>,

    /// Spec with the [preprocess] and model.slices of the training, for weights without this metadata.
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,

    /// Use the preprocessing of --spec even where the metadata of the weights differ.
    #[arg(long, requires = "spec")]
    any_preprocessing: bool,

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

    #[command(flatten)]
    explain: Explain,
}

impl Predict {
    pub fn execute(&self, output: &Output) -> Done {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet() || self.out.is_none(), &interrupt);
        let mut models = Vec::new();
        for path in &self.model {
            let opened = Model::open_all(path, self.spec.as_deref(), self.any_preprocessing)?;
            opened.iter().for_each(|model| use_threads(&model.spec));
            models.extend(opened);
        }
        let told: Vec<String> = models.iter().filter_map(Model::calibration).collect();
        let temporary = tempfile::tempdir().map_err(Failure::work)?;
        let cache = self.cache.as_deref().unwrap_or(temporary.path());
        let cache = (cache, self.cache.is_some());
        let explaining = self.explain.wanted(&self.paths)?;
        let (rows, explanations) =
            predict(models, &self.paths, cache, &self.device, explaining.as_ref(), &progress)?;
        match &self.out {
            Some(path) => {
                write_csv(path, &rows)?;
                output.say(format!("{} series in {}", rows.len(), path.display()));
            }
            None => output.answer(table(&rows)),
        }
        told.iter().for_each(|line| output.say(line));
        if let Some(wanted) = &explaining {
            for row in explanations.iter().filter(|row| !row.reason.is_empty()) {
                output.say(format!("not explained: {}: {}", row.path, row.reason));
            }
            let explained = explanations.iter().filter(|row| row.reason.is_empty()).count();
            let table = wanted.table();
            let maps = if explained == 1 { "map with a picture" } else { "maps with pictures" };
            output.say(format!("\n{explained} {maps}, listed in {}", table.display()));
        }
        output.say("\nResearch use only: not a medical device.");
        if rows.iter().any(|row| row.probability.is_some()) {
            Ok(())
        } else {
            Err(Failure::work("none of the series could be scored"))
        }
    }
}

fn table(rows: &[Prediction]) -> String {
    // A column for calibrated probabilities only where there are some.
    let calibrated = rows.iter().any(|row| row.calibrated_probability.is_some());
    let mut heading = vec!["probability", "patient", "series", "path / reason"];
    if calibrated {
        heading.insert(1, "calibrated");
    }
    let mut lines = vec![heading.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let told = |p: Option<f64>| p.map_or("–".into(), |p| format!("{p:.4}"));
    lines.extend(rows.iter().map(|row| {
        let mut line = vec![told(row.probability)];
        if calibrated {
            line.push(told(row.calibrated_probability));
        }
        line.extend([
            row.patient.clone(),
            row.series.clone(),
            match (row.reason.is_empty(), row.series.is_empty()) {
                (true, _) => row.path.clone(),
                (false, true) => format!("{}: {}", row.path, row.reason),
                (false, false) => row.reason.clone(),
            },
        ]);
        line
    }));
    columns(&lines)
}
