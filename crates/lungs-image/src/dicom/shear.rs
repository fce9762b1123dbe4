//! Removes gantry tilt: resamples sheared slices on an orthogonal grid.
//!
//! A tilted gantry is rotated about the patient's left-right axis while the table moves: with `c` the
//! direction of increasing row, the step `D` from slice to slice has `D · c ≠ 0`. Row `j` of slice
//! `i` is at `p + i·D + j·d·c`. Two orthogonal grids contain the same rows: keep `D` and shift each
//! row along it (the rows of all slices with the same `j` lie in one plane along `D`), or keep the
//! image planes and shift the rows of each slice within them. The grid whose axis is closer to the
//! body axis is used; for a table that moves along the body this is the first, and the volume becomes
//! axial. Shifts use cubic interpolation (Catmull and Rom 1974); voxels outside all slices are air.

use ndarray::{Array3, ArrayView3, s};

use super::turn::{Axes, dot, scale, scaled_to_unit, subtract};
use super::{GantryTilt, SeriesRefusal};

/// Largest tilt of a gantry.
const GANTRY_LIMIT_DEGREES: f64 = 30.0;
/// Largest shift to the side due to rounding, as an angle.
const SIDE_LIMIT_DEGREES: f64 = 0.5;
/// Least cosine between image rows and the patient's left-right axis.
const LEFT_RIGHT: f64 = 0.9;
/// Attenuation of air.
const AIR_HU: i16 = -1024;

/// A shift of voxels along one array axis that grows with the index of another: output voxel `o` is
/// the input at `o + first − index · step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shear {
    /// The axis of `[slice, row, column]` along which voxels shift: 0 or 1.
    pub axis: usize,
    /// Voxels per index of the other axis (1 or 0).
    pub step: f64,
    /// Input index of the first output voxel.
    pub first: i64,
    /// Output voxels along `axis`.
    pub length: usize,
    /// The gantry's tilt.
    pub degrees: f64,
}

/// Computes the shear that removes the tilt of a stack whose slices are `step` apart, and updates the
/// grid.
///
/// # Errors
/// The rules exclude tilt, the tilt exceeds that of gantries, or the shift has another direction.
pub(super) fn untilt(
    grid: &mut Axes,
    step: [f64; 3],
    degrees: f64,
    rule: GantryTilt,
) -> Result<Shear, SeriesRefusal> {
    let [normal, along_column, along_row] = grid.directions;
    let side = (dot(step, along_row) / dot(step, normal)).atan().to_degrees().abs();
    let limit_degrees = SIDE_LIMIT_DEGREES;
    if side > SIDE_LIMIT_DEGREES || along_row[0].abs() < LEFT_RIGHT {
        return Err(SeriesRefusal::Sheared { degrees, limit_degrees });
    }
    if rule == GantryTilt::Refuse {
        let hint = " (preprocess.gantry_tilt = \"refuse\")";
        return Err(SeriesRefusal::GantryTilt { degrees, limit_degrees, hint });
    }
    if degrees > GANTRY_LIMIT_DEGREES {
        let limit_degrees = GANTRY_LIMIT_DEGREES;
        return Err(SeriesRefusal::GantryTilt { degrees, limit_degrees, hint: "" });
    }
    let gap_mm = dot(step, step).sqrt();
    let table = scale(step, 1.0 / gap_mm);
    let nearest = |axis: [f64; 3]| axis.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let lengths = grid.lengths;
    let (axis, per_index) = if nearest(table) >= nearest(normal) {
        let lean = dot(along_column, table);
        let upright = subtract(along_column, scale(table, lean));
        let per_row = grid.spacing_mm[1] * lean / gap_mm;
        grid.directions = [table, scaled_to_unit(upright), along_row];
        grid.spacing_mm[0] = gap_mm;
        grid.spacing_mm[1] *= dot(upright, upright).sqrt();
        (0, per_row)
    } else {
        (1, dot(step, along_column) / grid.spacing_mm[1])
    };
    let others = (lengths[1 - axis] - 1) as f64;
    let last = (lengths[axis] - 1) as f64;
    let drift = others * per_index;
    let (first, end) = (drift.min(0.0).floor(), (last + drift.max(0.0)).ceil());
    grid.lengths[axis] = (end - first) as usize + 1;
    let offset_mm = scale(grid.directions[axis], first * grid.spacing_mm[axis]);
    grid.origin_mm = std::array::from_fn(|xyz| grid.origin_mm[xyz] + offset_mm[xyz]);
    let length = grid.lengths[axis];
    Ok(Shear { axis, step: per_index, first: first as i64, length, degrees })
}

/// Shifts the voxels of a stack `[slice, row, column]`.
pub(super) fn apply(hu: ArrayView3<i16>, shear: Shear) -> Array3<i16> {
    let mut shape: [usize; 3] = hu.dim().into();
    let length = shape[shear.axis] as i64;
    shape[shear.axis] = shear.length;
    let mut out = Array3::from_elem(shape, AIR_HU);
    for index in 0..shape[1 - shear.axis] {
        let shift = shear.first as f64 - index as f64 * shear.step;
        let (offset, fraction) = (shift.floor(), shift - shift.floor());
        let weights = catmull_rom(fraction);
        for position in 0..shear.length {
            // Sources: position + offset − 1 to + 2; the point lies between the middle two.
            let at = position as i64 + offset as i64;
            let inside = at >= 0 && (at + 1 < length || (at + 1 == length && fraction < 1e-6));
            if !inside {
                continue;
            }
            let row = |position: i64| {
                let position = position.clamp(0, length - 1) as usize;
                let (slice, row) =
                    if shear.axis == 0 { (position, index) } else { (index, position) };
                hu.slice(s![slice, row, ..])
            };
            let taps = [row(at - 1), row(at), row(at + 1), row(at + 2)];
            let (slice, row) = if shear.axis == 0 { (position, index) } else { (index, position) };
            for (column, out) in out.slice_mut(s![slice, row, ..]).iter_mut().enumerate() {
                let sum: f32 =
                    taps.iter().zip(weights).map(|(tap, w)| f32::from(tap[column]) * w).sum();
                *out = (sum.round() as i16).max(AIR_HU);
            }
        }
    }
    out
}

/// Weights of four points for the point at fraction `t` between the second and the third.
fn catmull_rom(t: f64) -> [f32; 4] {
    [
        0.5 * (-t + 2.0 * t * t - t * t * t),
        0.5 * (2.0 - 5.0 * t * t + 3.0 * t * t * t),
        0.5 * (t + 4.0 * t * t - 3.0 * t * t * t),
        0.5 * (-t * t + t * t * t),
    ]
    .map(|weight| weight as f32)
}
