//! Positions of the cells of a layer's output in the network's input.

use super::layers::{BLOCKS, STEM};
use super::padding::same;

/// The cells of a layer along one axis of the input. The centre of cell `i`'s receptive field is
/// `first + i · step` (padding counts as voxels).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cells {
    /// Number of cells.
    pub count: usize,
    /// Input voxel at the centre of the first cell's receptive field.
    pub first: f64,
    /// Distance between neighbouring cells in input voxels.
    pub step: f64,
}

impl Cells {
    /// The voxels of an axis.
    pub(super) fn voxels(count: usize) -> Self {
        Self { count, first: 0.0, step: 1.0 }
    }

    /// The cells after a layer with windows of `size`, stride `stride` and SAME padding.
    fn after(self, size: usize, stride: usize) -> Self {
        let (before, _) = same(self.count, size, stride);
        let centre = (size as f64 - 1.0) / 2.0 - before as f64;
        Self {
            count: self.count.div_ceil(stride),
            first: self.first + self.step * centre,
            step: self.step * stride as f64,
        }
    }

    /// The cells after a layer whose odd windows have half their size of padding on both sides: the
    /// first window's centre is the first cell.
    pub(super) fn after_symmetric(self, stride: usize) -> Self {
        let count = self.count.div_ceil(stride);
        Self { count, step: self.step * stride as f64, ..self }
    }
}

/// The cells of the named layer's output (an inception block, or a unit of the stem before its
/// pool) along depth, height and width of an input of `lengths`; `None` for other names.
pub(super) fn layer_cells(layer: &str, lengths: [usize; 3]) -> Option<[Cells; 3]> {
    let mut cells = lengths.map(Cells::voxels);
    let mut pass = |sizes: [usize; 3], strides: [usize; 3]| {
        for ((cells, size), stride) in cells.iter_mut().zip(sizes).zip(strides) {
            *cells = cells.after(size, stride);
        }
        cells
    };
    for (name, _, size, stride) in STEM {
        let current = pass([size; 3], [stride; 3]);
        if name == layer {
            return Some(current);
        }
        if name != "Conv3d_2b_1x1" {
            pass([1, 3, 3], [1, 2, 2]);
        }
    }
    for (name, _) in BLOCKS {
        let current = match name {
            "Mixed_4b" => pass([3; 3], [2; 3]),
            "Mixed_5b" => pass([2; 3], [2; 3]),
            // Windows of 1 and 3 voxels with stride 1 keep the centres.
            _ => pass([1; 3], [1; 3]),
        };
        if name == layer {
            return Some(current);
        }
    }
    None
}

/// Names of the layers that [`layer_cells`] supports, in the order of a forward pass.
pub(super) fn inspected_layers() -> Vec<&'static str> {
    let stem = STEM.iter().map(|(name, ..)| *name);
    stem.chain(BLOCKS.iter().map(|(name, _)| *name)).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::model::I3dConfig;

    #[test]
    fn the_number_of_cells_is_that_of_the_network() {
        let config = I3dConfig { width_multiplier: 0.06, ..I3dConfig::default() };
        let network = config.init(1, &Device::flex()).unwrap();
        for lengths in [[48, 40, 56], [17, 33, 50], [3, 5, 1]] {
            let [depth, height, width] = lengths;
            let input = Tensor::zeros([1, 1, depth, height, width], &Device::flex());
            let mut count = 0;
            let _ = network.forward_probed(input, |name, output| {
                if let Some(cells) = layer_cells(name, lengths) {
                    let [_, _, a, b, c] = output.dims();
                    assert_eq!(cells.map(|cells| cells.count), [a, b, c], "{name} {lengths:?}");
                    count += 1;
                }
            });
            assert_eq!(count, inspected_layers().len());
        }
        assert_eq!(layer_cells("Logits", [48; 3]), None);
    }

    /// Expected centres derived by hand for 48 and 224 voxels.
    #[test]
    fn centres_of_receptive_fields() {
        let of = |layer, length| layer_cells(layer, [length; 3]).unwrap();
        // Windows of 7 voxels from −2 on, 2 apart (5 voxels of padding: 2 before, 3 after).
        let first = Cells { count: 24, first: 1.0, step: 2.0 };
        assert_eq!(of("Conv3d_1a_7x7", 48), [first; 3]);
        // 2a and 3a pool height and width, not depth, in windows of 3 cells: the centre is the second
        // cell, at 1 + 2 = 3, and then 3 + 4 = 7.
        let [depth, height, _] = of("Mixed_3b", 48);
        assert_eq!((depth.first, depth.step), (1.0, 2.0));
        assert_eq!((height.first, height.step, height.count), (7.0, 8.0, 6));
        let [depth, height, width] = of("Mixed_5c", 224);
        assert_eq!((depth.count, height.count, width.count), (28, 7, 7));
        // 4a: 1 + 2 = 3, 4 apart; 5a, windows of two cells: 3 + 2 = 5, 8 apart.
        assert_eq!((depth.first, depth.step), (5.0, 8.0));
        // 7 + 8 = 15, 16 apart; 15 + 8 = 23, 32 apart.
        assert_eq!((height.first, height.step), (23.0, 32.0));
        assert_eq!(height, width);
    }
}
