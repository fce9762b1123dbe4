//! Softmax on a GPU, as CubeCL kernels: one block for each row.

use std::f32::consts::LOG2_E;
use std::f64::consts::LN_2;

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use crate::model::cube;

/// See [`super::softmax`].
pub(super) fn softmax(values: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Softmax>::softmax_of_rows(values.into_dispatch()))
}

#[backend_extension(Cube, Autodiff)]
trait Softmax: Backend {
    /// See [`super::softmax`].
    fn softmax_of_rows(values: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradient of [`Softmax::softmax_of_rows`].
trait Derive: Softmax {
    /// `output · (gradient − Σ output · gradient)`, where the sum is over the last axis.
    fn derive(output: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// `exp(x)` for `x` not above 0, with a relative error below 1e-6.
#[cube]
fn exponential(x: f32) -> f32 {
    // exp(x) = 2ⁿ·exp(r) with n = round(x / ln 2), so that |r| ≤ ln(2) / 2. Below −87, 2ⁿ would be too
    // small for a float32; the result is 0 there.
    let n = i32::cast_from(max(x, -87.0f32) * comptime!(LOG2_E) - 0.5f32);
    // ln 2 in two parts, of which the first has few enough digits for an exact product.
    let r = x
        - f32::cast_from(n) * comptime!(355.0f32 / 512.0f32)
        - f32::cast_from(n) * comptime!((LN_2 - 355.0 / 512.0) as f32);
    let mut sum = r * comptime!(1.0f32 / 5040.0f32) + comptime!(1.0f32 / 720.0f32);
    sum = sum * r + comptime!(1.0f32 / 120.0f32);
    sum = sum * r + comptime!(1.0f32 / 24.0f32);
    sum = sum * r + comptime!(1.0f32 / 6.0f32);
    sum = sum * r + 0.5f32;
    sum = sum * r + 1.0f32;
    sum = sum * r + 1.0f32;
    let power = f32::reinterpret(u32::cast_from(n + 127i32) << 23u32);
    // A NaN stays one.
    select(x < -87.0f32, 0.0f32, sum * power)
}

#[cube(launch_unchecked)]
fn softmax_of_rows(values: &[f32], output: &mut [f32], length: usize, #[comptime] units: usize) {
    let mut of_units = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let start = CUBE_POS_X as usize * length;
    let end = start + length;
    let mut largest = values[start];
    for index in range_stepped(start + unit, end, units) {
        largest = max(largest, values[index]);
    }
    of_units[unit] = largest;
    let mut width = comptime!(units / 2).runtime();
    while width > 0 {
        sync_cube();
        if unit < width {
            of_units[unit] = max(of_units[unit], of_units[unit + width]);
        }
        width /= 2;
    }
    sync_cube();
    largest = of_units[0];
    sync_cube();
    let mut sum = 0.0f32;
    for index in range_stepped(start + unit, end, units) {
        let power = exponential(values[index] - largest);
        output[index] = power;
        sum += power;
    }
    of_units[unit] = sum;
    add_up(&mut of_units, units);
    let total = of_units[0];
    for index in range_stepped(start + unit, end, units) {
        output[index] /= total;
    }
}

#[cube(launch_unchecked)]
fn derivative_of_rows(
    output: &[f32],
    gradient: &[f32],
    of_values: &mut [f32],
    length: usize,
    #[comptime] units: usize,
) {
    let mut of_units = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let start = CUBE_POS_X as usize * length;
    let end = start + length;
    let mut sum = 0.0f32;
    for index in range_stepped(start + unit, end, units) {
        sum += output[index] * gradient[index];
    }
    of_units[unit] = sum;
    add_up(&mut of_units, units);
    let mean = of_units[0];
    for index in range_stepped(start + unit, end, units) {
        of_values[index] = output[index] * (gradient[index] - mean);
    }
}

/// Adds up the numbers of all units; the result is the first element.
#[cube]
fn add_up(of_units: &mut Shared<[f32]>, #[comptime] units: usize) {
    let unit = UNIT_POS as usize;
    let mut width = comptime!(units / 2).runtime();
    while width > 0 {
        sync_cube();
        if unit < width {
            of_units[unit] += of_units[unit + width];
        }
        width /= 2;
    }
    sync_cube();
}

/// Number of rows, and their length.
fn rows(tensor: &CubeTensor) -> (CubeCount, usize) {
    let length = tensor.meta.shape()[3];
    (CubeCount::Static((tensor.meta.num_elements() / length) as u32, 1, 1), length)
}

impl Softmax for CubeBackend {
    fn softmax_of_rows(values: CubeTensor) -> CubeTensor {
        let values = into_contiguous(values);
        let output = cube::empty_like(&values);
        let units = cube::units(&values.client);
        let (blocks, length) = rows(&values);
        // SAFETY: both tensors have one block's row for each block, within which the kernel stays.
        unsafe {
            softmax_of_rows::launch_unchecked(
                &values.client,
                blocks,
                CubeDim::new_1d(units),
                cube::buffer(&values),
                cube::buffer(&output),
                length,
                units as usize,
            );
        }
        output
    }
}

impl Derive for CubeBackend {
    fn derive(output: CubeTensor, gradient: CubeTensor) -> CubeTensor {
        let [output, gradient] = [output, gradient].map(into_contiguous);
        let of_values = cube::empty_like(&output);
        let units = cube::units(&output.client);
        let (blocks, length) = rows(&output);
        // SAFETY: as above, for three tensors.
        unsafe {
            derivative_of_rows::launch_unchecked(
                &output.client,
                blocks,
                CubeDim::new_1d(units),
                cube::buffer(&output),
                cube::buffer(&gradient),
                cube::buffer(&of_values),
                length,
                units as usize,
            );
        }
        of_values
    }
}

impl<B: Derive, C: CheckpointStrategy> Softmax for Autodiff<B, C> {
    fn softmax_of_rows(values: FloatTensor<Self>) -> FloatTensor<Self> {
        match SoftmaxBackward.prepare::<C>([values.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let output = B::softmax_of_rows(values.into_primitive());
                prepared.finish(output.clone(), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::softmax_of_rows(values.into_primitive()))
            }
        }
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl<B: Derive> Backward<B, 1> for SoftmaxBackward {
    /// The output.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::derive(ops.state, gradient));
        }
    }
}

#[cfg(all(test, feature = "cubecl-cpu"))]
mod tests {
    use burn::tensor::{Device, Element, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    /// Output, and gradient for a random gradient of the output, of values up to `range`.
    fn softmax_of<E: Element>(
        device: Device,
        shape: [usize; 4],
        range: f64,
        seed: u64,
    ) -> [Vec<f64>; 2] {
        let device = device.autodiff();
        let tensor = |name: &str, range: f64| {
            let mut stream = random::stream(seed, name);
            // Numbers of float32 for both types.
            let values: Vec<f64> = (0..shape.iter().product())
                .map(|_| f64::from(((f64::from(stream.next_u32()) / 2e9 - 1.0) * range) as f32))
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), (&device, E::dtype()))
        };
        let values = tensor("values", range).require_grad();
        let output = super::super::softmax(values.clone());
        let gradients = (output.clone() * tensor("gradient", 1.0)).sum().backward();
        let numbers = |tensor: Tensor<4>| tensor.into_data().iter::<f64>().collect();
        [numbers(output), numbers(values.grad(&gradients).unwrap())]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_kernels_for_gpus_equal_burns_operations(
            rows in prop::array::uniform3(1_usize..5),
            length in 1_usize..300,
            range in prop::sample::select(vec![0.01, 1.0, 30.0, 300.0]),
            seed in any::<u64>(),
        ) {
            let shape = [rows[0], rows[1], rows[2], length];
            let ours = softmax_of::<f32>(Device::cpu(), shape, range, seed);
            let burns = softmax_of::<f64>(Device::flex(), shape, range, seed);
            for (ours, burns) in ours.iter().flatten().zip(burns.iter().flatten()) {
                prop_assert!((ours - burns).abs() < 1e-6, "{} for {}", ours, burns);
            }
        }
    }

    #[test]
    fn a_gpu_keeps_the_relative_size_of_small_weights() {
        let values: Vec<f32> = (0..87).map(|i| -(i as f32) - 0.37).collect();
        let options = (&Device::cpu(), burn::tensor::DType::F32);
        let tensor =
            Tensor::<4>::from_data(TensorData::new(values.clone(), [1, 1, 1, 87]), options);
        let ours: Vec<f32> = super::super::softmax(tensor).into_data().iter().collect();
        let sum: f64 = values.iter().map(|value| f64::from(value - values[0]).exp()).sum();
        for (ours, value) in ours.iter().zip(&values) {
            let expected = f64::from(value - values[0]).exp() / sum;
            assert!((f64::from(*ours) / expected - 1.0).abs() < 1e-6, "{ours} for {expected}");
        }
    }

    #[test]
    fn a_nan_on_a_gpu_makes_its_row_nan() {
        let values = vec![1.0, f32::NAN, 2.0, 1.0, 1.0, 1.0];
        let options = (&Device::cpu(), burn::tensor::DType::F32);
        let tensor = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 2, 3]), options);
        let ours: Vec<f32> = super::super::softmax(tensor).into_data().iter().collect();
        assert!(ours[..3].iter().all(|value| value.is_nan()), "{ours:?}");
        assert!(ours[3..].iter().all(|value| (value - 1.0 / 3.0).abs() < 1e-6), "{ours:?}");
    }
}
