//! Remarks on segmentations that a reader should check.

use std::fmt;

use super::working::{VOXEL_ML, Working};
use super::{LungLimits, pixel_mm2};
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

/// Something unusual about a segmentation that is still used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LungFlag {
    /// The scan ends inside the lungs on the head's side.
    CutAtTop,
    /// The scan ends inside the lungs on the feet's side.
    CutAtBottom,
    /// The field of view ends inside a lung on some side.
    CutAtSide,
    /// Both lungs together are smaller than [`LungLimits::small_volume_ml`].
    SmallLungVolume,
    /// One side has less than a twelfth of all lung: collapse, effusion, or a lung that was removed.
    OneLung,
    /// One side has less than three fifths of the other: effusion, collapse, consolidation or a large
    /// mass may replace lung, and is not in the mask.
    AsymmetricLungs,
    /// A region of at least 30 ml of gas without lung tissue: a pneumothorax, a bulla, very severe
    /// emphysema, or bowel misclassified as lung. It is in the mask.
    GasBesideLung,
    /// No trachea of at least 30 mm was found, so that it may extend the box upwards.
    TracheaNotFound,
    /// Slices of air interrupt the body, as in a phantom of slabs. The gap between two slabs is filled
    /// with the slabs next to it.
    BodyInterrupted,
}

impl fmt::Display for LungFlag {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::CutAtTop => "lungs-cut-at-top",
            Self::CutAtBottom => "lungs-cut-at-bottom",
            Self::CutAtSide => "lungs-cut-at-side",
            Self::SmallLungVolume => "small-lung-volume",
            Self::OneLung => "one-lung",
            Self::AsymmetricLungs => "asymmetric-lungs",
            Self::GasBesideLung => "gas-beside-lung",
            Self::TracheaNotFound => "trachea-not-found",
            Self::BodyInterrupted => "body-interrupted",
        })
    }
}

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
) -> Vec<LungFlag> {
    let cut = |z: usize| mask.count_slice(z) as f64 * pixel_mm2(geometry) > CUT_MM2;
    let (mut top, mut bottom) = (mask.dim()[0] - 1, 0);
    if geometry.axes[0][2] < 0.0 {
        (top, bottom) = (bottom, top);
    }
    let total_ml = sides_ml[0] + sides_ml[1];
    let (smaller_ml, larger_ml) = (sides_ml[0].min(sides_ml[1]), sides_ml[0].max(sides_ml[1]));
    let one_lung = smaller_ml < EMPTY_SIDE * total_ml;
    [
        (LungFlag::CutAtTop, cut(top)),
        (LungFlag::CutAtBottom, cut(bottom)),
        (LungFlag::CutAtSide, findings.cut_at_side),
        (LungFlag::SmallLungVolume, total_ml < limits.small_volume_ml),
        (LungFlag::OneLung, one_lung),
        (LungFlag::AsymmetricLungs, !one_lung && smaller_ml < SMALL_SIDE * larger_ml),
        (LungFlag::GasBesideLung, findings.holds_bare_gas),
        (LungFlag::TracheaNotFound, !findings.has_trachea),
        (LungFlag::BodyInterrupted, findings.is_interrupted),
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
