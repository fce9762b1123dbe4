//! Segments the lungs.
//!
//! ```text
//! working grid (3 mm): air (≤ −320 HU) ─ enclosed in its slice, or cut by the field of view ─
//!                      minus trachea and bowel gas ─ lungs among the rest ─────────────────┐
//! voxels of the volume: the air in and next to the lungs of the working grid ──────────────┘
//! torso:               the largest piece of tissue, and the convex hull of all its slices
//! lungs:               large regions in that hull at one height that are not bare gas, a side
//!                      filled with gas without another lung, and regions between them
//! border of airways:   the wall between them and the lung, in the voxels of the volume
//! ```
//!
//! Regions are classified in working voxels of 3 mm at any spacing of the volume, so that no length
//! depends on its rounding to voxels; only the outline is in the voxels of the volume.
//!
//! This extends the method of the original. Outside air need not be connected to a corner, table and
//! bowel are distinguished from lungs by position and density, the lungs need no connecting airway, and
//! the trachea, which would extend the box into the neck, is tracked from above and excluded.
//! Collapse, consolidation, effusion and masses at the wall contain no air and are not in the mask;
//! vessels, nodules and masses up to 50 mm within lung are, and so are bullae and the gas of a
//! pneumothorax. [`segment_lungs_original`] equals the original voxel by voxel.

mod airways;
mod bowel;
mod choice;
mod contest;
mod flags;
mod interrupted;
mod original;
mod outside;
mod torso;
mod working;

use thiserror::Error;

use super::components::{Components, Connectivity, fill_holes_2d};
use super::mask::{BoundingBox, Mask};
use super::{Geometry, Volume};

use contest::Contest;
use working::{VOXEL_ML, Working};

use crate::codes::Flag;
pub use original::segment_lungs_original;

/// Upper limit of air; tissue is above.
const AIR_HU: i16 = -320;

/// Largest hole in a slice of a lung (vessel, nodule, mass) that belongs to the lung.
const HOLE_MM2: f64 = 2000.0;

/// Distance, in working voxels, over which tips of the lungs thinner than one voxel are tracked.
const TIPS: [usize; 3] = [3; 3];

/// Dilation of airways and bowel gas, in working voxels, that includes their wall.
const WALL: [usize; 3] = [2; 3];

/// Upper limit of gas without lung tissue (air is −1000, inflated lung about −850).
const GAS_HU: i16 = -950;

/// A region with a larger share of gas is bowel, or air around the body. Even in severe emphysema at
/// least a third of the lung is above [`GAS_HU`].
const MOST_GAS: f64 = 0.7;

/// A larger volume of lung in pieces of slices at the border of the field of view means that the view
/// cuts the lungs.
const CUT_ML: f64 = 50.0;

/// A region of this volume is a lung or a large part of one.
const LUNG_ML: f64 = 150.0;

/// Limits of the lung volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LungLimits {
    /// A smaller volume is an error.
    pub min_volume_ml: f64,
    /// A smaller volume is flagged [`Flag::SmallLungVolume`].
    pub small_volume_ml: f64,
}

impl Default for LungLimits {
    /// Error below 300 ml, flag below 1500 ml; adults have 3 to 7 litres at full inspiration.
    fn default() -> Self {
        Self { min_volume_ml: 300.0, small_volume_ml: 1500.0 }
    }
}

/// The lungs of one scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Lungs {
    /// Their voxels, including vessels and nodules inside them.
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
    /// Remarks that a reader should check.
    pub flags: Vec<Flag>,
}

/// Errors of lung segmentation.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum SegmentationError {
    /// No tissue: an empty field of view, or not Hounsfield units.
    #[error(
        "no body in the volume: nothing larger than 9 mm is above -320 HU; check that the series \
         is a CT in Hounsfield units"
    )]
    NoBody,
    /// The body contains no air.
    #[error("no lungs in the volume: no air (at most -320 HU) inside the body")]
    NoAir,
    /// The regions found are too small for lungs.
    #[error(
        "no lungs in the volume: {found_ml:.0} ml of lung inside the body, expected at least \
         {limit_ml:.0} ml; check that the series is a chest CT"
    )]
    TooSmall {
        /// Volume of the most likely regions.
        found_ml: f64,
        /// [`LungLimits::min_volume_ml`].
        limit_ml: f64,
    },
    /// The original's error for short volumes.
    #[error("{found} slices after resampling, expected at least {limit} with lungs-0.1.5")]
    TooFewSlices {
        /// Number of slices.
        found: usize,
        /// Lower limit.
        limit: usize,
    },
    /// The original's error for small boxes.
    #[error(
        "the lung box is {found_voxels} voxels long along {axis}, expected at least {limit_voxels} \
         with lungs-0.1.5"
    )]
    BoxTooSmall {
        /// `"depth"`, `"height"` or `"width"`.
        axis: &'static str,
        /// Last voxel minus first voxel.
        found_voxels: usize,
        /// Lower limit.
        limit_voxels: usize,
    },
}

/// The lungs of a chest CT, under the default [`LungLimits`], in a volume of any spacing up to 5 mm.
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
    if volume.hu.is_empty() {
        return Err(SegmentationError::NoBody);
    }
    let air_of = |volume: &Volume| Mask::of(&volume.hu, |hu| hu <= AIR_HU);
    let air = air_of(volume);
    match interrupted::bridged(volume, &air) {
        Some(bridged) => segment(&bridged, air_of(&bridged), true, limits),
        None => segment(volume, air, false, limits),
    }
}

/// The lungs of a volume without interruptions, whose air is `fine_air`.
fn segment(
    volume: &Volume,
    fine_air: Mask,
    is_interrupted: bool,
    limits: &LungLimits,
) -> Result<Lungs, SegmentationError> {
    let working = Working::new(volume);
    let unmeasured = outside::unmeasured(volume, &working);
    let mut tissue = Mask::of(&working.volume.hu, |hu| hu > AIR_HU);
    let mut air = tissue.complement();
    tissue.remove_from_slices(&unmeasured);
    air.remove_from_slices(&unmeasured);
    let torso = torso::torso(&tissue, &unmeasured, &working.volume.geometry)
        .ok_or(SegmentationError::NoBody)?;
    let (enclosed, mut cut) = outside::air_of_torso(&working, &air, &unmeasured, &torso);
    if enclosed.is_empty() {
        return Err(SegmentationError::NoAir);
    }
    let airways = airways::large_airways(&working, &enclosed, torso.middle_mm);
    let mut lung_air = enclosed;
    let mut gas = Mask::empty(air.dim());
    if let Some(airways) = &airways {
        gas.add(airways);
        lung_air.remove(&airways.dilated(WALL));
    }
    let bowel = bowel::bowel_gas(&working, &lung_air);
    lung_air.remove(&bowel.dilated(WALL));
    gas.add(&bowel);
    let mut lungs = choice::lungs_among(&working, &lung_air, &torso);
    cut.keep(&lungs);
    let cut_at_side = cut.count() as f64 * VOXEL_ML > CUT_ML;
    if cut_at_side {
        outside::reclaim_edge(&working, &unmeasured, &mut lungs);
    }
    let mask = refined(fine_air, volume, &working, &lungs, &gas, &air, &unmeasured);
    let geometry = &volume.geometry;
    let found_ml = mask.count() as f64 * voxel_ml(geometry);
    let bounding_box = match mask.bounding_box() {
        Some(bounding_box) if found_ml >= limits.min_volume_ml => bounding_box,
        _ => return Err(SegmentationError::TooSmall { found_ml, limit_ml: limits.min_volume_ml }),
    };
    let sides_ml = left_and_right_ml(&mask, geometry, torso.middle_mm[0]);
    let findings = flags::Findings {
        cut_at_side,
        has_trachea: airways.is_some(),
        is_interrupted,
        holds_bare_gas: flags::holds_bare_gas(&working, &lungs),
    };
    let flags = flags::flags(geometry, &mask, sides_ml, limits, &findings);
    Ok(Lungs::new(mask, sides_ml, bounding_box, geometry, flags))
}

/// The lungs in the voxels of the volume: its air in the working voxels of the lungs, the air connected
/// with it within [`TIPS`] of them and outside working voxels of other air, the air around airways and
/// bowel on the lungs' side of the wall, and all holes of these in their slices.
fn refined(
    fine_air: Mask,
    volume: &Volume,
    working: &Working,
    lungs: &Mask,
    gas: &Mask,
    air: &Mask,
    unmeasured: &Mask,
) -> Mask {
    let mut other = air.clone();
    other.remove(lungs);
    let mut reach = lungs.dilated(TIPS);
    reach.remove(&other);
    reach.remove_from_slices(unmeasured);
    let contest = Contest::new(working, &fine_air, gas, lungs, unmeasured);
    let mut mask = fine_air;
    mask.keep(&working.refined(&reach));
    let pieces = Components::of(&mask, Connectivity::Faces3d);
    let mut in_lungs = vec![false; pieces.regions().len()];
    let lungs_fine = working.refined(lungs);
    pieces.for_runs(|label, z, y, along| {
        in_lungs[label] = in_lungs[label] || lungs_fine.meets_run(z, y, along.start, along.end);
    });
    let mut mask = pieces.select(|label| in_lungs[label]);
    contest.settle(&volume.hu, &mut mask);
    let mut edge = lungs.clone();
    edge.remove_from_slices(&unmeasured.complement());
    if !edge.is_empty() {
        let mut at_edge = Mask::of(&volume.hu, outside::is_at_edge);
        at_edge.keep(&working.refined(&edge));
        mask.add(&at_edge);
    }
    fill_holes_2d(&mut mask, (HOLE_MM2 / pixel_mm2(&volume.geometry)) as usize);
    mask
}

impl Lungs {
    fn new(
        mask: Mask,
        [left_ml, right_ml]: [f64; 2],
        bounding_box: BoundingBox,
        geometry: &Geometry,
        flags: Vec<Flag>,
    ) -> Self {
        let centre_voxel = bounding_box.map(|[first, last]| (first + last) / 2);
        let centre_mm = geometry.position_mm(centre_voxel.map(|i| i as f64));
        Self { mask, left_ml, right_ml, bounding_box, centre_voxel, centre_mm, flags }
    }
}

/// Volume on the patient's left and right of the plane at `middle_x_mm`. A lung that crosses the plane
/// with less than a fifth of its volume counts entirely for its side.
fn left_and_right_ml(mask: &Mask, geometry: &Geometry, middle_x_mm: f64) -> [f64; 2] {
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

#[cfg(test)]
mod spacing_tests;
#[cfg(test)]
mod tests;
