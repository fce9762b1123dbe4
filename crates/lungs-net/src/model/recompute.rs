//! A training step with gradient checkpointing.
//!
//! A usual step keeps every layer's output until the backward pass. With gradient checkpointing only
//! the outputs of segments are kept; a segment's intermediate results are computed a second time, just
//! before its gradients (Chen et al. 2016, *Training Deep Nets with Sublinear Memory Cost*,
//! <https://arxiv.org/abs/1604.06174>). The same operations process the same numbers, so that on the
//! CPU the gradients are the same to the bit.
//!
//! Burn's own gradient checkpointing keeps every convolution's output, which is most of the memory of
//! this network.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

use super::network::I3d;
use super::parts::{BatchStatistics, Parts};
use super::unit::Pass;

/// The result of a training step.
#[derive(Debug)]
pub struct TrainingStep {
    /// `[batch, class]`, without gradients.
    pub logits: Tensor<2>,
    /// The loss, without gradients.
    pub loss: Tensor<1>,
    /// The batch statistics, for [`I3d::update_running_statistics`].
    pub statistics: BatchStatistics,
    /// The gradients of `loss`.
    pub gradients: GradientsParams,
}

/// A training step of `network`, which must be on a device with gradients, with gradient checkpointing.
pub(super) fn step<N: Parts>(
    network: &N,
    input: Tensor<5>,
    dropout_seed: u64,
    loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> TrainingStep {
    let without_gradients = network.valid();
    let mut statistics = vec![];
    let mut inputs = vec![input.inner()];
    for index in 0..network.segments() {
        let input = inputs[index].clone();
        let mut pass = Pass::Train(&mut statistics);
        inputs.push(without_gradients.segment(index, input, &mut pass, &mut |_, _| ()));
    }
    let mut accumulator = GradientsAccumulator::new();
    let mut collect = |gradients| {
        accumulator.accumulate(network, GradientsParams::from_grads(gradients, network));
    };

    // The classifier, and the gradient of its input.
    let features = with_gradients(inputs.pop());
    let logits = network.classify(features.clone(), Some(dropout_seed), &mut |_, _| ());
    let loss = loss(logits.clone());
    let mut gradients = loss.backward();
    let mut output_gradient = features.grad_remove(&mut gradients);
    collect(gradients);

    // The segments in reverse order, down to the first trainable one.
    for index in (0..network.segments()).rev() {
        let Some(gradient) = output_gradient.take() else { break };
        let is_trainable = |index| network.segment_units(index).iter().any(|u| u.is_trainable());
        if !(0..=index).any(is_trainable) {
            break;
        }
        let input = with_gradients(inputs.pop());
        let mut repeated_statistics = vec![];
        let mut pass = Pass::Train(&mut repeated_statistics);
        let output = network.segment(index, input.clone(), &mut pass, &mut |_, _| ());
        // The gradient of this sum with respect to the output is `gradient`.
        let mut gradients = (output * Tensor::from_inner(gradient)).sum().backward();
        output_gradient = input.grad_remove(&mut gradients);
        collect(gradients);
    }
    let statistics = BatchStatistics(statistics);
    TrainingStep {
        logits: logits.inner(),
        loss: loss.inner(),
        statistics,
        gradients: accumulator.grads(),
    }
}

impl I3d {
    /// [`I3d::forward_train`] and the gradients of `loss` of its logits, in about 0.6 times the memory
    /// and 1.6 times the time.
    ///
    /// The network must be on a device with gradients.
    pub fn step_with_gradient_checkpointing(
        &self,
        input: Tensor<5>,
        dropout_seed: u64,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> TrainingStep {
        step(self, input, dropout_seed, loss)
    }
}

/// A tensor with gradient tracking.
fn with_gradients(tensor: Option<Tensor<5>>) -> Tensor<5> {
    let tensor = tensor.expect("every segment has its input");
    Tensor::from_inner(tensor).require_grad()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use super::*;
    use crate::model::{I3dConfig, Loss, parameter_id};
    use lungs_base::random;

    type Gradients = Vec<(String, Option<Vec<f32>>)>;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn gradients(network: &I3d, mut parameters: GradientsParams) -> Gradients {
        let units = network.units().into_iter().flat_map(|(name, _)| {
            [(super::super::unit::kernel_name(&name), 5), (super::super::unit::beta_name(&name), 1)]
        });
        let head = crate::model::head_names().into_iter().zip([2, 1]);
        units
            .chain(head)
            .map(|(name, rank)| {
                let id = parameter_id(&name);
                let gradient = match rank {
                    5 => parameters.remove::<5>(id).map(numbers),
                    2 => parameters.remove::<2>(id).map(numbers),
                    _ => parameters.remove::<1>(id).map(numbers),
                };
                (name, gradient)
            })
            .collect()
    }

    /// The result of a step, as numbers.
    #[derive(PartialEq)]
    struct StepNumbers {
        loss: f32,
        logits: Vec<f32>,
        statistics: Vec<Vec<f32>>,
        gradients: Gradients,
    }

    /// A usual step, and a step with gradient checkpointing.
    fn both(network: &I3d) -> [StepNumbers; 2] {
        let device = Device::flex().autodiff();
        let mut stream = random::stream(1, "volume");
        let values: Vec<f32> = (0..2 * 20 * 32 * 36)
            .map(|_| stream.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0)
            .collect();
        let volume = Tensor::<5>::from_data(TensorData::new(values, [2, 1, 20, 32, 36]), &device);
        let loss = |logits| Loss::CrossEntropy.mean(logits, &[0, 1]) * 0.5;
        let statistics = |statistics: BatchStatistics| -> Vec<Vec<f32>> {
            statistics
                .0
                .iter()
                .flat_map(|channels| channels.mean_and_variance())
                .map(numbers)
                .collect()
        };

        let (logits, batch_statistics) = network.forward_train(volume.clone(), 7);
        let value = loss(logits.clone());
        let usual = GradientsParams::from_grads(value.backward(), network);
        let usual = StepNumbers {
            loss: value.into_scalar(),
            logits: numbers(logits),
            statistics: statistics(batch_statistics),
            gradients: gradients(network, usual),
        };
        let step = network.step_with_gradient_checkpointing(volume, 7, loss);
        let checkpointed = StepNumbers {
            loss: step.loss.into_scalar(),
            logits: numbers(step.logits),
            statistics: statistics(step.statistics),
            gradients: gradients(network, step.gradients),
        };
        [usual, checkpointed]
    }

    fn network() -> I3d {
        let config = I3dConfig { width_multiplier: 0.125, ..I3dConfig::default() };
        config.init(37, &Device::flex().autodiff()).unwrap()
    }

    #[test]
    fn gradient_checkpointing_gives_the_same_bits() {
        let [usual, checkpointed] = both(&network());
        assert_eq!(usual.statistics.len(), 114, "57 units have a mean and a variance each");
        assert!(usual.gradients.iter().all(|(_, gradient)| gradient.is_some()));
        assert!(usual == checkpointed);
    }

    #[test]
    fn frozen_layers_have_no_gradients_with_and_without_checkpointing() {
        let names = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Mixed_4b"].map(str::to_owned);
        let [usual, checkpointed] = both(&network().with_frozen(&names));
        let without = usual.gradients.iter().filter(|(_, gradient)| gradient.is_none()).count();
        assert_eq!(without, 2 * (2 + 6));
        assert!(usual == checkpointed);
    }
}
