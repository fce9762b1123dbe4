//! The working grid: the volume in cubes of 3 mm, at any spacing.

use ndarray::{Array2, Array3, ArrayViewMut1, ArrayViewMut2, s};

use crate::volume::mask::Mask;
use crate::volume::{Geometry, Volume};

/// The side of a working voxel. All lengths of the segmentation are whole numbers of working voxels, so
/// that none depends on its rounding to voxels of the volume.
pub(super) const SIDE_MM: f64 = 3.0;

/// The volume of a working voxel.
pub(super) const VOXEL_ML: f64 = SIDE_MM * SIDE_MM * SIDE_MM / 1000.0;

/// The area of a working voxel within its slice.
pub(super) const PIXEL_MM2: f64 = SIDE_MM * SIDE_MM;

/// A volume in working voxels. Each is the mean over its cube or, along coarser axes, the voxel in its
/// middle: noise averages out in fine volumes, and walls of a single voxel remain closed in coarse
/// ones.
pub(super) struct Working {
    /// Hounsfield units and geometry of the working voxels.
    pub volume: Volume,
    /// Spacing of the original volume.
    spacing_mm: [f64; 3],
    /// Depth, height, width of the original volume.
    dim: [usize; 3],
}

impl Working {
    /// Converts a volume to working voxels. The outer faces of both start at the same position; the last
    /// working voxels may extend beyond the volume, and are means over the part inside.
    pub(super) fn new(volume: &Volume) -> Self {
        let spacing_mm = volume.geometry.spacing_mm;
        let dim: [usize; 3] = volume.hu.dim().into();
        let first = spacing_mm.map(|mm| (SIDE_MM - mm) / 2.0 / mm);
        let geometry = Geometry {
            spacing_mm: [SIDE_MM; 3],
            origin_mm: volume.geometry.position_mm(first),
            axes: volume.geometry.axes,
        };
        let steps = [0, 1, 2].map(|axis| steps(dim[axis], spacing_mm[axis]));
        Self { volume: Volume { hu: means(&volume.hu, &steps), geometry }, spacing_mm, dim }
    }

    /// Depth, height, width of the working grid.
    pub(super) fn dim(&self) -> [usize; 3] {
        self.volume.hu.dim().into()
    }

    /// The working voxel, along one axis, that contains the centre of a voxel of the volume.
    fn at(&self, axis: usize, voxel: usize) -> usize {
        // The centre of the last voxel lies within the last working voxel.
        ((voxel as f64 + 0.5) * self.spacing_mm[axis] / SIDE_MM) as usize
    }

    /// The working columns with their middle in a set of columns of the volume (sets of one slice).
    pub(super) fn columns(&self, volume_columns: &Mask) -> Mask {
        let [_, height, width] = self.dim();
        let middle = |axis: usize, i: usize| {
            let voxel = ((i as f64 + 0.5) * SIDE_MM / self.spacing_mm[axis]) as usize;
            voxel.min(self.dim[axis] - 1)
        };
        let on = Array3::from_shape_fn((1, height, width), |(_, y, x)| {
            volume_columns.get([0, middle(1, y), middle(2, x)])
        });
        Mask::of(&on, |on| on)
    }

    /// The voxels of the volume with their centre in a set of working voxels.
    pub(crate) fn refined(&self, working: &Mask) -> Mask {
        let mut fine = Mask::empty(self.dim);
        // The first voxel of the volume at or after a face between working voxels.
        let first: Vec<usize> = {
            let working_x: Vec<usize> = (0..self.dim[2]).map(|x| self.at(2, x)).collect();
            (0..=working.dim()[2]).map(|face| working_x.partition_point(|&x| x < face)).collect()
        };
        for z in 0..self.dim[0] {
            for y in 0..self.dim[1] {
                working.for_runs(self.at(0, z), self.at(1, y), |start, end| {
                    fine.fill_run(z, y, first[start], first[end]);
                });
            }
        }
        fine
    }
}

/// A working voxel along one axis: the first voxel of the volume in it, and the weights of its
/// voxels, which add up to 1.
#[derive(PartialEq)]
struct Step {
    first: usize,
    weights: Vec<f32>,
}

/// The steps of [`SIDE_MM`] along an axis.
fn steps(len: usize, spacing_mm: f64) -> Vec<Step> {
    let end_mm = len as f64 * spacing_mm;
    // A rest of up to a thousandth of a voxel, due to rounding, gets no step.
    let count = ((end_mm - 1e-3 * spacing_mm) / SIDE_MM).ceil().max(0.0) as usize;
    let step = |step: usize| {
        let (from_mm, to_mm) = (step as f64 * SIDE_MM, ((step + 1) as f64 * SIDE_MM).min(end_mm));
        if spacing_mm >= SIDE_MM {
            let middle = ((from_mm + to_mm) / 2.0 / spacing_mm) as usize;
            return Step { first: middle.min(len - 1), weights: vec![1.0] };
        }
        let first = ((from_mm / spacing_mm) as usize).min(len - 1);
        let last = ((to_mm / spacing_mm).ceil() as usize).clamp(first + 1, len);
        let overlap_mm = |voxel: usize| {
            let (start_mm, end_mm) = (voxel as f64 * spacing_mm, (voxel + 1) as f64 * spacing_mm);
            (end_mm.min(to_mm) - start_mm.max(from_mm)).max(0.0)
        };
        let sum_mm: f64 = (first..last).map(overlap_mm).sum();
        let weights = (first..last).map(|voxel| (overlap_mm(voxel) / sum_mm) as f32).collect();
        Step { first, weights }
    };
    (0..count).map(step).collect()
}

/// The means over the steps along depth, height and width, rounded.
fn means(hu: &Array3<i16>, [depth, height, width]: &[Vec<Step>; 3]) -> Array3<i16> {
    let mut means = Array3::zeros((depth.len(), height.len(), width.len()));
    let mut plane = Array2::<f32>::zeros((height.len(), width.len()));
    let mut row = vec![0.0f32; hu.dim().2];
    for (i, (mut means, in_depth)) in means.outer_iter_mut().zip(depth).enumerate() {
        // In coarse volumes, consecutive steps may have the same plane.
        if i > 0 && depth[i - 1] == *in_depth {
            round(&plane, &mut means);
            continue;
        }
        plane.fill(0.0);
        for (z, in_z) in in_depth.voxels() {
            for (mut plane, in_height) in plane.rows_mut().into_iter().zip(height) {
                row.fill(0.0);
                for (y, in_y) in in_height.voxels() {
                    let weight = in_z * in_y;
                    let voxels = hu.slice(s![z, y, ..]);
                    ArrayViewMut1::from(row.as_mut_slice())
                        .zip_mut_with(&voxels, |row, &hu| *row += f32::from(hu) * weight);
                }
                for (plane, step) in plane.iter_mut().zip(width) {
                    let row = &row[step.first..];
                    *plane += row.iter().zip(&step.weights).map(|(hu, w)| hu * w).sum::<f32>();
                }
            }
        }
        round(&plane, &mut means);
    }
    means
}

/// Rounds half up; means of 16-bit numbers are 16-bit numbers.
fn round(plane: &Array2<f32>, to: &mut ArrayViewMut2<i16>) {
    to.zip_mut_with(plane, |to, &hu| *to = ((hu + 32768.5) as i32 - 32768) as i16);
}

impl Step {
    /// The voxels of the step, with their weights.
    fn voxels(&self) -> impl Iterator<Item = (usize, f32)> {
        self.weights.iter().enumerate().map(|(i, &weight)| (self.first + i, weight))
    }
}
