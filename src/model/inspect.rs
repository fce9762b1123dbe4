//! What a layer shows and how much each of its cells matters: its output, and the gradient of the
//! log-odds of cancer with respect to it, as evaluation has them (moving averages, no dropout).

use burn::module::Module;
use burn::tensor::Tensor;

use super::cells::inspected_layers;
use super::network::I3d;
use super::unit::Pass;

/// A layer's output and gradient.
#[derive(Debug)]
pub struct Inspected {
    /// `[batch, channel, depth, height, width]`.
    pub activations: Tensor<5>,
    /// Of `logit 1 − logit 0`, for each exam its own, in the same shape.
    pub gradients: Tensor<5>,
    /// `[batch, class]`, as [`I3d::forward`] gives them.
    pub logits: Tensor<2>,
}

impl I3d {
    /// The network for [`I3d::inspect`]: nothing of it is learned, so that gradients are taken of
    /// what flows through it alone.
    #[must_use]
    pub fn for_inspection(self) -> Self {
        self.no_grad()
    }

    /// Looks at a layer ([`super::inspected_layers`]); `None` when there is none of the name.
    ///
    /// The network must be on a device with gradients, and `input` on one without. Up to the layer
    /// nothing is kept in memory.
    pub fn inspect(&self, layer: &str, input: Tensor<5>) -> Option<Inspected> {
        let place = inspected_layers().into_iter().position(|name| name == layer)?;
        let without_gradients = self.valid();
        let mut shown = None;
        let mut output = input;
        for index in 0..=place {
            output = without_gradients.segment(
                index,
                output,
                &mut Pass::Evaluate,
                &mut |name, tensor| {
                    if name == layer {
                        shown = Some(tensor.clone());
                    }
                },
            );
        }
        let activations = shown?;
        let watched = Tensor::from_inner(activations.clone()).require_grad();
        let logits = self.continue_after(place, watched.clone());
        let log_odds = logits.clone().narrow(1, 1, 1) - logits.clone().narrow(1, 0, 1);
        // Exams do not touch each other in evaluation: the sum's gradient is each exam's own.
        let mut gradients = log_odds.sum().backward();
        let gradients = watched.grad_remove(&mut gradients);
        let gradients = gradients.unwrap_or_else(|| activations.zeros_like());
        Some(Inspected { activations, gradients, logits: logits.inner() })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use super::*;
    use crate::model::I3dConfig;
    use crate::random;

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
    fn logits_are_those_of_a_forward_pass_and_activations_what_a_probe_sees() {
        let (network, input) = (network(), volumes(2));
        let mut probed = vec![];
        let plain = network.valid().forward_probed(input.clone(), |name, output| {
            probed.push((name.to_owned(), numbers(output.clone())));
        });
        let plain = numbers(plain);
        for layer in inspected_layers() {
            let seen = network.inspect(layer, input.clone()).unwrap();
            assert_eq!(numbers(seen.logits), plain, "{layer}");
            let (_, expected) = probed.iter().find(|(name, _)| name == layer).unwrap();
            assert_eq!(&numbers(seen.activations), expected, "{layer}");
        }
        assert!(network.inspect("Logits", input).is_none());
    }

    /// The gradient at the last layer is the difference of the classifier's weights, shared by the
    /// cells that the mean is over: the features of this input are 2 × 1 × 1 cells.
    #[test]
    fn the_last_layers_gradient_is_the_classifiers_weights() {
        let network = network();
        let seen = network.inspect("Mixed_5c", volumes(1)).unwrap();
        let [_, channels, depth, height, width] = seen.gradients.dims();
        assert_eq!([depth, height, width], [2, 1, 1]);
        let head = numbers(network.head_kernel.val().inner());
        let gradients = numbers(seen.gradients);
        for channel in 0..channels {
            let expected = (head[channels + channel] - head[channel]) / 2.0;
            for found in &gradients[2 * channel..2 * channel + 2] {
                assert!((found - expected).abs() < 1e-7, "{channel}: {found}, not {expected}");
            }
        }
    }

    /// A step along what of the gradient is above 0 raises the log-odds as the gradient says, at any
    /// layer. Without the channels of a block's pooled branch: there overlapping windows leave cells
    /// that are equally large, the next max pool gives the gradient to one of them, and a step of
    /// all of them shows another slope.
    #[test]
    fn gradients_are_those_of_finite_differences() {
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
            let place = inspected_layers().iter().position(|name| *name == layer).unwrap();
            let seen = network.inspect(layer, input.clone()).unwrap();
            let active = seen.activations.clone().greater_elem(0.0).float();
            let way = seen.gradients.clone().clamp_min(0.0) * active;
            let channels = way.dims()[1];
            let way = Tensor::cat(
                vec![
                    way.clone().narrow(1, 0, channels - pooled),
                    way.narrow(1, channels - pooled.max(1), pooled.max(1)).zeros_like(),
                ],
                1,
            )
            .narrow(1, 0, channels);
            let slope: f32 = numbers((way.clone() * way.clone()).sum())[0];
            let log_odds = |step: f32| {
                let moved = seen.activations.clone() + way.clone() * step;
                let logits = numbers(network.valid().continue_after(place, moved));
                f64::from(logits[1]) - f64::from(logits[0])
            };
            // The network is linear in pieces: long steps leave the piece, short ones are rounding.
            let apart = [1e-2, 3e-3, 1e-3, 3e-4].map(|length| {
                let step = length / slope.sqrt();
                let found = (log_odds(step) - log_odds(0.0)) / f64::from(step);
                (found / f64::from(slope) - 1.0).abs()
            });
            assert!(apart.iter().any(|apart| *apart < 0.02), "{layer}: {apart:?} of {slope}");
        }
    }
}
