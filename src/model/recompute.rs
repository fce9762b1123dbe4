//! A training step that keeps little in memory and computes it again when it is needed.
//!
//! Usually every layer's output waits for the backward pass. Here only what passes from one segment
//! of the network to the next is kept; a segment's own intermediate results are computed a second
//! time, just before its gradients (Chen et al. 2016, *Training Deep Nets with Sublinear Memory
//! Cost*, <https://arxiv.org/abs/1604.06174>). The same operations see the same numbers, so that
//! the gradients are the same to the bit, on the CPU.
//!
//! Burn's own gradient checkpointing keeps every convolution's output, and those are what fills the
//! memory here.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

use super::network::{BatchMoments, I3d, SEGMENTS};
use super::unit::Pass;

/// What a training step computed.
#[derive(Debug)]
pub struct Recomputed {
    /// `[batch, class]`, without gradients.
    pub logits: Tensor<2>,
    /// The loss, without gradients.
    pub loss: Tensor<1>,
    /// The batch's moments, for [`I3d::absorb`].
    pub moments: BatchMoments,
    /// The gradients of `loss`.
    pub gradients: GradientsParams,
}

impl I3d {
    /// [`I3d::forward_train`] and the gradients of `loss` of its logits, in little memory and
    /// about 1.6 times the time.
    ///
    /// The network must be on a device with gradients, as for training always.
    pub fn step_recomputed(
        &self,
        input: Tensor<5>,
        dropout_seed: u64,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> Recomputed {
        let without_gradients = self.valid();
        let mut moments = vec![];
        let mut inputs = vec![input.inner()];
        for index in 0..SEGMENTS {
            let input = inputs[index].clone();
            let mut pass = Pass::Train(&mut moments);
            inputs.push(without_gradients.segment(index, input, &mut pass, &mut |_, _| ()));
        }
        let mut all = GradientsAccumulator::new();
        let mut collect = |gradients| {
            all.accumulate(self, GradientsParams::from_grads(gradients, self));
        };

        // The classifier, and the gradient of what it was given.
        let features = with_gradients(inputs.pop());
        let logits = self.classify_with_dropout(features.clone(), dropout_seed);
        let loss = loss(logits.clone());
        let mut gradients = loss.backward();
        let mut passed_on = features.grad_remove(&mut gradients);
        collect(gradients);

        // Segment by segment, as long as one of them or of those before it learns.
        for index in (0..SEGMENTS).rev() {
            let Some(gradient) = passed_on.take() else { break };
            if !(0..=index).any(|index| self.segment_learns(index)) {
                break;
            }
            let input = with_gradients(inputs.pop());
            let mut again = vec![];
            let mut pass = Pass::Train(&mut again);
            let output = self.segment(index, input.clone(), &mut pass, &mut |_, _| ());
            // The sum's gradient with respect to the output is what was passed on.
            let mut gradients = (output * Tensor::from_inner(gradient)).sum().backward();
            passed_on = input.grad_remove(&mut gradients);
            collect(gradients);
        }
        let moments = BatchMoments(moments);
        Recomputed { logits: logits.inner(), loss: loss.inner(), moments, gradients: all.grads() }
    }
}

/// A tensor whose gradient is asked for.
fn with_gradients(tensor: Option<Tensor<5>>) -> Tensor<5> {
    let tensor = tensor.expect("every segment left its input");
    Tensor::from_inner(tensor).require_grad()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use super::*;
    use crate::model::{I3dConfig, Loss, parameter_id};
    use crate::random;

    type Gradients = Vec<(String, Option<Vec<f32>>)>;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn gradients(network: &I3d, mut of: GradientsParams) -> Gradients {
        let units = network.units().into_iter().flat_map(|(name, _)| {
            [(super::super::unit::kernel_name(&name), 5), (super::super::unit::beta_name(&name), 1)]
        });
        let head = crate::model::head_names().into_iter().zip([2, 1]);
        units
            .chain(head)
            .map(|(name, rank)| {
                let id = parameter_id(&name);
                let gradient = match rank {
                    5 => of.remove::<5>(id).map(numbers),
                    2 => of.remove::<2>(id).map(numbers),
                    _ => of.remove::<1>(id).map(numbers),
                };
                (name, gradient)
            })
            .collect()
    }

    /// What a step computed, as numbers.
    #[derive(PartialEq)]
    struct Computed {
        loss: f32,
        logits: Vec<f32>,
        moments: Vec<Vec<f32>>,
        gradients: Gradients,
    }

    /// A step as always, and recomputed.
    fn both(network: &I3d) -> [Computed; 2] {
        let device = Device::flex().autodiff();
        let mut stream = random::stream(1, "volume");
        let values: Vec<f32> = (0..2 * 20 * 32 * 36)
            .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
            .collect();
        let volume = Tensor::<5>::from_data(TensorData::new(values, [2, 1, 20, 32, 36]), &device);
        let loss = |logits| Loss::CrossEntropy.mean(logits, &[0, 1]) * 0.5;
        let moments = |moments: BatchMoments| -> Vec<Vec<f32>> {
            let each = |m: super::super::normalization::Moments| [m.mean, m.variance];
            moments.0.into_iter().flat_map(each).map(numbers).collect()
        };

        let (logits, of_batch) = network.forward_train(volume.clone(), 7);
        let value = loss(logits.clone());
        let usual = GradientsParams::from_grads(value.backward(), network);
        let usual = Computed {
            loss: value.into_scalar(),
            logits: numbers(logits),
            moments: moments(of_batch),
            gradients: gradients(network, usual),
        };
        let again = network.step_recomputed(volume, 7, loss);
        let recomputed = Computed {
            loss: again.loss.into_scalar(),
            logits: numbers(again.logits),
            moments: moments(again.moments),
            gradients: gradients(network, again.gradients),
        };
        [usual, recomputed]
    }

    fn network() -> I3d {
        let config = I3dConfig { width_multiplier: 0.125, ..I3dConfig::default() };
        config.init(37, &Device::flex().autodiff()).unwrap()
    }

    #[test]
    fn gradients_computed_again_are_the_same_to_the_bit() {
        let [usual, recomputed] = both(&network());
        assert_eq!(usual.moments.len(), 114, "57 units have a mean and a variance each");
        assert!(usual.gradients.iter().all(|(_, gradient)| gradient.is_some()));
        assert!(usual == recomputed);
    }

    #[test]
    fn frozen_layers_get_none_either_way() {
        let names = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Mixed_4b"].map(str::to_owned);
        let [usual, recomputed] = both(&network().with_frozen(&names));
        let without = usual.gradients.iter().filter(|(_, gradient)| gradient.is_none()).count();
        assert_eq!(without, 2 * (2 + 6));
        assert!(usual == recomputed);
    }
}
