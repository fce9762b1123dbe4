//! [`Turn`] of [`crate::volume`], with its error as a [`SeriesRefusal`].

pub use crate::volume::Turn;
pub(super) use crate::volume::turn::{Axes, cross, dot, scale, scaled_to_unit, subtract};

use super::SeriesRefusal;
use crate::volume::turn::{self, Oblique};

/// The flips and permutation that bring `directions` nearest to depth = head, height = back,
/// width = patient's left.
pub(super) fn turn_to_body(directions: &[[f64; 3]; 3]) -> Result<Turn, SeriesRefusal> {
    turn::turn_to_body(directions).map_err(|Oblique { degrees, limit_degrees }| {
        SeriesRefusal::Oblique { degrees, limit_degrees }
    })
}
