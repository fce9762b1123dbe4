//! The network before the first step: what the spec describes, with the weights that it names.

use super::checkpoint::{self, CheckpointError};
use super::selected_epoch_of;
use crate::model::{I3d, I3dConfig, ModelError, WeightsError, is_head};
use crate::results::{ResultsError, RunFolder};
use crate::spec::{BatchNorm, Contract, ContractError, InitHead, InitPreprocess, Precision, Spec};
use crate::weights::{self, LoadError, Loaded};
use burn::tensor::Device;
use std::path::{Path, PathBuf};

/// The network cannot be started as `model.init` says.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The weights cannot be read.
    #[error("model.init: {0}")]
    Load(#[from] LoadError),
    /// They do not fit the spec's network.
    #[error("model.init = \"{path}\": {source}")]
    Weights {
        /// `model.init`.
        path: String,
        /// What does not fit.
        source: WeightsError,
    },
    /// Their width is another.
    #[error(
        "model.init = \"{path}\" is a network of width {found}, and model.width is {expected}; set \
         model.width = {found}"
    )]
    Width {
        /// `model.init`.
        path: String,
        /// Of the weights.
        found: f64,
        /// Of the spec.
        expected: f64,
    },
    /// Their classifier cannot be loaded.
    #[error(
        "model.init = \"{path}\" {found}, and model.init_head is \"load\"; \
         model.init_head = \"new\" draws a new classifier of 2 classes"
    )]
    Head {
        /// `model.init`.
        path: String,
        /// What it has instead.
        found: String,
    },
    /// They were trained on volumes prepared in another way.
    #[error(
        "model.init = \"{path}\" was trained on volumes that were prepared in another way:\n{}\n\
         make these keys the same, or say model.init_preprocess = \"any\" if that is meant",
        .differences.join("\n")
    )]
    Preparation {
        /// `model.init`.
        path: String,
        /// A line for each key.
        differences: Vec<String>,
    },
    /// Their metadata is odd.
    #[error("model.init = \"{path}\": {source}")]
    Contract {
        /// `model.init`.
        path: String,
        /// What is odd.
        source: ContractError,
    },
    /// Their checkpoint is damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Their run cannot be used.
    #[error(transparent)]
    Run(#[from] ResultsError),
    /// Their run has trained nothing.
    #[error("{run} has no trained epoch whose weights could be taken")]
    NothingTrained {
        /// The run.
        run: PathBuf,
    },
    /// The spec describes no network.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The network that a spec describes, with weights drawn from its seed.
pub fn network(spec: &Spec, device: &Device) -> Result<I3d, ModelError> {
    let config = I3dConfig {
        classes: 2,
        in_channels: spec.model.channels,
        width_multiplier: spec.model.width,
        keep_prob: spec.model.keep_prob,
    };
    let network = config.init(spec.experiment.seed, device)?.with_frozen(&spec.train.freeze);
    let network = match spec.model.batch_norm {
        BatchNorm::Train => network,
        BatchNorm::Frozen => network.with_frozen_averages(),
    };
    Ok(match spec.runtime.precision {
        Precision::F32 => network,
        Precision::Bf16 => network.with_bf16_convolutions(),
    })
}

/// The network before the first step.
pub(super) fn initial(spec: &Spec, device: &Device) -> Result<I3d, InitError> {
    let network = network(spec, device)?;
    let Some(loaded) = initial_weights(spec)? else { return Ok(network) };
    let mut variables = loaded.variables;
    if spec.model.init_head == InitHead::New {
        variables.extend(network.variables().into_iter().filter(is_head));
    }
    let path = spec.model.init.clone();
    network.with_variables(variables).map_err(|source| InitError::Weights { path, source })
}

/// The weights that `model.init` names, fit for the spec's network; without a classifier when the
/// spec wants a new one. `None` where it names none.
pub fn initial_weights(spec: &Spec) -> Result<Option<Loaded>, InitError> {
    let path = spec.model.init.clone();
    let Some(file) = initial_file(spec)? else { return Ok(None) };
    let head = match spec.model.init_head {
        InitHead::Load => weights::Head::Keep,
        InitHead::New => weights::Head::Drop,
    };
    let loaded = weights::load(&file, None, head)?.with_channels(spec.model.channels);
    let (found, expected) = (loaded.config.width_multiplier, spec.model.width);
    if shapes(&loaded.config) != shapes(&I3dConfig { width_multiplier: expected, ..loaded.config })
    {
        return Err(InitError::Width { path, found, expected });
    }
    if spec.model.init_preprocess == InitPreprocess::Same {
        let known = Contract::from_metadata(&loaded.metadata)
            .map_err(|source| InitError::Contract { path: path.clone(), source })?;
        let differences: Vec<String> = known.map_or_else(Vec::new, |known| {
            let differences = known.differences(&Contract::of(spec)).into_iter();
            differences
                .map(|(key, theirs, ours)| format!("  {key}: {theirs} there, {ours} here"))
                .collect()
        });
        if !differences.is_empty() {
            return Err(InitError::Preparation { path, differences });
        }
    }
    match (spec.model.init_head, loaded.has_head(), loaded.config.classes) {
        (InitHead::New, ..) => Ok(Some(loaded)),
        (InitHead::Load, true, 2) => Ok(Some(loaded)),
        (InitHead::Load, true, classes) => {
            let found = format!("has a classifier of {classes} classes, 2 are needed");
            Err(InitError::Head { path, found })
        }
        (InitHead::Load, false, _) => {
            Err(InitError::Head { path, found: "has no classifier".to_owned() })
        }
    }
}

fn shapes(config: &I3dConfig) -> Vec<(String, Vec<usize>)> {
    config.variable_shapes()
}

/// The file that `model.init` means: itself, or the weights of a run's selected epoch. `None` for
/// `"random"`.
pub fn initial_file(spec: &Spec) -> Result<Option<PathBuf>, InitError> {
    if spec.model.init == "random" {
        return Ok(None);
    }
    let path = Path::new(&spec.model.init);
    match RunFolder::find(path) {
        Ok(run) => Ok(Some(selected_weights(&run)?)),
        Err(_) => Ok(Some(path.to_owned())),
    }
}

/// The weights file of a run's selected epoch.
pub fn selected_weights(run: &RunFolder) -> Result<PathBuf, InitError> {
    let nothing = || InitError::NothingTrained { run: run.root().to_owned() };
    let epoch = selected_epoch_of(run)?.ok_or_else(nothing)?;
    Ok(checkpoint::weights_file(&run.checkpoint(epoch))?)
}
