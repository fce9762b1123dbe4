//! CT volumes in Hounsfield units and the pure kernels on them.
//!
//! Arrays are `[depth, height, width]`. Depth runs along the slice normal; for an axial,
//! head-first supine series that is from feet to head, height from front to back, width from the
//! patient's right to left.
//!
//! | kernel | question |
//! |---|---|
//! | [`resample`] | the same volume at another spacing |
//! | [`segment_lungs`] | where the lungs are |
//! | [`Components`], [`fill_holes_2d`] | which voxels hang together |
//! | [`crop`] | a box of fixed size out of it |
//! | [`Window`] | what the network sees of it |
//!
//! Those with `original` in their name, and [`Grid::AlignedEnds`], do what `lungs` 0.1.5 did. All
//! of them are pure functions of one volume on one thread: callers run one per series.

mod affine;
mod components;
mod crop;
mod lungs;
mod mask;
mod resample;
mod spline;
pub(crate) mod turn;
mod window;

pub use affine::{Affine, resample_affine};
pub use components::{Components, Connectivity, Region, fill_holes_2d};
pub use crop::{crop, crop_original};
pub use lungs::{
    LungFlag, LungLimits, Lungs, SegmentationError, segment_lungs, segment_lungs_original,
    segment_lungs_within,
};
pub use mask::{BoundingBox, Mask};
pub use resample::{Grid, Interpolation, ResampleError, low_pass, resample};
pub use turn::{Oblique, Turn};
pub use window::Window;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// A CT volume: voxels in Hounsfield units and where they lie in the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Hounsfield units, `[depth, height, width]`, in standard (row-major) layout.
    pub hu: Array3<i16>,
    /// Where the voxels are.
    pub geometry: Geometry,
}

/// The place of a voxel grid in the patient (DICOM's LPS coordinates, millimetres).
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
}
