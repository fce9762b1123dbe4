//! Pathology of the chest: lung regions with abnormal content, and mediastinal shift.

use super::shapes::{Point, ellipsoid_distance};
use super::side::Side;

/// Differences of a chest from a healthy one; none by default.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disease {
    /// Mediastinal shift to the patient's left, in mm.
    pub shift_mm: f32,
    /// Mean and variation of the lungs' density in HU, instead of the healthy ones.
    pub lung_hu: Option<[f32; 2]>,
    /// Density of a lung without air, in HU.
    pub opaque_hu: f32,
    /// Abnormal lung regions; later ones are painted over earlier ones.
    pub regions: Vec<LungRegion>,
    /// Direction of gravity: a unit vector in the transverse plane (x, y).
    pub down: [f32; 2],
    /// Gas in a colon directly below the diaphragm.
    pub high_colon: bool,
}

impl Default for Disease {
    fn default() -> Self {
        Self {
            shift_mm: 0.0,
            lung_hu: None,
            opaque_hu: 14.0,
            regions: Vec::new(),
            down: [0.0, 1.0],
            high_colon: false,
        }
    }
}

/// An abnormal region of one lung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LungRegion {
    pub side: Side,
    pub shape: RegionShape,
    pub hu: f32,
    /// Whether it contains air, and therefore counts as lung in the truth.
    pub aerated: bool,
}

/// Extent of a region within its lung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RegionShape {
    /// Behind the frontal plane at this y.
    Behind(f32),
    /// In front of the frontal plane at this y.
    InFront(f32),
    /// Within an ellipsoid: centre and semi-axes.
    Within(Point, Point),
    /// Outside an ellipsoid: centre and semi-axes.
    Around(Point, Point),
    /// Behind and below the oblique fissure.
    LowerLobe,
}

impl LungRegion {
    /// Signed distance to the region, negative inside, ignoring the lung's border.
    pub(crate) fn distance(&self, p: Point) -> f32 {
        match self.shape {
            RegionShape::Behind(y) => y - p[1],
            RegionShape::InFront(y) => p[1] - y,
            RegionShape::Within(center, semi) => ellipsoid_distance(p, center, semi),
            RegionShape::Around(center, semi) => -ellipsoid_distance(p, center, semi),
            RegionShape::LowerLobe => (p[2] + 38.0 - 0.85 * p[1]) * 0.76,
        }
    }
}
