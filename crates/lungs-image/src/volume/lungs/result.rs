//! The lungs of a volume, or why they cannot be found.

use crate::codes::Flag;
use crate::volume::mask::{BoundingBox, Mask};
use crate::volume::{Geometry, Volume};
use ndarray::s;
use thiserror::Error;

/// Limits of the lung volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LungLimits {
    /// A smaller volume is an error.
    pub min_volume_ml: f64,
    /// A smaller volume is flagged [`Flag::SmallLungVolume`].
    pub small_volume_ml: f64,
}

impl Default for LungLimits {
    /// Error below 300 ml, flag below 1500 ml; adults have 3 to 7 litres at full inspiration.
    fn default() -> Self {
        Self { min_volume_ml: 300.0, small_volume_ml: 1500.0 }
    }
}

/// The lungs of one scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Lungs {
    /// Their voxels, including vessels and nodules inside them.
    pub mask: Mask,
    /// Volume on the patient's left.
    pub left_ml: f64,
    /// Volume on the patient's right.
    pub right_ml: f64,
    /// The smallest box around them, inclusive: depth, height, width.
    pub bounding_box: BoundingBox,
    /// The middle of the box, `(first + last) / 2` rounded down.
    pub centre_voxel: [usize; 3],
    /// The centre of that voxel in the patient.
    pub centre_mm: [f64; 3],
    /// Remarks that a reader should check.
    pub flags: Vec<Flag>,
}

/// Errors of lung segmentation.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum SegmentationError {
    /// No tissue: an empty field of view, or not Hounsfield units.
    #[error(
        "no body in the volume: nothing larger than 9 mm is above -320 HU; check that the series \
         is a CT in Hounsfield units"
    )]
    NoBody,
    /// The body contains no air.
    #[error("no lungs in the volume: no air (at most -320 HU) inside the body")]
    NoAir,
    /// The regions found are too small for lungs.
    #[error(
        "no lungs in the volume: {found_ml:.0} ml of lung inside the body, expected at least \
         {limit_ml:.0} ml; check that the series is a chest CT"
    )]
    TooSmall {
        /// Volume of the most likely regions.
        found_ml: f64,
        /// [`LungLimits::min_volume_ml`].
        limit_ml: f64,
    },
    /// The original's error for short volumes.
    #[error("{found} slices after resampling, expected at least {limit} with lungs-0.1.5")]
    TooFewSlices {
        /// Number of slices.
        found: usize,
        /// Lower limit.
        limit: usize,
    },
    /// The original's error for small boxes.
    #[error(
        "the lung box is {found_voxels} voxels long along {axis}, expected at least {limit_voxels} \
         with lungs-0.1.5"
    )]
    BoxTooSmall {
        /// `"depth"`, `"height"` or `"width"`.
        axis: &'static str,
        /// Last voxel minus first voxel.
        found_voxels: usize,
        /// Lower limit.
        limit_voxels: usize,
    },
}

impl Lungs {
    pub(super) fn new(
        mask: Mask,
        [left_ml, right_ml]: [f64; 2],
        bounding_box: BoundingBox,
        geometry: &Geometry,
        flags: Vec<Flag>,
    ) -> Self {
        let centre_voxel = bounding_box.map(|[first, last]| (first + last) / 2);
        let centre_mm = geometry.position_mm(centre_voxel.map(|i| i as f64));
        Self { mask, left_ml, right_ml, bounding_box, centre_voxel, centre_mm, flags }
    }

    /// Mean and population standard deviation of the lungs' voxels in the volume that they were found in, in
    /// Hounsfield units. They change with inspiration, dose and kernel. `None` without voxels.
    pub fn mean_and_deviation_hu(&self, volume: &Volume) -> Option<[f64; 2]> {
        let [depth, height, _] = self.mask.dim();
        let (mut count, mut sum, mut squares) = (0i64, 0i64, 0i64);
        for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
            self.mask.for_runs(z, y, |start, end| {
                for hu in volume.hu.slice(s![z, y, start..end]) {
                    let hu = i64::from(*hu);
                    sum += hu;
                    squares += hu * hu;
                }
                count += (end - start) as i64;
            });
        }
        let mean = (count > 0).then(|| sum as f64 / count as f64)?;
        let variance = squares as f64 / count as f64 - mean * mean;
        Some([mean, variance.max(0.0).sqrt()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn mean_and_deviation_are_those_of_the_voxels_in_the_mask() {
        let hu =
            Array3::from_shape_fn((2, 3, 130), |(z, y, x)| (z * 300 + y * 70 + x) as i16 - 900);
        let is_lung = |hu: i16| hu % 3 == 0;
        let mask = Mask::of(&hu, is_lung);
        let values: Vec<f64> =
            hu.iter().filter(|hu| is_lung(**hu)).map(|hu| f64::from(*hu)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|hu| (hu - mean).powi(2)).sum();
        let geometry = Geometry {
            spacing_mm: [1.0; 3],
            origin_mm: [0.0; 3],
            axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        };
        let volume = Volume { hu, geometry };
        let whole = [[0, 1], [0, 2], [0, 129]];
        let lungs = |mask| Lungs::new(mask, [1.0, 1.0], whole, &geometry, vec![]);
        let [our_mean, deviation] = lungs(mask).mean_and_deviation_hu(&volume).unwrap();
        assert!((our_mean - mean).abs() < 1e-9);
        assert!((deviation - (squares / values.len() as f64).sqrt()).abs() < 1e-6);
        assert_eq!(lungs(Mask::empty([2, 3, 130])).mean_and_deviation_hu(&volume), None);
    }
}
