//! Converts the axis order of stored slices to the canonical order of volumes: depth towards the head,
//! height towards the back, width towards the patient's left.

use ndarray::{Array3, Axis};
use serde::{Deserialize, Serialize};

/// Largest angle between an image axis and its body axis.
const OBLIQUE_LIMIT_DEGREES: f64 = 20.0;

/// A permutation and reflection of array axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The stored axis of depth, height and width.
    pub from: [usize; 3],
    /// Whether the stored axis of depth, height and width runs backwards.
    pub flip: [bool; 3],
}

impl Turn {
    /// The identity.
    pub const NONE: Self = Self { from: [0, 1, 2], flip: [false; 3] };

    /// The array with its axes permuted and flipped, in standard layout.
    pub fn applied(self, hu: Array3<i16>) -> Array3<i16> {
        if self == Self::NONE {
            return hu;
        }
        let mut hu = hu.permuted_axes(self.from);
        for (axis, flip) in self.flip.into_iter().enumerate() {
            if flip {
                hu.invert_axis(Axis(axis));
            }
        }
        hu.as_standard_layout().into_owned()
    }
}

/// Error: an image axis is too far from its body axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oblique {
    /// The largest angle between an image axis and its body axis.
    pub degrees: f64,
    /// Upper limit.
    pub limit_degrees: f64,
}

/// The grid in stored order: axes are slice, row, column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axes {
    pub directions: [[f64; 3]; 3],
    pub spacing_mm: [f64; 3],
    pub lengths: [usize; 3],
    pub origin_mm: [f64; 3],
}

impl Axes {
    /// Reverses the direction of `axis`.
    pub(crate) fn reverse(&mut self, axis: usize) {
        let length_mm = (self.lengths[axis] - 1) as f64 * self.spacing_mm[axis];
        let offset_mm = scale(self.directions[axis], length_mm);
        self.origin_mm = std::array::from_fn(|xyz| self.origin_mm[xyz] + offset_mm[xyz]);
        self.directions[axis] = scale(self.directions[axis], -1.0);
    }
}

/// The flips and permutation that bring `directions` nearest to depth = head, height = back,
/// width = patient's left.
pub(crate) fn turn_to_body(directions: &[[f64; 3]; 3]) -> Result<Turn, Oblique> {
    // Depth, height, width run along z, y, x of the patient's coordinates.
    const BODY: [usize; 3] = [2, 1, 0];
    const PERMUTATIONS: [[usize; 3]; 6] =
        [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];
    let along = |from: [usize; 3], axis: usize| directions[from[axis]][BODY[axis]];
    let fit = |from: [usize; 3]| (0..3).map(|axis| along(from, axis).abs()).sum::<f64>();
    let from = PERMUTATIONS
        .into_iter()
        .reduce(|best, next| if fit(next) > fit(best) + 1e-9 { next } else { best })
        .unwrap_or(PERMUTATIONS[0]);
    let worst = (0..3).map(|axis| along(from, axis).abs()).fold(1.0, f64::min);
    let degrees = worst.acos().to_degrees();
    if degrees > OBLIQUE_LIMIT_DEGREES {
        return Err(Oblique { degrees, limit_degrees: OBLIQUE_LIMIT_DEGREES });
    }
    Ok(Turn { from, flip: std::array::from_fn(|axis| along(from, axis) < 0.0) })
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn subtract(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|xyz| a[xyz] - b[xyz])
}

pub(crate) fn scale(a: [f64; 3], by: f64) -> [f64; 3] {
    a.map(|value| value * by)
}

pub(crate) fn scaled_to_unit(a: [f64; 3]) -> [f64; 3] {
    scale(a, 1.0 / dot(a, a).sqrt())
}
