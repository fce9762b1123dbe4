//! What a convolution computes: geometry and precision.

/// Strides and padding of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// Steps along depth, height, width.
    pub(super) strides: [usize; 3],
    /// Zeros before and after each axis.
    pub(super) padding: [(usize, usize); 3],
    /// Number type of the factors; the kernels for the CPU compute in f32.
    #[cfg_attr(not(feature = "cubecl"), expect(dead_code, reason = "GPUs alone have several"))]
    pub(super) precision: Precision,
}

/// Number type of the factors of a convolution's products, forward and in its gradients. Tensors and
/// sums are 32-bit floating point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// TensorFloat-32 on a GPU: 10 bits of the mantissa, the range of f32. As f32 on the CPU.
    Tf32,
    /// bfloat16: 7 bits of the mantissa, the range of f32, so that no loss scaling is needed.
    Bf16,
}
