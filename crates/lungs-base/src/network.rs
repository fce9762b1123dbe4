//! Names of the parts of the network, which specs and files of weights contain.

use serde::{Deserialize, Serialize};

/// The classifier of a network with initial weights: `model.init_head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Use the classifier of `init`.
    Load,
    /// Draw a new classifier from the seed.
    New,
}

/// The classifier's name.
pub const HEAD: &str = "Logits/Conv3d_0c_1x1/conv_3d";

/// The units before the inception blocks.
const STEM: [&str; 3] = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"];

/// The inception blocks.
const BLOCKS: [&str; 9] = [
    "Mixed_3b", "Mixed_3c", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f", "Mixed_5b",
    "Mixed_5c",
];

/// The names of the units of an inception block, in the order of a forward pass.
///
/// `Mixed_5b` is irregular in the original (`0a` for `0b`), and therefore in every checkpoint.
pub fn mixed_unit_names(block: &str) -> [String; 6] {
    let second = match block {
        "Mixed_5b" => "Branch_2/Conv3d_0a_3x3",
        _ => "Branch_2/Conv3d_0b_3x3",
    };
    [
        "Branch_0/Conv3d_0a_1x1",
        "Branch_1/Conv3d_0a_1x1",
        "Branch_1/Conv3d_0b_3x3",
        "Branch_2/Conv3d_0a_1x1",
        second,
        "Branch_3/Conv3d_0b_1x1",
    ]
    .map(|unit| format!("{block}/{unit}"))
}

/// Names of all units in the order of a forward pass, then of the classifier.
pub fn layer_names() -> Vec<String> {
    let stem = STEM.map(str::to_owned).into_iter();
    let blocks = BLOCKS.into_iter().flat_map(mixed_unit_names);
    stem.chain(blocks).chain([HEAD.to_owned()]).collect()
}

/// Whether `name` is `layer` or below it: `Mixed_3b/Branch_0/…` is below `Mixed_3b`.
pub fn is_below(name: &str, layer: &str) -> bool {
    name.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a layer of this name, or a layer below it, exists.
pub fn knows_layer(name: &str) -> bool {
    layer_names().iter().any(|layer| is_below(layer, name))
}

/// Names of the top-level layers, in the order of a forward pass.
pub fn layer_groups() -> Vec<&'static str> {
    STEM.into_iter().chain(BLOCKS).chain(["Logits"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_their_parents_are_known() {
        for known in ["Conv3d_1a_7x7", "Mixed_5c", "Mixed_5c/Branch_3", "Logits"] {
            assert!(knows_layer(known), "{known}");
        }
        for unknown in ["Conv3d_1a", "Mixed_5d", "", "Mixed_5c/Branch_3/"] {
            assert!(!knows_layer(unknown), "{unknown}");
        }
        assert!(layer_groups().into_iter().all(knows_layer));
    }
}
