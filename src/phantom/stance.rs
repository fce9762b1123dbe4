//! How a patient lies on the table, and how large they are.

use super::anatomy::Body;
use super::shapes::{Point, Tube};

/// From the body's own coordinates to those of the scan. Ordinary patients lie on their backs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stance {
    /// All lengths of the body are multiplied by this: children.
    pub scale: f32,
    /// How far the patient is rolled to the left, radians; the headers know nothing of it.
    pub roll: f32,
    /// Which side lies on the table, as the headers say: 0 the back, π the front, π/2 the left.
    pub lying: f32,
}

impl Default for Stance {
    fn default() -> Self {
        Self { scale: 1.0, roll: 0.0, lying: 0.0 }
    }
}

fn turned([x, y]: [f32; 2], angle: f32) -> [f32; 2] {
    let (sine, cosine) = angle.sin_cos();
    [x * cosine - y * sine, x * sine + y * cosine]
}

impl Stance {
    /// The body's point at a point of the scan.
    pub fn body_point(&self, p: Point) -> Point {
        let [x, y] = turned([p[0], p[1]], -self.roll);
        [x / self.scale, y / self.scale, p[2] / self.scale]
    }

    /// The point of the scan at a point of the body.
    fn scan_point(&self, p: Point) -> Point {
        let [x, y] = turned([p[0] * self.scale, p[1] * self.scale], self.roll);
        [x, y, p[2] * self.scale]
    }

    /// A tube of the body as the scan has it.
    pub fn tube(&self, tube: Tube) -> Tube {
        Tube {
            from: self.scan_point(tube.from),
            to: self.scan_point(tube.to),
            from_radius: tube.from_radius * self.scale,
            to_radius: tube.to_radius * self.scale,
        }
    }

    /// Downwards in the body's coordinates (x, y).
    pub fn down(&self) -> [f32; 2] {
        turned([0.0, 1.0], -self.lying - self.roll)
    }

    /// A point of the scan as seen from the table: across it, and down towards it.
    pub fn table_point(&self, x: f32, y: f32) -> [f32; 2] {
        if self.lying == 0.0 { [x, y] } else { turned([x, y], self.lying) }
    }

    /// How far the body reaches down from the axis.
    pub fn reach_down(&self, body: &Body) -> f32 {
        let side = (self.lying + self.roll).sin().abs();
        let back = body.back_y();
        let front = body.front_reach();
        let depth = if (self.lying + self.roll).cos() > 0.0 { back } else { front };
        self.scale * if side == 0.0 { depth } else { depth.max(side * body.half_width()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::{FRAC_PI_2, PI};

    #[test]
    fn there_and_back_is_the_same_point() {
        let stance = Stance { scale: 0.5, roll: 0.4, lying: 0.0 };
        let back = stance.body_point(stance.scan_point([30.0, -50.0, 12.0]));
        for (found, right) in back.into_iter().zip([30.0, -50.0, 12.0]) {
            assert!((found - right).abs() < 1e-4, "{back:?}");
        }
    }

    #[test]
    fn down_is_towards_the_side_that_lies_on_the_table() {
        for (lying, down) in [(0.0, [0.0, 1.0]), (PI, [0.0, -1.0]), (FRAC_PI_2, [1.0, 0.0])] {
            let stance = Stance { lying, ..Stance::default() };
            let found = stance.down();
            assert!((found[0] - down[0]).abs() + (found[1] - down[1]).abs() < 1e-5, "{found:?}");
            // Seen from the table, that direction is downwards.
            let [across, towards] = stance.table_point(down[0], down[1]);
            assert!(across.abs() < 1e-5 && (towards - 1.0).abs() < 1e-5);
        }
    }
}
