//! Gantry tilt: slices that are shifted against each other, put onto a grid with right angles.
//!
//! A tilted gantry turns about the patient's left-right axis while the table moves on: with `c`
//! the direction of increasing row, each slice lies a step `D` from the one before, and `D · c` is
//! not 0. Row `j` of slice `i` is at `p + i·D + j·d·c`. Two grids with right angles hold the same
//! rows: keep `D` and shift each row along it (the rows of all slices with one `j` lie in one
//! plane along `D`), or keep the image planes and shift each slice's rows within them. The one whose
//! axis is nearer to the body's is taken; for a table that moves along the body this is the first,
//! and the volume comes out axial. Shifts are interpolated with a cubic (Catmull and Rom 1974);
//! what no slice covers is air.

use ndarray::{Array3, ArrayView3, s};

use super::turn::{Axes, dot, scale, scaled_to_unit, subtract};
use super::{GantryTilt, SeriesRefusal};

/// Gantries tilt by no more than this.
const GANTRY_LIMIT_DEGREES: f64 = 30.0;
/// Largest shift to the side, as an angle, that is rounding.
const SIDE_LIMIT_DEGREES: f64 = 0.5;
/// Least cosine between image rows and the patient's left-right axis.
const LEFT_RIGHT: f64 = 0.9;
/// Attenuation of air.
const AIR_HU: i16 = -1024;

/// A shift of voxels along one array axis that grows with the index of another: output voxel `o`
/// shows what is at `o + first − index · step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shear {
    /// The axis of `[slice, row, column]` that is shifted along: 0 or 1.
    pub axis: usize,
    /// Voxels per step of the other axis (1 or 0).
    pub step: f64,
    /// Place of the first output voxel among the input's.
    pub first: i64,
    /// Output voxels along `axis`.
    pub length: usize,
    /// The gantry's tilt.
    pub degrees: f64,
}

/// Finds the shear that untilts a stack whose slices are `step` apart, and changes the grid to
/// the one that results.
///
/// # Errors
/// When the rules refuse tilt, for more tilt than gantries have, and for shifts that are no tilt.
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
    let nearest = |axis: [f64; 3]| axis.iter().fold(0.0, |most: f64, part| most.max(part.abs()));
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
    let way = scale(grid.directions[axis], first * grid.spacing_mm[axis]);
    grid.origin_mm = std::array::from_fn(|xyz| grid.origin_mm[xyz] + way[xyz]);
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
        let (whole, part) = (shift.floor(), shift - shift.floor());
        let weights = catmull_rom(part);
        for place in 0..shear.length {
            // Sources: place + whole − 1 to + 2, the wanted point between the middle two.
            let at = place as i64 + whole as i64;
            let inside = at >= 0 && (at + 1 < length || (at + 1 == length && part < 1e-6));
            if !inside {
                continue;
            }
            let row = |place: i64| {
                let place = place.clamp(0, length - 1) as usize;
                let (slice, row) = if shear.axis == 0 { (place, index) } else { (index, place) };
                hu.slice(s![slice, row, ..])
            };
            let taps = [row(at - 1), row(at), row(at + 1), row(at + 2)];
            let (slice, row) = if shear.axis == 0 { (place, index) } else { (index, place) };
            for (column, out) in out.slice_mut(s![slice, row, ..]).iter_mut().enumerate() {
                let sum: f32 =
                    taps.iter().zip(weights).map(|(tap, w)| f32::from(tap[column]) * w).sum();
                *out = (sum.round() as i16).max(AIR_HU);
            }
        }
    }
    out
}

/// Weights of the four points around one that lies `part` of the way from the second to the third.
fn catmull_rom(part: f64) -> [f32; 4] {
    let t = part;
    [
        0.5 * (-t + 2.0 * t * t - t * t * t),
        0.5 * (2.0 - 5.0 * t * t + 3.0 * t * t * t),
        0.5 * (t + 4.0 * t * t - 3.0 * t * t * t),
        0.5 * (-t * t + t * t * t),
    ]
    .map(|weight| weight as f32)
}
