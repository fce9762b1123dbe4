//! Batch normalisation with a learned scale and offset, as in residual networks, with or without ReLU:
//!
//! ```text
//! y = (x − mean) / sqrt(variance + 0.00001) · gamma + beta
//! ```
//!
//! On the CPU and on GPUs ([`gpu`]) it is one pass forward and two backward, besides the one for the
//! statistics. For other number types Burn's operations are used.

#[cfg(feature = "cubecl")]
mod gpu;
#[cfg(test)]
mod tests;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::passes::{Constants, StatisticsSource, plane, planes, sum_in_lanes};
use super::{ChannelStatistics, batch_statistics, has_kernels};
use crate::model::flex;

/// Added to a variance before its square root.
const EPSILON: f64 = 1e-5;

/// Scale and offset, `[channel]` each, and whether ReLU follows.
#[derive(Debug, Clone)]
pub(in crate::model) struct Affine {
    pub(in crate::model) gamma: Tensor<1>,
    pub(in crate::model) beta: Tensor<1>,
    pub(in crate::model) rectifies: bool,
}

/// Normalises with the batch statistics, and returns them.
pub(in crate::model) fn scale_by_batch(
    input: Tensor<5>,
    affine: Affine,
) -> (Tensor<5>, ChannelStatistics) {
    if has_kernels(&input) {
        let statistics = batch_statistics(input.clone().inner());
        let output = scale(input, affine, &statistics, StatisticsSource::Batch);
        return (output, statistics);
    }
    let Affine { gamma, beta, rectifies } = affine;
    let output = batch_norm_train(input, gamma, beta, EPSILON);
    let statistics = ChannelStatistics::of(output.mean, output.variance);
    (if rectifies { relu(output.output) } else { output.output }, statistics)
}

/// Normalises with the given statistics.
pub(in crate::model) fn scale_by(
    input: Tensor<5>,
    affine: Affine,
    statistics: &ChannelStatistics,
) -> Tensor<5> {
    if has_kernels(&input) {
        return scale(input, affine, statistics, StatisticsSource::Given);
    }
    let Affine { gamma, beta, rectifies } = affine;
    let [mean, variance] = statistics
        .mean_and_variance()
        .map(|tensor| if input.is_autodiff() { Tensor::from_inner(tensor) } else { tensor });
    let output = batch_norm(input, gamma, beta, mean, variance, EPSILON);
    if rectifies { relu(output) } else { output }
}

fn scale(
    input: Tensor<5>,
    affine: Affine,
    statistics: &ChannelStatistics,
    source: StatisticsSource,
) -> Tensor<5> {
    let statistics = statistics.0.clone();
    let statistics = if input.is_autodiff() { Tensor::from_inner(statistics) } else { statistics };
    Tensor::from_dispatch(<Dispatch as Scale>::scale(
        input.into_dispatch(),
        affine.gamma.into_dispatch(),
        affine.beta.into_dispatch(),
        statistics.into_dispatch(),
        Mode { source, rectifies: affine.rectifies },
    ))
}

/// What a normalisation computes besides the affine map.
#[derive(Debug, Clone, Copy)]
struct Mode {
    source: StatisticsSource,
    rectifies: bool,
}

/// Normalisation with scale and offset as one operation.
#[backend_extension(Flex, Cube: cfg(feature = "cubecl"), Autodiff)]
trait Scale: Backend {
    /// `(input − mean) / sqrt(variance + 0.00001) · gamma + beta` per channel, for `statistics` of
    /// `[2, channel]`, mean and variance, whose own gradient is not tracked.
    fn scale(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        mode: Mode,
    ) -> FloatTensor<Self>;
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct Saved<T> {
    input: T,
    gamma: T,
    beta: T,
    /// `[2, channel]`.
    statistics: T,
    mode: Mode,
}

/// The gradients of [`Scale::scale`].
trait ScaleGradients: Scale {
    /// The gradients of input, gamma and beta, given the `gradient` of the output.
    fn gradients(
        saved: Saved<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

impl Scale for Flex {
    fn scale(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        statistics: FlexTensor,
        mode: Mode,
    ) -> FlexTensor {
        let channels = Channels::new(&gamma, &beta, &statistics, mode);
        // `to_contiguous` on a contiguous tensor would add a second owner of the same numbers.
        let mut input = if input.is_contiguous() { input } else { input.to_contiguous() };
        let shape = flex::lengths(&input);
        // In evaluation the input has no other owner: the output replaces it.
        if let Some(values) = input.try_storage_mut::<f32>()
            && values.len() == shape.iter().product::<usize>()
        {
            channels.apply_in_place(values, shape);
            return input;
        }
        flex::tensor(channels.apply(flex::values(&input), shape), shape)
    }
}

impl ScaleGradients for Flex {
    fn gradients(saved: Saved<FlexTensor>, gradient: FlexTensor) -> [FlexTensor; 3] {
        let Saved { input, gamma, beta, statistics, mode } = saved;
        let channels = Channels::new(&gamma, &beta, &statistics, mode);
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let shape = flex::lengths(&input);
        let (values, slopes) = (flex::values(&input), flex::values(&gradient));
        let sums = channels.sums(values, slopes, shape);
        let of_input = channels.input_gradient(values, slopes, shape, &sums);
        let vector = |of: fn(&Sums) -> f64| {
            flex::tensor(sums.iter().map(|sums| of(sums) as f32).collect(), [shape[1]])
        };
        let of_gamma = vector(|sums| sums.gradient_normalized);
        let of_beta = vector(|sums| sums.gradient);
        [flex::tensor(of_input, shape), of_gamma, of_beta]
    }
}

impl<B: ScaleGradients, C: CheckpointStrategy> Scale for Autodiff<B, C> {
    fn scale(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        mode: Mode,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), gamma.node(), beta.node()];
        let statistics = statistics.into_primitive();
        match ScaleBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = State {
                    input: prepared.checkpoint(&input),
                    gamma: prepared.checkpoint(&gamma),
                    beta: prepared.checkpoint(&beta),
                    statistics: statistics.clone(),
                    mode,
                };
                let [input, gamma, beta] = [input, gamma, beta].map(|t| t.into_primitive());
                prepared.finish(state, B::scale(input, gamma, beta, statistics, mode))
            }
            OpsKind::UnTracked(prepared) => {
                let [input, gamma, beta] = [input, gamma, beta].map(|t| t.into_primitive());
                prepared.finish(B::scale(input, gamma, beta, statistics, mode))
            }
        }
    }
}

#[derive(Debug)]
struct ScaleBackward;

/// What the forward pass keeps.
#[derive(Clone, Debug)]
struct State<T> {
    input: NodeId,
    gamma: NodeId,
    beta: NodeId,
    statistics: T,
    mode: Mode,
}

impl<B: ScaleGradients> Backward<B, 3> for ScaleBackward {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let State { input, gamma, beta, statistics, mode } = ops.state;
        let saved = Saved {
            input: checkpointer.retrieve_node_output(input),
            gamma: checkpointer.retrieve_node_output(gamma),
            beta: checkpointer.retrieve_node_output(beta),
            statistics,
            mode,
        };
        for (node, result) in ops.parents.into_iter().zip(B::gradients(saved, gradient)) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, result);
            }
        }
    }
}

/// The maps of all channels.
struct Channels {
    channels: Vec<Channel>,
    mode: Mode,
}

/// The map of one channel: `(x − mean)·factor + beta`, where `factor` is `scale·gamma`.
#[derive(Clone, Copy)]
struct Channel {
    mean: f32,
    /// `1 / sqrt(variance + 0.00001)`.
    scale: f32,
    factor: f32,
    beta: f32,
}

impl Channel {
    #[inline(always)]
    fn map(self, value: f32) -> f32 {
        (value - self.mean) * self.factor + self.beta
    }
}

/// Sums over one channel of the gradient with respect to the output before ReLU.
struct Sums {
    gradient: f64,
    /// Gradient times normalised input.
    gradient_normalized: f64,
}

impl Channels {
    fn new(gamma: &FlexTensor, beta: &FlexTensor, statistics: &FlexTensor, mode: Mode) -> Self {
        let [gamma, beta, statistics] = [gamma, beta, statistics].map(FlexTensor::to_contiguous);
        let constants = Constants::with_epsilon(flex::values(&statistics), EPSILON, mode.source);
        let channels = constants.mean.iter().zip(&constants.scale);
        let affine = flex::values(&gamma).iter().zip(flex::values(&beta));
        let channel = |((&mean, &scale), (&gamma, &beta)): ((&f32, &f32), (&f32, &f32))| Channel {
            mean,
            scale,
            factor: (f64::from(scale) * f64::from(gamma)) as f32,
            beta,
        };
        Self { channels: channels.zip(affine).map(channel).collect(), mode }
    }

    fn apply(&self, input: &[f32], shape: [usize; 5]) -> Vec<f32> {
        let mut output = vec![0.0; input.len()];
        let rectifies = self.mode.rectifies;
        output
            .par_chunks_exact_mut(plane(shape))
            .zip(input.par_chunks_exact(plane(shape)))
            .enumerate()
            .for_each(|(index, (output, input))| {
                let channel = self.channels[index % shape[1]];
                pulp::Arch::new().dispatch(Apply { output, input, channel, rectifies });
            });
        output
    }

    fn apply_in_place(&self, values: &mut [f32], shape: [usize; 5]) {
        let rectifies = self.mode.rectifies;
        values.par_chunks_exact_mut(plane(shape)).enumerate().for_each(|(index, values)| {
            let channel = self.channels[index % shape[1]];
            pulp::Arch::new().dispatch(ApplyInPlace { values, channel, rectifies });
        });
    }

    /// The sums over every channel.
    fn sums(&self, values: &[f32], gradient: &[f32], shape: [usize; 5]) -> Vec<Sums> {
        let rectifies = self.mode.rectifies;
        let of_channel = |(index, channel): (usize, &Channel)| {
            let mut sums = Sums { gradient: 0.0, gradient_normalized: 0.0 };
            let pairs = planes(values, shape, index).zip(planes(gradient, shape, index));
            for (values, gradient) in pairs {
                let (first, second) = sum_in_lanes(values, gradient, |value, gradient| {
                    let passes = !rectifies || channel.map(value) > 0.0;
                    let masked = if passes { gradient } else { 0.0 };
                    (masked, masked * ((value - channel.mean) * channel.scale))
                });
                sums.gradient += first;
                sums.gradient_normalized += second;
            }
            sums
        };
        self.channels.par_iter().enumerate().map(of_channel).collect()
    }

    /// The gradient of the input.
    fn input_gradient(
        &self,
        values: &[f32],
        gradient: &[f32],
        shape: [usize; 5],
        sums: &[Sums],
    ) -> Vec<f32> {
        let plane = plane(shape);
        // Gradients through mean and variance subtract the gradient's mean and its projection on the
        // normalised input.
        let inverse_count = match self.mode.source {
            StatisticsSource::Batch => 1.0 / (shape[0] * plane) as f64,
            StatisticsSource::Given => 0.0,
        };
        let rectifies = self.mode.rectifies;
        let mut output = vec![0.0; values.len()];
        output.par_chunks_exact_mut(plane).enumerate().for_each(|(index, output)| {
            let number = index % shape[1];
            pulp::Arch::new().dispatch(Derive {
                output,
                values: &values[index * plane..][..plane],
                gradient: &gradient[index * plane..][..plane],
                channel: self.channels[number],
                level: (sums[number].gradient * inverse_count) as f32,
                slope: (sums[number].gradient_normalized * inverse_count) as f32,
                rectifies,
            });
        });
        output
    }
}

/// One channel's map.
struct Apply<'a> {
    output: &'a mut [f32],
    input: &'a [f32],
    channel: Channel,
    rectifies: bool,
}

impl pulp::NullaryFnOnce for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { output, input, channel, rectifies } = self;
        let pairs = output.iter_mut().zip(input);
        if rectifies {
            pairs.for_each(|(output, &value)| *output = rectified(channel.map(value)));
        } else {
            pairs.for_each(|(output, &value)| *output = channel.map(value));
        }
    }
}

/// [`Apply`] in place.
struct ApplyInPlace<'a> {
    values: &'a mut [f32],
    channel: Channel,
    rectifies: bool,
}

impl pulp::NullaryFnOnce for ApplyInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { values, channel, rectifies } = self;
        if rectifies {
            values.iter_mut().for_each(|value| *value = rectified(channel.map(*value)));
        } else {
            values.iter_mut().for_each(|value| *value = channel.map(*value));
        }
    }
}

/// ReLU. `max` would hide a NaN.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

/// The gradient of the input: `factor·(masked − level − normalised·slope)`, where `masked` is the
/// gradient with respect to the output before ReLU.
struct Derive<'a> {
    output: &'a mut [f32],
    values: &'a [f32],
    gradient: &'a [f32],
    channel: Channel,
    level: f32,
    slope: f32,
    rectifies: bool,
}

impl pulp::NullaryFnOnce for Derive<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { output, values, gradient, channel, level, slope, rectifies } = self;
        let derivative = |value: f32, masked: f32| {
            let normalized = (value - channel.mean) * channel.scale;
            channel.factor * (masked - level - normalized * slope)
        };
        let triples = output.iter_mut().zip(values).zip(gradient);
        if rectifies {
            triples.for_each(|((output, &value), &gradient)| {
                let masked = if channel.map(value) > 0.0 { gradient } else { 0.0 };
                *output = derivative(value, masked);
            });
        } else {
            triples.for_each(|((output, &value), &gradient)| *output = derivative(value, gradient));
        }
    }
}
