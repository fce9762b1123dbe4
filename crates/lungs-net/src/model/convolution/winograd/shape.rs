//! The lengths of a convolution.

use super::tiles::Grid;

/// Depth taps of a kernel.
pub(super) const TAPS: usize = 3;

/// The lengths of one convolution, per sample.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Shape {
    /// Input channels.
    pub(in super::super) channels: usize,
    /// Output channels.
    pub(in super::super) filters: usize,
    /// Depth, height, width of input and output.
    pub(in super::super) size: [usize; 3],
}

impl Shape {
    /// Whether Winograd's filtering is faster: tiles must be well filled, and many tiles must share the
    /// cost of transforming the kernel.
    pub(in super::super) fn is_faster(&self) -> bool {
        let [depth, height, width] = self.size;
        let tiles = Grid::new(height, width).tiles();
        2 * height * width >= 16 * tiles
            && depth * tiles >= 64
            && self.channels.min(self.filters) >= 4
    }

    pub(super) fn volume(&self) -> usize {
        self.size.iter().product()
    }

    /// The shape with input and output channels exchanged.
    pub(super) fn reversed(self) -> Self {
        Self { channels: self.filters, filters: self.channels, ..self }
    }
}
