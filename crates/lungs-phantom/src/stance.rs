//! Pose of a patient on the table, and scale of the body.

use super::anatomy::Body;
use super::shapes::{Point, Tube};

/// The transformation from the body's coordinates to the scan's. The default is supine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    /// Scale factor of the body, below 1 for children.
    pub scale: f32,
    /// Roll to the left in radians, not recorded in the headers.
    pub roll: f32,
    /// Position as recorded in the headers: 0 supine, π prone, π/2 left side down.
    pub lying: f32,
}

impl Default for Pose {
    fn default() -> Self {
        Self { scale: 1.0, roll: 0.0, lying: 0.0 }
    }
}

fn rotate([x, y]: [f32; 2], angle: f32) -> [f32; 2] {
    let (sine, cosine) = angle.sin_cos();
    [x * cosine - y * sine, x * sine + y * cosine]
}

impl Pose {
    /// Body coordinates of a point of the scan.
    pub(crate) fn body_point(&self, p: Point) -> Point {
        let [x, y] = rotate([p[0], p[1]], -self.roll);
        [x / self.scale, y / self.scale, p[2] / self.scale]
    }

    /// Scan coordinates of a point of the body.
    fn scan_point(&self, p: Point) -> Point {
        let [x, y] = rotate([p[0] * self.scale, p[1] * self.scale], self.roll);
        [x, y, p[2] * self.scale]
    }

    /// A tube of the body in scan coordinates.
    pub(crate) fn tube(&self, tube: Tube) -> Tube {
        Tube {
            from: self.scan_point(tube.from),
            to: self.scan_point(tube.to),
            from_radius: tube.from_radius * self.scale,
            to_radius: tube.to_radius * self.scale,
        }
    }

    /// Direction of gravity in the body's coordinates (x, y).
    pub(crate) fn down(&self) -> [f32; 2] {
        rotate([0.0, 1.0], -self.lying - self.roll)
    }

    /// A point of the scan in coordinates of the table: across, and down.
    pub(crate) fn table_point(&self, x: f32, y: f32) -> [f32; 2] {
        if self.lying == 0.0 { [x, y] } else { rotate([x, y], self.lying) }
    }

    /// Distance from the axis to the body's lowest point.
    pub(crate) fn reach_down(&self, body: &Body) -> f32 {
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
    fn body_point_inverts_scan_point() {
        let pose = Pose { scale: 0.5, roll: 0.4, lying: 0.0 };
        let back = pose.body_point(pose.scan_point([30.0, -50.0, 12.0]));
        for (actual, expected) in back.into_iter().zip([30.0, -50.0, 12.0]) {
            assert!((actual - expected).abs() < 1e-4, "{back:?}");
        }
    }

    #[test]
    fn gravity_points_to_the_side_on_the_table() {
        for (lying, down) in [(0.0, [0.0, 1.0]), (PI, [0.0, -1.0]), (FRAC_PI_2, [1.0, 0.0])] {
            let pose = Pose { lying, ..Pose::default() };
            let actual = pose.down();
            assert!((actual[0] - down[0]).abs() + (actual[1] - down[1]).abs() < 1e-5, "{actual:?}");
            // In the table's coordinates, that direction is down.
            let [across, towards] = pose.table_point(down[0], down[1]);
            assert!(across.abs() < 1e-5 && (towards - 1.0).abs() < 1e-5);
        }
    }
}
