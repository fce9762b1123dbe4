//! Names and shapes of the arrays of Inception-v1 and I3D, by layout.
//!
//! | layout | a kernel | its shape | has gamma |
//! |---|---|---|---|
//! | `lungs` | `Mixed_3b/Branch_1/Conv3d_0b_3x3/conv_3d/w` | out, in, d, h, w | no |
//! | TensorFlow I3D (`lungs` 0.1.5, DeepMind) | `RGB/inception_i3d/` + the same | d, h, w, in, out | no |
//! | PyTorch I3D | `Mixed_3b.b1b.conv3d.weight` | out, in, d, h, w | yes |
//! | TF-slim Inception-v1 | `InceptionV1/Mixed_3b/Branch_1/Conv2d_0b_3x3/weights` | h, w, in, out | usually no |
//! | torchvision GoogLeNet | `inception3a.branch2.1.conv.weight` | out, in, h, w | yes |

use std::fmt;

use super::Archive;
use crate::model::{BLOCK_UNITS, Layer, head_names};

/// A known convention for the names and shapes of arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// This program's own layout.
    Lungs,
    /// Sonnet's I3D, as `lungs` 0.1.5 and DeepMind's kinetics-i3d save it.
    TensorFlowI3d,
    /// The common public PyTorch I3D.
    PyTorchI3d,
    /// Two-dimensional Inception-v1 of TF-slim.
    SlimInception,
    /// Two-dimensional GoogLeNet of torchvision.
    GoogLeNet,
}

/// Names of one unit's arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitNames {
    pub kernel: String,
    pub gamma: Option<String>,
    pub beta: String,
    pub moving_mean: String,
    pub moving_variance: String,
}

/// Every layout, the most specific first.
const LAYOUTS: [Layout; 5] = [
    Layout::Lungs,
    Layout::TensorFlowI3d,
    Layout::PyTorchI3d,
    Layout::SlimInception,
    Layout::GoogLeNet,
];

impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Lungs => "I3D of this program",
            Self::TensorFlowI3d => "I3D of TensorFlow (lungs 0.1.5, kinetics-i3d)",
            Self::PyTorchI3d => "I3D of PyTorch",
            Self::SlimInception => "two-dimensional Inception-v1 of TF-slim",
            Self::GoogLeNet => "two-dimensional GoogLeNet of torchvision",
        })
    }
}

impl Layout {
    /// Whether its kernels have no depth.
    pub fn is_two_dimensional(self) -> bool {
        matches!(self, Self::SlimInception | Self::GoogLeNet)
    }

    /// Whether its kernels are `[…, in, out]`, rather than `[out, in, …]`.
    pub(super) fn outputs_last(self) -> bool {
        matches!(self, Self::TensorFlowI3d | Self::SlimInception)
    }

    /// Names of the arrays of the unit at `index` in a forward pass.
    pub(super) fn unit(self, index: usize, layer: &Layer) -> UnitNames {
        let name = match self {
            Self::Lungs | Self::TensorFlowI3d => layer.name.clone(),
            Self::PyTorchI3d => branch(index, layer, '.', PYTORCH_BRANCHES),
            Self::SlimInception => layer.name.replace("Conv3d", "Conv2d"),
            Self::GoogLeNet => match Branch::of(index, layer) {
                None => GOOGLENET_STEM[index.min(2)].to_owned(),
                Some(Branch { block, unit }) => {
                    format!("{}.{}", googlenet_block(block), GOOGLENET_BRANCHES[unit])
                }
            },
        };
        let of = |suffix: &str| format!("{name}{suffix}");
        match self {
            Self::Lungs | Self::TensorFlowI3d => UnitNames {
                kernel: of("/conv_3d/w"),
                gamma: None,
                beta: of("/batch_norm/beta"),
                moving_mean: of("/batch_norm/moving_mean"),
                moving_variance: of("/batch_norm/moving_variance"),
            },
            Self::SlimInception => UnitNames {
                kernel: of("/weights"),
                gamma: Some(of("/BatchNorm/gamma")),
                beta: of("/BatchNorm/beta"),
                moving_mean: of("/BatchNorm/moving_mean"),
                moving_variance: of("/BatchNorm/moving_variance"),
            },
            Self::PyTorchI3d | Self::GoogLeNet => UnitNames {
                kernel: of(if self == Self::PyTorchI3d {
                    ".conv3d.weight"
                } else {
                    ".conv.weight"
                }),
                gamma: Some(of(".bn.weight")),
                beta: of(".bn.bias"),
                moving_mean: of(".bn.running_mean"),
                moving_variance: of(".bn.running_var"),
            },
        }
    }

    /// Names of the classifier's kernel and bias.
    pub(super) fn head(self) -> [String; 2] {
        match self {
            Self::Lungs | Self::TensorFlowI3d => head_names(),
            Self::PyTorchI3d => ["logits.conv3d.weight", "logits.conv3d.bias"].map(str::to_owned),
            Self::SlimInception => {
                ["Logits/Conv2d_0c_1x1/weights", "Logits/Conv2d_0c_1x1/biases"].map(str::to_owned)
            }
            Self::GoogLeNet => ["fc.weight", "fc.bias"].map(str::to_owned),
        }
    }

    /// The name of the kernel that reads the image. It identifies the layout.
    fn first_kernel(self) -> &'static str {
        match self {
            Self::Lungs | Self::TensorFlowI3d => "Conv3d_1a_7x7/conv_3d/w",
            Self::PyTorchI3d => "Conv3d_1a_7x7.conv3d.weight",
            Self::SlimInception => "Conv2d_1a_7x7/weights",
            Self::GoogLeNet => "conv1.conv.weight",
        }
    }

    /// The first kernels' names, for error messages.
    pub(super) fn first_kernels() -> String {
        let mut names: Vec<&str> = LAYOUTS.iter().map(|layout| layout.first_kernel()).collect();
        names.dedup();
        names.join(", ")
    }

    /// Whether `shape` fits the first kernel, whose side is 7.
    fn has_first_shape(self, shape: &[usize]) -> bool {
        match self {
            Self::Lungs | Self::PyTorchI3d => shape.len() == 5 && shape[2..] == [7; 3],
            Self::TensorFlowI3d => shape.len() == 5 && shape[..3] == [7; 3],
            Self::SlimInception => shape.len() == 4 && shape[..2] == [7; 2],
            Self::GoogLeNet => shape.len() == 4 && shape[2..] == [7; 2],
        }
    }

    /// Description of an array that is common in this layout and that the network does not use.
    pub(super) fn known_extra(self, name: &str) -> Option<&'static str> {
        const SLOTS: [&str; 8] = [
            "/Adam",
            "/Adam_1",
            "/Momentum",
            "/RMSProp",
            "/RMSProp_1",
            "/Adagrad",
            "/Ftrl",
            "/ExponentialMovingAverage",
        ];
        let last = name.rsplit(['/', '.']).next().unwrap_or(name);
        let counts = ["global_step", "beta1_power", "beta2_power", "num_batches_tracked"];
        let bare = last.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit());
        if SLOTS.iter().any(|slot| name.ends_with(slot)) || name.contains("optimizer.") {
            return Some("optimizer state");
        }
        if counts.iter().any(|count| last == *count || bare == *count) {
            return Some("training counter");
        }
        let auxiliary = name.contains("/AuxLogits/") || name.starts_with("aux");
        auxiliary.then_some("auxiliary classifier (I3D has none)")
    }
}

/// A unit's block, and its index within the block.
struct Branch<'a> {
    block: &'a str,
    unit: usize,
}

impl<'a> Branch<'a> {
    fn of(index: usize, layer: &'a Layer) -> Option<Self> {
        let (block, _) = layer.name.split_once('/')?;
        Some(Self { block, unit: (index + BLOCK_UNITS - GOOGLENET_STEM.len()) % BLOCK_UNITS })
    }
}

const PYTORCH_BRANCHES: [&str; BLOCK_UNITS] = ["b0", "b1a", "b1b", "b2a", "b2b", "b3b"];
const GOOGLENET_STEM: [&str; 3] = ["conv1", "conv2", "conv3"];
const GOOGLENET_BRANCHES: [&str; BLOCK_UNITS] =
    ["branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"];

fn branch(index: usize, layer: &Layer, joint: char, names: [&str; BLOCK_UNITS]) -> String {
    match Branch::of(index, layer) {
        None => layer.name.clone(),
        Some(Branch { block, unit }) => format!("{block}{joint}{}", names[unit]),
    }
}

/// Torchvision's name of a block: `inception3a` for `Mixed_3b`, and so on.
fn googlenet_block(block: &str) -> String {
    let number = block.trim_start_matches("Mixed_");
    let (stage, letter) = number.split_at(1);
    let letter = letter.chars().next().map_or('a', |c| char::from(c as u8 - 1));
    format!("inception{stage}{letter}")
}

/// A layout, and the prefix of the network's names in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NetworkLocation {
    pub layout: Layout,
    pub prefix: String,
}

/// Every network in a file, usually one.
pub(super) fn recognise(archive: &Archive) -> Vec<NetworkLocation> {
    let mut networks = vec![];
    for layout in LAYOUTS {
        let known = layout.first_kernel();
        for array in archive.arrays.iter().filter(|array| layout.has_first_shape(&array.shape)) {
            let Some(prefix) = array.name.strip_suffix(known) else { continue };
            if prefix.is_empty() || prefix.ends_with(['/', '.']) {
                networks.push(NetworkLocation { layout, prefix: prefix.to_owned() });
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::I3dConfig;

    fn kernel(layout: Layout, index: usize) -> String {
        layout.unit(index, &I3dConfig::default().layers()[index]).kernel
    }

    #[test]
    fn units_have_the_names_of_the_published_checkpoints() {
        use Layout::{GoogLeNet, PyTorchI3d, SlimInception, TensorFlowI3d};
        assert_eq!(kernel(TensorFlowI3d, 0), "Conv3d_1a_7x7/conv_3d/w");
        assert_eq!(kernel(PyTorchI3d, 2), "Conv3d_2c_3x3.conv3d.weight");
        assert_eq!(kernel(PyTorchI3d, 3), "Mixed_3b.b0.conv3d.weight");
        assert_eq!(kernel(PyTorchI3d, 5), "Mixed_3b.b1b.conv3d.weight");
        assert_eq!(kernel(PyTorchI3d, 56), "Mixed_5c.b3b.conv3d.weight");
        assert_eq!(kernel(SlimInception, 1), "Conv2d_2b_1x1/weights");
        // The irregular name of the original (0a instead of 0b).
        assert_eq!(kernel(SlimInception, 49), "Mixed_5b/Branch_2/Conv2d_0a_3x3/weights");
        assert_eq!(kernel(GoogLeNet, 0), "conv1.conv.weight");
        assert_eq!(kernel(GoogLeNet, 3), "inception3a.branch1.conv.weight");
        assert_eq!(kernel(GoogLeNet, 20), "inception4a.branch4.1.conv.weight");
        assert_eq!(kernel(GoogLeNet, 55), "inception5b.branch3.1.conv.weight");
    }

    #[test]
    fn known_extra_arrays_have_descriptions() {
        let description = |name| Layout::TensorFlowI3d.known_extra(name);
        assert_eq!(description("RGB/Mixed_3b/w/Adam_1"), Some("optimizer state"));
        assert_eq!(description("train_op/beta1_power_1"), Some("training counter"));
        assert_eq!(
            description("inception3a.branch1.bn.num_batches_tracked"),
            description("global_step")
        );
        assert!(Layout::GoogLeNet.known_extra("aux1.conv.bn.bias").is_some());
        assert_eq!(description("Mixed_3b/w"), None);
    }
}
