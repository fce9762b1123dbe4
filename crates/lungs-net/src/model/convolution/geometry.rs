//! The geometry of a convolution.

/// Strides and padding of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// Steps along depth, height, width.
    pub(super) strides: [usize; 3],
    /// Zeros before and after each axis.
    pub(super) padding: [(usize, usize); 3],
}
