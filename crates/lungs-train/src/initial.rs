//! The initial network: the spec's architecture with the spec's initial weights.

use super::checkpoint::{self, CheckpointError};
use super::tables::selected_epoch_of;
use burn::tensor::Device;
use lungs_base::text::counted;
use lungs_net::model::{
    self, Architecture, ModelError, Network, NetworkConfig, Variable, WeightsError, is_head,
    is_pool,
};
use lungs_net::weights::{self, Head, LoadError, LoadedNetwork, NetworkLayout, ResidualLayout};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_spec::spec::{BatchNorm, Contract, ContractError, InitPreprocess, Precision, Spec};
use std::path::{Path, PathBuf};

/// Years of the published weights of Sybil.
const SYBIL_YEARS: usize = 6;

/// The network cannot be initialised from `model.init`.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The weights cannot be read.
    #[error("model.init: {0}")]
    Load(#[from] LoadError),
    /// The weights do not fit the spec's network.
    #[error("model.init = \"{path}\": {source}")]
    Weights {
        /// `model.init`.
        path: String,
        /// What does not fit.
        source: WeightsError,
    },
    /// The weights are of another architecture.
    #[error(
        "model.init = \"{path}\" is a network of the architecture \"{actual}\", but model.name is \
         \"{expected}\"; set model.name = \"{actual}\", or model.init to other weights"
    )]
    Architecture {
        /// `model.init`.
        path: String,
        /// Architecture of the weights.
        actual: Architecture,
        /// Architecture of the spec.
        expected: Architecture,
    },
    /// The weights have another width.
    #[error(
        "model.init = \"{path}\" is a network of width {actual}, but model.width is {expected}; set \
         model.width = {actual}"
    )]
    Width {
        /// `model.init`.
        path: String,
        /// Width of the weights.
        actual: f64,
        /// Width of the spec.
        expected: f64,
    },
    /// The classifier cannot be loaded.
    #[error(
        "model.init = \"{path}\" {classifier}, but model.init_head is \"load\"; set \
         model.init_head = \"new\" for a new random classifier with {expected} outputs"
    )]
    Head {
        /// `model.init`.
        path: String,
        /// The classifier of the weights, in words.
        classifier: String,
        /// Number of outputs of the spec's network.
        expected: usize,
    },
    /// The weights were trained with other preprocessing.
    #[error(
        "model.init = \"{path}\" was trained with different preprocessing:\n{}\n\
         set these keys to the same values, or set model.init_preprocess = \"any\" to accept the \
         difference",
        .differences.join("\n")
    )]
    Preparation {
        /// `model.init`.
        path: String,
        /// One line for each key.
        differences: Vec<String>,
    },
    /// The metadata of the weights is invalid.
    #[error("model.init = \"{path}\": {source}")]
    Contract {
        /// `model.init`.
        path: String,
        /// The fault.
        source: ContractError,
    },
    /// The checkpoint of the weights is damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The run of the weights cannot be used.
    #[error(transparent)]
    Run(#[from] ResultsError),
    /// The run of the weights has no trained epoch.
    #[error("{run} has no trained epoch yet; train it first with `lungs train {run}`")]
    NothingTrained {
        /// The run.
        run: PathBuf,
    },
    /// The spec describes no network.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The spec's network, with random weights from its seed.
pub fn network(spec: &Spec, device: &Device) -> Result<Network, ModelError> {
    let config = NetworkConfig {
        architecture: spec.model.architecture(),
        pool: spec.model.network_pool(),
        outputs: spec.outcome.outputs(),
        in_channels: spec.model.channels,
        width_multiplier: spec.model.width,
        keep_prob: spec.model.keep_prob,
    };
    let network = config.init(spec.experiment.seed, device)?.with_frozen(&spec.train.freeze);
    let network = match spec.model.batch_norm {
        BatchNorm::Train => network,
        BatchNorm::Frozen => network.with_frozen_statistics(),
    };
    Ok(network.with_precision(match spec.runtime.precision {
        Precision::F32 => model::Precision::F32,
        Precision::Tf32 => model::Precision::Tf32,
        Precision::Bf16 => model::Precision::Bf16,
    }))
}

/// The network before the first step, with the spec's initial weights.
pub(super) fn initial(spec: &Spec, device: &Device) -> Result<Network, InitError> {
    let network = network(spec, device)?;
    let Some(loaded) = initial_weights(spec)? else { return Ok(network) };
    let mut variables = loaded.variables;
    if spec.model.init_head == Head::New {
        // A pool that the weights do not have is new too.
        let has_pool = variables.iter().any(is_pool);
        let is_new = |variable: &Variable| is_head(variable) || (!has_pool && is_pool(variable));
        variables.extend(network.variables().into_iter().filter(is_new));
    }
    let path = spec.model.init.clone();
    network.with_variables(variables).map_err(|source| InitError::Weights { path, source })
}

/// The weights of `model.init`, converted for the spec's network; without a classifier if the spec
/// asks for a new one. `None` if `model.init` is `"random"`.
pub fn initial_weights(spec: &Spec) -> Result<Option<LoadedNetwork>, InitError> {
    let path = spec.model.init.clone();
    let Some(file) = initial_file(spec)? else { return Ok(None) };
    let loaded =
        weights::load(&file, None, spec.model.init_head)?.with_channels(spec.model.channels);
    let (actual, expected) = (loaded.config.architecture, spec.model.architecture());
    if actual != expected {
        return Err(InitError::Architecture { path, actual, expected });
    }
    let (actual, expected) = (loaded.config.width_multiplier, spec.model.width);
    let wider = NetworkConfig { width_multiplier: expected, ..loaded.config };
    if loaded.config.variable_shapes() != wider.variable_shapes() {
        return Err(InitError::Width { path, actual, expected });
    }
    if spec.model.init_preprocess == InitPreprocess::Same {
        let contract = contract_of(&loaded)
            .map_err(|source| InitError::Contract { path: path.clone(), source })?;
        let differences: Vec<String> = contract.map_or_else(Vec::new, |contract| {
            let differences = contract.differences(&Contract::of(spec)).into_iter();
            differences
                .map(|(key, theirs, ours)| {
                    format!("  {key}: {theirs} in the weights, {ours} in the spec")
                })
                .collect()
        });
        if !differences.is_empty() {
            return Err(InitError::Preparation { path, differences });
        }
    }
    let expected = spec.outcome.outputs();
    match (spec.model.init_head, loaded.has_head(), loaded.config.outputs) {
        (Head::New, ..) => Ok(Some(loaded)),
        (Head::Load, true, outputs) if outputs == expected => Ok(Some(loaded)),
        (Head::Load, true, outputs) => {
            let classifier = format!(
                "has a classifier with {}, expected {expected}",
                counted(outputs, "output", "outputs")
            );
            Err(InitError::Head { path, classifier, expected })
        }
        (Head::Load, false, _) => {
            let classifier = "has no classifier".to_owned();
            Err(InitError::Head { path, classifier, expected })
        }
    }
}

/// The preprocessing that weights were trained with: that of their metadata, or that of Sybil for a file with Sybil's
/// names. `None` if it is unknown.
///
/// # Errors
/// [`ContractError`] if the metadata is invalid.
pub fn contract_of(loaded: &LoadedNetwork) -> Result<Option<Contract>, ContractError> {
    if let Some(contract) = Contract::from_metadata(&loaded.metadata)? {
        return Ok(Some(contract));
    }
    let is_sybil = loaded.layout == NetworkLayout::Residual(ResidualLayout::Sybil);
    let years =
        if loaded.has_head() { loaded.config.outputs.saturating_sub(1) } else { SYBIL_YEARS };
    Ok(is_sybil.then(|| Contract::sybil(years)))
}

/// The weights file of `model.init`: the path itself, or the weights of a run's selected epoch. `None`
/// for `"random"`.
pub(crate) fn initial_file(spec: &Spec) -> Result<Option<PathBuf>, InitError> {
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
    let nothing_trained = || InitError::NothingTrained { run: run.root().to_owned() };
    let epoch = selected_epoch_of(run)?.ok_or_else(nothing_trained)?;
    Ok(checkpoint::weights_file(&run.checkpoint(epoch))?)
}
