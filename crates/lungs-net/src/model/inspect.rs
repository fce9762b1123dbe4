//! Inspection of a layer: its output, and the gradient of the log-odds of cancer with respect to it, in
//! evaluation mode (running statistics, no dropout).
//!
//! The log-odds are a function of the network's outputs ([`Explained`]).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::cells::inspected_layers;
use super::network::I3d;
use super::parts::{Parts, continue_after};
use super::unit::Pass;

/// The log-odds that are inspected, as a function of the network's outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explained {
    /// Of two classes: `output 1 − output 0`.
    #[default]
    Classes,
    /// Of the risk at the last horizon, with a base and a hazard for each horizon as outputs:
    /// `base + Σ ln(1 + e^hazard)`.
    SoftplusHazards,
    /// The same with `max(hazard, 0)`.
    ReluHazards,
}

impl Explained {
    /// The log-odds `[batch, 1]` of outputs `[batch, output]`.
    fn log_odds(self, outputs: Tensor<2>) -> Tensor<2> {
        let hazards = || {
            let horizons = outputs.dims()[1] - 1;
            outputs.clone().narrow(1, 1, horizons)
        };
        let base = outputs.clone().narrow(1, 0, 1);
        match self {
            Self::Classes => outputs.narrow(1, 1, 1) - base,
            Self::SoftplusHazards => {
                // Without overflow for large hazards.
                let positive = relu(hazards());
                let rest = hazards().abs().neg().exp().log1p();
                base + (positive + rest).sum_dim(1)
            }
            Self::ReluHazards => base + relu(hazards()).sum_dim(1),
        }
    }

    /// The log-odds of the outputs of one exam.
    pub fn log_odds_of(self, outputs: &[f32]) -> f64 {
        let output = |index: usize| outputs.get(index).map_or(0.0, |output| f64::from(*output));
        let hazards = outputs.iter().skip(1).map(|hazard| f64::from(*hazard));
        match self {
            Self::Classes => output(1) - output(0),
            Self::SoftplusHazards => {
                let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
                output(0) + hazards.map(softplus).sum::<f64>()
            }
            Self::ReluHazards => output(0) + hazards.map(|x| x.max(0.0)).sum::<f64>(),
        }
    }
}

/// A layer's output and gradient.
#[derive(Debug)]
pub struct Inspection {
    /// `[batch, channel, depth, height, width]`.
    pub activations: Tensor<5>,
    /// Gradient of the log-odds of each exam, in the same shape.
    pub gradients: Tensor<5>,
    /// Outputs `[batch, output]`, equal to those of [`I3d::forward`].
    pub logits: Tensor<2>,
}

impl I3d {
    /// The network for [`I3d::inspect`]: no parameter is trainable, so that only activations have
    /// gradients.
    #[must_use]
    pub fn for_inspection(self) -> Self {
        self.no_grad()
    }

    /// Output and gradient of a layer ([`super::inspected_layers`]); `None` for an unknown name.
    ///
    /// The network must be on a device with gradients, and `input` on one without. Intermediate results
    /// before the layer are not kept in memory.
    pub fn inspect(
        &self,
        layer: &str,
        input: Tensor<5>,
        explained: Explained,
    ) -> Option<Inspection> {
        let segment = inspected_layers().into_iter().position(|name| name == layer)?;
        inspect(self, (layer, segment), input, explained)
    }
}

/// Output and gradient of a layer, the last one of a segment before the pool behind it.
pub(super) fn inspect<N: Parts>(
    network: &N,
    (layer, segment): (&str, usize),
    input: Tensor<5>,
    explained: Explained,
) -> Option<Inspection> {
    let without_gradients = network.valid();
    let mut probed = None;
    let mut output = input;
    for index in 0..=segment {
        output =
            without_gradients.segment(index, output, &mut Pass::Evaluate, &mut |name, tensor| {
                if name == layer {
                    probed = Some(tensor.clone());
                }
            });
    }
    let activations = probed?;
    let tracked = Tensor::from_inner(activations.clone()).require_grad();
    let logits = continue_after(network, segment, tracked.clone());
    let log_odds = explained.log_odds(logits.clone());
    // Exams are independent in evaluation mode: the gradient of the sum is each exam's own.
    let mut gradients = log_odds.sum().backward();
    let gradients = tracked.grad_remove(&mut gradients);
    let gradients = gradients.unwrap_or_else(|| activations.zeros_like());
    Some(Inspection { activations, gradients, logits: logits.inner() })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use super::*;
    use crate::model::I3dConfig;
    use lungs_base::random;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn network() -> I3d {
        let config = I3dConfig { width_multiplier: 0.125, ..I3dConfig::default() };
        config.init(37, &Device::flex().autodiff()).unwrap().for_inspection()
    }

    fn volumes(batch: usize) -> Tensor<5> {
        let mut stream = random::stream(1, "volume");
        let shape = [batch, 1, 16, 24, 28];
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn logits_and_activations_equal_those_of_a_forward_pass() {
        let (network, input) = (network(), volumes(2));
        let mut probed = vec![];
        let plain = network.valid().forward_probed(input.clone(), |name, output| {
            probed.push((name.to_owned(), numbers(output.clone())));
        });
        let plain = numbers(plain);
        for layer in inspected_layers() {
            let inspection = network.inspect(layer, input.clone(), Explained::Classes).unwrap();
            assert_eq!(numbers(inspection.logits), plain, "{layer}");
            let (_, expected) = probed.iter().find(|(name, _)| name == layer).unwrap();
            assert_eq!(&numbers(inspection.activations), expected, "{layer}");
        }
        assert!(network.inspect("Logits", input, Explained::Classes).is_none());
    }

    /// The gradient at the last layer is the difference of the classifier's weights, divided by the
    /// number of cells in the mean: the features of this input are 2 × 1 × 1 cells.
    #[test]
    fn the_last_layers_gradient_is_the_classifiers_weights() {
        let network = network();
        let inspection = network.inspect("Mixed_5c", volumes(1), Explained::Classes).unwrap();
        let [_, channels, depth, height, width] = inspection.gradients.dims();
        assert_eq!([depth, height, width], [2, 1, 1]);
        let head = numbers(network.head_kernel.val().inner());
        let gradients = numbers(inspection.gradients);
        for channel in 0..channels {
            let expected = (head[channels + channel] - head[channel]) / 2.0;
            for actual in &gradients[2 * channel..2 * channel + 2] {
                assert!(
                    (actual - expected).abs() < 1e-7,
                    "{channel}: {actual}, expected {expected}"
                );
            }
        }
    }

    /// A step along the positive part of the gradient raises the log-odds by the predicted amount, at
    /// any layer. The channels of a block's pooled branch are left out: their overlapping windows give
    /// equal cells, of which the next max pool passes the gradient to one, while a step moves all.
    #[test]
    fn gradients_match_finite_differences() {
        let network = network();
        let input = volumes(1);
        let layers = [
            ("Conv3d_1a_7x7", 0),
            ("Conv3d_2c_3x3", 0),
            ("Mixed_3c", 8),
            ("Mixed_4f", 16),
            ("Mixed_5b", 16),
        ];
        for (layer, pooled) in layers {
            let index = inspected_layers().iter().position(|name| *name == layer).unwrap();
            let inspection = network.inspect(layer, input.clone(), Explained::Classes).unwrap();
            let active = inspection.activations.clone().greater_elem(0.0).float();
            let direction = inspection.gradients.clone().clamp_min(0.0) * active;
            let channels = direction.dims()[1];
            let direction = Tensor::cat(
                vec![
                    direction.clone().narrow(1, 0, channels - pooled),
                    direction.narrow(1, channels - pooled.max(1), pooled.max(1)).zeros_like(),
                ],
                1,
            )
            .narrow(1, 0, channels);
            let slope: f32 = numbers((direction.clone() * direction.clone()).sum())[0];
            let log_odds = |step: f32| {
                let moved = inspection.activations.clone() + direction.clone() * step;
                let logits = numbers(continue_after(&network.valid(), index, moved));
                f64::from(logits[1]) - f64::from(logits[0])
            };
            // The network is piecewise linear: long steps leave the linear piece, short ones are
            // dominated by rounding.
            let errors = [1e-2, 3e-3, 1e-3, 3e-4].map(|length| {
                let step = length / slope.sqrt();
                let actual = (log_odds(step) - log_odds(0.0)) / f64::from(step);
                (actual / f64::from(slope) - 1.0).abs()
            });
            assert!(errors.iter().any(|error| *error < 0.02), "{layer}: {errors:?} of {slope}");
        }
    }
}
