//! Converts the affine of a header to canonical geometry.

use std::path::Path;

use super::FormatRefusal;
use crate::volume::turn::{Axes, Oblique, dot, scale, turn_to_body};
use crate::volume::{Geometry, Turn};

/// Most voxels along an axis, as for DICOM; more indicates a damaged header.
const MAX_SIDE: i64 = 4096;
/// 2 GiB of Hounsfield units: a cube of 1024 voxels.
const MAX_VOXELS: u64 = 1 << 30;
/// Largest difference from a right angle due to rounding; the limit of gantry tilt in DICOM.
const SHEAR_LIMIT_DEGREES: f64 = 0.5;

/// Checks the lengths of the axes, fastest first as in headers, and returns them slowest first.
pub(super) fn lengths(
    path: &Path,
    field: &str,
    found: [i64; 3],
) -> Result<[usize; 3], FormatRefusal> {
    let product: Option<u64> = found
        .iter()
        .map(|&length| if (1..=MAX_SIDE).contains(&length) { length as u64 } else { u64::MAX })
        .try_fold(1_u64, u64::checked_mul)
        .filter(|&voxels| voxels <= MAX_VOXELS);
    if product.is_none() || found[2] < 2 {
        let [x, y, z] = found;
        let expected =
            "1 to 4096 voxels along each axis, at least 2 slices, and at most 2^30 in all";
        return Err(FormatRefusal::bad(path, field, format!("{x} × {y} × {z}"), expected));
    }
    let [x, y, z] = found.map(|length| length as usize);
    Ok([z, y, x])
}

/// The canonical grid for voxel steps `steps_mm` (patient coordinates LPS, stored axes, slowest first).
pub(super) fn canonical(
    path: &Path,
    field: &str,
    lengths: [usize; 3],
    steps_mm: [[f64; 3]; 3],
    origin_mm: [f64; 3],
) -> Result<(Turn, Geometry), FormatRefusal> {
    let spacing_mm = steps_mm.map(|step| dot(step, step).sqrt());
    let is_plausible = |value: &f64| (0.01..=20.0).contains(value);
    if !spacing_mm.iter().all(is_plausible) || !origin_mm.iter().all(|value| value.is_finite()) {
        let found = format!("voxels {spacing_mm:?} mm apart, origin {origin_mm:?} mm");
        return Err(FormatRefusal::bad(path, field, found, "voxels 0.01 to 20 mm apart"));
    }
    let directions: [[f64; 3]; 3] =
        std::array::from_fn(|axis| scale(steps_mm[axis], 1.0 / spacing_mm[axis]));
    let worst = [(0, 1), (0, 2), (1, 2)]
        .into_iter()
        .map(|(a, b)| dot(directions[a], directions[b]).abs().min(1.0))
        .fold(0.0, f64::max);
    let degrees = worst.asin().to_degrees();
    if degrees > SHEAR_LIMIT_DEGREES {
        let limit_degrees = SHEAR_LIMIT_DEGREES;
        return Err(FormatRefusal::Sheared { path: path.to_owned(), degrees, limit_degrees });
    }
    let turn = turn_to_body(&directions).map_err(|Oblique { degrees, limit_degrees }| {
        FormatRefusal::Oblique { path: path.to_owned(), degrees, limit_degrees }
    })?;
    let mut axes = Axes { directions, spacing_mm, lengths, origin_mm };
    for (axis, flip) in turn.from.into_iter().zip(turn.flip) {
        if flip {
            axes.reverse(axis);
        }
    }
    let geometry = Geometry {
        spacing_mm: turn.from.map(|axis| axes.spacing_mm[axis]),
        origin_mm: axes.origin_mm,
        axes: turn.from.map(|axis| axes.directions[axis]),
    };
    Ok((turn, geometry))
}
