//! Export of the network's arrays for other programs.

use super::LoadedNetwork;
use super::layout::Layout;
use crate::model::{self, Architecture, Metadata, ModelError, Variable, WeightsError, is_head};
use burn::store::{BurnpackStore, ModuleSnapshot};
use burn::tensor::Device;
use lungs_base::files::{self, WriteError};
use std::collections::BTreeMap;
use std::path::Path;

/// Format of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Safetensors with the names of the common public PyTorch I3D.
    PyTorchSafetensors,
    /// A burnpack file of [`crate::model::Network`].
    Burn,
}

/// A network cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The weights do not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The configuration describes no valid network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Burn failed to serialise the network.
    #[error("cannot write the Burn file: {0}")]
    Burn(String),
    /// The names of the public PyTorch I3D do not fit another architecture.
    #[error(
        "{path} is a network of the architecture {architecture}; pytorch-safetensors has the names of the \
         public I3D, expected \"i3d\"; export to burn, or use the safetensors file itself"
    )]
    Architecture {
        /// The source file of the weights.
        path: std::path::PathBuf,
        /// The architecture of the weights.
        architecture: Architecture,
    },
    /// A Burn file needs a classifier, and the weights have none.
    #[error(
        "{path} has no classifier, but a Burn file holds a complete network; export to \
         pytorch-safetensors instead, or train a classifier first"
    )]
    NoHead {
        /// The source file of the weights.
        path: std::path::PathBuf,
    },
}

/// Writes a network in the format of `target`, atomically.
///
/// # Errors
/// [`ExportError`].
pub fn export(loaded: &LoadedNetwork, target: Target, path: &Path) -> Result<(), ExportError> {
    match target {
        Target::PyTorchSafetensors => {
            let architecture = loaded.config.architecture;
            if architecture != Architecture::I3d {
                return Err(ExportError::Architecture { path: loaded.path.clone(), architecture });
            }
            let metadata = Metadata::from([("format".to_owned(), "pt".to_owned())]);
            let metadata = metadata.into_iter().chain(loaded.metadata.clone()).collect();
            model::save_variables(&pytorch_arrays(loaded), path, &metadata)?;
        }
        Target::Burn => {
            if !loaded.has_head() {
                return Err(ExportError::NoHead { path: loaded.path.clone() });
            }
            let network = loaded.config.init(0, &Device::flex())?;
            let network = network.with_variables(loaded.variables.clone())?;
            let mut store = BurnpackStore::from_bytes(None);
            network.save_into(&mut store).map_err(|e| ExportError::Burn(e.to_string()))?;
            let bytes = store.get_bytes().map_err(|e| ExportError::Burn(e.to_string()))?;
            files::write_bytes(path, &bytes)?;
        }
    }
    Ok(())
}

/// The arrays with PyTorch's names. Gamma of PyTorch's batch normalisation is 1.
fn pytorch_arrays(loaded: &LoadedNetwork) -> Vec<Variable> {
    let layout = Layout::PyTorchI3d;
    let by_name: BTreeMap<&str, &Variable> =
        loaded.variables.iter().map(|variable| (&*variable.name, variable)).collect();
    let renamed = |own_name: &str, name: String| {
        by_name.get(own_name).map(|variable| Variable { name, ..(*variable).clone() })
    };
    let mut arrays = vec![];
    for (index, layer) in loaded.config.i3d().layers().iter().enumerate() {
        let names = layout.unit(index, layer);
        let [kernel, beta, mean, variance] = layer.array_names();
        arrays.extend(renamed(&kernel, names.kernel));
        arrays.extend(names.gamma.map(|name| Variable {
            name,
            shape: vec![layer.outputs],
            values: vec![1.0; layer.outputs],
        }));
        arrays.extend(renamed(&beta, names.beta));
        arrays.extend(renamed(&mean, names.moving_mean));
        arrays.extend(renamed(&variance, names.moving_variance));
    }
    let heads = loaded.variables.iter().filter(|variable| is_head(variable));
    for (variable, name) in heads.zip(layout.head()) {
        let mut shape = variable.shape.clone();
        if shape.len() == 2 {
            shape.extend([1; 3]);
        }
        arrays.push(Variable { name, shape, values: variable.values.clone() });
    }
    arrays
}
