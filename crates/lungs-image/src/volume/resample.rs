//! Resampling to another spacing.
//!
//! Along one axis after another, the cubic B-spline through the voxels (or straight lines between
//! them) is evaluated at the new voxel centres. The volume is assumed constant beyond the outermost
//! voxel centres, but nothing is evaluated there: both grids lie within the old voxel centres.
//!
//! ```text
//! old centres   •     •     •     •     •     •      n = 6, s = 2.5 mm
//! AlignedEnds   ×  ×  ×  ×  ×  ×  ×  ×  ×    ×       m = round(n·s/t), ends on ends
//! Physical       ×   ×   ×   ×   ×   ×   ×   ×       exactly t apart, centred
//! ```

use thiserror::Error;

use super::spline::{self, AxisPlan, Interpolation};
use super::{Geometry, Volume};

/// The position of the new voxel centres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grid {
    /// Exactly the target spacing. As many voxels as fit between the first and the last old voxel
    /// centre, with the rest (less than one voxel) divided equally between both ends: a mirrored volume
    /// gives the mirrored result, and the origin moves by less than half a voxel.
    #[default]
    Physical,
    /// The grid of `lungs` 0.1.5 and `scipy.ndimage.zoom`: `round(n·spacing/target)` voxels, the
    /// first and last centres on the old first and last centres. The spacing is only close to the
    /// target: `(n−1)·spacing/(m−1)`, as in the geometry of the result.
    AlignedEnds,
}

/// Errors of resampling.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ResampleError {
    /// A spacing is not a positive number.
    #[error("{which} spacing is {found_mm:?} mm, expected positive numbers")]
    ImpossibleSpacing {
        /// `"voxel"` or `"target"`.
        which: &'static str,
        /// The spacing along depth, height, width.
        found_mm: [f64; 3],
    },
    /// The volume has no voxels.
    #[error("the volume is empty: {shape:?} voxels (depth, height, width)")]
    Empty {
        /// Depth, height, width.
        shape: [usize; 3],
    },
    /// The result would be too large for a chest CT.
    #[error(
        "resampling {from:?} voxels of {spacing_mm:?} mm to {target_mm:?} mm would need {voxels:.2e} \
         voxels, more than {limit:.0e}: check the voxel spacing"
    )]
    TooLarge {
        /// Shape before.
        from: [usize; 3],
        /// Spacing before.
        spacing_mm: [f64; 3],
        /// Requested spacing.
        target_mm: [f64; 3],
        /// Voxels after.
        voxels: f64,
        /// Upper limit.
        limit: f64,
    },
}

/// Upper limit of the result: four times a 2000-slice CT, 4 GB.
const MAX_VOXELS: f64 = 2e9;

/// The volume on a grid of `target_spacing_mm` (depth, height, width).
///
/// Arithmetic is in f32; results are rounded half away from zero, as SciPy rounds into integers.
/// An axis whose new centres are its old ones is copied exactly. No low-pass filter is applied
/// (the published recipe has none).
///
/// # Errors
/// Spacings that are not positive, an empty volume, or a result that is too large.
pub fn resample(
    volume: &Volume,
    target_spacing_mm: [f64; 3],
    interpolation: Interpolation,
    grid: Grid,
) -> Result<Volume, ResampleError> {
    let old = &volume.geometry;
    check_spacing("voxel", old.spacing_mm)?;
    check_spacing("target", target_spacing_mm)?;
    let shape: [usize; 3] = volume.hu.dim().into();
    if shape.contains(&0) {
        return Err(ResampleError::Empty { shape });
    }
    let axes: [NewAxis; 3] = std::array::from_fn(|axis| {
        NewAxis::new(shape[axis], old.spacing_mm[axis], target_spacing_mm[axis], grid)
    });
    let voxels = axes.iter().map(|axis| axis.len).product::<f64>();
    if voxels > MAX_VOXELS {
        return Err(ResampleError::TooLarge {
            from: shape,
            spacing_mm: old.spacing_mm,
            target_mm: target_spacing_mm,
            voxels,
            limit: MAX_VOXELS,
        });
    }
    let plans = std::array::from_fn(|axis| axes[axis].plan(shape[axis], interpolation));
    let hu = spline::resample_separable(volume.hu.view(), &plans);
    let geometry = Geometry {
        spacing_mm: std::array::from_fn(|axis| axes[axis].spacing_mm),
        origin_mm: old.position_mm(std::array::from_fn(|axis| axes[axis].first)),
        axes: old.axes,
    };
    Ok(Volume { hu, geometry })
}

fn check_spacing(which: &'static str, found_mm: [f64; 3]) -> Result<(), ResampleError> {
    if found_mm.iter().all(|&mm| mm.is_finite() && mm > 0.0) {
        Ok(())
    } else {
        Err(ResampleError::ImpossibleSpacing { which, found_mm })
    }
}

/// One axis of the new grid: new voxel `i` lies at old index `first + i·step`.
struct NewAxis {
    /// Number of voxels, a float until its range is checked.
    len: f64,
    first: f64,
    step: f64,
    spacing_mm: f64,
}

impl NewAxis {
    fn new(old_len: usize, spacing_mm: f64, target_mm: f64, grid: Grid) -> Self {
        let intervals = (old_len - 1) as f64;
        match grid {
            Grid::AlignedEnds => {
                // The original stores the spacing as f32 and rounds halves to even.
                let len = (old_len as f64 * (f64::from(spacing_mm as f32) / target_mm))
                    .round_ties_even()
                    .max(1.0);
                let step = if len > 1.0 { intervals / (len - 1.0) } else { 1.0 };
                // A single old slice has no second end to align, and is repeated.
                let spacing = if step > 0.0 { spacing_mm * step } else { target_mm };
                Self { len, first: 0.0, step, spacing_mm: spacing }
            }
            Grid::Physical => {
                let step = target_mm / spacing_mm;
                // The small tolerance gives 200 gaps of 0.75 mm in 100 of 1.5 mm despite rounding.
                let gaps = (intervals / step + 1e-6).floor();
                let first = ((intervals - gaps * step) / 2.0).max(0.0);
                Self { len: gaps + 1.0, first, step, spacing_mm: target_mm }
            }
        }
    }

    fn plan(&self, old_len: usize, interpolation: Interpolation) -> AxisPlan {
        let positions = (0..self.len as usize).map(|i| self.first + i as f64 * self.step);
        AxisPlan::new(old_len, positions, interpolation)
    }
}

#[cfg(test)]
mod tests;
