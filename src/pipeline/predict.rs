//! Predictions of trained networks for CT series without a cohort.

use super::archive::{is_archive, unpack};
use super::explain::{ExplainOptions, ExplainedModel, Explanation, explain};
pub use super::prediction::Prediction;
use super::{
    ImageSet, PipelineError, Stages, StoredCalibration, images_of, prepare_images,
    report_passed_over, settings,
};
use burn::module::Module;

use lungs_image::images::Image;
use lungs_net::device::{self, DeviceRequest};
use lungs_net::weights::{self, LoadedNetwork};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{Contract, Spec, load_preparation};
use lungs_stats::Calibrator;
use lungs_study::prepare::Status;
use lungs_train::{self as training, Exam};
use std::path::{Path, PathBuf};

/// A trained network and its preprocessing.
pub struct Model {
    path: PathBuf,
    /// Spec with the preprocessing; for a run, the spec of the run.
    pub spec: Spec,
    loaded: LoadedNetwork,
    calibration: Option<StoredCalibration>,
}

impl Model {
    /// Opens all networks of a path: the folds of a cross-validation, the networks of a model archive, or the single
    /// network of [`Model::open`].
    ///
    /// # Errors
    /// As [`Model::open`]; and if an archive is damaged.
    pub fn open_all(
        path: &Path,
        spec: Option<&Path>,
        any_preprocessing: bool,
    ) -> Result<Vec<Self>, PipelineError> {
        if is_archive(path) {
            let unpacked = unpack(path)?;
            let open = |folder: &PathBuf| {
                let file = folder.join("weights.safetensors");
                let model = Self::open(&file, spec, any_preprocessing)?;
                let calibration = StoredCalibration::read_file(&folder.join("calibration.json"))?;
                Ok(Self { path: path.to_owned(), calibration, ..model })
            };
            return unpacked.networks.iter().map(open).collect();
        }
        let paths = match RunFolder::find(path) {
            Ok(run) => run.members()?.into_iter().map(|(run, _)| run.root().to_owned()).collect(),
            Err(_) => vec![path.to_owned()],
        };
        paths.iter().map(|path| Self::open(path, spec, any_preprocessing)).collect()
    }

    /// Opens the selected epoch of a run, or a file of weights.
    ///
    /// Weights of a run have their preprocessing as metadata; other weights need `spec`. If both exist they must
    /// agree, unless `any_preprocessing` is set.
    ///
    /// # Errors
    /// [`PipelineError`] if the weights cannot be read, have no classifier of two classes, or have unknown or
    /// different preprocessing.
    pub fn open(
        path: &Path,
        spec: Option<&Path>,
        any_preprocessing: bool,
    ) -> Result<Self, PipelineError> {
        let invalid =
            |reason: String| PipelineError::InvalidWeights { path: path.to_owned(), reason };
        let (file, run_spec, calibration) = match RunFolder::find(path) {
            Ok(run) => {
                let calibration = StoredCalibration::read(&run)?;
                (training::selected_weights(&run)?, Some(run.spec()?), calibration)
            }
            Err(error @ ResultsError::IsSweep { .. }) => return Err(error.into()),
            Err(_) => (path.to_owned(), None, None),
        };
        let loaded = weights::load(&file, None, weights::Head::Keep)?;
        if !loaded.has_head() || loaded.config.classes != 2 {
            let classifier = if loaded.has_head() {
                format!("a classifier of {} classes", loaded.config.classes)
            } else {
                "no classifier".to_owned()
            };
            return Err(invalid(format!(
                "found {classifier}, expected a classifier of 2 classes; train one in a run with \
                 model.init = \"{}\" and model.init_head = \"new\"",
                path.display()
            )));
        }
        let contract =
            Contract::from_metadata(&loaded.metadata).map_err(|e| invalid(e.to_string()))?;
        let own = match (run_spec, &contract) {
            (Some(spec), _) => Some(spec),
            (None, Some(contract)) => Some(contract.to_spec().map_err(invalid)?),
            (None, None) => None,
        };
        let requested =
            spec.map(|path| load_preparation(path, &[])).transpose().map_err(Box::new)?;
        let spec = match (own, requested) {
            (None, None) => return Err(PipelineError::NoPreparation { path: path.to_owned() }),
            (Some(own), None) => own,
            (None, Some(requested)) => requested,
            (Some(own), Some(requested)) => {
                let differences = Contract::of(&own).differences(&Contract::of(&requested));
                if !differences.is_empty() && !any_preprocessing {
                    return Err(PipelineError::OtherPreparation {
                        path: path.to_owned(),
                        spec: spec.map(Path::to_owned).unwrap_or_default(),
                        differences: differences
                            .into_iter()
                            .map(|(key, own, requested)| {
                                format!("  {key}: {own} in the weights, {requested} in the spec")
                            })
                            .collect(),
                    });
                }
                requested
            }
        };
        Ok(Self {
            path: path.to_owned(),
            spec: spec.with_channels(loaded.config.in_channels),
            loaded,
            calibration,
        })
    }

    /// A sentence about calibrated probabilities; `None` if the run has no `evaluate.recalibrate`.
    pub fn calibration(&self) -> Option<String> {
        let calibration = self.calibration.as_ref()?;
        let path = self.path.display();
        Some(match &calibration.calibrator {
            Some(map) => format!(
                "calibrated_probability: by {}, fitted on {} validation exams ({} positive) of {path}",
                map.name(),
                calibration.exams,
                calibration.positives
            ),
            None => format!(
                "no calibrated_probability: {path} has no calibration map: {}",
                calibration.reason.as_deref().unwrap_or("unknown reason")
            ),
        })
    }
}

/// Predicts all images in `paths`; the predictions of several models are averaged. `cache` is the folder of prepared
/// volumes, and whether it is permanent. With `explain_options`, also computes heatmaps.
pub fn predict(
    models: Vec<Model>,
    paths: &[PathBuf],
    (cache, is_permanent): (&Path, bool),
    device: &str,
    explain_options: Option<&ExplainOptions>,
    watch: &dyn Stages,
) -> Result<(Vec<Prediction>, Vec<Explanation>), PipelineError> {
    let request: DeviceRequest = device.parse()?;
    let (device, _) = device::open(&request)?;
    let Some(Model { path, spec, .. }) = models.first() else { return Ok((vec![], vec![])) };
    if let Some(other) = models.iter().find(|other| settings(&other.spec) != settings(spec)) {
        return Err(PipelineError::MixedPreparation {
            first: path.clone(),
            second: other.path.clone(),
        });
    }
    let spec = spec.clone();
    let mut networks = Vec::new();
    for Model { path, spec, loaded, calibration } in models {
        let invalid = |reason: String| PipelineError::InvalidWeights { path: path.clone(), reason };
        // Heatmaps need gradients, predictions do not.
        let device =
            if explain_options.is_some() { device.clone().autodiff() } else { device.clone() };
        let network = loaded.config.init(0, &device).map_err(|e| invalid(e.to_string()))?;
        let network =
            network.with_variables(loaded.variables).map_err(|e| invalid(e.to_string()))?;
        let map: Option<Calibrator> = calibration.and_then(|stored| stored.calibrator);
        networks.push((spec, network, map));
    }
    let ImageSet { images, excluded, passed_over } =
        images_of(&spec, paths, is_permanent.then_some(cache))?;
    report_passed_over(&passed_over, watch);
    let images: Vec<&Image> = images.iter().collect();
    let rows = prepare_images(&spec, &images, cache, watch)?;
    let mut predictions: Vec<Prediction> = images
        .iter()
        .zip(&rows)
        .map(|(image, row)| Prediction {
            path: image.path.display().to_string(),
            patient_id: image.patient_id.clone(),
            exam_id: image.exam_id.clone(),
            series_uid: image.series_uid.clone(),
            probability: None,
            calibrated_probability: None,
            reason: row.exclusion().map_or(String::new(), |exclusion| exclusion.to_string()),
            flags: row.flags.clone(),
        })
        .collect();
    let usable: Vec<usize> =
        (0..rows.len()).filter(|index| rows[*index].status == Status::Prepared).collect();
    let exams: Vec<Exam> = usable
        .iter()
        .map(|index| Exam {
            patient_id: rows[*index].patient_id.clone(),
            exam_id: rows[*index].exam_id.clone(),
            series_uid: rows[*index].series_uid.clone(),
            label: false,
            crop: cache.join(&rows[*index].cache_file),
        })
        .collect();
    let mut probabilities = vec![Vec::new(); exams.len()];
    for (spec, network, map) in &networks {
        watch.validation_begins(exams.len());
        let without_gradients = explain_options.map(|_| network.valid());
        let network = without_gradients.as_ref().unwrap_or(network);
        for scored in training::score(network, spec, &exams, std::slice::from_ref(&device), watch)?
        {
            let calibrated = map.as_ref().map(|map| map.probability(scored.log_odds()));
            probabilities[scored.exam].push((scored.probability(), calibrated));
        }
    }
    for (index, probabilities) in usable.iter().zip(probabilities) {
        let prediction = &mut predictions[*index];
        prediction.probability = mean(probabilities.iter().map(|(plain, _)| Some(*plain)));
        // All models must have a map: calibrated and uncalibrated probabilities are not averaged.
        prediction.calibrated_probability =
            mean(probabilities.iter().map(|(_, calibrated)| *calibrated));
    }
    let mut explanations = vec![];
    if let Some(options) = explain_options {
        let scored: Vec<_> = usable
            .iter()
            .zip(&exams)
            .map(|(index, exam)| (images[*index], exam.crop.clone(), &predictions[*index]))
            .collect();
        let networks: Vec<_> = networks
            .into_iter()
            .map(|(spec, network, _)| (spec, network.for_inspection()))
            .collect();
        let models: Vec<ExplainedModel> =
            networks.iter().map(|(spec, network)| ExplainedModel { spec, network }).collect();
        watch.stage_begins("explanation");
        let advance = |done| watch.stage_advances(done, scored.len());
        explanations = explain(&models, &scored, options, &device, advance)?;
        let failed = explanations.iter().filter(|row| !row.reason.is_empty()).count();
        let summary = format!(
            "{} maps and pictures in {}{}",
            explanations.len() - failed,
            options.folder.display(),
            if failed > 0 { format!("; {failed} failed") } else { String::new() }
        );
        watch.stage_ends("explanation", &summary);
    }
    predictions.extend(excluded.into_iter().map(|(path, exclusion)| Prediction {
        path,
        patient_id: String::new(),
        exam_id: String::new(),
        series_uid: String::new(),
        probability: None,
        calibrated_probability: None,
        reason: exclusion.to_string(),
        flags: Vec::new(),
    }));
    Ok((predictions, explanations))
}

/// The mean; `None` if a value is missing or there are no values.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
