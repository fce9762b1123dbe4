//! Remarks on segmentations that a reader should check.

use super::working::{VOXEL_ML, Working};
use super::{LungLimits, pixel_mm2};
use crate::codes::Flag;
use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// A larger area of lung in the first or last slice means that the scan cuts the lungs.
const CUT_MM2: f64 = 300.0;

/// A side with a smaller share of all lung counts as empty.
const EMPTY_SIDE: f64 = 1.0 / 12.0;

/// A side with a smaller share of the other is abnormally small: the left lung has about 0.85 of the
/// right.
const SMALL_SIDE: f64 = 0.6;

/// A voxel with a lower mean contains no lung tissue.
const BARE_HU: i16 = -975;

/// Least volume of a flagged region of gas in the chest.
const POOL_ML: f64 = 30.0;

/// Facts of the segmentation that flags depend on.
pub(super) struct Findings {
    pub cut_at_side: bool,
    pub has_trachea: bool,
    pub is_interrupted: bool,
    pub holds_bare_gas: bool,
}

/// The flags of a mask, from its left and right volume and the findings.
pub(super) fn flags(
    geometry: &Geometry,
    mask: &Mask,
    sides_ml: [f64; 2],
    limits: &LungLimits,
    findings: &Findings,
) -> Vec<Flag> {
    let cut = |z: usize| mask.count_slice(z) as f64 * pixel_mm2(geometry) > CUT_MM2;
    let (mut top, mut bottom) = (mask.dim()[0] - 1, 0);
    if geometry.axes[0][2] < 0.0 {
        (top, bottom) = (bottom, top);
    }
    let total_ml = sides_ml[0] + sides_ml[1];
    let (smaller_ml, larger_ml) = (sides_ml[0].min(sides_ml[1]), sides_ml[0].max(sides_ml[1]));
    let one_lung = smaller_ml < EMPTY_SIDE * total_ml;
    [
        (Flag::LungsCutAtTop, cut(top)),
        (Flag::LungsCutAtBottom, cut(bottom)),
        (Flag::LungsCutAtSide, findings.cut_at_side),
        (Flag::SmallLungVolume, total_ml < limits.small_volume_ml),
        (Flag::OneLung, one_lung),
        (Flag::AsymmetricLungs, !one_lung && smaller_ml < SMALL_SIDE * larger_ml),
        (Flag::GasBesideLung, findings.holds_bare_gas),
        (Flag::TracheaNotFound, !findings.has_trachea),
        (Flag::BodyInterrupted, findings.is_interrupted),
    ]
    .into_iter()
    .filter_map(|(flag, holds)| holds.then_some(flag))
    .collect()
}

/// Whether lungs, in working voxels, contain a region of gas without tissue.
pub(super) fn holds_bare_gas(working: &Working, lungs: &Mask) -> bool {
    let mut bare = Mask::of(&working.volume.hu, |hu| hu < BARE_HU);
    bare.keep(lungs);
    let pools = Components::of(&bare, Connectivity::Faces3d);
    let most = pools.largest().map_or(0, |largest| pools.regions()[largest].voxels);
    most as f64 * VOXEL_ML >= POOL_ML
}
