//! The end of a residual block, `max(left + right, 0)`, as one operation on the CPU and on GPUs.

#[cfg(feature = "cubecl")]
mod gpu;

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::has_kernels;
use crate::model::flex;

/// Numbers that a thread processes at once.
const PIECE: usize = 1 << 15;

/// `max(left + right, 0)` for tensors of the same shape.
pub(in crate::model) fn add_rectified(left: Tensor<5>, right: Tensor<5>) -> Tensor<5> {
    if !has_kernels(&left) {
        return relu(left + right);
    }
    let output =
        <Dispatch as AddRectified>::add_rectified(left.into_dispatch(), right.into_dispatch());
    Tensor::from_dispatch(output)
}

/// Sum and ReLU as one operation.
#[backend_extension(Flex, Cube: cfg(feature = "cubecl"), Autodiff)]
trait AddRectified: Backend {
    /// See [`add_rectified`].
    fn add_rectified(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradient of [`AddRectified::add_rectified`], the same for both terms.
trait Mask: AddRectified {
    /// The `gradient` where the `output` is positive, else 0.
    fn mask(output: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl AddRectified for Flex {
    fn add_rectified(left: FlexTensor, right: FlexTensor) -> FlexTensor {
        let (left, right) = (contiguous(left), contiguous(right));
        let shape = flex::lengths(&left);
        assert_eq!(shape, flex::lengths(&right), "the terms of a sum must have the same shape");
        // A normalisation's output has no other owner: the sum replaces it.
        let (mut target, term) = (left, right);
        if let Some(values) = target.try_storage_mut::<f32>()
            && values.len() == shape.iter().product::<usize>()
        {
            let pieces = values.par_chunks_mut(PIECE).zip(flex::values(&term).par_chunks(PIECE));
            pieces.for_each(|(values, term)| {
                for (value, term) in values.iter_mut().zip(term) {
                    *value = rectified(*value + term);
                }
            });
            return target;
        }
        flex::tensor(combine(&target, &term, |left, right| rectified(left + right)), shape)
    }
}

impl Mask for Flex {
    fn mask(output: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (output, gradient) = (contiguous(output), contiguous(gradient));
        let values = combine(
            &output,
            &gradient,
            |output, gradient| {
                if output > 0.0 { gradient } else { 0.0 }
            },
        );
        flex::tensor(values, flex::lengths(&output))
    }
}

/// ReLU. `max` would hide a NaN.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

fn contiguous(tensor: FlexTensor) -> FlexTensor {
    // `to_contiguous` on a contiguous tensor would add a second owner of the same numbers.
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// A function of each pair of numbers of two contiguous tensors.
fn combine(
    left: &FlexTensor,
    right: &FlexTensor,
    function: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    let (left, right) = (flex::values(left), flex::values(right));
    let mut output = vec![0.0; left.len()];
    output.par_chunks_mut(PIECE).zip(left.par_chunks(PIECE).zip(right.par_chunks(PIECE))).for_each(
        |(output, (left, right))| {
            for (output, (left, right)) in output.iter_mut().zip(left.iter().zip(right)) {
                *output = function(*left, *right);
            }
        },
    );
    output
}

impl<B: Mask, C: CheckpointStrategy> AddRectified for Autodiff<B, C> {
    fn add_rectified(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [left.node(), right.node()];
        match AddRectifiedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let output = B::add_rectified(left.into_primitive(), right.into_primitive());
                prepared.finish(output.clone(), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::add_rectified(left.into_primitive(), right.into_primitive()))
            }
        }
    }
}

#[derive(Debug)]
struct AddRectifiedBackward;

impl<B: Mask> Backward<B, 2> for AddRectifiedBackward {
    /// The output.
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let masked = B::mask(ops.state, gradient);
        for node in ops.parents.into_iter().flatten() {
            gradients.register::<B>(node.id, masked.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Element, TensorData};

    use super::*;

    /// Sum and gradients of both terms for a gradient of `1, 2, 3, …`.
    fn added<E: Element>(device: &Device, left: &[f64], right: &[f64]) -> [Vec<f64>; 3] {
        let device = device.clone().autodiff();
        let shape = [1, 1, 1, 1, left.len()];
        let tensor = |values: Vec<f64>| {
            Tensor::<5>::from_data(TensorData::new(values, shape), (&device, E::dtype()))
        };
        let (left, right) = (tensor(left.to_vec()), tensor(right.to_vec()));
        let (left, right) = (left.require_grad(), right.require_grad());
        let sum = add_rectified(left.clone(), right.clone());
        let slopes = tensor((1..=shape[4]).map(|index| index as f64).collect());
        let gradients = (sum.clone() * slopes).sum().backward();
        let values = |data: TensorData| data.iter::<f64>().collect();
        [
            values(sum.into_data()),
            values(left.grad(&gradients).unwrap().into_data()),
            values(right.grad(&gradients).unwrap().into_data()),
        ]
    }

    #[test]
    fn sums_and_gradients_are_those_of_burns_operations() {
        assert_added(&Device::flex());
    }

    #[cfg(feature = "cubecl-cpu")]
    #[test]
    fn the_kernels_for_gpus_add_as_burns_operations() {
        assert_added(&Device::cpu());
    }

    fn assert_added(device: &Device) {
        let (left, right) = ([1.0, -2.0, 0.5, 0.0, -3.0], [0.5, 1.0, -0.5, 0.0, 4.0]);
        let expected = [
            vec![1.5, 0.0, 0.0, 0.0, 1.0],
            vec![1.0, 0.0, 0.0, 0.0, 5.0],
            vec![1.0, 0.0, 0.0, 0.0, 5.0],
        ];
        assert_eq!(added::<f32>(device, &left, &right), expected);
        assert_eq!(added::<f64>(&Device::flex(), &left, &right), expected);
        // Several pieces, the last one short.
        let long: Vec<f64> = (0..2 * PIECE + 7).map(|i| f64::from(i as u32 % 5) - 2.0).collect();
        let other: Vec<f64> = (0..long.len()).map(|i| f64::from(i as u32 % 3) - 1.0).collect();
        let ours = added::<f32>(device, &long, &other);
        assert_eq!(ours, added::<f64>(&Device::flex(), &long, &other));
    }
}
