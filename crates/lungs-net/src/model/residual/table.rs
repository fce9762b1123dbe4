//! The table of residual networks, and the units that follow from it.
//!
//! - `r3d-18` is torchvision's `r3d_18` (Tran et al. 2018, *A Closer Look at Spatiotemporal Convolutions
//!   for Action Recognition*, <https://arxiv.org/abs/1711.11248>).
//! - `i3resnet-152` is ResNet-152 (He et al. 2016, <https://arxiv.org/abs/1512.03385>, with the stride in
//!   the 3×3 convolution) inflated as Merlin inflates it: the 7×7 and 3×3 kernels get a depth of three, and
//!   every layer but the first that halves height and width halves the depth too.

use lungs_base::network::RESIDUAL_STEM as STEM;

use crate::model::cells::Cells;
use crate::model::unit::UnitShape;

/// A residual network at width 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) struct ResidualShape {
    /// Kernel of the first convolution. Its stride is 1, 2, 2.
    pub(super) stem: [usize; 3],
    /// Whether a max pool of 3×3×3 with stride 2 follows the first convolution.
    pub(super) has_pool: bool,
    /// Blocks of each stage.
    pub(super) blocks: [usize; 4],
    /// Whether a block has three convolutions, 1×1×1, 3×3×3 and 1×1×1, instead of two of 3×3×3.
    pub(super) is_bottleneck: bool,
}

/// torchvision's `r3d_18`.
pub(in crate::model) const R3D_18: ResidualShape =
    ResidualShape { stem: [3, 7, 7], has_pool: false, blocks: [2; 4], is_bottleneck: false };

/// ResNet-152, inflated.
pub(in crate::model) const I3RESNET_152: ResidualShape =
    ResidualShape { stem: [3, 7, 7], has_pool: true, blocks: [3, 8, 36, 3], is_bottleneck: true };

/// Channels of a stage's convolutions; those of its output are four times as many with bottlenecks.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];
/// Channels of the first convolution.
const STEM_WIDTH: usize = 64;
/// Window, stride and padding of the max pool on every axis.
pub(super) const POOL: [usize; 3] = [3, 2, 1];

/// The units of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct BlockShape {
    /// Name, for example `layer2/0`.
    pub(super) name: String,
    pub(super) units: Vec<UnitShape>,
    /// The unit of the shortcut, where the block changes the shape.
    pub(super) downsample: Option<UnitShape>,
}

impl ResidualShape {
    /// The first unit, for a network with `in_channels`.
    pub(super) fn stem_shape(&self, in_channels: usize, width: f64) -> UnitShape {
        UnitShape {
            name: STEM.to_owned(),
            inputs: in_channels,
            outputs: scaled(STEM_WIDTH, width),
            sizes: self.stem,
            strides: [1, 2, 2],
            rectifies: true,
        }
    }

    /// The blocks of all stages, in the order of a forward pass.
    pub(super) fn block_shapes(&self, width: f64) -> Vec<BlockShape> {
        let mut inputs = scaled(STEM_WIDTH, width);
        let mut shapes = vec![];
        for (stage, blocks) in self.blocks.into_iter().enumerate() {
            for block in 0..blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("{}/{block}", stage_name(stage));
                let shape = self.block_shape(name, inputs, WIDTHS[stage], stride, width);
                inputs = shape.outputs();
                shapes.push(shape);
            }
        }
        shapes
    }

    fn block_shape(
        &self,
        name: String,
        inputs: usize,
        full_width: usize,
        stride: usize,
        width: f64,
    ) -> BlockShape {
        let middle = scaled(full_width, width);
        let outputs = scaled(self.stage_outputs(full_width), width);
        // Output channels, kernel and stride of each convolution.
        let convolutions = if self.is_bottleneck {
            vec![(middle, 1, 1), (middle, 3, stride), (outputs, 1, 1)]
        } else {
            vec![(middle, 3, stride), (outputs, 3, 1)]
        };
        let last = convolutions.len() - 1;
        let mut channels = inputs;
        let units = convolutions.into_iter().enumerate().map(|(index, (outputs, size, stride))| {
            let inputs = std::mem::replace(&mut channels, outputs);
            UnitShape {
                name: format!("{name}/conv{}", index + 1),
                inputs,
                outputs,
                sizes: [size; 3],
                strides: [stride; 3],
                // The last ReLU follows the sum with the shortcut.
                rectifies: index < last,
            }
        });
        let units = units.collect();
        let downsample = (stride > 1 || inputs != outputs).then(|| UnitShape {
            name: format!("{name}/downsample"),
            inputs,
            outputs,
            sizes: [1; 3],
            strides: [stride; 3],
            rectifies: false,
        });
        BlockShape { name, units, downsample }
    }

    fn stage_outputs(&self, full_width: usize) -> usize {
        if self.is_bottleneck { 4 * full_width } else { full_width }
    }

    /// Channels of the features.
    pub(super) fn features(&self, width: f64) -> usize {
        scaled(self.stage_outputs(WIDTHS[3]), width)
    }

    /// Names of the stages, the first unit's first.
    pub(in crate::model) fn stage_names(&self) -> Vec<String> {
        let stages = (0..self.blocks.len()).map(stage_name);
        std::iter::once(STEM.to_owned()).chain(stages).collect()
    }

    /// Number of segments: the first unit and each block.
    pub(super) fn segments(&self) -> usize {
        1 + self.blocks.iter().sum::<usize>()
    }

    /// The cells of the named stage's output along depth, height and width of an input of `lengths`.
    pub(in crate::model) fn layer_cells(
        &self,
        stage: &str,
        lengths: [usize; 3],
    ) -> Option<[Cells; 3]> {
        let last = self.last_segment(stage)?;
        let mut cells = lengths.map(Cells::voxels);
        let mut pass = |strides: [usize; 3]| {
            for (cells, stride) in cells.iter_mut().zip(strides) {
                *cells = cells.after_symmetric(stride);
            }
        };
        pass(self.stem_shape(1, 1.0).strides);
        if last > 0 && self.has_pool {
            pass([POOL[1]; 3]);
        }
        for block in self.block_shapes(1.0).iter().take(last) {
            block.units.iter().for_each(|unit| pass(unit.strides));
        }
        Some(cells)
    }

    /// Each unit with the number of its output's positions for each input voxel, in segments.
    fn unit_positions(&self) -> Vec<Vec<(UnitShape, f64)>> {
        let volume = |strides: [usize; 3]| strides.iter().product::<usize>() as f64;
        let stem = self.stem_shape(1, 1.0);
        let mut positions = 1.0 / volume(stem.strides);
        let mut segments = vec![vec![(stem, positions)]];
        if self.has_pool {
            positions /= volume([POOL[1]; 3]);
        }
        for block in self.block_shapes(1.0) {
            let mut units = vec![];
            for unit in block.units {
                positions /= volume(unit.strides);
                units.push((unit, positions));
            }
            units.extend(block.downsample.map(|unit| (unit, positions)));
            segments.push(units);
        }
        segments
    }

    /// Numbers that a training step keeps in memory for each input voxel at width 1: of each unit the
    /// convolution's output and the normalisation's, and the largest segment's numbers for gradients. With
    /// gradient checkpointing, the outputs of segments, and twice the largest segment.
    pub(in crate::model) fn step_numbers_per_voxel(&self, checkpointed: bool) -> f64 {
        let segments = self.unit_positions();
        let numbers = |units: &Vec<(UnitShape, f64)>| {
            units.iter().map(|(unit, positions)| 2.0 * unit.outputs as f64 * positions).sum::<f64>()
        };
        let largest = segments.iter().map(numbers).fold(0.0, f64::max);
        if !checkpointed {
            return segments.iter().map(numbers).sum::<f64>() + largest;
        }
        let outputs = segments.iter().filter_map(|units| units.last());
        let outputs = outputs.map(|(unit, positions)| unit.outputs as f64 * positions);
        outputs.sum::<f64>() + 2.0 * largest
    }

    /// Multiplications of a forward pass for each input voxel at width 1.
    pub(in crate::model) fn multiplications_per_voxel(&self) -> f64 {
        let units = self.unit_positions().into_iter().flatten();
        units
            .map(|(unit, positions)| {
                let taps: usize = unit.sizes.iter().product();
                (unit.inputs * unit.outputs * taps) as f64 * positions
            })
            .sum()
    }

    /// Index of the last segment of the named stage.
    pub(in crate::model) fn last_segment(&self, stage: &str) -> Option<usize> {
        let index = self.stage_names().iter().position(|name| name == stage)?;
        Some(self.blocks[..index].iter().sum())
    }
}

impl BlockShape {
    fn outputs(&self) -> usize {
        self.units.last().map_or(0, |unit| unit.outputs)
    }

    /// All units, that of the shortcut last.
    pub(super) fn all_units(&self) -> impl Iterator<Item = &UnitShape> {
        self.units.iter().chain(&self.downsample)
    }
}

/// `layer1` for stage 0.
fn stage_name(stage: usize) -> String {
    format!("layer{}", stage + 1)
}

/// `full` channels times `width`, rounded, at least one.
pub(super) fn scaled(full: usize, width: f64) -> usize {
    ((full as f64 * width).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_halve_the_size_and_double_the_channels() {
        let shapes = R3D_18.block_shapes(1.0);
        assert_eq!(shapes.len(), 8);
        let downsampled: Vec<&str> =
            shapes.iter().filter(|b| b.downsample.is_some()).map(|b| &*b.name).collect();
        assert_eq!(downsampled, ["layer2/0", "layer3/0", "layer4/0"]);
        assert_eq!(shapes[7].outputs(), R3D_18.features(1.0));
        let last = I3RESNET_152.last_segment("layer3").unwrap();
        assert_eq!(I3RESNET_152.block_shapes(1.0)[last - 1].name, "layer3/35");
        assert_eq!(I3RESNET_152.last_segment("stem"), Some(0));
        assert_eq!(I3RESNET_152.segments(), 51);
        // Bottlenecks: the first stage changes the channels without a stride.
        let first = &I3RESNET_152.block_shapes(1.0)[0];
        assert_eq!((first.units[0].inputs, first.outputs()), (64, 256));
        assert_eq!(first.downsample.as_ref().unwrap().strides, [1; 3]);
        assert_eq!(I3RESNET_152.features(1.0), 2048);
    }
}
