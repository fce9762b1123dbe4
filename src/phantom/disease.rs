//! What may be wrong inside a chest: parts of a lung that hold something else, and a mediastinum
//! that is drawn to one side.

use super::anatomy::{Body, Side};
use super::shapes::{Edge, Point, ellipsoid_distance, mix};

/// The departures of one chest from a healthy one; none by default.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disease {
    /// How far what lies between the lungs is drawn to the patient's left, mm.
    pub shift_mm: f32,
    /// Density of the lungs instead of their own, and how much it varies from place to place, HU.
    pub lung_hu: Option<[f32; 2]>,
    /// What fills a lung without air, HU.
    pub opaque_hu: f32,
    /// Parts of lungs that hold something else, later ones over earlier ones.
    pub parts: Vec<Part>,
    /// Where down is: a unit vector across the body (x, y).
    pub down: [f32; 2],
    /// Gas in a colon that lies between the diaphragm and what is under it.
    pub high_colon: bool,
}

impl Default for Disease {
    fn default() -> Self {
        Self {
            shift_mm: 0.0,
            lung_hu: None,
            opaque_hu: 14.0,
            parts: Vec::new(),
            down: [0.0, 1.0],
            high_colon: false,
        }
    }
}

/// A part of one lung that is not ordinary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub side: Side,
    pub shape: Shape,
    pub hu: f32,
    /// Whether it holds air, and so belongs to the lungs of the truth.
    pub aerated: bool,
}

/// Where a part lies, within its lung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Behind the frontal plane at this y.
    Behind(f32),
    /// In front of the frontal plane at this y.
    InFront(f32),
    /// Within an ellipsoid: centre and semi-axes.
    Within(Point, Point),
    /// Everything but an ellipsoid.
    Around(Point, Point),
    /// Behind and below the oblique fissure.
    LowerLobe,
}

impl Part {
    /// Signed distance to the part, negative inside it; the lung's own border not counted.
    pub fn distance(&self, p: Point) -> f32 {
        match self.shape {
            Shape::Behind(y) => y - p[1],
            Shape::InFront(y) => p[1] - y,
            Shape::Within(center, semi) => ellipsoid_distance(p, center, semi),
            Shape::Around(center, semi) => -ellipsoid_distance(p, center, semi),
            Shape::LowerLobe => (p[2] + 38.0 - 0.85 * p[1]) * 0.76,
        }
    }
}

impl Body {
    /// The share of the shift that a point feels: all of it in the middle, none at the ribs and at
    /// the spine.
    fn yielding(&self, [x, y, z]: Point) -> f32 {
        let across = x / self.cavity.semi[0];
        let before_spine = ((self.spine_y(z) - 12.0 - y) / 30.0).clamp(0.0, 1.0);
        (1.0 - across * across).max(0.0) * before_spine
    }

    /// Where what is seen at `p` would lie in the undisturbed chest.
    pub(super) fn undrawn(&self, p: Point) -> Point {
        if self.disease.shift_mm == 0.0 {
            return p;
        }
        [p[0] - self.disease.shift_mm * self.yielding(p), p[1], p[2]]
    }

    /// Where a point of the undisturbed chest is seen: the inverse of [`Body::undrawn`].
    pub(super) fn drawn(&self, p: Point) -> Point {
        let mut seen = p;
        // A contraction while the shift is less than half the cavity's half width.
        for _ in 0..12 {
            seen[0] = p[0] + self.disease.shift_mm * self.yielding(seen);
        }
        seen
    }

    /// The lung's side that a point of the chest lies on.
    pub(super) fn side_of(&self, p: Point) -> Side {
        Side::of(self.undrawn(p)[0])
    }

    /// How far inside a part without lung tissue a point lies: negative inside.
    pub(super) fn bare_distance(&self, side: Side, p: Point) -> f32 {
        let bare = |part: &&Part| part.side == side && (!part.aerated || part.hu < -970.0);
        self.disease.parts.iter().filter(bare).map(|part| part.distance(p)).fold(1e3, f32::min)
    }

    /// What a lung holds at a point, and how much of it is air or lung tissue.
    pub(super) fn filling(&self, side: Side, p: Point, edge: Edge) -> (f32, f32) {
        let (mut hu, mut aerated) = (self.parenchyma_hu(p, edge), 1.0);
        for part in self.disease.parts.iter().filter(|part| part.side == side) {
            let share = edge.coverage(part.distance(p));
            hu = mix(hu, part.hu, share);
            if !part.aerated {
                aerated *= 1.0 - share;
            }
        }
        (hu, aerated)
    }
}
