//! The volume in coarser voxels, whose means are hardly noisy.

use ndarray::Array3;

pub(super) use super::voxels;
use crate::volume::mask::Mask;
use crate::volume::{Geometry, Volume};

/// A volume seen coarsely: every coarse voxel is a block of whole voxels.
pub(super) struct Coarse<'a> {
    pub volume: &'a Volume,
    /// Of the coarse voxels.
    pub geometry: Geometry,
    /// Voxels per coarse voxel along depth, height, width.
    factor: [usize; 3],
    dim: [usize; 3],
}

impl<'a> Coarse<'a> {
    /// Coarse voxels with sides near to `side_mm`.
    pub fn new(volume: &'a Volume, side_mm: f64) -> Self {
        let old = &volume.geometry;
        let factor = voxels(side_mm, old).map(|n| n.max(1));
        let dim: [usize; 3] = volume.hu.dim().into();
        let geometry = Geometry {
            spacing_mm: std::array::from_fn(|axis| old.spacing_mm[axis] * factor[axis] as f64),
            origin_mm: old.position_mm(factor.map(|n| (n as f64 - 1.0) / 2.0)),
            axes: old.axes,
        };
        let dim = std::array::from_fn(|axis| dim[axis] / factor[axis]);
        Self { volume, geometry, factor, dim }
    }

    /// The coarse voxels whose middle lies in a set.
    pub fn sampled(&self, fine: &Mask) -> Mask {
        let at = Array3::from_shape_fn(self.dim, |(z, y, x)| fine.get(self.middle([z, y, x])));
        Mask::of(&at, |at| at)
    }

    /// The coarse voxels whose middle lies in a set and whose mean is below `hu`.
    pub fn darker_than(&self, hu: i32, within: &Mask) -> Mask {
        let count = self.factor.iter().product::<usize>() as i32;
        let dark = Array3::from_shape_fn(self.dim, |(z, y, x)| {
            within.get(self.middle([z, y, x])) && self.sum([z, y, x]) < hu * count
        });
        Mask::of(&dark, |dark| dark)
    }

    /// The voxels of the coarse voxels of a set.
    pub fn refined(&self, coarse: &Mask) -> Mask {
        let mut fine = Mask::empty(self.volume.hu.dim().into());
        let [fz, fy, fx] = self.factor;
        for z in 0..self.dim[0] * fz {
            for y in 0..self.dim[1] * fy {
                coarse.for_runs(z / fz, y / fy, |start, end| {
                    fine.fill_run(z, y, start * fx, end * fx);
                });
            }
        }
        fine
    }

    fn middle(&self, coarse: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| coarse[axis] * self.factor[axis] + self.factor[axis] / 2)
    }

    fn sum(&self, coarse: [usize; 3]) -> i32 {
        let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| coarse[axis] * self.factor[axis]);
        let [fz, fy, fx] = self.factor;
        let mut sum = 0;
        for z in z..z + fz {
            for y in y..y + fy {
                for x in x..x + fx {
                    sum += i32::from(self.volume.hu[[z, y, x]]);
                }
            }
        }
        sum
    }
}
