//! Predictions of trained networks for CT series without a cohort.

use super::archive::{is_archive, unpack};
use super::explain::{ExplainOptions, ExplainedModel, Explanation, explain};
pub use super::prediction::{Prediction, write_predictions};
use super::{
    ImageSet, PipelineError, StoredCalibration, images_of, prepare_images, report_skipped_files,
    settings,
};
use burn::module::Module;
use burn::tensor::Device;
use lungs_base::device::DeviceRequest;
use lungs_base::text::counted;
use lungs_image::images::Image;
use lungs_net::device::{self, DeviceError};
use lungs_net::model::Network;
use lungs_net::weights::{self, LoadedNetwork};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{Contract, Outcome, Spec, load_preparation};
use lungs_stats::{Calibrator, RiskCalibrator};
use lungs_study::prepare::{Row, Status};
use lungs_train::{self as training, Event, Exam, Observer};
use std::path::{Path, PathBuf};

/// A trained network and its preprocessing.
pub struct Model {
    /// The run, archive or file.
    pub path: PathBuf,
    /// Spec with the preprocessing; for a run, the spec of the run.
    pub spec: Spec,
    loaded: LoadedNetwork,
    pub(super) calibration: Option<StoredCalibration>,
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
            Ok(run) if run.is_external() => {
                return Err(ResultsError::IsExternal { path: path.to_owned() }.into());
            }
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
    /// [`PipelineError`] if the weights cannot be read, have no classifier for their outcome, or have unknown or
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
        let loaded = weights::load(&file, None, weights::Head::Load)?;
        let channels = loaded.config.in_channels;
        let mut contract =
            Contract::from_metadata(&loaded.metadata).map_err(|e| invalid(e.to_string()))?;
        if let Some(contract) = &mut contract {
            contract.model.channels = channels;
        }
        let own = match (run_spec, &contract) {
            (Some(spec), _) => Some(spec),
            (None, Some(contract)) => Some(contract.to_spec().map_err(invalid)?),
            (None, None) => None,
        };
        let set = [format!("model.channels={channels}")];
        let requested =
            spec.map(|path| load_preparation(path, &set)).transpose().map_err(Box::new)?;
        let spec = match (own, requested) {
            (None, None) => {
                // A classifier of other classes is the first thing to know about such a file.
                check_classifier(&loaded, &Outcome::default(), path)?;
                return Err(PipelineError::NoPreparation { path: path.to_owned() });
            }
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
        check_classifier(&loaded, &spec.outcome, path)?;
        Ok(Self { path: path.to_owned(), spec, loaded, calibration })
    }

    /// BLAKE3 of the weights.
    pub(super) fn fingerprint(&self) -> String {
        self.loaded.fingerprint()
    }

    /// A sentence about calibrated probabilities; `None` if the run has no `evaluate.recalibrate`.
    pub fn calibration(&self) -> Option<String> {
        let calibration = self.calibration.as_ref()?;
        let path = self.path.display();
        Some(match &calibration.calibrator {
            Some(map) => format!(
                "calibrated_probability: by {}, fitted on {} ({} positive) of {path}",
                map.name(),
                counted(calibration.exams, "validation exam", "validation exams"),
                calibration.positives
            ),
            None => format!(
                "no calibrated_probability: {path} has no calibration map: {}",
                calibration.reason.as_deref().unwrap_or("unknown reason")
            ),
        })
    }
}

/// Whether the weights have a classifier for the outcome.
fn check_classifier(
    loaded: &LoadedNetwork,
    outcome: &Outcome,
    path: &Path,
) -> Result<(), PipelineError> {
    if loaded.has_head() && loaded.config.outputs == outcome.outputs() {
        return Ok(());
    }
    let classifier = if loaded.has_head() {
        format!("a classifier of {} classes", loaded.config.outputs)
    } else {
        "no classifier".to_owned()
    };
    let expected = if outcome.is_survival() {
        format!(
            "{} outputs for outcome.name = \"survival\": a base, and a hazard for each of {} horizons",
            outcome.outputs(),
            outcome.horizons().len()
        )
    } else {
        "2 classes".to_owned()
    };
    let reason = format!(
        "found {classifier}, expected a classifier of {expected}; train one in a run with model.init = \"{}\" and \
         model.init_head = \"new\"",
        path.display()
    );
    Err(PipelineError::InvalidWeights { path: path.to_owned(), reason })
}

/// Predicts all images in `paths`; the predictions of several models are averaged. `cache` is the folder of prepared
/// volumes, and whether it is permanent. With `explain_options`, also computes heatmaps.
pub fn predict(
    models: Vec<Model>,
    paths: &[PathBuf],
    (cache, is_permanent): (&Path, bool),
    device: &str,
    explain_options: Option<&ExplainOptions>,
    observe: &Observer,
) -> Result<(Vec<Prediction>, Vec<Explanation>), PipelineError> {
    let request: DeviceRequest = device.parse().map_err(DeviceError::from)?;
    let (device, _) = device::open(&request)?;
    let Some(Model { path, spec, .. }) = models.first() else { return Ok((vec![], vec![])) };
    if let Some(other) = models.iter().find(|other| settings(&other.spec) != settings(spec)) {
        return Err(PipelineError::MixedPreparation {
            first: path.clone(),
            second: other.path.clone(),
        });
    }
    if let Some(other) = models.iter().find(|other| other.spec.outcome != spec.outcome) {
        return Err(PipelineError::MixedOutcomes {
            first: path.clone(),
            second: other.path.clone(),
        });
    }
    let spec = spec.clone();
    // Heatmaps need gradients, predictions do not.
    let model_device =
        if explain_options.is_some() { device.clone().autodiff() } else { device.clone() };
    let networks: Vec<ReadyModel> =
        models.into_iter().map(|model| model.ready(&model_device)).collect::<Result<_, _>>()?;
    let ImageSet { images, excluded, skipped_files } =
        images_of(&spec, paths, is_permanent.then_some(cache))?;
    report_skipped_files(&skipped_files, observe);
    let images: Vec<&Image> = images.iter().collect();
    let rows = prepare_images(&spec, &images, cache, observe)?;
    let mut predictions: Vec<Prediction> =
        images.iter().zip(&rows).map(|(image, row)| unscored(image, row)).collect();
    let usable: Vec<usize> =
        (0..rows.len()).filter(|index| rows[*index].status == Status::Prepared).collect();
    let exams: Vec<Exam> = usable
        .iter()
        .map(|index| Exam {
            patient_id: rows[*index].patient_id.clone(),
            exam_id: rows[*index].exam_id.clone(),
            series_uid: rows[*index].series_uid.clone(),
            label: false,
            follow_up: None,
            crop: cache.join(&rows[*index].cache_file),
        })
        .collect();
    let has_gradients = explain_options.is_some();
    let means = mean_predictions(&networks, &exams, has_gradients, &device, observe)?;
    for (index, mean) in usable.iter().zip(means) {
        let row = &mut predictions[*index];
        (row.probability, row.calibrated_probability) = (mean.probability, mean.calibrated);
        (row.risks, row.calibrated_risks) = (mean.risks, mean.calibrated_risks);
    }
    let explanations = match explain_options {
        Some(options) => {
            let scored: Vec<_> = usable
                .iter()
                .zip(&exams)
                .map(|(index, exam)| (images[*index], exam.crop.clone(), &predictions[*index]))
                .collect();
            explain_scored(networks, &scored, options, &device, observe)?
        }
        None => vec![],
    };
    predictions.extend(excluded.into_iter().map(|(path, exclusion)| Prediction {
        path,
        reason: exclusion.to_string(),
        ..Prediction::default()
    }));
    Ok((predictions, explanations))
}

/// A network on its device, with the spec of its preprocessing.
pub(super) struct ReadyModel {
    spec: Spec,
    pub network: Network,
    calibrator: Option<Calibrator>,
    risk_calibrator: Option<RiskCalibrator>,
}

impl Model {
    /// Loads the weights onto a device.
    pub(super) fn ready(self, device: &Device) -> Result<ReadyModel, PipelineError> {
        let Self { path, spec, loaded, calibration } = self;
        let invalid = |reason: String| PipelineError::InvalidWeights { path: path.clone(), reason };
        let network = loaded.config.init(0, device).map_err(|e| invalid(e.to_string()))?;
        let network =
            network.with_variables(loaded.variables).map_err(|e| invalid(e.to_string()))?;
        let risk_calibrator = calibration.as_ref().and_then(|it| it.risk_calibrator().cloned());
        let calibrator = calibration.and_then(|stored| stored.calibrator);
        Ok(ReadyModel { spec, network, calibrator, risk_calibrator })
    }
}

/// The prediction of an image before it is scored, with the reason if preparation excluded it.
fn unscored(image: &Image, row: &Row) -> Prediction {
    Prediction {
        path: image.path.display().to_string(),
        patient_id: image.patient_id.clone(),
        exam_id: image.exam_id.clone(),
        series_uid: image.series_uid.clone(),
        reason: row.exclusion().map_or(String::new(), |exclusion| exclusion.to_string()),
        flags: row.flags.clone(),
        ..Prediction::default()
    }
}

/// The prediction of one exam by one model, or the mean over models.
#[derive(Default)]
struct ModelPrediction {
    probability: Option<f64>,
    calibrated: Option<f64>,
    /// By horizon; empty for one probability.
    risks: Vec<f64>,
    /// By horizon; empty without a map.
    calibrated_risks: Vec<f64>,
}

impl ModelPrediction {
    /// The mean over models. All models must have a map: calibrated and uncalibrated predictions are not averaged.
    fn mean_of(models: &[Self]) -> Self {
        Self {
            probability: mean(models.iter().map(|it| it.probability)),
            calibrated: mean(models.iter().map(|it| it.calibrated)),
            risks: mean_by_horizon(models, |it| &it.risks),
            calibrated_risks: mean_by_horizon(models, |it| &it.calibrated_risks),
        }
    }
}

/// The mean at each horizon; none if a model has none.
fn mean_by_horizon(
    models: &[ModelPrediction],
    risks: fn(&ModelPrediction) -> &Vec<f64>,
) -> Vec<f64> {
    let horizons = models.iter().map(|model| risks(model).len()).min().unwrap_or(0);
    let at = |horizon: usize| mean(models.iter().map(|model| Some(risks(model)[horizon])));
    (0..horizons).filter_map(at).collect()
}

/// Scores exams with every model.
fn mean_predictions(
    models: &[ReadyModel],
    exams: &[Exam],
    has_gradients: bool,
    device: &Device,
    observe: &Observer,
) -> Result<Vec<ModelPrediction>, PipelineError> {
    let mut by_exam: Vec<Vec<ModelPrediction>> = exams.iter().map(|_| Vec::new()).collect();
    for ReadyModel { spec, network, calibrator, risk_calibrator } in models {
        observe(&Event::ValidationBegins { exams: exams.len() });
        let network = if has_gradients { &network.valid() } else { network };
        for scored in training::score(network, spec, exams, std::slice::from_ref(device), observe)?
        {
            let risks = scored.logits.risks();
            by_exam[scored.exam].push(ModelPrediction {
                probability: Some(scored.probability()),
                calibrated: calibrator.as_ref().map(|map| map.probability(scored.log_odds())),
                calibrated_risks: risk_calibrator
                    .as_ref()
                    .map_or_else(Vec::new, |map| map.risks(&risks)),
                risks,
            });
        }
    }
    Ok(by_exam.iter().map(|models| ModelPrediction::mean_of(models)).collect())
}

/// Computes the heatmaps of scored images.
fn explain_scored(
    models: Vec<ReadyModel>,
    scored: &[(&Image, PathBuf, &Prediction)],
    options: &ExplainOptions,
    device: &Device,
    observe: &Observer,
) -> Result<Vec<Explanation>, PipelineError> {
    let networks: Vec<_> =
        models.into_iter().map(|model| (model.spec, model.network.for_inspection())).collect();
    let models: Vec<ExplainedModel> =
        networks.iter().map(|(spec, network)| ExplainedModel { spec, network }).collect();
    observe(&Event::StageBegins("explanation"));
    let advance = |done| observe(&Event::StageAdvances { done, total: scored.len() });
    let explanations = explain(&models, scored, options, device, advance)?;
    let failed = explanations.iter().filter(|row| !row.reason.is_empty()).count();
    let summary = format!(
        "{} in {}{}",
        counted(
            explanations.len() - failed,
            "heatmap with its picture",
            "heatmaps with their pictures"
        ),
        options.folder.display(),
        if failed > 0 { format!("; {failed} failed") } else { String::new() }
    );
    observe(&Event::StageEnds { stage: "explanation", summary: &summary });
    Ok(explanations)
}

/// The mean; `None` if a value is missing or there are no values.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
