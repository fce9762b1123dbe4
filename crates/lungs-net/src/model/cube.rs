//! The interface between Burn's tensors and our kernels for GPUs, which process contiguous buffers in
//! `[batch, channel, depth, height, width]` order.
//!
//! The kernels are written in CubeCL and are backend extensions of Burn's CubeCL backend. They run on
//! CUDA, and on CubeCL's own CPU runtime, where they are tested. Their results do not depend on
//! timing: no kernel is chosen by measuring, and every sum has a fixed order.

#[cfg(feature = "cubecl")]
pub(super) use on_device::*;

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Tensor;

/// Whether our kernels support the tensor: `f32` on a CubeCL device, few enough numbers for indices of
/// 32 bits.
pub(super) fn is_ours<const D: usize>(tensor: &Tensor<D>) -> bool {
    let elements = tensor.dims().iter().product::<usize>();
    tensor.dtype() == DType::F32 && u32::try_from(elements).is_ok() && is_cube(tensor)
}

/// The five lengths of a `[batch, channel, depth, height, width]` tensor of any backend.
pub(super) fn lengths(tensor: &impl TensorMetadata) -> [usize; 5] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

#[cfg(feature = "cubecl")]
fn is_cube<const D: usize>(tensor: &Tensor<D>) -> bool {
    use burn::backend::DispatchDevice;
    fn is_cube(device: &DispatchDevice) -> bool {
        match device {
            DispatchDevice::Cube(_) => true,
            DispatchDevice::Autodiff(inner) => is_cube(inner),
            #[allow(unreachable_patterns, reason = "other backends exist in other builds")]
            _ => false,
        }
    }
    is_cube(tensor.device().as_dispatch())
}

#[cfg(not(feature = "cubecl"))]
fn is_cube<const D: usize>(_tensor: &Tensor<D>) -> bool {
    false
}

#[cfg(feature = "cubecl")]
mod on_device {
    use burn::backend::DispatchTensorKind;
    use burn::backend::{BackendTensor, DType, DispatchAutodiffContext, DispatchTensor};
    use burn::tensor::{Shape, Tensor};
    use burn_cubecl::cubecl;
    use burn_cubecl::cubecl::client::Client;
    use burn_cubecl::cubecl::prelude::*;
    use burn_cubecl::cubecl::zspace::Strides;
    use burn_cubecl::cubecl::zspace::metadata::Metadata;
    use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
    use burn_cubecl::tensor::CubeTensor;

    /// Threads of a block on a GPU.
    const UNITS: u32 = 256;

    /// What our kernels process, if the tensor is on a CubeCL device and without gradients.
    pub(in super::super) fn primitive<const D: usize>(tensor: Tensor<D>) -> Option<CubeTensor> {
        match tensor.into_dispatch().kind {
            DispatchTensorKind::Cube(BackendTensor::Float(primitive)) => Some(primitive),
            _ => None,
        }
    }

    /// The tensor of a primitive, without gradients.
    pub(in super::super) fn tensor<const D: usize>(primitive: CubeTensor) -> Tensor<D> {
        let kind = DispatchTensorKind::Cube(BackendTensor::Float(primitive));
        let autodiff = DispatchAutodiffContext::Disabled;
        Tensor::from_dispatch(DispatchTensor { kind, autodiff })
    }

    /// A tensor on the device of `like`, with undefined numbers.
    pub(in super::super) fn empty<const D: usize>(
        like: &CubeTensor,
        shape: [usize; D],
        dtype: DType,
    ) -> CubeTensor {
        let shape = Shape::from(shape.to_vec());
        empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
    }

    /// A contiguous tensor with the device and shape of `like`, with undefined numbers.
    pub(in super::super) fn empty_like(like: &CubeTensor) -> CubeTensor {
        let shape = like.meta.shape().clone();
        empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, like.dtype)
    }

    /// The first numbers of a contiguous tensor as a tensor of this shape, without a copy.
    pub(in super::super) fn first_numbers<const D: usize>(
        tensor: CubeTensor,
        shape: [usize; D],
    ) -> CubeTensor {
        debug_assert!(tensor.is_contiguous());
        debug_assert!(shape.iter().product::<usize>() <= tensor.meta.num_elements());
        let strides = std::array::from_fn::<usize, D, _>(|axis| shape[axis + 1..].iter().product());
        let meta = Metadata::new(Shape::from(shape.to_vec()), Strides::from(strides.to_vec()));
        CubeTensor::new(tensor.client, tensor.handle, meta, tensor.device, tensor.dtype)
    }

    /// The buffer of a contiguous tensor, as the argument of a kernel.
    pub(in super::super) fn buffer(tensor: &CubeTensor) -> BufferArg {
        debug_assert!(tensor.is_contiguous());
        let elements = tensor.meta.shape().iter().product();
        // SAFETY: a contiguous tensor's buffer holds all of its elements.
        unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), elements) }
    }

    /// An argument without numbers, on the device of `like`.
    pub(in super::super) fn no_numbers(like: &CubeTensor) -> BufferArg {
        // SAFETY: a kernel may access none of the buffer's numbers.
        unsafe { BufferArg::from_raw_parts(like.handle.clone(), 0) }
    }

    /// Units of a block: 256 on a GPU; on CubeCL's CPU runtime at most one for each core, and a power of
    /// two.
    pub(in super::super) fn units(client: &Client) -> u32 {
        let most = client.properties().hardware.max_units_per_cube.clamp(1, UNITS);
        1 << most.ilog2()
    }

    /// Blocks that cover `elements`, with one unit for each.
    pub(in super::super) fn blocks(elements: usize, units: u32) -> CubeCount {
        CubeCount::Static(elements.div_ceil(units as usize) as u32, 1, 1)
    }

    /// The sums over the first axis of `[part, element]`, in order, as a tensor of this shape.
    pub(in super::super) fn add_parts<const D: usize>(
        partial: CubeTensor,
        shape: [usize; D],
    ) -> CubeTensor {
        if partial.meta.shape()[0] == 1 {
            return first_numbers(partial, shape);
        }
        let sum = empty(&partial, shape, DType::F32);
        let units = units(&partial.client);
        // SAFETY: the kernel stays within the length of the sum, and each part is as long.
        unsafe {
            add_in_order::launch_unchecked(
                &partial.client,
                blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                buffer(&partial),
                buffer(&sum),
                partial.meta.shape()[0] as u32,
            );
        }
        sum
    }

    #[cube(launch_unchecked)]
    fn add_in_order(partial: &[f32], sum: &mut [f32], parts: u32) {
        let length = sum.len();
        if ABSOLUTE_POS >= length {
            terminate!();
        }
        let mut total = 0.0f32;
        for part in 0..parts {
            total += partial[part as usize * length + ABSOLUTE_POS];
        }
        sum[ABSOLUTE_POS] = total;
    }
}
