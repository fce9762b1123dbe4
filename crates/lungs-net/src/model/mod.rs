//! The networks: I3D and residual networks, their losses, and their weights files.
//!
//! [`NetworkConfig`] names an architecture, [`Network`] is a network of any of them.
//!
//! I3D is Inception-v1 inflated to three dimensions (Carreira & Zisserman 2017,
//! <https://arxiv.org/abs/1705.07750>), as the `lungs` 0.1.5 package trained it on chest CT:
//!
//! ```text
//! [batch, channel, depth, height, width], windowed to −1 … 1
//!   Conv3d_1a_7x7 /2 → max 1×3×3 /1,2,2 → Conv3d_2b_1x1 → Conv3d_2c_3x3 → max 1×3×3 /1,2,2
//!   → Mixed_3b, 3c → max 3×3×3 /2 → Mixed_4b … 4f → max 2×2×2 /2 → Mixed_5b, 5c
//!   → mean 2×7×7 → dropout → 1×1×1 classifier → mean over positions
//! [batch, class] logits
//! ```
//!
//! Every convolution is followed by batch normalisation (no scale) and ReLU, and padded as
//! TensorFlow pads ("SAME"). Each layer's output equals the original's to about seven digits.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use lungs_net::model::I3dConfig;
//!
//! let config = I3dConfig { width_multiplier: 0.125, ..I3dConfig::default() };
//! let network = config.init(37, &Device::flex())?;
//! let volume = Tensor::zeros([1, 1, 16, 32, 32], &Device::flex());
//! assert_eq!(network.forward(volume).dims(), [1, 2]);
//! # Ok::<(), lungs_net::model::ModelError>(())
//! ```
//!
//! A training step is explicit: nothing depends on a hidden mode, a global random generator, or state
//! shared between clones.
//!
//! ```text
//! let (logits, statistics) = network.forward_train(volumes, dropout_seed);
//! let gradients = loss.mean(logits, &labels).backward();
//! let gradients = GradientsParams::from_grads(gradients, &network);
//! network = optimizer.step(learning_rate, network, gradients);
//! network = network.update_running_statistics(&statistics, 0.001);
//! let logits = network.valid().forward(volumes);
//! ```
//!
//! The same input gives the same bytes on the CPU, whatever the number of threads.

mod architecture;
mod arrays;
mod cells;
mod convolution;
mod cube;
mod flex;
mod initialization;
mod inspect;
mod layers;
mod loss;
mod network;
mod normalization;
mod padding;
mod parts;
mod pooling;
mod recompute;
mod residual;
mod softmax;
#[cfg(test)]
mod tests;
mod unit;
mod update;
mod variable;
mod weights;

pub(crate) use architecture::layer_cells;
pub use architecture::{
    Network, NetworkConfig, inspected_layers, levels, multiplications_per_voxel,
    step_numbers_per_voxel,
};
pub use arrays::WeightsError;
pub use cells::Cells;
pub use convolution::Precision;
pub use inspect::{Explained, Inspection};
pub(crate) use layers::{BLOCK_UNITS, head_inputs};
pub use layers::{Layer, head_names, is_head, is_pool};
pub use loss::{Loss, with_gradient};
pub use lungs_base::network::{Architecture, Pool};
pub use network::I3d;
pub use parts::BatchStatistics;
pub use recompute::TrainingStep;
pub use residual::ResNet;
pub use unit::parameter_id;
pub use update::{AdamStep, SquaresInput, adam_step, blend, squares_of_parts, together};
pub use variable::{Variable, sum_input_channels};
pub use weights::{Metadata, load, save, save_variables};

/// Configuration of an I3D.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct I3dConfig {
    /// Number of classes: logits per exam.
    pub classes: usize,
    /// Input channels: 1, or 3 for the original's three copies of the same image.
    pub in_channels: usize,
    /// Factor of the number of channels in every layer but the last; 1 is the published network.
    pub width_multiplier: f64,
    /// Probability that dropout keeps a feature in training; 1 disables dropout.
    pub keep_prob: f64,
}

impl Default for I3dConfig {
    /// The published network with one input channel.
    fn default() -> Self {
        Self { classes: 2, in_channels: 1, width_multiplier: 1.0, keep_prob: 0.7 }
    }
}

/// An invalid configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A number is out of range.
    #[error("the network's {key} is {value}, expected {expected}")]
    OutOfRange {
        /// Name of the number.
        key: &'static str,
        /// Value of the number.
        value: String,
        /// Allowed range.
        expected: &'static str,
    },
}

impl I3dConfig {
    /// Checks the ranges of all numbers.
    ///
    /// # Errors
    /// [`ModelError`] with the first number that is out of range.
    pub fn check(&self) -> Result<(), ModelError> {
        let checks = [
            ("classes", self.classes.to_string(), self.classes >= 2, "at least 2"),
            (
                "in_channels",
                self.in_channels.to_string(),
                matches!(self.in_channels, 1 | 3),
                "1 or 3",
            ),
            (
                "width_multiplier",
                self.width_multiplier.to_string(),
                self.width_multiplier > 0.0 && self.width_multiplier <= 4.0,
                "more than 0, at most 4",
            ),
            (
                "keep_prob",
                self.keep_prob.to_string(),
                self.keep_prob > 0.0 && self.keep_prob <= 1.0,
                "more than 0, at most 1",
            ),
        ];
        match checks.into_iter().find(|(.., valid, _)| !valid) {
            None => Ok(()),
            Some((key, value, _, expected)) => Err(ModelError::OutOfRange { key, value, expected }),
        }
    }
}
