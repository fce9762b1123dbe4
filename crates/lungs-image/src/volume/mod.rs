//! CT volumes in Hounsfield units, and pure functions on them.
//!
//! Arrays are `[depth, height, width]`. Depth runs along the slice normal; for an axial,
//! head-first supine series that is from feet to head, height from front to back, width from the
//! patient's right to left.
//!
//! | function | result |
//! |---|---|
//! | [`resample`] | the volume at another spacing |
//! | [`segment_lungs`] | the lungs |
//! | [`Components`], [`fill_holes_2d`] | connected voxels |
//! | [`crop`] | a box of fixed size |
//! | [`Window`] | the input of the network |
//! | [`Field`] | a heatmap on a lattice of its own |
//! | [`sybil_input`] | the input of Sybil |
//!
//! Functions with `original` in their name, and [`Grid::AlignedEnds`], reproduce `lungs` 0.1.5. All
//! are pure functions of one volume on one thread: callers run one per series.

mod affine;
mod components;
mod crop;
mod field;
mod lungs;
mod mask;
mod resample;
mod spline;
mod sybil;
pub(crate) mod sybil_levels;
pub(crate) mod turn;
mod window;

pub use affine::{Affine, resample_affine};
pub use components::{Components, Connectivity, Region};
pub use crop::{crop, crop_original};
pub use field::Field;
pub use lungs::{
    LungLimits, Lungs, SegmentationError, segment_lungs, segment_lungs_original,
    segment_lungs_within,
};
pub use mask::Mask;
pub use resample::{Grid, ResampleError, resample};
pub use spline::Interpolation;
pub use sybil::{SYBIL_MAX_THICKNESS_MM, SYBIL_SIZE, SYBIL_SPACING_MM, SYBIL_WINDOW, sybil_input};
pub use sybil_levels::{SYBIL_UNITS, SYBIL_UNITS_PER_HU};
pub use turn::{Oblique, Turn};
pub use window::Window;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// A CT volume: voxels in Hounsfield units and their geometry in the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Hounsfield units, `[depth, height, width]`, in standard (row-major) layout.
    pub hu: Array3<i16>,
    /// Position of the voxels.
    pub geometry: Geometry,
}

/// The position of a voxel grid in the patient (DICOM's LPS coordinates, millimetres).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Distance between voxel centres along depth, height, width.
    pub spacing_mm: [f64; 3],
    /// Position of the centre of voxel `[0, 0, 0]`: x to the patient's left, y to the back, z to
    /// the head.
    pub origin_mm: [f64; 3],
    /// Unit vectors of increasing depth, height and width.
    pub axes: [[f64; 3]; 3],
}

impl Geometry {
    /// Patient coordinates of a (fractional) voxel index `[depth, height, width]`.
    pub fn position_mm(&self, index: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|xyz| {
            self.origin_mm[xyz]
                + (0..3)
                    .map(|axis| index[axis] * self.spacing_mm[axis] * self.axes[axis][xyz])
                    .sum::<f64>()
        })
    }

    /// The (fractional) voxel index at a position in the patient; the inverse of
    /// [`Self::position_mm`], also for axes that are not exactly orthogonal.
    pub fn index_at(&self, position_mm: [f64; 3]) -> [f64; 3] {
        let offset_mm = turn::subtract(position_mm, self.origin_mm);
        let [a, b, c] = self.axes;
        let normals = [turn::cross(b, c), turn::cross(c, a), turn::cross(a, b)];
        std::array::from_fn(|axis| {
            let along =
                turn::dot(offset_mm, normals[axis]) / turn::dot(self.axes[axis], normals[axis]);
            along / self.spacing_mm[axis]
        })
    }

    /// The map from voxel indices of this grid to those of another one.
    pub fn indices_in(&self, other: &Self) -> Affine {
        let offset = other.index_at(self.position_mm([0.0; 3]));
        let steps: [[f64; 3]; 3] = std::array::from_fn(|axis| {
            let mut index = [0.0; 3];
            index[axis] = 1.0;
            turn::subtract(other.index_at(self.position_mm(index)), offset)
        });
        let matrix = std::array::from_fn(|row| std::array::from_fn(|column| steps[column][row]));
        Affine { matrix, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Axes rotated about two of them, one sheared by half a degree as in some files.
    fn oblique(spacing_mm: [f64; 3], origin_mm: [f64; 3]) -> Geometry {
        let (sin, cos) = 0.2_f64.sin_cos();
        let (lean_sin, lean_cos) = 0.5_f64.to_radians().sin_cos();
        let axes = [
            [0.0, -sin * lean_cos - cos * lean_sin, cos * lean_cos - sin * lean_sin],
            [0.0, cos, sin],
            [1.0, 0.0, 0.0],
        ];
        Geometry { spacing_mm, origin_mm, axes }
    }

    proptest! {
        #[test]
        fn an_index_is_recovered_from_its_position_and_through_another_grid(
            index in prop::array::uniform3(-50.0f64..500.0),
        ) {
            let scan = oblique([2.5, 0.7, 0.8], [-150.0, 120.0, -900.5]);
            let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
            let crop = Geometry { spacing_mm: [1.5; 3], origin_mm: [-80.0, -60.0, -700.0], axes };
            let position = scan.position_mm(index);
            let back = scan.index_at(position);
            let map = scan.indices_in(&crop);
            let again = crop.position_mm(map.source(index));
            for axis in 0..3 {
                prop_assert!((back[axis] - index[axis]).abs() < 1e-6, "{back:?}");
                prop_assert!((again[axis] - position[axis]).abs() < 1e-6, "{again:?}");
            }
        }
    }
}
