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
//! Burn builds this from elementwise operations, each a pass over memory. Our kernels for the CPU
//! ([`passes`]) and for GPUs ([`gpu`]) need one pass forward and two backward, besides the one for the
//! statistics. For other number types Burn's operations are used; they are the oracle of the tests.

mod affine;
#[cfg(feature = "cubecl")]
mod gpu;
mod passes;
mod sum;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as TapeGradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn_flex::FlexTensor;

use super::{cube, flex};
pub(super) use affine::{Affine, scale_by, scale_by_batch};
use passes::{
    Constants, Pass, StatisticsSource, Sums, channel_statistics, rectify, rectify_in_place,
};
pub(super) use sum::add_rectified;

/// Added to a variance before its square root.
pub(super) const EPSILON: f64 = 1e-3;

/// Mean and population variance of each channel, `[2, channel]`, without gradients.
#[derive(Debug, Clone)]
pub(super) struct ChannelStatistics(pub(super) Tensor<2>);

impl ChannelStatistics {
    /// From two tensors of `[channel]`.
    pub(super) fn of(mean: Tensor<1>, variance: Tensor<1>) -> Self {
        Self(Tensor::stack(vec![mean.inner(), variance.inner()], 0))
    }

    /// `[channel]`: the means (row 0) or the variances (row 1).
    pub(super) fn row(&self, row: usize) -> Tensor<1> {
        self.0.clone().narrow(0, row, 1).reshape([self.0.dims()[1]])
    }

    /// `[channel]` each.
    pub(super) fn mean_and_variance(&self) -> [Tensor<1>; 2] {
        [0, 1].map(|row| self.row(row))
    }
}

/// Normalises with the batch statistics, and returns them.
pub(super) fn normalize_by_batch(
    input: Tensor<5>,
    beta: Tensor<1>,
) -> (Tensor<5>, ChannelStatistics) {
    if has_kernels(&input) {
        let statistics = batch_statistics(input.clone().inner());
        let output = normalize_relu(input, beta, &statistics, StatisticsSource::Batch);
        return (output, statistics);
    }
    let gamma = Tensor::ones_like(&beta);
    let output = batch_norm_train(input, gamma, beta, EPSILON);
    let statistics = ChannelStatistics::of(output.mean, output.variance);
    (relu(output.output), statistics)
}

/// Normalises with the given statistics.
pub(super) fn normalize_by(
    input: Tensor<5>,
    beta: Tensor<1>,
    statistics: &ChannelStatistics,
) -> Tensor<5> {
    if has_kernels(&input) {
        return normalize_relu(input, beta, statistics, StatisticsSource::Given);
    }
    let [mean, variance] = statistics
        .mean_and_variance()
        .map(|tensor| if input.is_autodiff() { Tensor::from_inner(tensor) } else { tensor });
    let gamma = Tensor::ones_like(&beta);
    relu(batch_norm(input, gamma, beta, mean, variance, EPSILON))
}

/// Whether the tensor's device has kernels of ours for its number type.
fn has_kernels(tensor: &Tensor<5>) -> bool {
    flex::is_ours(tensor) || cube::is_ours(tensor)
}

fn normalize_relu(
    input: Tensor<5>,
    beta: Tensor<1>,
    statistics: &ChannelStatistics,
    source: StatisticsSource,
) -> Tensor<5> {
    let statistics = statistics.0.clone();
    let statistics = if input.is_autodiff() { Tensor::from_inner(statistics) } else { statistics };
    Tensor::from_dispatch(<Dispatch as Normalize>::normalize_relu(
        input.into_dispatch(),
        beta.into_dispatch(),
        statistics.into_dispatch(),
        source,
    ))
}

/// Normalisation and ReLU as one operation of the backends that have kernels of ours.
#[backend_extension(Flex, Cube: cfg(feature = "cubecl"), Autodiff)]
trait Normalize: Backend {
    /// `[2, channel]`: means and population variances of `[batch, channel, …]`, without gradient.
    fn channel_statistics(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `max((input − mean) / sqrt(variance + 0.001) + beta, 0)` per channel, for `statistics` of
    /// `[2, channel]`, mean and variance, whose own gradient is not tracked.
    fn normalize_relu(
        input: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        source: StatisticsSource,
    ) -> FloatTensor<Self>;
}

/// What the backward pass needs.
struct Saved<B: Backend> {
    input: FloatTensor<B>,
    beta: FloatTensor<B>,
    /// `[2, channel]`.
    statistics: FloatTensor<B>,
    source: StatisticsSource,
}

/// The gradients of [`Normalize::normalize_relu`].
trait Gradients: Normalize {
    /// The gradients of input and beta, given the `gradient` of the output.
    fn gradients(saved: Saved<Self>, gradient: FloatTensor<Self>) -> [FloatTensor<Self>; 2];
}

impl Normalize for Flex {
    fn channel_statistics(input: FlexTensor) -> FlexTensor {
        let input = input.to_contiguous();
        let shape = flex::lengths(&input);
        flex::tensor(channel_statistics(flex::values(&input), shape), [2, shape[1]])
    }

    fn normalize_relu(
        input: FlexTensor,
        beta: FlexTensor,
        statistics: FlexTensor,
        source: StatisticsSource,
    ) -> FlexTensor {
        let beta = beta.to_contiguous();
        let constants = Constants::new(flex::values(&statistics.to_contiguous()), source);
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

impl Gradients for Flex {
    fn gradients(saved: Saved<Self>, gradient: FlexTensor) -> [FlexTensor; 2] {
        let (input, beta) = (saved.input.to_contiguous(), saved.beta.to_contiguous());
        let constants =
            Constants::new(flex::values(&saved.statistics.to_contiguous()), saved.source);
        let gradient = gradient.to_contiguous();
        let shape = flex::lengths(&input);
        let beta = flex::values(&beta);
        let pass = Pass { values: flex::values(&input), gradient: flex::values(&gradient), shape };
        let sums = pass.sums(beta, &constants);
        let of_input = pass.input_gradient(beta, &constants, &sums);
        let of_beta = sums.iter().map(|sums: &Sums| sums.gradient as f32).collect();
        [flex::tensor(of_input, shape), flex::tensor(of_beta, [shape[1]])]
    }
}

impl<B: Gradients, C: CheckpointStrategy> Normalize for Autodiff<B, C> {
    fn channel_statistics(input: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::channel_statistics(input.into_primitive()))
    }

    fn normalize_relu(
        input: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        source: StatisticsSource,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), beta.node()];
        let statistics = statistics.into_primitive();
        match NormalizeBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = State {
                    input: prepared.checkpoint(&input),
                    beta: prepared.checkpoint(&beta),
                    statistics: statistics.clone(),
                    source,
                };
                let (input, beta) = (input.into_primitive(), beta.into_primitive());
                prepared.finish(state, B::normalize_relu(input, beta, statistics, source))
            }
            OpsKind::UnTracked(prepared) => {
                let (input, beta) = (input.into_primitive(), beta.into_primitive());
                prepared.finish(B::normalize_relu(input, beta, statistics, source))
            }
        }
    }
}

#[derive(Debug)]
struct NormalizeBackward;

/// What the forward pass keeps.
#[derive(Clone, Debug)]
struct State<T> {
    input: NodeId,
    beta: NodeId,
    statistics: T,
    source: StatisticsSource,
}

impl<B: Gradients> Backward<B, 2> for NormalizeBackward {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut TapeGradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let State { input, beta, statistics, source } = ops.state;
        let saved = Saved {
            input: checkpointer.retrieve_node_output(input),
            beta: checkpointer.retrieve_node_output(beta),
            statistics,
            source,
        };
        for (node, result) in ops.parents.into_iter().zip(B::gradients(saved, gradient)) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, result);
            }
        }
    }
}

/// Mean and population variance per channel of a tensor with kernels of ours.
fn batch_statistics(input: Tensor<5>) -> ChannelStatistics {
    let statistics = <Dispatch as Normalize>::channel_statistics(input.into_dispatch());
    ChannelStatistics(Tensor::from_dispatch(statistics))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Element, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    /// Output, gradients of input and beta, and statistics. With f64, Burn's operations are used.
    fn normalized<E: Element>(
        device: Device,
        shape: [usize; 5],
        by_batch: bool,
        seed: u64,
    ) -> [Vec<f64>; 5] {
        let device = device.autodiff();
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
        let given = ChannelStatistics::of(vector("mean"), vector("variance").abs() + 0.5);
        let (y, statistics) = if by_batch {
            normalize_by_batch(x.clone(), beta.clone())
        } else {
            (normalize_by(x.clone(), beta.clone(), &given), given)
        };
        let gradients = (y.clone() * tensor("gradient")).sum().backward();
        let values = |data: TensorData| data.iter::<f64>().collect();
        let [mean, variance] = statistics.mean_and_variance();
        [
            values(y.into_data()),
            values(x.grad(&gradients).unwrap().into_data()),
            values(beta.grad(&gradients).unwrap().into_data()),
            values(mean.into_data()),
            values(variance.into_data()),
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
            assert_equals_burn(Device::flex(), shape, by_batch, seed);
        }
    }

    fn assert_equals_burn(device: Device, shape: [usize; 5], by_batch: bool, seed: u64) {
        let ours = normalized::<f32>(device, shape, by_batch, seed);
        let burns = normalized::<f64>(Device::flex(), shape, by_batch, seed);
        for (ours, burns) in ours.iter().zip(&burns) {
            // Small variances magnify rounding by up to 1/sqrt(0.001).
            let largest = burns.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
            for (ours, burns) in ours.iter().zip(burns) {
                assert!((ours - burns).abs() < 2e-5 * largest, "{ours} for {burns}");
            }
        }
    }

    #[cfg(feature = "cubecl-cpu")]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_kernels_for_gpus_equal_burns_operations(
            shape in prop::array::uniform5(1_usize..6),
            by_batch in any::<bool>(),
            seed in any::<u64>(),
        ) {
            assert_equals_burn(Device::cpu(), shape, by_batch, seed);
        }
    }

    #[test]
    fn statistics_of_numbers_far_from_zero_are_exact() {
        assert_exact_statistics(&Device::flex());
        #[cfg(feature = "cubecl-cpu")]
        assert_exact_statistics(&Device::cpu());
    }

    fn assert_exact_statistics(device: &Device) {
        let values: Vec<f32> = (0..30_000).map(|i| 4000.0 + (i % 3) as f32).collect();
        let x = Tensor::<5>::from_data(TensorData::new(values, [1, 1, 30, 100, 10]), device);
        let [mean, variance] = batch_statistics(x).mean_and_variance();
        assert_eq!(mean.into_scalar::<f32>(), 4001.0);
        assert!((variance.into_scalar::<f32>() - 2.0 / 3.0).abs() < 1e-6);
    }
}
