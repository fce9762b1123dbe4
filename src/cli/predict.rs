//! `lungs predict`

use super::explain::Explain;
use super::interrupt::Interrupt;
use super::output::{Output, columns};
use super::progress::Progress;
use super::run::use_threads;
use super::{CommandResult, Failure};
use crate::pipeline::predict::{Prediction, predict, write_predictions};
use crate::pipeline::{Model, calibration_sentences};
use clap::Args;
use lungs_base::files::is_same_path;
use lungs_base::text::counted;
use lungs_spec::spec::horizon_words;
use std::path::PathBuf;

/// Predict the probability of lung cancer within one year, or within each of several years, for CT series.
///
/// Finds every CT image in each PATH, prepares it with the model's preprocessing and runs the network. A model with
/// outcome.name = "survival" gives a risk for each of its horizons; the column `probability` is the risk at the first
/// horizon. Of a run, the selected epoch is used. Excluded series are listed with the reason. Research use only: not a medical device.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs predict --model results/demo data/new-patient\n  lungs predict --model results/demo data/a data/b --out predictions.csv\n  lungs predict --model results/demo data/a --explain heatmaps\n  lungs predict --model sybil_checkpoints data/new-patient\n  lungs predict --model weights/lungs-0.1.5.safetensors data/new-patient"
)]
pub(super) struct Predict {
    /// A run, an archive of `lungs export`, a weights file (.safetensors, .pt, .pth, .ckpt, model.ckpt-123), or a folder
    /// of .ckpt files, such as the networks of Sybil with their calibrators (.json). Repeat it for an ensemble: the
    /// probabilities of all models, of all folds of a cross-validation, and of all files of a folder are averaged.
    #[arg(long, required = true, value_name = "RUN|FILE|FOLDER")]
    model: Vec<PathBuf>,

    /// Spec with the [preprocess] and model.slices of the training, for weights without metadata.
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,

    /// Use the preprocessing of --spec even if the metadata of the weights differ; predictions may be wrong.
    #[arg(long, requires = "spec")]
    any_preprocessing: bool,

    /// Folders, searched recursively, or files with CT images (DICOM series, NIfTI, MetaImage, prepared
    /// .npz).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Write the predictions to a CSV file instead of printing a table.
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,

    /// Folder for prepared series, kept for the next call. Default: a temporary folder
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,

    /// Device: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,

    #[command(flatten)]
    explain: Explain,
}

impl Predict {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let interrupt = Interrupt::listen();
        let progress = Progress::new(output.is_quiet() || self.out.is_none(), &interrupt);
        let models = self.models()?;
        let horizons: Vec<f64> =
            models.first().map_or_else(Vec::new, |model| model.spec.outcome.horizons().to_vec());
        let calibrations = calibration_sentences(&models);
        let temporary = tempfile::tempdir().map_err(Failure::work)?;
        let cache = self.cache.as_deref().unwrap_or(temporary.path());
        let cache = (cache, self.cache.is_some());
        let explaining = self.explain.settings(&self.paths)?;
        let (rows, explanations) = predict(
            models,
            &self.paths,
            cache,
            &self.device,
            explaining.as_ref(),
            &progress.observer(),
        )?;
        match &self.out {
            Some(path) => {
                write_predictions(path, &horizons, &rows)?;
                output.say(format!("{} series in {}", rows.len(), path.display()));
            }
            None => output.answer(table(&rows, &horizons)),
        }
        calibrations.iter().for_each(|line| output.say(line));
        if let Some(settings) = &explaining {
            for row in explanations.iter().filter(|row| !row.reason.is_empty()) {
                output.say(format!("no heatmap: {}: {}", row.path, row.reason));
            }
            let explained = explanations.iter().filter(|row| row.reason.is_empty()).count();
            let table = settings.table();
            let heatmaps = counted(explained, "heatmap", "heatmaps");
            output.say(format!("\n{heatmaps}, listed in {}", table.display()));
        }
        output.say("\nResearch use only: not a medical device.");
        if rows.iter().any(|row| row.probability.is_some()) {
            Ok(())
        } else {
            Err(Failure::work("no series could be predicted"))
        }
    }
}

impl Predict {
    /// The networks of all models, in the order of the arguments.
    fn models(&self) -> Result<Vec<Model>, Failure> {
        let mut models: Vec<Model> = Vec::new();
        for path in &self.model {
            let members = Model::open_all(path, self.spec.as_deref(), self.any_preprocessing)?;
            let is_known = |new: &&Model| models.iter().any(|it| is_same_path(&it.path, &new.path));
            if let Some(model) = members.iter().find(is_known) {
                return Err(Failure::request(format!(
                    "--model {}: {} is in the ensemble already, expected different models; remove one of the two",
                    path.display(),
                    model.path.display()
                )));
            }
            members.iter().for_each(|model| use_threads(&model.spec));
            models.extend(members);
        }
        Ok(models)
    }
}

fn table(rows: &[Prediction], horizons: &[f64]) -> String {
    // The column of calibrated probabilities is shown only if a row has one.
    let calibrated = rows.iter().any(|row| row.calibrated_probability.is_some());
    let words = |head: &str| vec![head.to_owned()];
    let mut heading = if horizons.is_empty() { words("probability") } else { Vec::new() };
    heading.extend(horizons.iter().map(|years| horizon_words(*years)));
    if calibrated {
        let of =
            horizons.first().map_or(String::new(), |years| format!(", {}", horizon_words(*years)));
        heading.push(format!("calibrated{of}"));
    }
    heading.extend(["patient", "series", "path / reason"].map(str::to_owned));
    let mut lines = vec![heading];
    let cell = |p: Option<f64>| p.map_or("–".into(), |p| format!("{p:.4}"));
    lines.extend(rows.iter().map(|row| {
        let mut line = if horizons.is_empty() { vec![cell(row.probability)] } else { Vec::new() };
        line.extend((0..horizons.len()).map(|index| cell(row.risks.get(index).copied())));
        if calibrated {
            line.push(cell(row.calibrated_probability));
        }
        line.extend([
            row.patient_id.clone(),
            row.series_uid.clone(),
            match (row.reason.is_empty(), row.series_uid.is_empty()) {
                (true, _) => row.path.clone(),
                (false, true) => format!("{}: {}", row.path, row.reason),
                (false, false) => row.reason.clone(),
            },
        ]);
        line
    }));
    let table = columns(&lines);
    if horizons.is_empty() { table } else { format!("Risk of lung cancer within\n{table}") }
}
