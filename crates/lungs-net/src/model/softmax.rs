//! Softmax along the last axis.
//!
//! On GPUs it is a kernel of ours ([`gpu`]): the exponential of Burn's operation needs a library of the
//! CUDA toolkit, which a machine that trains need not have.

#[cfg(feature = "cubecl")]
mod gpu;

use burn::tensor::Tensor;
use burn::tensor::activation;

/// `exp(x) / Σ exp(x)`, where the sum is over the last axis.
pub(super) fn softmax(values: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "cubecl")]
    if super::cube::is_ours(&values) {
        return gpu::softmax(values);
    }
    activation::softmax(values, 3)
}
