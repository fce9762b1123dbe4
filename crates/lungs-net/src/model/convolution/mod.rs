//! 3-D convolution with any strides, with TensorFlow's SAME padding or explicit padding.
//!
//! Burn 0.22's own `conv3d` does not support asymmetric padding, which SAME padding with stride 2
//! needs, and its gradients are the slowest part of a training step. The CPU therefore has our own
//! kernels (windows unrolled into columns, then one matrix product: [`columns`], [`kernels`]), and so
//! have GPUs (products of tiles in shared memory: [`gpu`]), as one backend extension with gradients. For
//! other number types the input is padded and Burn's `conv3d` is used; it is the oracle of the tests.

mod columns;
mod geometry;
#[cfg(feature = "cubecl")]
mod gpu;
mod kernels;
mod matrix;
mod winograd;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DType, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn_flex::FlexTensor;
use geometry::Geometry;
pub use geometry::Precision;

use super::{cube, flex, padding};
use columns::Lengths;

/// The convolution of `input` (`[batch, channel, depth, height, width]`) with `kernel`
/// (`[out, channel, depth, height, width]`), with `stride` along all axes and SAME padding. The output
/// is `[batch, out, ceil(depth / stride), …]`.
pub(super) fn convolve_same(
    input: Tensor<5>,
    kernel: Tensor<5>,
    stride: usize,
    precision: Precision,
) -> Tensor<5> {
    let [_, _, depth, height, width] = input.dims();
    let [_, _, kd, kh, kw] = kernel.dims();
    let strides = [stride; 3];
    let padding = padding::same_3d([depth, height, width], [kd, kh, kw], strides);
    convolve(input, kernel, strides, padding, precision)
}

/// The convolution of `input` (`[batch, channel, depth, height, width]`) with `kernel`
/// (`[out, channel, depth, height, width]`), with the given strides, and zeros before and after each
/// axis. Each length of the output is `(length + padding − kernel) / stride + 1`, rounded down.
///
/// # Panics
/// If the kernel is longer than the padded input.
pub(super) fn convolve(
    input: Tensor<5>,
    kernel: Tensor<5>,
    strides: [usize; 3],
    padding: [(usize, usize); 3],
    precision: Precision,
) -> Tensor<5> {
    if has_kernels(&input, precision) {
        let geometry = Geometry { strides, padding, precision };
        let output = <Dispatch as Convolve>::convolve(
            input.into_dispatch(),
            kernel.into_dispatch(),
            geometry,
        );
        return Tensor::from_dispatch(output);
    }
    if precision == Precision::Bf16 {
        let (input, kernel) = (input.cast(DType::BF16), kernel.cast(DType::BF16));
        return convolve_by_burn(input, kernel, strides, padding).cast(DType::F32);
    }
    convolve_by_burn(input, kernel, strides, padding)
}

/// The product of `features` (`[batch, feature]`) with the transpose of `matrix` (`[class, feature]`),
/// in float32. On a GPU, Burn's own product might use TensorFloat-32.
pub(super) fn multiply(features: Tensor<2>, matrix: Tensor<2>) -> Tensor<2> {
    if !cube::is_ours(&features) {
        return features.matmul(matrix.transpose());
    }
    let [batch, length] = features.dims();
    let [classes, _] = matrix.dims();
    let features = features.reshape([batch, length, 1, 1, 1]);
    let matrix = matrix.reshape([classes, length, 1, 1, 1]);
    convolve_same(features, matrix, 1, Precision::F32).reshape([batch, classes])
}

/// Whether the tensor's device has kernels of ours for its number type and this precision.
fn has_kernels(tensor: &Tensor<5>, precision: Precision) -> bool {
    cube::is_ours(tensor) || (flex::is_ours(tensor) && precision != Precision::Bf16)
}

/// The convolution by Burn's own operations.
fn convolve_by_burn(
    input: Tensor<5>,
    kernel: Tensor<5>,
    strides: [usize; 3],
    padding: [(usize, usize); 3],
) -> Tensor<5> {
    let [batch, channels, depth, height, width] = input.dims();
    let [filters, _, kd, kh, kw] = kernel.dims();
    if [kd, kh, kw] == [1; 3] && strides == [1; 3] && padding == [(0, 0); 3] {
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

/// Convolution as an operation of the backends that have kernels of ours.
#[backend_extension(Flex, Cube: cfg(feature = "cubecl"), Autodiff)]
trait Convolve: Backend {
    /// See [`convolve`].
    fn convolve(
        input: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;
}

/// The three products of a convolution of `input` (`[batch, channel, …]`) with `kernel`
/// (`[out, channel, …]`).
trait Products: Backend {
    /// The convolution.
    fn forward(
        input: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        geometry: &Geometry,
    ) -> FloatTensor<Self>;

    /// The gradient of a kernel of shape `kernel`, given the `gradient` of the output.
    fn kernel_gradient(
        input: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: [usize; 5],
        geometry: &Geometry,
    ) -> FloatTensor<Self>;

    /// The gradient of an input of shape `input`, given the `gradient` of the output.
    fn input_gradient(
        kernel: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        input: [usize; 5],
        geometry: &Geometry,
    ) -> FloatTensor<Self>;
}

impl Products for Flex {
    fn forward(input: FlexTensor, kernel: FlexTensor, geometry: &Geometry) -> FlexTensor {
        let (input, kernel) = (input.to_contiguous(), kernel.to_contiguous());
        let shape = flex::lengths(&input);
        let lengths = Lengths::new(shape, flex::lengths(&kernel), geometry);
        let (input, kernel) = (flex::values(&input), flex::values(&kernel));
        let output = kernels::forward(input, kernel, shape[0], &lengths, geometry);
        let [depth, height, width] = lengths.output;
        flex::tensor(output, [shape[0], lengths.filters, depth, height, width])
    }

    fn kernel_gradient(
        input: FlexTensor,
        gradient: FlexTensor,
        kernel: [usize; 5],
        geometry: &Geometry,
    ) -> FlexTensor {
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let lengths = Lengths::new(flex::lengths(&input), kernel, geometry);
        let (input, gradient) = (flex::values(&input), flex::values(&gradient));
        flex::tensor(kernels::kernel_gradient(input, gradient, &lengths, geometry), kernel)
    }

    fn input_gradient(
        kernel: FlexTensor,
        gradient: FlexTensor,
        input: [usize; 5],
        geometry: &Geometry,
    ) -> FlexTensor {
        let (kernel, gradient) = (kernel.to_contiguous(), gradient.to_contiguous());
        let lengths = Lengths::new(input, flex::lengths(&kernel), geometry);
        let (kernel, gradient) = (flex::values(&kernel), flex::values(&gradient));
        let values = kernels::input_gradient(kernel, gradient, input[0], &lengths, geometry);
        flex::tensor(values, input)
    }
}

impl Convolve for Flex {
    fn convolve(input: FlexTensor, kernel: FlexTensor, geometry: Geometry) -> FlexTensor {
        Self::forward(input, kernel, &geometry)
    }
}

impl<B: Products, C: CheckpointStrategy> Convolve for Autodiff<B, C> {
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
                prepared.finish(state, B::forward(input, kernel, &geometry))
            }
            OpsKind::UnTracked(prepared) => {
                let (input, kernel) = (input.into_primitive(), kernel.into_primitive());
                prepared.finish(B::forward(input, kernel, &geometry))
            }
        }
    }
}

#[derive(Debug)]
struct ConvolveBackward;

impl<B: Products> Backward<B, 2> for ConvolveBackward {
    type State = (NodeId, NodeId, Geometry);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [input_node, kernel_node] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (input, kernel, geometry) = ops.state;
        let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
        let kernel = checkpointer.retrieve_node_output::<FloatTensor<B>>(kernel);
        let input_shape = cube::lengths(&input);
        if let Some(node) = kernel_node {
            let shape = cube::lengths(&kernel);
            let result = B::kernel_gradient(input, gradient.clone(), shape, &geometry);
            gradients.register::<B>(node.id, result);
        }
        if let Some(node) = input_node {
            let result = B::input_gradient(kernel, gradient, input_shape, &geometry);
            gradients.register::<B>(node.id, result);
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

    /// Padding of a test.
    #[derive(Debug, Clone, Copy)]
    enum Pad {
        Same,
        Explicit([(usize, usize); 3]),
    }

    /// Output, and gradients of input and kernel, for a random gradient of the output. With f64, Burn's
    /// own convolution of the padded input is used, as on other devices.
    fn convolved<E: Element>(
        device: Device,
        shape: [usize; 5],
        kernel: [usize; 5],
        (strides, pad): ([usize; 3], Pad),
        seed: u64,
    ) -> [Vec<f64>; 3] {
        let device = device.autodiff();
        let tensor = |name: &str, shape: [usize; 5]| {
            let values = numbers(seed, name, shape.iter().product());
            let options = (&device, E::dtype());
            Tensor::<5>::from_data(TensorData::new(values, shape), options)
        };
        let x = tensor("input", shape).require_grad();
        let w = tensor("kernel", kernel).require_grad();
        assert_eq!(has_kernels(&x, Precision::F32), E::dtype() == f32::dtype());
        let y = match pad {
            Pad::Same => convolve_same(x.clone(), w.clone(), strides[0], Precision::F32),
            Pad::Explicit(padding) => {
                convolve(x.clone(), w.clone(), strides, padding, Precision::F32)
            }
        };
        let weight = tensor("gradient", y.dims());
        let gradients = (y.clone() * weight).sum().backward();
        [y, x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap()]
            .map(|tensor| tensor.into_data().iter::<f64>().collect())
    }

    fn assert_equals_burn(
        shape: [usize; 5],
        kernel: [usize; 5],
        steps: ([usize; 3], Pad),
        seed: u64,
    ) {
        let ours = convolved::<f32>(Device::flex(), shape, kernel, steps, seed);
        let burns = convolved::<f64>(Device::flex(), shape, kernel, steps, seed);
        assert_same(&ours, &burns, &format!("{shape:?} * {kernel:?} / {steps:?}"));
    }

    fn assert_same(ours: &[Vec<f64>; 3], burns: &[Vec<f64>; 3], case: &str) {
        for (name, (ours, burns)) in
            ["output", "input's gradient", "kernel's gradient"].iter().zip(ours.iter().zip(burns))
        {
            assert_eq!(ours, burns, "{name} of {case}");
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
            assert_equals_burn(shape, kernel, ([stride; 3], Pad::Same), seed);
        }

        #[test]
        fn strides_and_padding_of_each_axis_are_those_of_burns_conv3d(
            (batch, inputs, filters) in (1_usize..3, 1_usize..5, 1_usize..5),
            size in prop::array::uniform3(3_usize..10),
            kernel in prop::array::uniform3(1_usize..4),
            strides in prop::array::uniform3(1_usize..4),
            padding in prop::array::uniform3((0_usize..4, 0_usize..4)),
            seed in any::<u64>(),
        ) {
            let shape = [batch, inputs, size[0], size[1], size[2]];
            let kernel = [filters, inputs, kernel[0], kernel[1], kernel[2]];
            assert_equals_burn(shape, kernel, (strides, Pad::Explicit(padding)), seed);
        }
    }

    /// The layers of residual networks that the networks of other padding do not have.
    #[test]
    fn layers_of_residual_networks_are_convolved_correctly() {
        let symmetric = |padding: [usize; 3]| Pad::Explicit(padding.map(|zeros| (zeros, zeros)));
        for (kernel, strides, padding) in [
            ([3, 7, 7], [1, 2, 2], [1, 3, 3]),
            ([3, 3, 3], [1, 1, 1], [1, 1, 1]),
            ([3, 3, 3], [2, 2, 2], [1, 1, 1]),
            ([1, 1, 1], [2, 2, 2], [0, 0, 0]),
            ([11, 1, 1], [1, 1, 1], [5, 0, 0]),
        ] {
            let [depth, height, width] = kernel;
            for size in [[6, 10, 9], [1, 12, 11]] {
                let shape = [2, 5, size[0], size[1], size[2]];
                let kernel = [4, 5, depth, height, width];
                assert_equals_burn(shape, kernel, (strides, symmetric(padding)), 3);
            }
        }
    }

    #[test]
    fn a_sample_of_several_tiles_is_convolved_correctly() {
        // 27·48 rows of columns: a tile is 16 of the 25 output rows.
        assert_equals_burn([1, 48, 5, 5, 24], [2, 48, 3, 3, 3], ([1; 3], Pad::Same), 1);
    }

    #[cfg(feature = "cubecl-cpu")]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_kernels_for_gpus_equal_burns_conv3d(
            (batch, inputs, filters) in (1_usize..4, 1_usize..7, 1_usize..11),
            size in prop::array::uniform3(1_usize..8),
            kernel in prop::array::uniform3(prop::sample::select(vec![1_usize, 2, 3, 7])),
            stride in 1_usize..4,
            seed in any::<u64>(),
        ) {
            let shape = [batch, inputs, size[0], size[1], size[2]];
            let kernel = [filters, inputs, kernel[0], kernel[1], kernel[2]];
            let steps = ([stride; 3], Pad::Same);
            let ours = convolved::<f32>(Device::cpu(), shape, kernel, steps, seed);
            let burns = convolved::<f64>(Device::flex(), shape, kernel, steps, seed);
            assert_same(&ours, &burns, &format!("{shape:?} * {kernel:?} / {stride}"));
        }

        #[test]
        fn the_kernels_for_gpus_have_strides_and_padding_of_each_axis(
            (batch, inputs, filters) in (1_usize..3, 1_usize..7, 1_usize..11),
            size in prop::array::uniform3(3_usize..8),
            kernel in prop::array::uniform3(1_usize..4),
            strides in prop::array::uniform3(1_usize..4),
            padding in prop::array::uniform3((0_usize..4, 0_usize..4)),
            seed in any::<u64>(),
        ) {
            let shape = [batch, inputs, size[0], size[1], size[2]];
            let kernel = [filters, inputs, kernel[0], kernel[1], kernel[2]];
            let steps = (strides, Pad::Explicit(padding));
            let ours = convolved::<f32>(Device::cpu(), shape, kernel, steps, seed);
            let burns = convolved::<f64>(Device::flex(), shape, kernel, steps, seed);
            assert_same(&ours, &burns, &format!("{shape:?} * {kernel:?} / {steps:?}"));
        }
    }
}
