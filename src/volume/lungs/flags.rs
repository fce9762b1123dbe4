//! What a reader should know before trusting a segmentation.

use std::fmt;

use super::coarse::Coarse;
use super::{LungLimits, pixel_mm2, voxel_ml};
use crate::volume::Volume;
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// More lung than this in the first or last slice means that the scan cut the lungs.
const CUT_MM2: f64 = 300.0;

/// A side with less than this share of all lung is empty.
const EMPTY_SIDE: f64 = 1.0 / 12.0;

/// A side with less than this share of the other is smaller than anatomy explains: the left lung
/// has about 0.85 of the right.
const SMALL_SIDE: f64 = 0.6;

/// Cells of this size are hardly noisy at any dose.
const CELL_MM: f64 = 6.0;

/// A cell whose mean is below this holds no lung tissue.
const BARE_HU: i32 = -975;

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
        })
    }
}

/// The flags of a mask; left and right volume, and what was learned on the way to it.
pub(super) fn flags(
    volume: &Volume,
    mask: &Mask,
    sides_ml: [f64; 2],
    limits: &LungLimits,
    cut_at_side: bool,
    has_trachea: bool,
) -> Vec<LungFlag> {
    let geometry = &volume.geometry;
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
        (LungFlag::CutAtSide, cut_at_side),
        (LungFlag::SmallLungVolume, whole_ml < limits.small_volume_ml),
        (LungFlag::OneLung, one_lung),
        (LungFlag::AsymmetricLungs, !one_lung && smaller_ml < SMALL_SIDE * larger_ml),
        (LungFlag::GasBesideLung, holds_bare_gas(volume, mask)),
        (LungFlag::TracheaNotFound, !has_trachea),
    ]
    .into_iter()
    .filter_map(|(flag, holds)| holds.then_some(flag))
    .collect()
}

/// Whether the lungs hold a pool of gas without tissue.
fn holds_bare_gas(volume: &Volume, mask: &Mask) -> bool {
    let cells = Coarse::new(volume, CELL_MM);
    let bare = cells.darker_than(BARE_HU, mask);
    let pools = Components::of(&bare, Connectivity::Faces3d);
    let most = pools.largest().map_or(0, |largest| pools.regions()[largest].voxels);
    most as f64 * voxel_ml(&cells.geometry) >= POOL_ML
}
