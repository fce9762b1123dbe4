//! Batch normalisation followed by ReLU, as in the original network:
//!
//! ```text
//! y = max((x − mean) / sqrt(variance + 0.001) + beta, 0)
//! ```
//!
//! There is no learned scale (gamma). Training uses batch statistics: mean and population variance per
//! channel over batch and space, with gradients. Evaluation uses running statistics,
//! `moving ← 0.999·moving + 0.001·batch`.
//!
//! Burn builds this from elementwise operations, each a pass over memory. Our CPU implementation needs
//! one pass forward and two backward; other devices use Burn's operations.

mod passes;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn_flex::FlexTensor;

use super::flex;
use passes::{Constants, Pass, StatisticsSource, channel_statistics, rectify, rectify_in_place};

/// Added to a variance before its square root.
pub(super) const EPSILON: f64 = 1e-3;

/// Mean and population variance of each channel, `[channel]` each, without gradients.
#[derive(Debug, Clone)]
pub(super) struct ChannelStatistics {
    pub(super) mean: Tensor<1>,
    pub(super) variance: Tensor<1>,
}

/// Normalises with the batch statistics, and returns them.
pub(super) fn normalize_by_batch(
    input: Tensor<5>,
    beta: Tensor<1>,
) -> (Tensor<5>, ChannelStatistics) {
    if flex::is_ours(&input) {
        let statistics = batch_statistics(input.clone().inner());
        let output = normalize_on_cpu(input, beta, &statistics, StatisticsSource::Batch);
        return (output, statistics);
    }
    let gamma = Tensor::ones_like(&beta);
    let output = batch_norm_train(input, gamma, beta, EPSILON);
    let statistics =
        ChannelStatistics { mean: output.mean.inner(), variance: output.variance.inner() };
    (relu(output.output), statistics)
}

/// Normalises with the given statistics.
pub(super) fn normalize_by(
    input: Tensor<5>,
    beta: Tensor<1>,
    statistics: &ChannelStatistics,
) -> Tensor<5> {
    if flex::is_ours(&input) {
        return normalize_on_cpu(input, beta, statistics, StatisticsSource::Given);
    }
    let like_input = |tensor: &Tensor<1>| {
        if input.is_autodiff() {
            Tensor::from_inner(tensor.clone().inner())
        } else {
            tensor.clone().inner()
        }
    };
    let (mean, variance) = (like_input(&statistics.mean), like_input(&statistics.variance));
    let gamma = Tensor::ones_like(&beta);
    relu(batch_norm(input, gamma, beta, mean, variance, EPSILON))
}

fn normalize_on_cpu(
    input: Tensor<5>,
    beta: Tensor<1>,
    statistics: &ChannelStatistics,
    source: StatisticsSource,
) -> Tensor<5> {
    let on_host = |tensor: &Tensor<1>| -> Vec<f32> {
        tensor.to_data().try_into_vec().expect("is_ours checked that the numbers are f32")
    };
    let constants = Constants {
        mean: on_host(&statistics.mean),
        scale: on_host(&statistics.variance)
            .into_iter()
            .map(|variance| (1.0 / (f64::from(variance) + EPSILON).sqrt()) as f32)
            .collect(),
        source,
    };
    Tensor::from_dispatch(<Dispatch as Normalize>::normalize_relu(
        input.into_dispatch(),
        beta.into_dispatch(),
        constants,
    ))
}

/// Normalisation and ReLU as one operation of the CPU backend.
#[backend_extension(Flex, Autodiff)]
trait Normalize: Backend {
    /// `[2, channel]`: means and population variances of `[batch, channel, …]`, without gradient.
    fn channel_statistics(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `max((input − mean)·scale + beta, 0)` per channel.
    fn normalize_relu(
        input: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        constants: Constants,
    ) -> FloatTensor<Self>;
}

impl Normalize for Flex {
    fn channel_statistics(input: FlexTensor) -> FlexTensor {
        let input = input.to_contiguous();
        let shape = flex::lengths(&input);
        flex::tensor(channel_statistics(flex::values(&input), shape), [2, shape[1]])
    }

    fn normalize_relu(input: FlexTensor, beta: FlexTensor, constants: Constants) -> FlexTensor {
        let beta = beta.to_contiguous();
        // `to_contiguous` on a contiguous tensor would add a second owner of the same numbers.
        let mut input = if input.is_contiguous() { input } else { input.to_contiguous() };
        let shape = flex::lengths(&input);
        let beta = flex::values(&beta);
        // In evaluation the input has no other owner: the output replaces it.
        if let Some(values) = input.try_storage_mut::<f32>()
            && values.len() == shape.iter().product::<usize>()
        {
            rectify_in_place(values, beta, &constants, shape);
            return input;
        }
        let output = rectify(flex::values(&input), beta, &constants, shape);
        flex::tensor(output, shape)
    }
}

impl<C: CheckpointStrategy> Normalize for Autodiff<Flex, C> {
    fn channel_statistics(input: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(Flex::channel_statistics(input.into_primitive()))
    }

    fn normalize_relu(
        input: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        constants: Constants,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), beta.node()];
        match NormalizeBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state =
                    (prepared.checkpoint(&input), prepared.checkpoint(&beta), constants.clone());
                let (input, beta) = (input.into_primitive(), beta.into_primitive());
                prepared.finish(state, Flex::normalize_relu(input, beta, constants))
            }
            OpsKind::UnTracked(prepared) => {
                let (input, beta) = (input.into_primitive(), beta.into_primitive());
                prepared.finish(Flex::normalize_relu(input, beta, constants))
            }
        }
    }
}

#[derive(Debug)]
struct NormalizeBackward;

impl Backward<Flex, 2> for NormalizeBackward {
    type State = (NodeId, NodeId, Constants);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [input_node, beta_node] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (input, beta, constants) = ops.state;
        let input = checkpointer.retrieve_node_output::<FlexTensor>(input).to_contiguous();
        let beta = checkpointer.retrieve_node_output::<FlexTensor>(beta).to_contiguous();
        let shape = flex::lengths(&input);
        let pass = Pass { values: flex::values(&input), gradient: flex::values(&gradient), shape };
        let sums = pass.sums(flex::values(&beta), &constants);
        if let Some(node) = input_node {
            let values = pass.input_gradient(flex::values(&beta), &constants, &sums);
            gradients.register::<Flex>(node.id, flex::tensor(values, shape));
        }
        if let Some(node) = beta_node {
            let values = sums.iter().map(|sums| sums.gradient as f32).collect();
            gradients.register::<Flex>(node.id, flex::tensor(values, [shape[1]]));
        }
    }
}

/// Mean and population variance per channel of a tensor on the CPU.
fn batch_statistics(input: Tensor<5>) -> ChannelStatistics {
    let channels = input.dims()[1];
    let both = <Dispatch as Normalize>::channel_statistics(input.into_dispatch());
    let both = Tensor::<2>::from_dispatch(both);
    let row = |index| both.clone().narrow(0, index, 1).reshape([channels]);
    ChannelStatistics { mean: row(0), variance: row(1) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Element, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    /// Output, gradients of input and beta, and statistics. With f64, Burn's operations are used.
    fn normalized<E: Element>(shape: [usize; 5], by_batch: bool, seed: u64) -> [Vec<f64>; 5] {
        let device = Device::flex().autodiff();
        let numbers = |name: &str, count: usize| -> Vec<f64> {
            let mut stream = random::stream(seed, name);
            (0..count).map(|_| f64::from(stream.next_u32()) / 2e9 - 1.0).collect()
        };
        let options = (&device, E::dtype());
        let tensor = |name: &str| {
            let values = numbers(name, shape.iter().product());
            Tensor::<5>::from_data(TensorData::new(values, shape), options)
        };
        let vector = |name: &str| {
            Tensor::<1>::from_data(TensorData::new(numbers(name, shape[1]), [shape[1]]), options)
        };
        let (x, beta) = (tensor("input").require_grad(), vector("beta").require_grad());
        let given =
            ChannelStatistics { mean: vector("mean"), variance: vector("variance").abs() + 0.5 };
        let (y, statistics) = if by_batch {
            normalize_by_batch(x.clone(), beta.clone())
        } else {
            (normalize_by(x.clone(), beta.clone(), &given), given)
        };
        let gradients = (y.clone() * tensor("gradient")).sum().backward();
        let values = |data: TensorData| data.iter::<f64>().collect();
        [
            values(y.into_data()),
            values(x.grad(&gradients).unwrap().into_data()),
            values(beta.grad(&gradients).unwrap().into_data()),
            values(statistics.mean.into_data()),
            values(statistics.variance.into_data()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_cpu_passes_equal_burns_operations(
            shape in prop::array::uniform5(1_usize..6),
            by_batch in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let ours = normalized::<f32>(shape, by_batch, seed);
            let burns = normalized::<f64>(shape, by_batch, seed);
            for (ours, burns) in ours.iter().zip(&burns) {
                // Small variances magnify rounding by up to 1/sqrt(0.001).
                let largest = burns.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
                for (ours, burns) in ours.iter().zip(burns) {
                    prop_assert!((ours - burns).abs() < 2e-5 * largest, "{ours} for {burns}");
                }
            }
        }
    }

    #[test]
    fn statistics_of_numbers_far_from_zero_are_exact() {
        let device = Device::flex();
        let values: Vec<f32> = (0..30_000).map(|i| 4000.0 + (i % 3) as f32).collect();
        let x = Tensor::<5>::from_data(TensorData::new(values, [1, 1, 30, 100, 10]), &device);
        let statistics = batch_statistics(x);
        assert_eq!(statistics.mean.into_scalar::<f32>(), 4001.0);
        assert!((statistics.variance.into_scalar::<f32>() - 2.0 / 3.0).abs() < 1e-6);
    }
}
