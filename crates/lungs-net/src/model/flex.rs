//! The interface between Burn's tensors and our CPU kernels, which process plain slices of `f32` in
//! `[batch, channel, depth, height, width]` order.
//!
//! The kernels are backend extensions of Burn's CPU backend, Flex. On any other device (CUDA), and for
//! any other number type, the same public functions call Burn's own operations; [`is_ours`] decides.

use burn::backend::{DType, DispatchDevice};
use burn::tensor::{Bytes, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};

/// Whether the tensor is `f32` on the CPU backend, so that our kernels support it.
pub(super) fn is_ours<const D: usize>(tensor: &Tensor<D>) -> bool {
    fn is_flex(device: &DispatchDevice) -> bool {
        match device {
            DispatchDevice::Flex(_) => true,
            DispatchDevice::Autodiff(inner) => is_flex(inner),
            #[allow(unreachable_patterns, reason = "other backends exist in other builds")]
            _ => false,
        }
    }
    tensor.dtype() == DType::F32 && is_flex(tensor.device().as_dispatch())
}

/// The tensor's values as one slice in row-major order. The tensor must be contiguous.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("callers make the tensor contiguous, and is_ours checked for f32")
}

/// A tensor of `values` in row-major order.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    debug_assert_eq!(values.len(), shape.iter().product::<usize>());
    let layout = Layout::contiguous(Shape::from(shape.to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// A tensor of bytes in row-major order.
pub(super) fn bytes<const D: usize>(values: Vec<u8>, shape: [usize; D]) -> FlexTensor {
    debug_assert_eq!(values.len(), shape.iter().product::<usize>());
    let layout = Layout::contiguous(Shape::from(shape.to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::U8)
}

/// The five lengths of a `[batch, channel, depth, height, width]` tensor.
pub(super) fn lengths(tensor: &FlexTensor) -> [usize; 5] {
    let shape = tensor.layout().shape();
    std::array::from_fn(|axis| shape[axis])
}
