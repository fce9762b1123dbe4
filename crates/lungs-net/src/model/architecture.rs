//! The networks that a spec can name, and a network of any of these architectures.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use lungs_base::network::{Architecture, Pool};

use super::arrays::{self, WeightsError};
use super::cells::{self, Cells};
use super::convolution::Precision;
use super::inspect::{self, Explained, Inspection};
use super::network::I3d;
use super::parts::{self, BatchStatistics};
use super::recompute::{self, TrainingStep};
use super::residual::{self, ResNet, ResNetConfig, ResidualShape};
use super::variable::Variable;
use super::{I3dConfig, ModelError};

/// The row of the table of residual networks.
fn residual_shape(architecture: Architecture) -> Option<ResidualShape> {
    match architecture {
        Architecture::I3d => None,
        Architecture::R3d18 => Some(residual::R3D_18),
        Architecture::I3Resnet152 => Some(residual::I3RESNET_152),
    }
}

/// Names of the layers that [`Network::inspect`] supports, in the order of a forward pass.
pub fn inspected_layers(architecture: Architecture) -> Vec<String> {
    match architecture.residual_blocks() {
        None => cells::inspected_layers().into_iter().map(str::to_owned).collect(),
        Some(blocks) => blocks.stage_names(),
    }
}

/// The last layer of each resolution, the finest first.
pub fn levels(architecture: Architecture) -> Vec<String> {
    let levels = match architecture {
        Architecture::I3d => ["Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c"],
        Architecture::R3d18 | Architecture::I3Resnet152 => ["layer1", "layer2", "layer3", "layer4"],
    };
    levels.map(str::to_owned).to_vec()
}

/// The cells of the named layer's output along depth, height and width of an input of `lengths`;
/// `None` for other names than [`inspected_layers`].
pub(crate) fn layer_cells(
    architecture: Architecture,
    layer: &str,
    lengths: [usize; 3],
) -> Option<[Cells; 3]> {
    match residual_shape(architecture) {
        None => cells::layer_cells(layer, lengths),
        Some(shape) => shape.layer_cells(layer, lengths),
    }
}

/// Memory of the activations of a training step, in numbers of float32 for each input voxel at width 1;
/// with gradient checkpointing, if `checkpointed`. `None` for I3D, whose memory is measured.
pub fn step_numbers_per_voxel(architecture: Architecture, checkpointed: bool) -> Option<f64> {
    residual_shape(architecture).map(|shape| shape.step_numbers_per_voxel(checkpointed))
}

/// Multiplications of a forward pass for each input voxel at width 1; `None` for I3D.
pub fn multiplications_per_voxel(architecture: Architecture) -> Option<f64> {
    residual_shape(architecture).map(|shape| shape.multiplications_per_voxel())
}

/// Configuration of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkConfig {
    /// Architecture.
    pub architecture: Architecture,
    /// Pool before the classifier.
    pub pool: Pool,
    /// Outputs per exam.
    pub outputs: usize,
    /// Input channels: 1, or 3 copies of the same image.
    pub in_channels: usize,
    /// Factor of the number of channels in every layer but the last.
    pub width_multiplier: f64,
    /// Probability that dropout keeps a feature in training; 1 disables dropout.
    pub keep_prob: f64,
}

impl Default for NetworkConfig {
    /// The published I3D with one input channel and two outputs.
    fn default() -> Self {
        Self::from(I3dConfig::default())
    }
}

impl From<I3dConfig> for NetworkConfig {
    fn from(config: I3dConfig) -> Self {
        Self {
            architecture: Architecture::I3d,
            pool: Pool::Average,
            outputs: config.classes,
            in_channels: config.in_channels,
            width_multiplier: config.width_multiplier,
            keep_prob: config.keep_prob,
        }
    }
}

impl NetworkConfig {
    /// The configuration of an I3D with these numbers.
    pub(crate) fn i3d(&self) -> I3dConfig {
        I3dConfig {
            classes: self.outputs,
            in_channels: self.in_channels,
            width_multiplier: self.width_multiplier,
            keep_prob: self.keep_prob,
        }
    }

    fn residual(&self) -> Option<ResNetConfig> {
        Some(ResNetConfig {
            shape: residual_shape(self.architecture)?,
            has_attention: self.pool == Pool::Sybil,
            outputs: self.outputs,
            in_channels: self.in_channels,
            width: self.width_multiplier,
            keep_prob: self.keep_prob,
        })
    }

    /// A network with random initial weights, a function of `seed` alone, on `device`.
    ///
    /// Kernels have He's variance, linear layers `1 / fan_in`, both from normal distributions truncated
    /// at two deviations. Scales and running variances are 1, offsets, biases and running means 0.
    /// Training needs a device with gradients (`device.autodiff()`).
    ///
    /// # Errors
    /// [`ModelError`] if the configuration is invalid.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Network, ModelError> {
        self.i3d().check()?;
        if !self.architecture.has_pool(self.pool) {
            return Err(ModelError::OutOfRange {
                key: "pool",
                value: "sybil".to_owned(),
                expected: "average for i3d; residual networks have both",
            });
        }
        match self.residual() {
            None => Ok(Network::I3d(self.i3d().init(seed, device)?)),
            Some(config) => Ok(Network::Residual(config.init(seed, device))),
        }
    }

    /// Name and shape of every array, in the order of [`Network::variables`].
    pub fn variable_shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self.residual() {
            None => self.i3d().variable_shapes(),
            Some(config) => config.variable_shapes(),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let shapes = self.variable_shapes().into_iter();
        let trainable = shapes.filter(|(name, _)| !super::unit::is_running_statistic(name));
        trainable.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// A network of any architecture. Clones share no state.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a process has one network, or a few")]
pub enum Network {
    /// Inflated Inception-v1.
    I3d(I3d),
    /// A residual network.
    Residual(ResNet),
}

impl From<I3d> for Network {
    fn from(network: I3d) -> Self {
        Self::I3d(network)
    }
}

/// The expression for the network of either architecture.
macro_rules! each {
    ($network:expr, $inner:ident => $value:expr) => {
        match $network {
            Network::I3d($inner) => $value,
            Network::Residual($inner) => $value,
        }
    };
}

/// The network after a change of the network of either architecture.
macro_rules! changed {
    ($network:expr, $inner:ident => $value:expr) => {
        match $network {
            Network::I3d($inner) => Network::I3d($value),
            Network::Residual($inner) => Network::Residual($value),
        }
    };
}

impl Network {
    /// Outputs `[batch, output]` of windowed volumes `[batch, channel, depth, height, width]` in
    /// evaluation mode: running statistics, no dropout, deterministic.
    ///
    /// For a network with gradients, call it on `network.valid()`, which has no gradients and keeps no
    /// intermediate results.
    pub fn forward(&self, input: Tensor<5>) -> Tensor<2> {
        self.forward_probed(input, |_, _| ())
    }

    /// [`Network::forward`] that passes the output of layers to `probe`, `[batch, channel, …]`: those of
    /// [`I3d::forward_probed`], or `stem`, `layer1` to `layer4`, the parts of the pool (`Pool/…`) and
    /// `pooled`, the classifier's input.
    pub fn forward_probed(
        &self,
        input: Tensor<5>,
        mut probe: impl FnMut(&str, &Tensor<5>),
    ) -> Tensor<2> {
        each!(self, network => parts::forward(network, input, &mut probe))
    }

    /// Outputs in training mode: batch statistics, and dropout.
    ///
    /// The dropout mask is a function of `dropout_seed` alone (one per batch:
    /// `random::stream_seed(seed, "dropout/…")`), on any device. After the optimizer's step, pass the
    /// batch statistics to [`Network::update_running_statistics`].
    pub fn forward_train(
        &self,
        input: Tensor<5>,
        dropout_seed: u64,
    ) -> (Tensor<2>, BatchStatistics) {
        each!(self, network => parts::forward_train(network, input, dropout_seed))
    }

    /// [`Network::forward_train`] and the gradients of `loss` of its outputs, with gradient
    /// checkpointing: I3D needs about 0.6 times the memory and 1.6 times the time.
    ///
    /// The network must be on a device with gradients.
    pub fn step_with_gradient_checkpointing(
        &self,
        input: Tensor<5>,
        dropout_seed: u64,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> TrainingStep {
        match self {
            Self::I3d(network) => recompute::step(network, input, dropout_seed, loss),
            Self::Residual(network) => recompute::step(network, input, dropout_seed, loss),
        }
    }

    /// Updates the running statistics by one training batch, whose weight in them is `share` (0 to 1).
    #[must_use]
    pub fn update_running_statistics(self, statistics: &BatchStatistics, share: f64) -> Self {
        changed!(self, network => parts::update_running_statistics(network, statistics, share))
    }

    /// Freezes the named layers: weights and running statistics stay constant, and training normalises
    /// with the running statistics. A name includes everything below it, for example `layer1`,
    /// `Mixed_3b/Branch_1`, or the classifier, `Logits` (see [`Architecture::knows_layer`]).
    #[must_use]
    pub fn with_frozen(self, names: &[String]) -> Self {
        changed!(self, network => parts::with_frozen(network, names))
    }

    /// Freezes every batch normalisation: training uses the running statistics, and does not change
    /// them.
    #[must_use]
    pub fn with_frozen_statistics(self) -> Self {
        changed!(self, network => parts::with_frozen_statistics(network))
    }

    /// Sets the number type of the convolutions' factors. Weights, their gradients, normalisation, the
    /// classifier and the loss stay in f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        changed!(self, network => parts::with_precision(network, precision))
    }

    /// Number of trainable parameters (without running statistics).
    pub fn parameter_count(&self) -> usize {
        each!(self, network => parts::parameter_count(network))
    }

    /// Every array of the network, with the running statistics, in the order of a forward pass.
    pub fn variables(&self) -> Vec<Variable> {
        each!(self, network => arrays::variables(network))
    }

    /// The network with these arrays, given in any order. See [`I3d::with_variables`].
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with every array that is missing, unknown, duplicated or of another
    /// shape.
    pub fn with_variables(self, variables: Vec<Variable>) -> Result<Self, WeightsError> {
        Ok(changed!(self, network => arrays::with_variables(network, variables)?))
    }

    /// The network for [`Network::inspect`]: no parameter is trainable, so that only activations have
    /// gradients.
    #[must_use]
    pub fn for_inspection(self) -> Self {
        self.no_grad()
    }

    /// Output and gradient of a layer ([`inspected_layers`]); `None` for an unknown name.
    ///
    /// The network must be on a device with gradients, and `input` on one without. Intermediate results
    /// before the layer are not kept in memory.
    pub fn inspect(
        &self,
        layer: &str,
        input: Tensor<5>,
        explained: Explained,
    ) -> Option<Inspection> {
        match self {
            Self::I3d(network) => network.inspect(layer, input, explained),
            Self::Residual(network) => {
                let segment = network.shape().last_segment(layer)?;
                inspect::inspect(network, (layer, segment), input, explained)
            }
        }
    }

    /// Number of units.
    #[cfg(test)]
    pub(super) fn unit_count(&self) -> usize {
        each!(self, network => parts::Parts::units(network).len())
    }

    /// The architecture.
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::I3d(_) => Architecture::I3d,
            Self::Residual(network) => Architecture::ALL
                .into_iter()
                .find(|architecture| residual_shape(*architecture) == Some(*network.shape()))
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_have_the_published_sizes() {
        let count = |architecture, pool, outputs, in_channels| {
            let default = NetworkConfig::default();
            NetworkConfig { architecture, pool, outputs, in_channels, ..default }.parameter_count()
        };
        assert_eq!(count(Architecture::I3d, Pool::Average, 2, 3), 12_282_034);
        // torchvision's r3d_18 with its classifier of 400 classes.
        assert_eq!(count(Architecture::R3d18, Pool::Average, 400, 3), 33_371_472);
        // Sybil: three attentions over 512 channels, the convolution, and 1536 to 512.
        let pool = 3 * 513 + 512 * 512 * 11 + 1536 * 512 + 512;
        let encoder = 33_371_472 - 400 * 513;
        assert_eq!(count(Architecture::R3d18, Pool::Sybil, 7, 3), encoder + pool + 7 * 513);
    }

    #[test]
    fn the_pool_of_sybil_needs_a_residual_network() {
        let config = NetworkConfig { pool: Pool::Sybil, ..NetworkConfig::default() };
        let error = config.init(1, &Device::flex()).unwrap_err().to_string();
        assert!(error.starts_with("the network's pool is sybil, expected average"), "{error}");
    }
}
