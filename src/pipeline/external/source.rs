//! A trained model, and what is known about its development.

use super::super::archive::{Unpacked, is_archive, unpack};
use super::super::calibration::Calibration;
use super::super::model::Model;
use super::super::{PipelineError, settings};
use lungs_report::{self as report, External, ModelKind};
use lungs_spec::results::RunFolder;
use lungs_spec::spec::Spec;
use std::collections::BTreeMap;
use std::path::Path;

/// A trained model.
pub(super) struct Source {
    /// Its networks.
    pub models: Vec<Model>,
    /// Its spec: of the run or archive, or the preprocessing of weights with defaults.
    pub spec: Spec,
    /// The content of `external.json`, without exams in common.
    pub external: External,
    /// The run or cross-validation.
    pub run: Option<RunFolder>,
    /// A run with the cohort of the development.
    pub development: Option<RunFolder>,
}

/// The files that describe a model.
enum Description {
    Run(RunFolder),
    Archive(Unpacked),
    None,
}

impl Source {
    /// Opens a run, the folds of a cross-validation, an archive or weights.
    ///
    /// # Errors
    /// The model cannot be read, its networks have different preprocessing, or its run is not finished.
    pub(super) fn open(
        path: &Path,
        spec: Option<&Path>,
        any_preprocessing: bool,
    ) -> Result<Self, PipelineError> {
        let models = Model::open_all(path, spec, any_preprocessing)?;
        let Some(first) = models.first() else {
            return Err(PipelineError::InvalidWeights {
                path: path.to_owned(),
                reason: "found no network, expected at least one".to_owned(),
            });
        };
        if let Some(other) = models.iter().find(|it| settings(&it.spec) != settings(&first.spec)) {
            return Err(PipelineError::MixedPreparation {
                first: first.path.clone(),
                second: other.path.clone(),
            });
        }
        if let Some(other) = models.iter().find(|it| it.spec.outcome != first.spec.outcome) {
            return Err(PipelineError::MixedOutcomes {
                first: first.path.clone(),
                second: other.path.clone(),
            });
        }
        let description = match RunFolder::find(path) {
            Ok(run) => Description::Run(run),
            Err(_) if is_archive(path) => Description::Archive(unpack(path)?),
            Err(_) => Description::None,
        };
        let mut external = External {
            model: path.display().to_string(),
            kind: ModelKind::Weights,
            networks: models.iter().map(Model::fingerprint).collect(),
            selected_epoch: None,
            calibration: Calibration::of(&models).hash(),
            development: BTreeMap::new(),
            overlap: None,
        };
        let (spec, run, development) = match description {
            Description::Run(run) => {
                let is_folded = run.spec()?.is_of_all_folds();
                external.model = run.root().display().to_string();
                external.kind = if is_folded { ModelKind::CrossValidation } else { ModelKind::Run };
                describe(&mut external, &run, is_folded)?;
                let development = run.members()?.into_iter().next().map(|(run, _)| run);
                (first.spec.clone(), Some(run), development)
            }
            Description::Archive(unpacked) => {
                let run = RunFolder::open(unpacked.folder())?;
                let stored = run.spec()?;
                external.kind = ModelKind::Archive;
                describe(&mut external, &run, stored.is_of_all_folds())?;
                // A requested spec replaces the preprocessing.
                (if spec.is_some() { first.spec.clone() } else { stored }, None, None)
            }
            Description::None => (first.spec.named(&plain_name(path)), None, None),
        };
        Ok(Self { models, spec, external, run, development })
    }
}

/// Adds the metrics of a finished run or cross-validation.
fn describe(
    external: &mut External,
    run: &RunFolder,
    is_folded: bool,
) -> Result<(), PipelineError> {
    if is_folded {
        let pooled = report::cross_validation(run)?.pooled;
        external.development = BTreeMap::from([("out-of-fold".to_owned(), pooled)]);
    } else {
        let summary = report::summary(run)?;
        external.selected_epoch = Some(summary.selected_epoch);
        external.development = summary.splits;
    }
    Ok(())
}

/// The name of a file of weights as the name of an experiment.
fn plain_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(plain).collect();
    let name = name.trim_start_matches('.').to_owned();
    if name.is_empty() { "weights".to_owned() } else { name }
}
