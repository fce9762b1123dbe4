//! Max pooling with SAME or explicit padding, and the average pool before the classifier.
//!
//! Burn 0.22 has no 3-D pooling. Its 2-D max pool, applied over height and width and then over depth,
//! gives the same numbers, but would take a sixth of a training step on the CPU. Our kernels for the CPU
//! ([`windows`]) and for GPUs ([`gpu`]) pool directly.
//!
//! If several elements of a window are equally large (as always in the air around a body), the gradient
//! goes to one of them, as in PyTorch and cuDNN. TensorFlow's CPU kernel gives each of them the full
//! gradient, so that a step's gradients differ from those of the original on a CPU.

#[cfg(feature = "cubecl")]
mod gpu;
mod windows;

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn_flex::FlexTensor;

use super::{cube, flex, padding};
use windows::Windows;

/// The largest element of each window of `[batch, channel, depth, height, width]` with SAME padding.
/// The output is `[batch, channel, ceil(depth / stride), …]`. Padding is never the largest.
pub(super) fn max_pool_same(input: Tensor<5>, sizes: [usize; 3], strides: [usize; 3]) -> Tensor<5> {
    let [_, _, depth, height, width] = input.dims();
    let padding = padding::same_3d([depth, height, width], sizes, strides);
    max_pool(input, sizes, strides, padding)
}

/// The largest element of each window of `[batch, channel, depth, height, width]`. Each length of the
/// output is `(length + padding − size) / stride + 1`, rounded down. Padding is never the largest, so
/// every window must contain an element of the input.
pub(super) fn max_pool(
    input: Tensor<5>,
    sizes: [usize; 3],
    strides: [usize; 3],
    padding: [(usize, usize); 3],
) -> Tensor<5> {
    let [batch, channels, depth, height, width] = input.dims();
    if flex::is_ours(&input) || cube::is_ours(&input) {
        let windows = Windows { input: [depth, height, width], sizes, strides, padding };
        return Tensor::from_dispatch(<Dispatch as MaxPool>::max_pool(
            input.into_dispatch(),
            windows,
        ));
    }
    let in_plane = MaxPoolOptions::new([sizes[1], sizes[2]])
        .with_stride([strides[1], strides[2]])
        .with_padding_pairs([padding[1], padding[2]]);
    let input = max_pool2d(input.reshape([batch, channels * depth, height, width]), in_plane);
    let [_, _, height, width] = input.dims();
    let in_depth = MaxPoolOptions::new([sizes[0], 1])
        .with_stride([strides[0], 1])
        .with_padding_pairs([padding[0], (0, 0)]);
    let output = max_pool2d(input.reshape([batch, channels, depth, height * width]), in_depth);
    let depth = output.dims()[2];
    output.reshape([batch, channels, depth, height, width])
}

/// The mean of each window of `[batch, channel, depth, height, width]`, with stride 1 and without
/// padding. A window longer than its axis shrinks to the axis.
pub(super) fn average_pool_valid(input: Tensor<5>, sizes: [usize; 3]) -> Tensor<5> {
    let mut output = input;
    // The mean of a box is separable by axis.
    for (axis, size) in [(2, sizes[0]), (3, sizes[1]), (4, sizes[2])] {
        let length = output.dims()[axis];
        output = if length <= size {
            output.mean_dim(axis)
        } else {
            let windows = length - size + 1;
            let shifted = |start| output.clone().narrow(axis, start, windows);
            let sum = (1..size).fold(shifted(0), |sum, start| sum + shifted(start));
            sum / size as f64
        };
    }
    output
}

/// Max pooling as an operation of the backends that have kernels of ours.
#[backend_extension(Flex, Cube: cfg(feature = "cubecl"), Autodiff)]
trait MaxPool: Backend {
    /// See [`max_pool`].
    fn max_pool(input: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self>;
}

/// Max pooling with its gradient.
trait Winners: MaxPool {
    /// The largest element of each window, and its row-major index within the window (`u8`).
    fn max_pool_with_winners(
        input: FloatTensor<Self>,
        windows: &Windows,
    ) -> (FloatTensor<Self>, IntTensor<Self>);

    /// The gradient of the input, given the `gradient` of the output.
    fn max_pool_gradient(
        gradient: FloatTensor<Self>,
        winners: IntTensor<Self>,
        windows: &Windows,
    ) -> FloatTensor<Self>;
}

/// Shape of the output for an input of shape `input`.
fn output_shape(input: [usize; 5], windows: &Windows) -> [usize; 5] {
    let [batch, channels, ..] = input;
    let [depth, height, width] = windows.output();
    [batch, channels, depth, height, width]
}

/// Shape of the input for an output of shape `output`.
fn input_shape(output: [usize; 5], windows: &Windows) -> [usize; 5] {
    let [batch, channels, ..] = output;
    let [depth, height, width] = windows.input;
    [batch, channels, depth, height, width]
}

impl MaxPool for Flex {
    fn max_pool(input: FlexTensor, windows: Windows) -> FlexTensor {
        let input = input.to_contiguous();
        let values = windows::forward(flex::values(&input), &windows);
        flex::tensor(values, output_shape(flex::lengths(&input), &windows))
    }
}

impl Winners for Flex {
    fn max_pool_with_winners(input: FlexTensor, windows: &Windows) -> (FlexTensor, FlexTensor) {
        let input = input.to_contiguous();
        let (values, winners) = windows::forward_with_winners(flex::values(&input), windows);
        let shape = output_shape(flex::lengths(&input), windows);
        (flex::tensor(values, shape), flex::bytes(winners, shape))
    }

    fn max_pool_gradient(
        gradient: FlexTensor,
        winners: FlexTensor,
        windows: &Windows,
    ) -> FlexTensor {
        let gradient = gradient.to_contiguous();
        let winners = winners.as_slice().expect("max_pool_with_winners made bytes, contiguous");
        let values = windows::backward(flex::values(&gradient), winners, windows);
        flex::tensor(values, input_shape(flex::lengths(&gradient), windows))
    }
}

impl<B: Winners, C: CheckpointStrategy> MaxPool for Autodiff<B, C> {
    fn max_pool(input: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self> {
        match MaxPoolBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, winners) = B::max_pool_with_winners(input.into_primitive(), &windows);
                prepared.finish((winners, windows), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::max_pool(input.into_primitive(), windows))
            }
        }
    }
}

#[derive(Debug)]
struct MaxPoolBackward;

impl<B: Winners> Backward<B, 1> for MaxPoolBackward {
    /// Index of each window's largest element.
    type State = (IntTensor<B>, Windows);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (winners, windows) = ops.state;
        if let [Some(node)] = ops.parents {
            let result = B::max_pool_gradient(gradient, winners, &windows);
            gradients.register::<B>(node.id, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;

    /// Values and gradient of max pooling by the definition, for an output gradient of `1, 2, 3, …`.
    fn naive(input: &[f32], windows: &Windows) -> (Vec<f32>, Vec<f32>) {
        let [depth, height, width] = windows.input;
        let [od, oh, ow] = windows.output();
        let (mut values, mut gradient) = (vec![], vec![0.0; input.len()]);
        for channel in 0..input.len() / (depth * height * width) {
            for (d, h, w) in boxes(od, oh, ow) {
                let mut best = (f32::NEG_INFINITY, usize::MAX);
                for (a, b, c) in boxes(windows.sizes[0], windows.sizes[1], windows.sizes[2]) {
                    let start = [d, h, w];
                    let position: [isize; 3] = std::array::from_fn(|axis| {
                        (start[axis] * windows.strides[axis] + [a, b, c][axis]) as isize
                            - windows.padding[axis].0 as isize
                    });
                    if (0..3).all(|x| position[x] >= 0 && position[x] < windows.input[x] as isize) {
                        let [d, h, w] = position.map(|x| x as usize);
                        let index = ((channel * depth + d) * height + h) * width + w;
                        if input[index] > best.0 {
                            best = (input[index], index);
                        }
                    }
                }
                values.push(best.0);
                gradient[best.1] += values.len() as f32;
            }
        }
        (values, gradient)
    }

    fn boxes(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..a).flat_map(move |x| (0..b).flat_map(move |y| (0..c).map(move |z| (x, y, z))))
    }

    fn pooled<T: burn::tensor::Element>(
        device: Device,
        input: &[f32],
        shape: [usize; 5],
        windows: Windows,
        count: usize,
    ) -> (Vec<T>, Vec<T>) {
        let device = device.autodiff();
        let values: Vec<T> = input.iter().map(|&value| T::from_elem(value)).collect();
        let options = (&device, T::dtype());
        let x = Tensor::<5>::from_data(TensorData::new(values, shape), options).require_grad();
        let Windows { sizes, strides, padding, .. } = windows;
        let y = max_pool(x.clone(), sizes, strides, padding);
        let weights: Vec<T> = (1..=count).map(|i| T::from_elem(i as f32)).collect();
        let weights = Tensor::<5>::from_data(TensorData::new(weights, y.dims()), options);
        let gradients = (y.clone() * weights).sum().backward();
        let gradient = x.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        (y.into_data().try_into_vec().unwrap(), gradient)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn max_pools_agree_with_the_definition(
            (batch, channels) in (1_usize..3, 1_usize..3),
            input in prop::array::uniform3(1_usize..8),
            kind in 0_usize..5,
            seed in any::<u64>(),
        ) {
            // The four max pools of I3D, and that of I3ResNet.
            let (sizes, strides) = [
                ([1, 3, 3], [1, 2, 2]),
                ([3, 3, 3], [2, 2, 2]),
                ([2, 2, 2], [2, 2, 2]),
                ([3, 3, 3], [1, 1, 1]),
                ([3, 3, 3], [2, 2, 2]),
            ][kind];
            let shape = [batch, channels, input[0], input[1], input[2]];
            let count: usize = shape.iter().product();
            // Shuffled distinct numbers: no ties.
            let mut values: Vec<f32> = (0..count).map(|i| i as f32 - count as f32 / 2.0).collect();
            let mut state = seed | 1;
            for i in (1..count).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                values.swap(i, (state >> 33) as usize % (i + 1));
            }
            let padding = match kind {
                4 => [(1, 1); 3],
                _ => padding::same_3d(input, sizes, strides),
            };
            let windows = Windows { input, sizes, strides, padding };
            let (expected, gradient) = naive(&values, &windows);
            let ours = pooled::<f32>(Device::flex(), &values, shape, windows, expected.len());
            prop_assert_eq!(&ours.0, &expected);
            prop_assert_eq!(&ours.1, &gradient);
            // Burn's pools, used for other number types.
            let burns = pooled::<f64>(Device::flex(), &values, shape, windows, expected.len());
            prop_assert_eq!(burns.0, expected.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
            prop_assert_eq!(burns.1, gradient.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
        }
    }

    #[cfg(feature = "cubecl-cpu")]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_kernels_for_gpus_equal_those_of_the_cpu_ties_included(
            (batch, channels) in (1_usize..3, 1_usize..3),
            input in prop::array::uniform3(1_usize..8),
            kind in 0_usize..4,
            seed in any::<u64>(),
        ) {
            let (sizes, strides) = [
                ([1, 3, 3], [1, 2, 2]),
                ([3, 3, 3], [2, 2, 2]),
                ([2, 2, 2], [2, 2, 2]),
                ([3, 3, 3], [1, 1, 1]),
            ][kind];
            let shape = [batch, channels, input[0], input[1], input[2]];
            let mut state = seed | 1;
            // Three values: most windows hold several of the largest.
            let values: Vec<f32> = (0..shape.iter().product::<usize>())
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    ((state >> 33) % 3) as f32 - 1.0
                })
                .collect();
            let padding = padding::same_3d(input, sizes, strides);
            let windows = Windows { input, sizes, strides, padding };
            let count = batch * channels * windows.output().iter().product::<usize>();
            let [gpus, cpus] = [Device::cpu(), Device::flex()]
                .map(|device| pooled::<f32>(device, &values, shape, windows, count));
            prop_assert_eq!(gpus, cpus);
        }
    }

    #[test]
    fn average_windows_shrink_to_small_inputs() {
        let device = Device::flex();
        let ramp = |shape: [usize; 5]| {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
            Tensor::<5>::from_data(TensorData::new(values, shape), &device)
        };
        let mean = average_pool_valid(ramp([1, 1, 3, 2, 2]), [2, 7, 7]);
        assert_eq!(mean.dims(), [1, 1, 2, 1, 1]);
        assert_eq!(mean.into_data().try_into_vec::<f32>().unwrap(), [3.5, 7.5]);
        let mean = average_pool_valid(ramp([1, 1, 1, 1, 9]), [2, 7, 7]);
        assert_eq!(mean.dims(), [1, 1, 1, 1, 3]);
        assert_eq!(mean.into_data().try_into_vec::<f32>().unwrap(), [3.0, 4.0, 5.0]);
    }
}
