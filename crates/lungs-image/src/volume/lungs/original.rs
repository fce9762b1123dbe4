//! The lung segmentation of `lungs` 0.1.5, equal voxel by voxel.

use super::{Lungs, SegmentationError, left_and_right_ml, middle_of};
use crate::volume::Volume;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// Fewer resampled slices are an error.
const FEWEST_SLICES: usize = 180;

/// A lung box with a shorter side (last voxel − first voxel) is an error.
const SHORTEST_SIDE: usize = 100;

/// Upper limit of air; tissue is above.
const AIR_HU: i16 = -320;

/// The lungs that `lungs` 0.1.5 finds in a volume resampled to 1.5 mm, including its errors, for use
/// with weights trained on such crops. [`segment_lungs`](super::segment_lungs) is more accurate.
///
/// Voxels up to −320 HU are air. The 26-connected region around voxel `[0, 0, 0]` becomes tissue;
/// then, slice by slice, all but the largest 8-connected piece of tissue becomes air; the largest
/// 26-connected region of air is the lungs. They include the trachea and all other air connected with
/// them. There are no flags.
///
/// # Errors
/// Fewer than 180 slices, no air left, or a box shorter than 100 voxels along some axis.
pub fn segment_lungs_original(volume: &Volume) -> Result<Lungs, SegmentationError> {
    let slices = volume.hu.dim().0;
    if slices < FEWEST_SLICES {
        return Err(SegmentationError::TooFewSlices { found: slices, limit: FEWEST_SLICES });
    }
    let mut tissue = Mask::of(&volume.hu, |hu| hu > AIR_HU);
    if !tissue.get([0; 3]) {
        let air = Components::of(&tissue.complement(), Connectivity::Corners3d);
        let corner = air.at([0; 3]);
        air.paint(&mut tissue, |label| Some(label) == corner);
    }
    let mut body = Mask::empty(tissue.dim());
    for z in 0..slices {
        let pieces = Components::of_slice(&tissue, z, Connectivity::Corners2d);
        let largest = pieces.largest();
        pieces.paint(&mut body, |label| Some(label) == largest);
    }
    let air = Components::of(&body.complement(), Connectivity::Corners3d);
    let largest = air.largest().ok_or(SegmentationError::NoAir)?;
    let bounding_box = air.regions()[largest].bounding_box;
    for (axis, [first, last]) in bounding_box.into_iter().enumerate() {
        if last - first < SHORTEST_SIDE {
            return Err(SegmentationError::BoxTooSmall {
                axis: ["depth", "height", "width"][axis],
                found_voxels: last - first,
                limit_voxels: SHORTEST_SIDE,
            });
        }
    }
    let mask = air.select(|label| label == largest);
    let middle_mm = middle_of(volume)[0];
    let [left_ml, right_ml] = left_and_right_ml(&mask, &volume.geometry, middle_mm);
    Ok(Lungs::new(mask, [left_ml, right_ml], bounding_box, &volume.geometry, Vec::new()))
}
