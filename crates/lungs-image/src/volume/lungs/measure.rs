//! Volumes and areas in millilitres and square millimetres.

use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;
use crate::volume::{Geometry, Volume};

/// Volume on the patient's left and right of the plane at `middle_x_mm`. A lung that crosses the plane
/// with less than a fifth of its volume counts entirely for its side.
pub(super) fn left_and_right_ml(mask: &Mask, geometry: &Geometry, middle_x_mm: f64) -> [f64; 2] {
    let pieces = Components::of(mask, Connectivity::Faces3d);
    let mut left = vec![0usize; pieces.regions().len()];
    pieces.for_runs(|label, z, y, along| {
        let is_left =
            |x: usize| geometry.position_mm([z as f64, y as f64, x as f64])[0] > middle_x_mm;
        // x is monotonic along a run: equal ends mean an equal run.
        left[label] += match (is_left(along.start), is_left(along.end - 1)) {
            (true, true) => along.len(),
            (false, false) => 0,
            _ => along.filter(|&x| is_left(x)).count(),
        };
    });
    let mut sides = [0usize; 2];
    for (region, left) in pieces.regions().iter().zip(left) {
        let right = region.voxels - left;
        let is_of_one_side = 5 * left.min(right) < region.voxels;
        let left = if !is_of_one_side {
            left
        } else if left > right {
            region.voxels
        } else {
            0
        };
        sides[0] += left;
        sides[1] += region.voxels - left;
    }
    sides.map(|voxels| voxels as f64 * voxel_ml(geometry))
}

/// The middle of the volume in the patient.
pub(super) fn middle_of(volume: &Volume) -> [f64; 3] {
    let (depth, height, width) = volume.hu.dim();
    volume.geometry.position_mm([depth, height, width].map(|n| (n as f64 - 1.0) / 2.0))
}

pub(super) fn pixel_mm2(geometry: &Geometry) -> f64 {
    geometry.spacing_mm[1] * geometry.spacing_mm[2]
}

pub(super) fn voxel_ml(geometry: &Geometry) -> f64 {
    geometry.spacing_mm.iter().product::<f64>() / 1000.0
}
