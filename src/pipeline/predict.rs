//! CT series through trained networks: the sentence without a study.

use super::archive::{is_archive, unpack};
use super::explain::{Explaining, Explanation, Looking, explain};
use super::{
    KeptCalibration, PipelineError, Stages, images_of, prepare_images, settings, tell_passed_over,
};
use crate::device::{self, DeviceRequest};
use crate::evaluation::Calibrator;
use crate::images::Image;
use crate::prepare::Status;
use crate::results::{ResultsError, RunFolder};
use crate::spec::{Contract, Spec, load_preparation};
use crate::training::{self, Exam};
use crate::weights::{self, LoadedNetwork};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A trained network and how series are prepared for it.
pub struct Model {
    path: PathBuf,
    /// Its preparation; of a run, the run's whole spec.
    pub spec: Spec,
    loaded: LoadedNetwork,
    calibration: Option<KeptCalibration>,
}

impl Model {
    /// Every network that a path stands for: of a cross-validation, its folds'; of a model archive,
    /// those in it; else one, as [`Model::open`] has it.
    ///
    /// # Errors
    /// As [`Model::open`], and when an archive is damaged.
    pub fn open_all(
        path: &Path,
        spec: Option<&Path>,
        any_preprocessing: bool,
    ) -> Result<Vec<Self>, PipelineError> {
        if is_archive(path) {
            let unpacked = unpack(path)?;
            let network = |folder: &PathBuf| {
                let file = folder.join("weights.safetensors");
                let model = Self::open(&file, spec, any_preprocessing)?;
                let calibration = KeptCalibration::read_file(&folder.join("calibration.json"))?;
                Ok(Self { path: path.to_owned(), calibration, ..model })
            };
            return unpacked.networks.iter().map(network).collect();
        }
        let places = match RunFolder::find(path) {
            Ok(run) => run.members()?.into_iter().map(|(run, _)| run.root().to_owned()).collect(),
            Err(_) => vec![path.to_owned()],
        };
        places.iter().map(|place| Self::open(place, spec, any_preprocessing)).collect()
    }

    /// Of a run (its selected epoch), or of a file of weights of any kind.
    ///
    /// Weights that a run wrote carry their preparation; for others, `spec` says it. Where both
    /// speak they must agree, unless `any_preprocessing`.
    ///
    /// # Errors
    /// [`PipelineError`] when there are no such weights, when they are of no network of two
    /// classes, or when it is not clear how series are prepared for them.
    pub fn open(
        path: &Path,
        spec: Option<&Path>,
        any_preprocessing: bool,
    ) -> Result<Self, PipelineError> {
        let odd = |reason: String| PipelineError::OddWeights { path: path.to_owned(), reason };
        let (file, own, calibration) = match RunFolder::find(path) {
            Ok(run) => {
                let calibration = KeptCalibration::read(&run)?;
                (training::selected_weights(&run)?, Some(run.spec()?), calibration)
            }
            Err(error @ ResultsError::ASweep { .. }) => return Err(error.into()),
            Err(_) => (path.to_owned(), None, None),
        };
        let loaded = weights::load(&file, None, weights::Head::Keep)?;
        if !loaded.has_head() || loaded.config.classes != 2 {
            let found = if loaded.has_head() {
                format!("a classifier of {} classes, 2 are needed", loaded.config.classes)
            } else {
                "no classifier".to_owned()
            };
            return Err(odd(format!(
                "it has {found}: nothing can be predicted with it; train one first, in a run with \
                 model.init = \"{}\" and model.init_head = \"new\"",
                path.display()
            )));
        }
        let known = Contract::from_metadata(&loaded.metadata).map_err(|e| odd(e.to_string()))?;
        let own = match (own, &known) {
            (Some(spec), _) => Some(spec),
            (None, Some(contract)) => Some(contract.to_spec().map_err(odd)?),
            (None, None) => None,
        };
        let given = spec.map(|path| load_preparation(path, &[])).transpose().map_err(Box::new)?;
        let spec = match (own, given) {
            (None, None) => return Err(PipelineError::NoPreparation { path: path.to_owned() }),
            (Some(own), None) => own,
            (None, Some(given)) => given,
            (Some(own), Some(given)) => {
                let differences = Contract::of(&own).differences(&Contract::of(&given));
                if !differences.is_empty() && !any_preprocessing {
                    return Err(PipelineError::OtherPreparation {
                        path: path.to_owned(),
                        spec: spec.map(Path::to_owned).unwrap_or_default(),
                        differences: differences
                            .into_iter()
                            .map(|(key, own, given)| format!("  {key}: {own} there, {given} here"))
                            .collect(),
                    });
                }
                given
            }
        };
        Ok(Self {
            path: path.to_owned(),
            spec: spec.with_channels(loaded.config.in_channels),
            loaded,
            calibration,
        })
    }

    /// What the run says of calibrated probabilities, in a sentence; nothing where its spec asks
    /// for none.
    pub fn calibration(&self) -> Option<String> {
        let kept = self.calibration.as_ref()?;
        let path = self.path.display();
        Some(match &kept.calibrator {
            Some(map) => format!(
                "calibrated_probability: by {}, fitted on {} validation exams ({} positive) of {path}",
                map.name(),
                kept.exams,
                kept.positives
            ),
            None => format!(
                "no calibrated_probability: {path} could not fit one: {}",
                kept.reason.as_deref().unwrap_or("no reason is known")
            ),
        })
    }
}

/// The opinion on one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Folder of the series, or the volume file, or the damaged file.
    pub path: String,
    /// PatientID.
    pub patient: String,
    /// StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// Probability of cancer; empty when the series cannot be used.
    pub probability: Option<f64>,
    /// The same after the run's map to calibrated probabilities; empty where the series cannot be
    /// used or a model has no such map.
    pub calibrated_probability: Option<f64>,
    /// Why it cannot.
    pub reason: String,
    /// What was noticed in preparation and is safe.
    pub flags: String,
}

/// Scores every image in `paths`; the opinions of several models are averaged. `cache` is a folder for prepared volumes, and whether it lasts. With `explaining`, also says where the models looked.
pub fn predict(
    models: Vec<Model>,
    paths: &[PathBuf],
    (cache, lasting): (&Path, bool),
    device: &str,
    explaining: Option<&Explaining>,
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
        let odd = |reason: String| PipelineError::OddWeights { path: path.clone(), reason };
        // Explanations need gradients, opinions do not.
        let place = if explaining.is_some() { device.clone().autodiff() } else { device.clone() };
        let network = loaded.config.init(0, &place).map_err(|e| odd(e.to_string()))?;
        let network = network.with_variables(loaded.variables).map_err(|e| odd(e.to_string()))?;
        let map: Option<Calibrator> = calibration.and_then(|kept| kept.calibrator);
        networks.push((spec, network, map));
    }
    let found = images_of(&spec, paths, lasting.then_some(cache))?;
    tell_passed_over(&found.passed_over, watch);
    let images: Vec<&Image> = found.images.iter().collect();
    let rows = prepare_images(&spec, &images, cache, watch)?;
    let mut predictions: Vec<Prediction> = found
        .images
        .iter()
        .zip(&rows)
        .map(|(image, row)| Prediction {
            path: image.path.display().to_string(),
            patient: image.patient_id.clone(),
            exam: image.exam_id.clone(),
            series: image.series_uid.clone(),
            probability: None,
            calibrated_probability: None,
            reason: match row.status {
                Status::Prepared => String::new(),
                Status::Refused => format!("{}: {}", row.code, row.reason),
            },
            flags: row.flags.clone(),
        })
        .collect();
    let usable: Vec<usize> =
        (0..rows.len()).filter(|place| rows[*place].status == Status::Prepared).collect();
    let exams: Vec<Exam> = usable
        .iter()
        .map(|place| Exam {
            patient: rows[*place].patient_id.clone(),
            exam: rows[*place].study_uid.clone(),
            series: rows[*place].series_uid.clone(),
            label: 0,
            crop: cache.join(&rows[*place].cache_file),
        })
        .collect();
    let mut opinions = vec![Vec::new(); exams.len()];
    for (spec, network, map) in &networks {
        watch.validation_begins(exams.len());
        let plain = explaining.map(|_| network.valid());
        let network = plain.as_ref().unwrap_or(network);
        for scored in training::score(network, spec, &exams, std::slice::from_ref(&device), watch)?
        {
            let calibrated = map.as_ref().map(|map| map.probability(scored.log_odds()));
            opinions[scored.exam].push((scored.probability(), calibrated));
        }
    }
    for (place, opinions) in usable.iter().zip(opinions) {
        let prediction = &mut predictions[*place];
        prediction.probability = mean(opinions.iter().map(|(plain, _)| Some(*plain)));
        // Of several models, all must have a map: an average of both kinds is neither.
        prediction.calibrated_probability =
            mean(opinions.iter().map(|(_, calibrated)| *calibrated));
    }
    let mut explanations = vec![];
    if let Some(wanted) = explaining {
        let scored: Vec<_> = usable
            .iter()
            .zip(&exams)
            .map(|(place, exam)| (images[*place], exam.crop.clone(), &predictions[*place]))
            .collect();
        let networks: Vec<_> = networks
            .into_iter()
            .map(|(spec, network, _)| (spec, network.for_inspection()))
            .collect();
        let looking: Vec<Looking> =
            networks.iter().map(|(spec, network)| Looking { spec, network }).collect();
        watch.stage_begins("explanation");
        let advance = |done| watch.stage_advances(done, scored.len());
        explanations = explain(&looking, &scored, wanted, &device, advance)?;
        let failed = explanations.iter().filter(|row| !row.reason.is_empty()).count();
        let told = format!(
            "{} maps and pictures in {}{}",
            explanations.len() - failed,
            wanted.folder.display(),
            if failed > 0 { format!("; {failed} failed") } else { String::new() }
        );
        watch.stage_ends("explanation", &told);
    }
    predictions.extend(found.left_out.into_iter().map(|(path, reason)| Prediction {
        path,
        patient: String::new(),
        exam: String::new(),
        series: String::new(),
        probability: None,
        calibrated_probability: None,
        reason,
        flags: String::new(),
    }));
    Ok((predictions, explanations))
}

/// The mean; nothing where one is missing or there are none.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
