//! A body with its pathology: displaced tissue and the content of its lungs.

use super::anatomy::Body;
use super::disease::LungRegion;
use super::shapes::{Edge, Point, mix};
use super::side::Side;

impl Body {
    /// The share of the mediastinal shift at a point: 1 in the middle, 0 at the ribs and at the spine.
    fn displacement_share(&self, [x, y, z]: Point) -> f32 {
        let across = x / self.cavity.semi[0];
        let before_spine = ((self.spine_y(z) - 12.0 - y) / 30.0).clamp(0.0, 1.0);
        (1.0 - across * across).max(0.0) * before_spine
    }

    /// The position in the undisplaced chest of the tissue at `p`.
    pub(super) fn to_undisplaced(&self, p: Point) -> Point {
        if self.disease.shift_mm == 0.0 {
            return p;
        }
        [p[0] - self.disease.shift_mm * self.displacement_share(p), p[1], p[2]]
    }

    /// The displaced position of a point of the undisplaced chest: the inverse of
    /// [`Body::to_undisplaced`].
    pub(super) fn to_displaced(&self, p: Point) -> Point {
        let mut displaced = p;
        // A fixed-point iteration, which converges for shifts below half the cavity's half width.
        for _ in 0..12 {
            displaced[0] = p[0] + self.disease.shift_mm * self.displacement_share(displaced);
        }
        displaced
    }

    /// The side of a point of the chest, with regard to mediastinal shift.
    pub(super) fn side_of(&self, p: Point) -> Side {
        Side::of(self.to_undisplaced(p)[0])
    }

    /// Signed distance to the nearest region without lung tissue, negative inside.
    pub(super) fn non_lung_distance(&self, side: Side, p: Point) -> f32 {
        let non_lung =
            |region: &&LungRegion| region.side == side && (!region.aerated || region.hu < -970.0);
        let regions = self.disease.regions.iter().filter(non_lung);
        regions.map(|region| region.distance(p)).fold(1e3, f32::min)
    }

    /// Hounsfield units of a lung at a point, and the share of air and lung tissue.
    pub(super) fn lung_content(&self, side: Side, p: Point, edge: Edge) -> (f32, f32) {
        let (mut hu, mut aerated) = (self.parenchyma_hu(p, edge), 1.0);
        for region in self.disease.regions.iter().filter(|region| region.side == side) {
            let share = edge.coverage(region.distance(p));
            hu = mix(hu, region.hu, share);
            if !region.aerated {
                aerated *= 1.0 - share;
            }
        }
        (hu, aerated)
    }
}
