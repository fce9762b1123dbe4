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

/// The first unit of a residual network.
pub const RESIDUAL_STEM: &str = "stem";
/// The pool of Sybil: every name of its arrays starts with it.
pub const POOL: &str = "Pool";
/// The parts of the pool of Sybil with their own weights, in the order of a forward pass.
pub const POOL_PARTS: [&str; 5] =
    ["Position_attention", "Slice_attention", "Slice_convolution", "Convolved_attention", "Hidden"];

/// A network architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Inflated Inception-v1.
    #[default]
    I3d,
    /// torchvision's `r3d_18`.
    R3d18,
    /// ResNet-152, inflated as Merlin inflates it.
    I3Resnet152,
}

/// The pool between features and classifier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Pool {
    /// The mean over positions; that of 2×7×7 windows in I3D.
    #[default]
    Average,
    /// The pool of Sybil: attention over the positions of slices and over slices, and maxima.
    Sybil,
}

/// The blocks of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResidualBlocks {
    /// Number of blocks of each stage.
    pub counts: [usize; 4],
    /// Whether a block has three convolutions, 1×1×1, 3×3×3 and 1×1×1, instead of two of 3×3×3.
    pub are_bottlenecks: bool,
}

impl Architecture {
    /// All architectures.
    pub const ALL: [Self; 3] = [Self::I3d, Self::R3d18, Self::I3Resnet152];

    /// Name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::I3d => "i3d",
            Self::R3d18 => "r3d-18",
            Self::I3Resnet152 => "i3resnet-152",
        }
    }

    /// The blocks of a residual network; `None` for I3D.
    pub fn residual_blocks(self) -> Option<ResidualBlocks> {
        match self {
            Self::I3d => None,
            Self::R3d18 => Some(ResidualBlocks { counts: [2; 4], are_bottlenecks: false }),
            Self::I3Resnet152 => {
                Some(ResidualBlocks { counts: [3, 8, 36, 3], are_bottlenecks: true })
            }
        }
    }

    /// Whether the architecture can have this pool.
    pub fn has_pool(self, pool: Pool) -> bool {
        pool == Pool::Average || self.residual_blocks().is_some()
    }

    /// Names of the top-level layers, in the order of a forward pass.
    pub fn layer_groups(self, pool: Pool) -> Vec<String> {
        let layers = match self.residual_blocks() {
            None => STEM.into_iter().chain(BLOCKS).map(str::to_owned).collect(),
            Some(blocks) => blocks.stage_names(),
        };
        let pool = (pool == Pool::Sybil).then(|| POOL.to_owned());
        layers.into_iter().chain(pool).chain(["Logits".to_owned()]).collect()
    }

    /// A layer below a top-level layer, as an example for messages.
    pub fn layer_example(self) -> &'static str {
        match self {
            Self::I3d => "Mixed_3b/Branch_1",
            Self::R3d18 | Self::I3Resnet152 => "layer2/0",
        }
    }

    /// Names of all units in the order of a forward pass, then of the parts of the pool and of the
    /// classifier.
    pub fn layer_names(self, pool: Pool) -> Vec<String> {
        let units = match self.residual_blocks() {
            None => {
                let stem = STEM.map(str::to_owned).into_iter();
                stem.chain(BLOCKS.into_iter().flat_map(mixed_unit_names)).collect()
            }
            Some(blocks) => blocks.unit_names(),
        };
        let parts = if pool == Pool::Sybil { &POOL_PARTS[..] } else { &[] };
        let parts = parts.iter().map(|part| format!("{POOL}/{part}"));
        units.into_iter().chain(parts).chain([HEAD.to_owned()]).collect()
    }

    /// Whether a layer of this name, or a layer below it, exists.
    pub fn knows_layer(self, pool: Pool, name: &str) -> bool {
        self.layer_names(pool).iter().any(|layer| is_below(layer, name))
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl ResidualBlocks {
    /// Names of the stages, the first unit's first.
    pub fn stage_names(&self) -> Vec<String> {
        let stages = (1..=self.counts.len()).map(|stage| format!("layer{stage}"));
        std::iter::once(RESIDUAL_STEM.to_owned()).chain(stages).collect()
    }

    /// Names of all units, that of a block's shortcut after the others of the block.
    pub fn unit_names(&self) -> Vec<String> {
        let mut names = vec![RESIDUAL_STEM.to_owned()];
        for (stage, blocks) in self.counts.into_iter().enumerate() {
            for block in 0..blocks {
                let block_name = format!("layer{}/{block}", stage + 1);
                let convolutions = if self.are_bottlenecks { 3 } else { 2 };
                names.extend((1..=convolutions).map(|unit| format!("{block_name}/conv{unit}")));
                // The first block of a stage changes the size or the channels.
                if block == 0 && (stage > 0 || self.are_bottlenecks) {
                    names.push(format!("{block_name}/downsample"));
                }
            }
        }
        names
    }
}

/// Whether `name` is `layer` or below it: `Mixed_3b/Branch_0/…` is below `Mixed_3b`.
pub fn is_below(name: &str, layer: &str) -> bool {
    name.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_their_parents_are_known() {
        let knows = |name: &str| Architecture::I3d.knows_layer(Pool::Average, name);
        for known in ["Conv3d_1a_7x7", "Mixed_5c", "Mixed_5c/Branch_3", "Logits"] {
            assert!(knows(known), "{known}");
        }
        for unknown in ["Conv3d_1a", "Mixed_5d", "", "Mixed_5c/Branch_3/", "stem", "Pool"] {
            assert!(!knows(unknown), "{unknown}");
        }
        let knows = |name: &str| Architecture::R3d18.knows_layer(Pool::Sybil, name);
        for known in ["stem", "layer4/1", "layer2/0/downsample", "Pool", "Pool/Hidden", "Logits"] {
            assert!(knows(known), "{known}");
        }
        for unknown in ["layer5", "layer1/0/downsample", "Mixed_3b", "layer", "stem/conv_3d"] {
            assert!(!knows(unknown), "{unknown}");
        }
        for architecture in Architecture::ALL {
            let pool = Pool::Average;
            let known = |name: &String| architecture.knows_layer(pool, name);
            assert!(architecture.layer_groups(pool).iter().all(known));
            assert!(known(&architecture.layer_example().to_owned()));
        }
    }
}
