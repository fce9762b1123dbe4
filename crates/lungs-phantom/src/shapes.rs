//! Geometry of the anatomy: signed distances, soft edges, tapered tubes, smooth noise.
//!
//! A signed distance is in millimetres and negative inside a shape. Converting it to a coverage (0
//! outside, 1 inside) over an edge as wide as the scanner's point spread models partial volume without
//! supersampling.

/// A point or vector in the patient's frame: x to the left, y to the back, z to the head, mm.
pub(super) type Point = [f32; 3];

pub(super) fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn subtract(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: Point, factor: f32) -> Point {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

pub(super) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn length(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// The unit vector along `a`; +z if `a` is zero.
pub(super) fn unit(a: Point) -> Point {
    let size = length(a);
    if size > 1e-6 { scale(a, 1.0 / size) } else { [0.0, 0.0, 1.0] }
}

pub(super) fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// Smooth step from 0 at `distance = -width / 2` to 1 at `+width / 2`.
fn smooth_step(distance: f32, width: f32) -> f32 {
    let t = (0.5 + distance / width).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Smooth maximum of two distances, with the crease rounded over `radius` mm: a soft intersection.
pub(super) fn smooth_max(a: f32, b: f32, radius: f32) -> f32 {
    let overlap = (radius - (a - b).abs()).max(0.0);
    a.max(b) + overlap * overlap / (4.0 * radius)
}

/// Smooth minimum of two distances, with the crease rounded over `radius` mm: a soft union.
pub(super) fn smooth_min(a: f32, b: f32, radius: f32) -> f32 {
    -smooth_max(-a, -b, radius)
}

/// Sharpness of edges in the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Width over which coverage rises from 0 to 1, in mm.
    pub width_mm: f32,
}

impl Edge {
    /// The share of a voxel that lies inside a shape whose surface is `distance` mm away.
    pub(crate) fn coverage(self, distance: f32) -> f32 {
        smooth_step(-distance, self.width_mm)
    }

    /// The share of a voxel inside a tube of radius `radius` whose axis is `distance` mm away.
    ///
    /// The cross-section is approximated by a square of equal area, whose blurred profile is the product
    /// of two blurred slabs: exact for thick tubes, within 15 % for tubes far thinner than a voxel.
    pub(crate) fn tube_coverage(self, distance: f32, radius: f32) -> f32 {
        let along = smooth_step(radius - distance, self.width_mm)
            - smooth_step(-radius - distance, self.width_mm);
        let across = 2.0 * smooth_step(0.886 * radius, self.width_mm) - 1.0;
        along * across
    }
}

/// Approximate signed distance to an axis-aligned ellipsoid.
pub(super) fn ellipsoid_distance(p: Point, center: Point, semi: Point) -> f32 {
    let q = subtract(p, center);
    let scaled = [q[0] / semi[0], q[1] / semi[1], q[2] / semi[2]];
    let k0 = length(scaled);
    let k1 = length([scaled[0] / semi[0], scaled[1] / semi[1], scaled[2] / semi[2]]);
    if k1 < 1e-9 { -semi[0].min(semi[1]).min(semi[2]) } else { k0 * (k0 - 1.0) / k1 }
}

/// Approximate signed distance to an ellipse, for columns along z.
pub(super) fn ellipse_distance(x: f32, y: f32, semi: [f32; 2]) -> f32 {
    ellipsoid_distance([x, y, 0.0], [0.0; 3], [semi[0], semi[1], 1.0])
}

/// A trunk: a rounded-rectangular cylinder that closes to a dome above `z = 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trunk {
    /// Semi-axes: half width, half depth, height of the dome, mm.
    pub semi: Point,
    /// Shape of the cross-section: 1 is an ellipse, smaller values are squarer.
    pub roundness: f32,
}

impl Trunk {
    /// Squared height within the dome, 0 below it and 1 at its top.
    pub(crate) fn dome(&self, z: f32) -> f32 {
        let t = z.max(0.0) / self.semi[2];
        t * t
    }

    /// The cross-section's factor at height `z`: 1 in the cylinder, 0 at and above the dome's top.
    pub(crate) fn taper(&self, z: f32) -> f32 {
        (1.0 - self.dome(z)).max(0.0).sqrt()
    }

    /// First-order signed distance of a point relative to the trunk's axis.
    pub(crate) fn distance(&self, [x, y, z]: Point) -> f32 {
        let [a, b, c] = self.semi;
        let (u, v) = (x / a, y / b);
        let (u2, v2) = (u * u, v * v);
        let round = self.roundness;
        let flat = (u2 * u2 + v2 * v2 + 2.0 * round * u2 * v2).sqrt().max(1e-6);
        let t = z.max(0.0) / c;
        let level = (flat + t * t).sqrt();
        let gradient = [u * (u2 + round * v2) / (a * flat), v * (v2 + round * u2) / (b * flat)];
        let steepness = length([gradient[0], gradient[1], t / c]) / level;
        (level - 1.0) / steepness.max(0.2 / a.max(b))
    }

    /// Distance from the axis to the wall in the in-plane direction (`dx`, `dy`) at height `z`.
    pub(crate) fn reach(&self, dx: f32, dy: f32, z: f32) -> f32 {
        let (u, v) = (dx / self.semi[0], dy / self.semi[1]);
        let (u2, v2) = (u * u, v * v);
        let flat = (u2 * u2 + v2 * v2 + 2.0 * self.roundness * u2 * v2).sqrt().max(1e-9);
        self.taper(z) / flat.sqrt()
    }
}

/// A round tube whose radius changes linearly from `from` to `to`; a sphere if they coincide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tube {
    pub from: Point,
    pub to: Point,
    pub from_radius: f32,
    pub to_radius: f32,
}

impl Tube {
    pub(crate) fn new(from: Point, to: Point, from_radius: f32, to_radius: f32) -> Self {
        Self { from, to, from_radius, to_radius }
    }

    /// Tubes through `points` with the same radius.
    pub(crate) fn chain(points: &[Point], radius: f32) -> impl Iterator<Item = Self> + '_ {
        points.windows(2).map(move |pair| Self::new(pair[0], pair[1], radius, radius))
    }

    /// The tube with its radii increased by `extra` mm.
    pub(crate) fn widened(self, extra: f32) -> Self {
        Self {
            from_radius: (self.from_radius + extra).max(0.0),
            to_radius: (self.to_radius + extra).max(0.0),
            ..self
        }
    }

    /// Distance of `p` to the axis, and the radius at the nearest point.
    pub(crate) fn axis_distance(&self, p: Point) -> (f32, f32) {
        let along = subtract(self.to, self.from);
        let offset = subtract(p, self.from);
        let share = (dot(offset, along) / dot(along, along).max(1e-6)).clamp(0.0, 1.0);
        let nearest = subtract(offset, scale(along, share));
        (length(nearest), mix(self.from_radius, self.to_radius, share))
    }

    /// The larger radius.
    pub(crate) fn widest(&self) -> f32 {
        self.from_radius.max(self.to_radius)
    }
}

/// A well-mixed 32-bit hash of a lattice point: xxHash's primes to combine the axes, then Ellis'
/// `lowbias32` finaliser.
fn lattice_hash(seed: u32, [x, y, z]: [i32; 3]) -> u32 {
    let mut h = seed
        ^ (x as u32).wrapping_mul(0x9e37_79b1)
        ^ (y as u32).wrapping_mul(0x85eb_ca77)
        ^ (z as u32).wrapping_mul(0xc2b2_ae3d);
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Smooth noise in −1..1 that varies over `period_mm`: hashed lattice values with trilinear
/// interpolation.
pub(super) fn smooth_noise(seed: u32, p: Point, period_mm: f32) -> f32 {
    let q = scale(p, 1.0 / period_mm);
    let low = [q[0].floor(), q[1].floor(), q[2].floor()];
    let part: Point = std::array::from_fn(|axis| {
        let t = q[axis] - low[axis];
        t * t * (3.0 - 2.0 * t)
    });
    let cell = [low[0] as i32, low[1] as i32, low[2] as i32];
    let corner = |dx: i32, dy: i32, dz: i32| {
        lattice_hash(seed, [cell[0] + dx, cell[1] + dy, cell[2] + dz]) as f32
            * (2.0 / u32::MAX as f32)
            - 1.0
    };
    let edge = |dy: i32, dz: i32| mix(corner(0, dy, dz), corner(1, dy, dz), part[0]);
    let face = |dz: i32| mix(edge(0, dz), edge(1, dz), part[1]);
    mix(face(0), face(1), part[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn coverage_is_between_0_and_1_and_falls_with_distance(d in -20f32..20.0, r in 0.1f32..10.0) {
            let edge = Edge { width_mm: 2.5 };
            let near = edge.tube_coverage(d.abs(), r);
            let farther = edge.tube_coverage(d.abs() + 0.3, r);
            prop_assert!((0.0..=1.0).contains(&near));
            prop_assert!(farther <= near + 1e-6);
            prop_assert!(edge.coverage(d + 0.3) <= edge.coverage(d));
        }

        #[test]
        fn reach_and_distance_of_the_trunk_agree(
            angle in -3.0f32..3.0, z in -100f32..80.0, roundness in 0.4f32..1.0,
        ) {
            let trunk = Trunk { semi: [130.0, 90.0, 150.0], roundness };
            let (dx, dy) = (angle.cos(), angle.sin());
            let reach = trunk.reach(dx, dy, z);
            prop_assert!(trunk.distance([dx * reach, dy * reach, z]).abs() < 0.1);
        }
    }

    #[test]
    fn a_wide_tube_is_full_on_its_axis_and_half_covered_on_its_wall() {
        let edge = Edge { width_mm: 1.0 };
        let tube = Tube::new([0.0; 3], [0.0, 0.0, 50.0], 8.0, 8.0);
        let at = |x: f32| {
            let (distance, radius) = tube.axis_distance([x, 0.0, 20.0]);
            edge.tube_coverage(distance, radius)
        };
        assert_eq!(at(0.0), 1.0);
        assert!((at(8.0) - 0.5).abs() < 1e-5);
        assert_eq!(at(9.0), 0.0);
    }

    #[test]
    fn smooth_noise_is_bounded_continuous_and_depends_on_the_seed() {
        let at = |seed, x: f32| smooth_noise(seed, [x, 3.3, -7.1], 10.0);
        let values: Vec<f32> = (0..2000).map(|i| at(5, i as f32 * 0.1 - 100.0)).collect();
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        assert!(values.windows(2).all(|w| (w[1] - w[0]).abs() < 0.05));
        assert!(values.iter().any(|v| *v > 0.4) && values.iter().any(|v| *v < -0.4));
        assert_ne!(at(5, 12.0), at(6, 12.0));
    }
}
