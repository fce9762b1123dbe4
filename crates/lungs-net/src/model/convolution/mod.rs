//! 3-D convolution with TensorFlow's SAME padding.
//!
//! Burn 0.22's own `conv3d` does not support asymmetric padding, which SAME padding with stride 2
//! needs, and on the CPU its gradients are the slowest part of a training step. The CPU therefore has
//! our own kernels (windows unrolled into columns, then one matrix product: [`columns`], [`kernels`]),
//! a backend extension with gradients. On other devices the input is padded and Burn's `conv3d` is
//! used.

mod columns;
mod geometry;
mod kernels;
mod matrix;
mod winograd;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn_flex::FlexTensor;
use geometry::Geometry;

use super::{flex, padding};
use columns::Lengths;

/// The convolution of `input` (`[batch, channel, depth, height, width]`) with `kernel`
/// (`[out, channel, depth, height, width]`), with `stride` along all axes and SAME padding. The output
/// is `[batch, out, ceil(depth / stride), …]`.
pub(super) fn convolve_same(input: Tensor<5>, kernel: Tensor<5>, stride: usize) -> Tensor<5> {
    let [batch, channels, depth, height, width] = input.dims();
    let [filters, _, kd, kh, kw] = kernel.dims();
    let strides = [stride; 3];
    let padding = padding::same_3d([depth, height, width], [kd, kh, kw], strides);
    if flex::is_ours(&input) && flex::is_ours(&kernel) {
        let geometry = Geometry { strides, padding };
        let output = <Dispatch as Convolve>::convolve(
            input.into_dispatch(),
            kernel.into_dispatch(),
            geometry,
        );
        return Tensor::from_dispatch(output);
    }
    if [kd, kh, kw] == [1; 3] && stride == 1 {
        let kernel = kernel.reshape([1, filters, channels]);
        let input = input.reshape([batch, channels, depth * height * width]);
        return kernel.matmul(input).reshape([batch, filters, depth, height, width]);
    }
    let [depth_padding, height_padding, width_padding] = padding;
    let padded = input.pad(
        [(0, 0), (0, 0), depth_padding, height_padding, width_padding],
        PadMode::Constant(0.0),
    );
    let options = ConvOptions::new(strides, [0; 3], [1; 3], 1);
    burn::tensor::module::conv3d(padded, kernel, None, options)
}

/// Convolution as an operation of the CPU backend.
#[backend_extension(Flex, Autodiff)]
trait Convolve: Backend {
    /// See [`convolve_same`].
    fn convolve(
        input: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;
}

impl Convolve for Flex {
    fn convolve(input: FlexTensor, kernel: FlexTensor, geometry: Geometry) -> FlexTensor {
        let (input, kernel) = (input.to_contiguous(), kernel.to_contiguous());
        let shape = flex::lengths(&input);
        let lengths = Lengths::new(shape, flex::lengths(&kernel), &geometry);
        let (input, kernel) = (flex::values(&input), flex::values(&kernel));
        let output = kernels::forward(input, kernel, shape[0], &lengths, &geometry);
        let [depth, height, width] = lengths.output;
        flex::tensor(output, [shape[0], lengths.filters, depth, height, width])
    }
}

impl<C: CheckpointStrategy> Convolve for Autodiff<Flex, C> {
    fn convolve(
        input: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), kernel.node()];
        match ConvolveBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state =
                    (prepared.checkpoint(&input), prepared.checkpoint(&kernel), geometry.clone());
                let (input, kernel) = (input.into_primitive(), kernel.into_primitive());
                prepared.finish(state, Flex::convolve(input, kernel, geometry))
            }
            OpsKind::UnTracked(prepared) => {
                let (input, kernel) = (input.into_primitive(), kernel.into_primitive());
                prepared.finish(Flex::convolve(input, kernel, geometry))
            }
        }
    }
}

#[derive(Debug)]
struct ConvolveBackward;

impl Backward<Flex, 2> for ConvolveBackward {
    type State = (NodeId, NodeId, Geometry);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [input_node, kernel_node] = ops.parents;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (input, kernel, geometry) = ops.state;
        let input = checkpointer.retrieve_node_output::<FlexTensor>(input).to_contiguous();
        let kernel = checkpointer.retrieve_node_output::<FlexTensor>(kernel).to_contiguous();
        let (input_shape, kernel_shape) = (flex::lengths(&input), flex::lengths(&kernel));
        let lengths = Lengths::new(input_shape, kernel_shape, &geometry);
        let gradient = flex::values(&gradient);
        if let Some(node) = kernel_node {
            let values =
                kernels::kernel_gradient(flex::values(&input), gradient, &lengths, &geometry);
            gradients.register::<Flex>(node.id, flex::tensor(values, kernel_shape));
        }
        if let Some(node) = input_node {
            let (kernel, batch) = (flex::values(&kernel), input_shape[0]);
            let values = kernels::input_gradient(kernel, gradient, batch, &lengths, &geometry);
            gradients.register::<Flex>(node.id, flex::tensor(values, input_shape));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Element, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    fn numbers(seed: u64, name: &str, count: usize) -> Vec<f64> {
        let mut stream = random::stream(seed, name);
        // Multiples of 1/8 in a small range: sums in f32 are exact in any order.
        (0..count).map(|_| f64::from(stream.next_u32() % 33) / 8.0 - 2.0).collect()
    }

    /// Output, and gradients of input and kernel, for a random gradient of the output. With f64, Burn's
    /// own convolution of the padded input is used, as on other devices.
    fn convolved<E: Element>(
        shape: [usize; 5],
        kernel: [usize; 5],
        stride: usize,
        seed: u64,
    ) -> [Vec<f64>; 3] {
        let device = Device::flex().autodiff();
        let tensor = |name: &str, shape: [usize; 5]| {
            let values = numbers(seed, name, shape.iter().product());
            let options = (&device, E::dtype());
            Tensor::<5>::from_data(TensorData::new(values, shape), options)
        };
        let x = tensor("input", shape).require_grad();
        let w = tensor("kernel", kernel).require_grad();
        assert_eq!(flex::is_ours(&x), E::dtype() == f32::dtype());
        let y = convolve_same(x.clone(), w.clone(), stride);
        let weight = tensor("gradient", y.dims());
        let gradients = (y.clone() * weight).sum().backward();
        [y, x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap()]
            .map(|tensor| tensor.into_data().iter::<f64>().collect())
    }

    fn assert_equals_burn(shape: [usize; 5], kernel: [usize; 5], stride: usize, seed: u64) {
        let ours = convolved::<f32>(shape, kernel, stride, seed);
        let burns = convolved::<f64>(shape, kernel, stride, seed);
        for (name, (ours, burns)) in
            ["output", "input's gradient", "kernel's gradient"].iter().zip(ours.iter().zip(&burns))
        {
            assert_eq!(ours, burns, "{name} of {shape:?} * {kernel:?} / {stride}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn convolution_and_gradients_are_those_of_burns_conv3d(
            (batch, inputs, filters) in (1_usize..4, 1_usize..5, 1_usize..5),
            size in prop::array::uniform3(1_usize..9),
            kernel in prop::array::uniform3(prop::sample::select(vec![1_usize, 2, 3, 7])),
            stride in 1_usize..3,
            seed in any::<u64>(),
        ) {
            let shape = [batch, inputs, size[0], size[1], size[2]];
            let kernel = [filters, inputs, kernel[0], kernel[1], kernel[2]];
            assert_equals_burn(shape, kernel, stride, seed);
        }
    }

    #[test]
    fn a_sample_of_several_tiles_is_convolved_correctly() {
        // 27·48 rows of columns: a tile is 16 of the 25 output rows.
        assert_equals_burn([1, 48, 5, 5, 24], [2, 48, 3, 3, 3], 1, 1);
    }
}
