//! Finding the lungs.
//!
//! ```text
//! measured (not padding) ─ air (≤ −320 HU) ─ in the torso, enclosed in its slice or cut by the
//!                                            field of view ─ minus trachea and bowel gas ─────┐
//! torso: the largest piece of tissue left after 4.5 mm are peeled off (no table, no blanket)   │
//! lungs: the large regions at one height that are not bare gas, a side full of gas with no     │
//!        other lung in it, and what lies between them ─────────────────────────────────────────┘
//! ```
//!
//! The original's idea, made robust. What is outside need not be connected to a corner, the table
//! and the bowel are told apart from lungs by place and by density, the two lungs need no airway to
//! hold them together, and the trachea, which would stretch the box into the neck, is followed from
//! above and left out. What holds no air is not lung here: collapse, consolidation, effusion and
//! masses at the wall stay outside the mask; vessels, nodules and masses up to 50 mm that lung
//! surrounds belong to it, and so do bullae and the gas of a pneumothorax. [`segment_lungs_original`] is the original to the voxel.

mod airways;
mod bowel;
mod choice;
mod coarse;
mod flags;
mod original;
mod outside;
mod torso;

use thiserror::Error;

use super::components::fill_holes_2d;
use super::mask::{BoundingBox, Mask};
use super::{Geometry, Volume};

pub use flags::LungFlag;
pub use original::segment_lungs_original;

/// Above this is tissue; at it or below, air.
const AIR_HU: i16 = -320;

/// The grid in which airways and bowel are told from lung.
const COARSE_MM: f64 = 3.0;

/// Holes in a lung's slice up to this size (vessels, nodules, masses) belong to it.
const HOLE_MM2: f64 = 2000.0;

/// Gas without lung tissue is darker than this (air is −1000, inflated lung about −850).
const GAS_HU: i16 = -950;

/// A region with more gas than this is bowel, or air around the body. Even in severe emphysema a
/// third of the lung and more stays lighter than [`GAS_HU`].
const MOST_GAS: f64 = 0.7;

/// More lung than this in pieces of slices that reach the border of the field of view means that it
/// cut the lungs.
const CUT_ML: f64 = 50.0;

/// A region of this volume is a lung, or a large part of one, by itself.
const LUNG_ML: f64 = 150.0;

/// What counts as lungs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LungLimits {
    /// Less lung than this is refused.
    pub min_volume_ml: f64,
    /// Less than this is flagged [`LungFlag::SmallLungVolume`].
    pub small_volume_ml: f64,
}

impl Default for LungLimits {
    /// Refuses under 300 ml, flags under 1500 ml; adults at full inspiration hold 3 to 7 litres.
    fn default() -> Self {
        Self { min_volume_ml: 300.0, small_volume_ml: 1500.0 }
    }
}

/// The lungs of one scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Lungs {
    /// Their voxels, vessels and nodules inside them included.
    pub mask: Mask,
    /// Volume on the patient's left.
    pub left_ml: f64,
    /// Volume on the patient's right.
    pub right_ml: f64,
    /// The smallest box around them, inclusive: depth, height, width.
    pub bounding_box: BoundingBox,
    /// The middle of the box, `(first + last) / 2` rounded down.
    pub centre_voxel: [usize; 3],
    /// The centre of that voxel in the patient.
    pub centre_mm: [f64; 3],
    /// What a reader should know before trusting the box.
    pub flags: Vec<LungFlag>,
}

/// Why no lungs could be segmented.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum SegmentationError {
    /// Nothing solid: an empty field of view, or not Hounsfield units.
    #[error(
        "no body in the volume: nothing larger than 9 mm is above -320 HU; check that the series \
         is a CT in Hounsfield units"
    )]
    NoBody,
    /// Nothing in the body is air.
    #[error("no lungs in the volume: it holds no air (up to -320 HU) inside a body")]
    NoAir,
    /// What was found is too small to be lungs.
    #[error(
        "no lungs in the volume: {found_ml:.0} ml of lung found inside the body, at least \
         {limit_ml:.0} ml expected; is it a chest CT?"
    )]
    TooSmall {
        /// Volume of what looked most like lungs.
        found_ml: f64,
        /// [`LungLimits::min_volume_ml`].
        limit_ml: f64,
    },
    /// The original's refusal of short volumes.
    #[error("{found} slices after resampling, at least {limit} needed by lungs-0.1.5")]
    TooFewSlices {
        /// Slices.
        found: usize,
        /// Fewest allowed.
        limit: usize,
    },
    /// The original's refusal of small boxes.
    #[error(
        "the lung box is {found_voxels} voxels long in {axis}, at least {limit_voxels} needed by \
         lungs-0.1.5"
    )]
    BoxTooSmall {
        /// `"depth"`, `"height"` or `"width"`.
        axis: &'static str,
        /// Last voxel minus first.
        found_voxels: usize,
        /// Fewest allowed.
        limit_voxels: usize,
    },
}

/// The lungs of a chest CT, under the default [`LungLimits`]. Meant for volumes of about 1.5 mm;
/// sizes inside are in millimetres, so others work too.
///
/// # Errors
/// No body, no air in it, or too little lung.
pub fn segment_lungs(volume: &Volume) -> Result<Lungs, SegmentationError> {
    segment_lungs_within(volume, &LungLimits::default())
}

/// [`segment_lungs`] with other limits.
///
/// # Errors
/// As [`segment_lungs`].
pub fn segment_lungs_within(
    volume: &Volume,
    limits: &LungLimits,
) -> Result<Lungs, SegmentationError> {
    let geometry = &volume.geometry;
    let unmeasured = outside::unmeasured(volume);
    let mut tissue = Mask::of(&volume.hu, |hu| hu > AIR_HU);
    let mut air = tissue.complement();
    tissue.remove_from_slices(&unmeasured);
    air.remove_from_slices(&unmeasured);
    let torso = torso::torso(&tissue, &unmeasured, geometry).ok_or(SegmentationError::NoBody)?;
    let middle_mm = torso.middle_mm;
    let (air, mut cut) = outside::air_of_torso(volume, &air, &unmeasured, &torso);
    if air.is_empty() {
        return Err(SegmentationError::NoAir);
    }
    let coarse = coarse::Coarse::new(volume, COARSE_MM);
    let airways = airways::large_airways(&coarse, &air, middle_mm);
    let mut lung_air = air;
    if let Some(airways) = &airways {
        lung_air.remove(airways);
    }
    let bowel = bowel::bowel_gas(&coarse, &lung_air);
    lung_air.remove(&bowel);
    let mut mask = choice::lungs_among(volume, &lung_air, middle_mm[0]);
    cut.keep(&mask);
    let cut_at_side = cut.count() as f64 * voxel_ml(geometry) > CUT_ML;
    if cut_at_side {
        outside::reclaim_edge(volume, &unmeasured, &mut mask);
    }
    fill_holes_2d(&mut mask, (HOLE_MM2 / pixel_mm2(geometry)) as usize);
    let found_ml = mask.count() as f64 * voxel_ml(geometry);
    let bounding_box = mask.bounding_box();
    let bounding_box = match bounding_box {
        Some(bounding_box) if found_ml >= limits.min_volume_ml => bounding_box,
        _ => return Err(SegmentationError::TooSmall { found_ml, limit_ml: limits.min_volume_ml }),
    };
    let sides_ml = left_and_right_ml(&mask, geometry, middle_mm[0]);
    let flags = flags::flags(volume, &mask, sides_ml, limits, cut_at_side, airways.is_some());
    Ok(Lungs::new(mask, sides_ml, bounding_box, geometry, flags))
}

impl Lungs {
    fn new(
        mask: Mask,
        [left_ml, right_ml]: [f64; 2],
        bounding_box: BoundingBox,
        geometry: &Geometry,
        flags: Vec<LungFlag>,
    ) -> Self {
        let centre_voxel = bounding_box.map(|[first, last]| (first + last) / 2);
        let centre_mm = geometry.position_mm(centre_voxel.map(|i| i as f64));
        Self { mask, left_ml, right_ml, bounding_box, centre_voxel, centre_mm, flags }
    }
}

/// Volume on the patient's left and right of the plane at `middle_x_mm`. A lung that reaches over
/// that plane by less than a fifth of itself counts as a whole for its side.
fn left_and_right_ml(mask: &Mask, geometry: &Geometry, middle_x_mm: f64) -> [f64; 2] {
    use super::components::{Components, Connectivity};
    let pieces = Components::of(mask, Connectivity::Faces3d);
    let mut left = vec![0usize; pieces.regions().len()];
    pieces.for_runs(|label, z, y, along| {
        let is_left =
            |x: usize| geometry.position_mm([z as f64, y as f64, x as f64])[0] > middle_x_mm;
        // x changes steadily along a run: equal ends mean an equal run.
        left[label] += match (is_left(along.start), is_left(along.end - 1)) {
            (true, true) => along.len(),
            (false, false) => 0,
            _ => along.filter(|&x| is_left(x)).count(),
        };
    });
    let mut sides = [0usize; 2];
    for (region, left) in pieces.regions().iter().zip(left) {
        let right = region.voxels - left;
        let left = match 5 * left.min(right) < region.voxels {
            true if left > right => region.voxels,
            true => 0,
            false => left,
        };
        sides[0] += left;
        sides[1] += region.voxels - left;
    }
    sides.map(|voxels| voxels as f64 * voxel_ml(geometry))
}

/// The middle of the volume in the patient.
fn middle_of(volume: &Volume) -> [f64; 3] {
    let (depth, height, width) = volume.hu.dim();
    volume.geometry.position_mm([depth, height, width].map(|n| (n as f64 - 1.0) / 2.0))
}

fn pixel_mm2(geometry: &Geometry) -> f64 {
    geometry.spacing_mm[1] * geometry.spacing_mm[2]
}

fn voxel_ml(geometry: &Geometry) -> f64 {
    geometry.spacing_mm.iter().product::<f64>() / 1000.0
}

/// A length in voxels along each axis, rounded.
fn voxels(length_mm: f64, geometry: &Geometry) -> [usize; 3] {
    geometry.spacing_mm.map(|spacing_mm| (length_mm / spacing_mm).round() as usize)
}

#[cfg(test)]
mod tests;
