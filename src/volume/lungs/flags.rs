//! What a reader should know before trusting a segmentation.

use std::fmt;

use super::working::{VOXEL_ML, Working};
use super::{LungLimits, pixel_mm2};
use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// More lung than this in the first or last slice means that the scan cut the lungs.
const CUT_MM2: f64 = 300.0;

/// A side with less than this share of all lung is empty.
const EMPTY_SIDE: f64 = 1.0 / 12.0;

/// A side with less than this share of the other is smaller than anatomy explains: the left lung
/// has about 0.85 of the right.
const SMALL_SIDE: f64 = 0.6;

/// A voxel whose mean is below this holds no lung tissue.
const BARE_HU: i16 = -975;

/// A pool of gas in the chest worth a flag.
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
    /// One side holds less than a twelfth of all lung, or none: collapse, effusion, or a lung that
    /// was taken out.
    OneLung,
    /// One side holds less than three fifths of the other: effusion, collapse, consolidation or a
    /// large mass may take the place of lung, and is not in the mask.
    AsymmetricLungs,
    /// 30 ml or more of gas without lung tissue in one place: a pneumothorax, a bulla, the severest
    /// emphysema, or bowel taken for lung. It is in the mask.
    GasBesideLung,
    /// No trachea of at least 30 mm was found, so it may have stretched the box upwards.
    TracheaNotFound,
    /// The body is interrupted by slices of air, as a phantom of slabs is. What lies between two
    /// slabs counts as the slab next to it.
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

/// What was learned about the lungs on the way to their mask.
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
    let whole_ml = sides_ml[0] + sides_ml[1];
    let (smaller_ml, larger_ml) = (sides_ml[0].min(sides_ml[1]), sides_ml[0].max(sides_ml[1]));
    let one_lung = smaller_ml < EMPTY_SIDE * whole_ml;
    [
        (LungFlag::CutAtTop, cut(top)),
        (LungFlag::CutAtBottom, cut(bottom)),
        (LungFlag::CutAtSide, findings.cut_at_side),
        (LungFlag::SmallLungVolume, whole_ml < limits.small_volume_ml),
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

/// Whether lungs, as working voxels, hold a pool of gas without tissue.
pub(super) fn holds_bare_gas(working: &Working, lungs: &Mask) -> bool {
    let mut bare = Mask::of(&working.volume.hu, |hu| hu < BARE_HU);
    bare.keep(lungs);
    let pools = Components::of(&bare, Connectivity::Faces3d);
    let most = pools.largest().map_or(0, |largest| pools.regions()[largest].voxels);
    most as f64 * VOXEL_ML >= POOL_ML
}
