//! Trained networks, opened for prediction.

use super::archive::{is_archive, unpack};
use super::checkpoints::CheckpointFolder;
use super::network_calibration::NetworkCalibration;
use super::{PipelineError, StoredCalibration};
use burn::tensor::Device;
use lungs_net::model::Network;
use lungs_net::weights::{self, LoadedNetwork, NetworkLayout, ResidualLayout};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{Contract, Outcome, Spec, load_preparation};
use lungs_train as training;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A trained network and its preprocessing.
pub struct Model {
    /// The run, archive or file.
    pub path: PathBuf,
    /// Spec with the preprocessing; for a run, the spec of the run.
    pub spec: Spec,
    loaded: LoadedNetwork,
    pub(super) calibration: NetworkCalibration,
}

/// A network on its device, with the spec of its preprocessing.
pub(super) struct ReadyModel {
    pub spec: Spec,
    pub network: Network,
}

impl Model {
    /// Opens all networks of a path: the folds of a cross-validation, the networks of a model archive or of a folder of
    /// checkpoints, or the single network of [`Model::open`].
    ///
    /// # Errors
    /// As [`Model::open`]; and if an archive or a file of calibrators is damaged.
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
                let calibration =
                    StoredCalibration::read_file(&folder.join("calibration.json"))?.into();
                Ok(Self { path: path.to_owned(), calibration, ..model })
            };
            return unpacked.networks.iter().map(open).collect();
        }
        if let Some(folder) = CheckpointFolder::find(path)? {
            let open = |file: &PathBuf| Self::open(file, spec, any_preprocessing);
            let mut models: Vec<Self> =
                folder.checkpoints.iter().map(open).collect::<Result<_, _>>()?;
            if models.iter().all(Self::is_sybil)
                && let Some(first) = models.first()
                && let Some(calibrators) = folder.calibrators(first.spec.outcome.horizons())?
            {
                let calibration = NetworkCalibration::Ensemble(Rc::new(calibrators));
                models.iter_mut().for_each(|model| model.calibration = calibration.clone());
            }
            return Ok(models);
        }
        let paths = match RunFolder::find(path) {
            Ok(run) if run.is_external() => {
                return Err(ResultsError::IsExternal { path: path.to_owned() }.into());
            }
            Ok(run) => run.members()?.into_iter().map(|(run, _)| run.root().to_owned()).collect(),
            Err(error @ ResultsError::NoFinishedRun { .. }) => return Err(error.into()),
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
        if file.is_dir() && !weights::tensorflow::is_one(&file) {
            return Err(invalid(
                "found no model in this folder, expected a run, the folder of an experiment with a finished run, a \
                 checkpoint of TensorFlow, or .ckpt files of PyTorch"
                    .to_owned(),
            ));
        }
        let loaded = weights::load(&file, None, weights::Head::Load)?;
        let channels = loaded.config.in_channels;
        let mut contract = training::contract_of(&loaded).map_err(|e| invalid(e.to_string()))?;
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
        Ok(Self { path: path.to_owned(), spec, loaded, calibration: calibration.into() })
    }

    /// BLAKE3 of the weights.
    pub(super) fn fingerprint(&self) -> String {
        self.loaded.fingerprint()
    }

    /// Whether the file has the names of Sybil's network.
    fn is_sybil(&self) -> bool {
        self.loaded.layout == NetworkLayout::Residual(ResidualLayout::Sybil)
    }

    /// Loads the weights onto a device.
    pub(super) fn ready(self, device: &Device) -> Result<ReadyModel, PipelineError> {
        let Self { path, spec, loaded, .. } = self;
        let invalid = |reason: String| PipelineError::InvalidWeights { path: path.clone(), reason };
        let network = loaded.config.init(0, device).map_err(|e| invalid(e.to_string()))?;
        let network =
            network.with_variables(loaded.variables).map_err(|e| invalid(e.to_string()))?;
        Ok(ReadyModel { spec, network })
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
