//! Residual networks in files: their configuration, and their arrays in order.

use super::intake::ExtractedNetwork;
use super::residual_names::{Renamed, ResidualLayout, ResidualLocation, with_own_names};
use super::{Archive, Head, UnusedEntry};
use crate::model::{Architecture, NetworkConfig, Pool, Variable, head_names, is_head, is_pool};
use std::collections::BTreeMap;

/// The first kernel.
const STEM: &str = "stem/conv_3d/w";
/// A kernel that bottlenecks alone have.
const BOTTLENECK: &str = "layer1/0/conv3/conv_3d/w";

/// The configuration of the residual network in a file; `None` if there is none. Without a classifier,
/// the number of outputs is the default.
fn config_of(archive: &Archive) -> Option<NetworkConfig> {
    let find = |name: &str| archive.arrays.iter().find(|array| array.name == name);
    let &[_, in_channels, ..] = &find(STEM)?.shape[..] else { return None };
    let default = NetworkConfig::default();
    let [kernel, _] = head_names();
    let classes = find(&kernel).and_then(|kernel| kernel.shape.first().copied());
    let full = NetworkConfig {
        architecture: match find(BOTTLENECK) {
            Some(_) => Architecture::I3Resnet152,
            None => Architecture::R3d18,
        },
        pool: if archive.arrays.iter().any(is_pool) { Pool::Sybil } else { Pool::Average },
        outputs: classes.unwrap_or(default.outputs),
        in_channels,
        ..default
    };
    Some(NetworkConfig { width_multiplier: width_of(archive, &full), ..full })
}

/// The width multiplier of a network whose arrays are named as those of `full`, at width 1.
fn width_of(archive: &Archive, full: &NetworkConfig) -> f64 {
    let shapes = full.variable_shapes().into_iter();
    let kernels = shapes.filter(|(name, _)| name.ends_with("/conv_3d/w") && !is_head_name(name));
    let pairs = kernels.filter_map(|(name, shape)| {
        let array = archive.arrays.iter().find(|array| array.name == name)?;
        Some((shape[0], *array.shape.first()?))
    });
    super::intake::width_of(&pairs.collect::<Vec<_>>())
}

fn is_head_name(name: &str) -> bool {
    head_names().iter().any(|head| head == name)
}

/// The network's arrays in the order of a forward pass, without its classifier if a new one replaces it.
///
/// # Errors
/// One line for each missing or wrong array.
pub(super) fn extract(
    archive: Archive,
    location: &ResidualLocation,
    head: Head,
) -> Result<ExtractedNetwork, Vec<String>> {
    let Renamed { archive, mut problems } = with_own_names(archive, location, head);
    let Some(config) = config_of(&archive) else {
        let kernel = ResidualLayout::Lungs.first_kernel();
        return Err(vec![format!("{kernel}: expected shape [outputs, inputs, 3, 7, 7]")]);
    };
    let Archive { arrays, unused_entries, .. } = archive;
    let mut arrays: BTreeMap<String, Variable> =
        arrays.into_iter().map(|array| (array.name.clone(), array)).collect();
    let mut variables = vec![];
    for (name, shape) in config.variable_shapes() {
        match arrays.remove(&name) {
            Some(array) if is_head(&array) && head == Head::New => {}
            Some(array) if array.shape == shape => variables.push(array),
            Some(Variable { shape: actual, .. }) => {
                problems.push(format!("{name}: expected shape {shape:?}, found {actual:?}"));
            }
            None if is_head_name(&name) => {}
            None => problems.push(format!("{name}: missing; expected shape {shape:?}")),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let extra = arrays
        .into_keys()
        .map(|name| UnusedEntry { name, description: "not part of the network".to_owned() });
    let unused_entries = unused_entries.into_iter().chain(extra).collect();
    Ok(ExtractedNetwork { config, variables, unused_entries })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::{self, Metadata};
    use crate::weights::load;

    #[test]
    fn a_residual_network_is_recognised_and_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.safetensors");
        for (architecture, pool, width_multiplier) in [
            (Architecture::R3d18, Pool::Sybil, 0.1),
            (Architecture::I3Resnet152, Pool::Average, 0.05),
        ] {
            let config = NetworkConfig {
                architecture,
                pool,
                outputs: 7,
                width_multiplier,
                ..NetworkConfig::default()
            };
            let network = config.init(1, &Device::flex()).unwrap();
            model::save(&network, &file, &Metadata::new()).unwrap();
            let loaded = load(&file, None, Head::Load).unwrap();
            let shapes = loaded.config.variable_shapes();
            assert_eq!(shapes, config.variable_shapes(), "{:?}", loaded.config);
            assert_eq!(loaded.variables, network.variables());
            let loaded = load(&file, None, Head::New).unwrap();
            assert!(!loaded.has_head());
            assert_eq!(loaded.variables.len() + 2, network.variables().len());
            // A missing array is an error.
            let mut variables = network.variables();
            variables.remove(7);
            model::save_variables(&variables, &file, &Metadata::new()).unwrap();
            let error = load(&file, None, Head::Load).unwrap_err().to_string();
            assert!(error.contains("layer1/0/conv1") && error.contains("missing"), "{error}");
        }
    }
}
