//! The pooling of Sybil (Mikhael et al. 2023, *J Clin Oncol*, doi:10.1200/JCO.22.01345), with our names.
//!
//! Three vectors of the features `[batch, channel, slice, height, width]` are concatenated, mapped by a
//! linear layer, and rectified:
//!
//! 1. attention over the positions of each slice, then attention over slices;
//! 2. the maximum of each slice, convolved over eleven slices, then attention over slices;
//! 3. the maximum of the volume.
//!
//! Attention is a weighted mean whose weights are the softmax of a linear function of the channels.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use lungs_base::network::POOL;

use crate::model::convolution::{Precision, convolve, multiply};
use crate::model::initialization::truncated_normal;
use crate::model::parts::{ArrayMapper, ArrayVisitor};
use crate::model::softmax::softmax;
use crate::model::unit::parameter;

/// Slices of the convolution.
const SLICES: usize = 11;

/// The pool's parameters.
#[derive(Module, Debug)]
pub(in crate::model) struct AttentionPool {
    /// Over the positions of a slice.
    positions: Attention,
    /// Over the slices of what `positions` gives.
    slices: Attention,
    /// `[channel, channel, 11]`.
    convolution: Param<Tensor<3>>,
    /// Over the slices of the convolution's output.
    convolved: Attention,
    /// `[hidden, 3 · channel]`.
    hidden_kernel: Param<Tensor<2>>,
    /// `[hidden]`.
    hidden_bias: Param<Tensor<1>>,
}

/// A linear function of the channels, whose softmax over positions are weights of a mean.
#[derive(Module, Debug)]
struct Attention {
    /// `[1, channel]`.
    kernel: Param<Tensor<2>>,
    /// `[1]`; it does not change the weights.
    bias: Param<Tensor<1>>,
}

/// Names of the pool's arrays.
fn names(part: &str) -> [String; 2] {
    ["w", "b"].map(|array| format!("{POOL}/{part}/{array}"))
}

const POSITIONS: &str = "Position_attention";
const SLICE_ATTENTION: &str = "Slice_attention";
const CONVOLUTION: &str = "Slice_convolution";
const CONVOLVED: &str = "Convolved_attention";
const HIDDEN: &str = "Hidden";

/// Names and shapes of the pool's arrays, for features of `channels`.
pub(super) fn array_shapes(channels: usize, hidden: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![];
    let mut linear = |part: &str, kernel: [usize; 2]| {
        let [w, b] = names(part);
        shapes.extend([(w, kernel.to_vec()), (b, vec![kernel[0]])]);
    };
    linear(POSITIONS, [1, channels]);
    linear(SLICE_ATTENTION, [1, channels]);
    linear(CONVOLVED, [1, channels]);
    linear(HIDDEN, [hidden, 3 * channels]);
    let [convolution, _] = names(CONVOLUTION);
    shapes.insert(4, (convolution, vec![channels, channels, SLICES]));
    shapes
}

/// A linear layer's kernel and bias, with initial weights of variance `1 / fan_in`.
fn linear(
    part: &str,
    [outputs, inputs]: [usize; 2],
    seed: u64,
    device: &Device,
) -> (Param<Tensor<2>>, Param<Tensor<1>>) {
    let [w, b] = names(part);
    let kernel = truncated_normal(seed, &w, (1.0 / inputs as f64).sqrt(), inputs * outputs);
    (
        parameter(&w, kernel, [outputs, inputs], device),
        parameter(&b, vec![0.0; outputs], [outputs], device),
    )
}

impl Attention {
    fn new(part: &str, channels: usize, seed: u64, device: &Device) -> Self {
        let (kernel, bias) = linear(part, [1, channels], seed, device);
        Self { kernel, bias }
    }

    /// The weighted mean over the positions of `[batch, channel, slice, position]`:
    /// `[batch, channel, slice]`.
    fn pool(&self, values: Tensor<4>) -> Tensor<3> {
        let [batch, channels, slices, positions] = values.dims();
        let kernel = self.kernel.val().reshape([1, channels, 1, 1, 1]);
        let input = values.clone().reshape([batch, channels, slices, positions, 1]);
        let scores = convolve(input, kernel, [1; 3], [(0, 0); 3], Precision::F32);
        let scores =
            scores.reshape([batch, 1, slices, positions]) + self.bias.val().reshape([1, 1, 1, 1]);
        let weighted = values * softmax(scores);
        weighted.sum_dim(3).reshape([batch, channels, slices])
    }

    fn visit_arrays<V: ArrayVisitor>(&self, part: &str, visitor: &mut V) {
        let [w, b] = names(part);
        visitor.array(w, &self.kernel);
        visitor.array(b, &self.bias);
    }

    fn map_arrays<M: ArrayMapper>(&mut self, part: &str, mapper: &mut M) {
        let [w, b] = names(part);
        mapper.array(w, &mut self.kernel);
        mapper.array(b, &mut self.bias);
    }
}

impl AttentionPool {
    /// A pool of features of `channels`, with initial weights from `seed`.
    pub(super) fn new(channels: usize, hidden: usize, seed: u64, device: &Device) -> Self {
        let attention = |part: &str| Attention::new(part, channels, seed, device);
        let [convolution, _] = names(CONVOLUTION);
        let fan_in = channels * SLICES;
        let deviation = (1.0 / fan_in as f64).sqrt();
        let kernel = truncated_normal(seed, &convolution, deviation, fan_in * channels);
        let (hidden_kernel, hidden_bias) = linear(HIDDEN, [hidden, 3 * channels], seed, device);
        Self {
            positions: attention(POSITIONS),
            slices: attention(SLICE_ATTENTION),
            convolution: parameter(&convolution, kernel, [channels, channels, SLICES], device),
            convolved: attention(CONVOLVED),
            hidden_kernel,
            hidden_bias,
        }
    }

    /// `[batch, hidden]` of `[batch, channel, slice, height, width]`, not negative. `probe` gets each
    /// part with its name, `[batch, channel, slice, 1, 1]`.
    pub(super) fn forward(
        &self,
        features: Tensor<5>,
        probe: &mut dyn FnMut(&str, &Tensor<5>),
    ) -> Tensor<2> {
        let [batch, channels, slices, height, width] = features.dims();
        let mut part = |name: &str, values: &Tensor<3>| {
            let [batch, channels, slices] = values.dims();
            probe(
                &format!("{POOL}/{name}"),
                &values.clone().reshape([batch, channels, slices, 1, 1]),
            );
        };
        let features = features.reshape([batch, channels, slices, height * width]);
        let over_slices = |attention: &Attention, values: Tensor<3>| {
            attention.pool(values.reshape([batch, channels, 1, slices]))
        };

        let of_slices = self.positions.pool(features.clone());
        part("attention_of_slices", &of_slices);
        let attended = over_slices(&self.slices, of_slices);
        part("attention_of_volume", &attended);

        let largest = features.clone().max_dim(3).reshape([batch, channels, slices]);
        part("maximum_of_slices", &largest);
        let convolved = self.convolve(largest.clone());
        part("convolution", &convolved);
        let convolved = over_slices(&self.convolved, convolved);
        part("attention_of_convolution", &convolved);

        // Of the volume's equally large elements, one gets the gradient.
        let maximum = largest.max_dim(2);
        part("maximum_of_volume", &maximum);

        let all = Tensor::cat(vec![attended, convolved, maximum], 1);
        let all = all.reshape([batch, 3 * channels]);
        let hidden = multiply(all, self.hidden_kernel.val());
        relu(hidden + self.hidden_bias.val().unsqueeze::<2>())
    }

    /// The convolution over slices, `[batch, channel, slice]`, with five slices of zeros on both sides.
    fn convolve(&self, values: Tensor<3>) -> Tensor<3> {
        let [batch, channels, slices] = values.dims();
        let kernel = self.convolution.val().reshape([channels, channels, SLICES, 1, 1]);
        let values = values.reshape([batch, channels, slices, 1, 1]);
        let padding = [(SLICES / 2, SLICES / 2), (0, 0), (0, 0)];
        let output = convolve(values, kernel, [1; 3], padding, Precision::F32);
        output.reshape([batch, channels, slices])
    }

    /// Every array, in the order of [`array_shapes`].
    pub(super) fn visit_arrays<V: ArrayVisitor>(&self, visitor: &mut V) {
        self.positions.visit_arrays(POSITIONS, visitor);
        self.slices.visit_arrays(SLICE_ATTENTION, visitor);
        visitor.array(names(CONVOLUTION)[0].clone(), &self.convolution);
        self.convolved.visit_arrays(CONVOLVED, visitor);
        let [w, b] = names(HIDDEN);
        visitor.array(w, &self.hidden_kernel);
        visitor.array(b, &self.hidden_bias);
    }

    /// [`AttentionPool::visit_arrays`] with changes.
    pub(super) fn map_arrays<M: ArrayMapper>(&mut self, mapper: &mut M) {
        self.positions.map_arrays(POSITIONS, mapper);
        self.slices.map_arrays(SLICE_ATTENTION, mapper);
        mapper.array(names(CONVOLUTION)[0].clone(), &mut self.convolution);
        self.convolved.map_arrays(CONVOLVED, mapper);
        let [w, b] = names(HIDDEN);
        mapper.array(w, &mut self.hidden_kernel);
        mapper.array(b, &mut self.hidden_bias);
    }
}
