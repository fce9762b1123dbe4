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
mod limits;
mod measure;
mod original;
mod outside;
mod result;
mod torso;
mod working;

use limits::{AIR_HU, GAS_HU, LUNG_ML, MOST_GAS, WALL};
use measure::{left_and_right_ml, middle_of, pixel_mm2, voxel_ml};
pub use result::{LungLimits, Lungs, SegmentationError};

use super::Volume;
use super::components::{Components, Connectivity, fill_holes_2d};
use super::mask::Mask;

use contest::Contest;
use working::{VOXEL_ML, Working};

pub use original::segment_lungs_original;

/// Largest hole in a slice of a lung (vessel, nodule, mass) that belongs to the lung.
const HOLE_MM2: f64 = 2000.0;

/// Distance, in working voxels, over which tips of the lungs thinner than one voxel are tracked.
const TIPS: [usize; 3] = [3; 3];

/// A larger volume of lung in pieces of slices at the border of the field of view means that the view
/// cuts the lungs.
const CUT_ML: f64 = 50.0;

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

#[cfg(test)]
mod spacing_tests;
#[cfg(test)]
mod tests;
