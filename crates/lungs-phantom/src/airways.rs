//! Trachea, main bronchi and the airways inside the lungs.

use rand::Rng;

use super::anatomy::Body;
use super::shapes::{Point, Tube, mix};
use super::side::Side;
use super::trees::{Root, grow, lung_points};

/// Inner surfaces of the airways; [`Airways::walls`] gives the outer surfaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Airways {
    pub lumens: Vec<Tube>,
}

/// The point where a main bronchus enters its lung.
pub(super) fn hilum(body: &Body, side: Side) -> Point {
    let s = body.size;
    match side {
        Side::Right => [-33.0 * s, 6.0, -20.0 * s],
        Side::Left => [40.0 * s, 8.0, -25.0 * s],
    }
}

impl Airways {
    /// Grows the airways. If `connected` is false, the trachea ends above the carina and there are no
    /// bronchi, so that no air path connects the lungs.
    pub(crate) fn grow(random: &mut impl Rng, body: &Body, connected: bool) -> Self {
        let s = body.size;
        let carina = [1.0, 6.0, 0.0];
        let start = [0.0, -16.0 * s, body.apex_z() + 60.0];
        let trachea = |share: f32| {
            let bow = 6.0 * (share * std::f32::consts::PI).sin();
            [
                mix(start[0], carina[0], share),
                mix(start[1], carina[1], share) - bow,
                mix(start[2], carina[2], share),
            ]
        };
        let end = if connected { 1.0 } else { 0.8 };
        let course: Vec<Point> = (0..=12).map(|i| trachea(end * i as f32 / 12.0)).collect();
        let mut lumens: Vec<Tube> = Tube::chain(&course, 8.3 * s).collect();
        if connected {
            for side in [Side::Right, Side::Left] {
                let to = hilum(body, side);
                let main = if side == Side::Right { 6.6 } else { 5.8 } * s;
                lumens.push(Tube::new(carina, to, main, main * 0.9));
                let points = lung_points(random, body, side, 9.0, 46);
                let direction = [side.sign() * 0.7, 0.1, -0.7];
                lumens.extend(grow(Root { start: to, direction, terminal_radius: 1.05 }, points));
            }
        }
        Self { lumens }
    }

    /// Outer surfaces: the wall is 0.5 mm plus a sixth of the lumen's radius.
    pub(crate) fn walls(&self) -> impl Iterator<Item = Tube> + '_ {
        self.lumens.iter().map(|tube| tube.widened(0.5 + tube.widest() / 6.0))
    }
}
