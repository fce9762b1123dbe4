//! The complete I3D network.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;

use super::convolution::{Precision, multiply};
use super::initialization::truncated_normal;
use super::layers::{BLOCKS, HEAD, SEGMENTS, STEM};
use super::parts::{self, ArrayMapper, ArrayVisitor, BatchStatistics, Parts, Probe};
use super::pooling::{average_pool_valid, max_pool_same};
use super::unit::{Mixed, Pass, Unit, Widths, mixed_unit_names, parameter};
use super::{I3dConfig, ModelError};
use lungs_base::random;

/// I3D: Inception-v1 with every kernel inflated to three dimensions (Carreira & Zisserman 2017).
///
/// Created by [`I3dConfig::init`]. Clones share no state.
#[derive(Module, Debug)]
pub struct I3d {
    stem: Vec<Unit>,
    blocks: Vec<Mixed>,
    /// `[class, feature]`.
    pub(super) head_kernel: Param<Tensor<2>>,
    /// `[class]`.
    pub(super) head_bias: Param<Tensor<1>>,
    keep_prob: f64,
}

impl I3dConfig {
    /// A network with random initial weights, a function of `seed` alone, on `device`.
    ///
    /// Kernels have He's variance and the classifier `1 / fan_in`, both from normal distributions
    /// truncated at two deviations. Biases and running means are 0, running variances 1. Training
    /// needs a device with gradients (`device.autodiff()`).
    ///
    /// # Errors
    /// [`ModelError`] if the configuration is invalid.
    pub fn init(&self, seed: u64, device: &Device) -> Result<I3d, ModelError> {
        self.check()?;
        let mut inputs = self.in_channels;
        let stem = STEM
            .iter()
            .map(|&(name, outputs, size, stride)| {
                let channels = [inputs, self.channels(outputs)];
                inputs = channels[1];
                Unit::new(name, channels, size, stride, seed, device)
            })
            .collect();
        let blocks = BLOCKS
            .iter()
            .map(|(name, widths)| {
                let widths = Widths {
                    direct: self.channels(widths.direct),
                    first: widths.first.map(|width| self.channels(width)),
                    second: widths.second.map(|width| self.channels(width)),
                    pooled: self.channels(widths.pooled),
                };
                let block = Mixed::new(name, inputs, widths, seed, device);
                inputs = widths.output();
                block
            })
            .collect();
        let kernel_name = format!("{HEAD}/w");
        let deviation = (1.0 / inputs as f64).sqrt();
        let kernel = truncated_normal(seed, &kernel_name, deviation, inputs * self.classes);
        Ok(I3d {
            stem,
            blocks,
            head_kernel: parameter(&kernel_name, kernel, [self.classes, inputs], device),
            head_bias: parameter(
                &format!("{HEAD}/b"),
                vec![0.0; self.classes],
                [self.classes],
                device,
            ),
            keep_prob: self.keep_prob,
        })
    }

    /// `full` channels times `width_multiplier`, rounded, at least one.
    pub(super) fn channels(&self, full: usize) -> usize {
        ((full as f64 * self.width_multiplier).round() as usize).max(1)
    }
}

impl I3d {
    /// Logits `[batch, class]` of windowed volumes `[batch, channel, depth, height, width]` in
    /// evaluation mode: running statistics, no dropout, deterministic.
    ///
    /// For a network with gradients, call it on `network.valid()`, which has no gradients and keeps no
    /// intermediate results.
    pub fn forward(&self, input: Tensor<5>) -> Tensor<2> {
        self.forward_probed(input, |_, _| ())
    }

    /// [`I3d::forward`] that passes each layer's output to `probe`, with its name in the original
    /// (`"Conv3d_1a_7x7"`, `"MaxPool3d_2a_3x3"`, `"Mixed_3b"`, …), `[batch, channel, …]`.
    pub fn forward_probed(
        &self,
        input: Tensor<5>,
        mut probe: impl FnMut(&str, &Tensor<5>),
    ) -> Tensor<2> {
        parts::forward(self, input, &mut probe)
    }

    /// Logits in training mode: batch statistics, and dropout.
    ///
    /// The dropout mask is a function of `dropout_seed` alone (one per batch:
    /// `random::stream_seed(seed, "dropout/…")`), on any device. After the optimizer's step, pass the
    /// batch statistics to [`I3d::update_running_statistics`].
    pub fn forward_train(
        &self,
        input: Tensor<5>,
        dropout_seed: u64,
    ) -> (Tensor<2>, BatchStatistics) {
        parts::forward_train(self, input, dropout_seed)
    }

    /// Updates the running statistics by one training batch, whose weight in them is `share` (0 to 1).
    pub fn update_running_statistics(self, statistics: &BatchStatistics, share: f64) -> Self {
        parts::update_running_statistics(self, statistics, share)
    }

    /// Freezes the named layers: kernels, betas and running statistics stay constant, and training
    /// normalises with the running statistics. A name includes everything below it: `Mixed_3b`,
    /// `Mixed_3b/Branch_1`, or the classifier, `Logits` (see [`lungs_base::network::Architecture::knows_layer`]).
    #[must_use]
    pub fn with_frozen(self, names: &[String]) -> Self {
        parts::with_frozen(self, names)
    }

    /// Freezes every batch normalisation: training uses the running statistics, and does not change
    /// them.
    #[must_use]
    pub fn with_frozen_statistics(self) -> Self {
        parts::with_frozen_statistics(self)
    }

    /// Sets the number type of the convolutions' factors. Weights, their gradients, normalisation, the
    /// classifier and the loss stay in f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        parts::with_precision(self, precision)
    }

    /// Number of trainable parameters (without running statistics).
    pub fn parameter_count(&self) -> usize {
        parts::parameter_count(self)
    }
}

impl Parts for I3d {
    const FIRST_KERNEL: &'static str = "Conv3d_1a_7x7/conv_3d/w";

    fn segments(&self) -> usize {
        SEGMENTS
    }

    /// A unit of the stem with the pool after it, or a block with the pool before it.
    fn segment(
        &self,
        index: usize,
        input: Tensor<5>,
        pass: &mut Pass<'_>,
        probe: &mut Probe<'_>,
    ) -> Tensor<5> {
        let mut output = input;
        if let (Some(unit), Some((name, ..))) = (self.stem.get(index), STEM.get(index)) {
            output = unit.forward(output, pass);
            probe(name, &output);
            let Some(pool) = pool_after(name) else { return output };
            output = max_pool_same(output, [1, 3, 3], [1, 2, 2]);
            probe(pool, &output);
            return output;
        }
        let (block, (name, _)) = (&self.blocks[index - STEM.len()], BLOCKS[index - STEM.len()]);
        match name {
            "Mixed_4b" => {
                output = max_pool_same(output, [3; 3], [2; 3]);
                probe("MaxPool3d_4a_3x3", &output);
            }
            "Mixed_5b" => {
                output = max_pool_same(output, [2; 3], [2; 3]);
                probe("MaxPool3d_5a_2x2", &output);
            }
            _ => {}
        }
        output = block.forward(output, pass);
        probe(name, &output);
        output
    }

    fn pool_after(&self, index: usize, output: Tensor<5>) -> Tensor<5> {
        match STEM.get(index).and_then(|(name, ..)| pool_after(name)) {
            Some(_) => max_pool_same(output, [1, 3, 3], [1, 2, 2]),
            None => output,
        }
    }

    fn segment_units(&self, index: usize) -> Vec<&Unit> {
        match self.stem.get(index) {
            Some(unit) => vec![unit],
            None => self.blocks[index - STEM.len()].units().to_vec(),
        }
    }

    /// The classifier at every position, averaged over positions.
    fn classify(
        &self,
        features: Tensor<5>,
        dropout_seed: Option<u64>,
        _probe: &mut Probe<'_>,
    ) -> Tensor<2> {
        let mut features = average_pool_valid(features, [2, 7, 7]);
        if let Some(seed) = dropout_seed {
            features = drop_features(features, self.keep_prob, seed);
        }
        let [batch, channels, depth, height, width] = features.dims();
        let features = features.reshape([batch, channels, depth * height * width]);
        // The classifier is linear, so averaging first gives the same result.
        let features = features.mean_dim(2).reshape([batch, channels]);
        multiply(features, self.head_kernel.val()) + self.head_bias.val().unsqueeze::<2>()
    }

    fn units(&self) -> Vec<(String, &Unit)> {
        let stem = self.stem.iter().zip(STEM).map(|(unit, (name, ..))| (name.to_owned(), unit));
        let blocks =
            self.blocks.iter().zip(BLOCKS).flat_map(|(block, (name, _))| {
                mixed_unit_names(name).into_iter().zip(block.units())
            });
        stem.chain(blocks).collect()
    }

    fn units_mut(&mut self) -> Vec<(String, &mut Unit)> {
        let stem = self.stem.iter_mut().zip(STEM).map(|(unit, (name, ..))| (name.to_owned(), unit));
        let blocks = self.blocks.iter_mut().zip(BLOCKS).flat_map(|(block, (name, _))| {
            mixed_unit_names(name).into_iter().zip(block.units_mut())
        });
        stem.chain(blocks).collect()
    }

    fn visit_head<V: ArrayVisitor>(&self, visitor: &mut V) {
        visitor.array(format!("{HEAD}/w"), &self.head_kernel);
        visitor.array(format!("{HEAD}/b"), &self.head_bias);
    }

    fn map_head<M: ArrayMapper>(&mut self, mapper: &mut M) {
        mapper.array(format!("{HEAD}/w"), &mut self.head_kernel);
        mapper.array(format!("{HEAD}/b"), &mut self.head_bias);
    }
}

/// Name of the pool after a unit of the stem.
fn pool_after(unit: &str) -> Option<&'static str> {
    match unit {
        "Conv3d_1a_7x7" => Some("MaxPool3d_2a_3x3"),
        "Conv3d_2c_3x3" => Some("MaxPool3d_3a_3x3"),
        _ => None,
    }
}

/// Keeps each feature with probability `keep`, divided by `keep`; sets the others to 0.
///
/// The mask is drawn on the host, so that it does not depend on a device's random generator.
pub(super) fn drop_features(features: Tensor<5>, keep: f64, seed: u64) -> Tensor<5> {
    if keep >= 1.0 {
        return features;
    }
    let shape = features.dims();
    let mut stream = random::stream(seed, "dropout");
    let mask: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            let uniform = (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            if uniform < keep { (1.0 / keep) as f32 } else { 0.0 }
        })
        .collect();
    let options = (&features.device(), features.dtype());
    let mask = Tensor::from_data(TensorData::new(mask, shape), options);
    features * mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean_and_follows_its_seed() {
        let device = Device::flex();
        let ones = || Tensor::<5>::ones([2, 5000, 1, 1, 1], &device);
        let values = |seed| -> Vec<f32> {
            drop_features(ones(), 0.7, seed).into_data().try_into_vec().unwrap()
        };
        let first = values(1);
        assert!(first.iter().all(|&v| v == 0.0 || v == (1.0_f64 / 0.7) as f32));
        let mean = first.iter().sum::<f32>() / 1e4;
        // Four standard errors of 10,000 draws.
        assert!((mean - 1.0).abs() < 4.0 * (0.3_f32 / 0.7).sqrt() / 100.0, "{mean}");
        assert_eq!(first, values(1));
        assert_ne!(first, values(2));
        let kept: Vec<f32> = drop_features(ones(), 1.0, 1).into_data().try_into_vec().unwrap();
        assert!(kept.iter().all(|&v| v == 1.0));
    }
}
