//! Bones: ribs with their cartilages, sternum, spine, clavicles, scapulae, and lowered arms.
//!
//! Ribs follow the outside of the thoracic cavity, from the spine backwards, around and down to the
//! front. Long bones are chains of tubes; columns (spine, sternum) are evaluated in each voxel.

use rand::{Rng, RngExt};

use super::anatomy::{Body, DOME_Z};
use super::shapes::{Edge, Point, Tube, ellipse_distance, mix};

/// HU of compact bone at the resolution of CT.
pub(super) const CORTEX_HU: f32 = 620.0;
/// HU of marrow between the trabeculae.
pub(super) const MARROW_HU: f32 = 165.0;
/// HU of rib cartilage.
pub(super) const CARTILAGE_HU: f32 = 115.0;

/// The skeleton of one patient.
#[derive(Clone, Debug)]
pub(super) struct Skeleton {
    /// Outer surfaces of the bones.
    pub cortex: Vec<Tube>,
    /// Marrow spaces inside the bones.
    pub marrow: Vec<Tube>,
    /// Cartilage between the ribs and the sternum.
    pub cartilage: Vec<Tube>,
    /// Distance between neighbouring vertebrae, in mm.
    vertebra_mm: f32,
    first_disc_z: f32,
}

impl Skeleton {
    /// A random skeleton around a body's thoracic cavity.
    pub(crate) fn sample(random: &mut impl Rng, body: &Body) -> Self {
        let vertebra_mm = random.random_range(22.5f32..25.5) * body.size;
        let first_disc_z = random.random_range(0.0..vertebra_mm);
        let mut bones = Self {
            cortex: Vec::new(),
            marrow: Vec::new(),
            cartilage: Vec::new(),
            vertebra_mm,
            first_disc_z,
        };
        let slope = random.random_range(88.0f32..118.0) * body.size;
        for side in [-1.0, 1.0] {
            for rib in 0..12 {
                bones.add_rib(body, side, rib, slope);
            }
            bones.add_shoulder(body, side);
        }
        bones
    }

    fn add_bone(&mut self, course: &[Point], radius: f32, wall: f32) {
        self.cortex.extend(Tube::chain(course, radius));
        self.marrow.extend(Tube::chain(course, radius - wall));
    }

    /// Adds rib `index` (from 0), which descends by `slope` mm from back to front.
    fn add_rib(&mut self, body: &Body, side: f32, index: usize, slope: f32) {
        let start_z = body.apex_z() + 8.0 - self.vertebra_mm * index as f32;
        let (bone_end, cartilage_end): (f32, f32) = match index {
            0 => (130.0, 155.0),
            1..=6 => (142.0, 171.0),
            7..=9 => (122.0, 150.0),
            _ => (88.0, 88.0),
        };
        let fall = if index == 0 { 0.55 * slope } else { slope };
        let point = |degrees: f32| -> Option<Point> {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            let z = start_z - fall * 0.5 * (1.0 - cosine);
            // Below the sternum, cartilages ascend towards it.
            let z = if degrees > bone_end && index > 4 {
                z + 0.9 * (degrees - bone_end) * (index as f32 - 4.0) * 0.35
            } else {
                z
            };
            let reach = body.cavity.reach(side * sine, cosine, z - DOME_Z) + 6.5;
            (reach > 30.0).then_some([side * sine * reach, cosine * reach, z])
        };
        let arc = |low: f32, high: f32| -> Vec<Point> {
            let steps = ((high - low) / 5.0).ceil().max(1.0) as usize;
            (0..=steps).filter_map(|i| point(mix(low, high, i as f32 / steps as f32))).collect()
        };
        let mut bone = arc(20.0, bone_end);
        if let Some(first) = bone.first().copied() {
            // The neck of the rib joins the side of its vertebra.
            let spine = body.spine_y(first[2]);
            bone.insert(0, [side * 17.0 * body.size, spine + 6.0, first[2] + 3.0]);
        }
        let thickness = if index == 0 { 4.6 } else { 5.2 } * body.size;
        self.add_bone(&bone, thickness, 1.5);
        if cartilage_end > bone_end {
            self.cartilage.extend(Tube::chain(&arc(bone_end, cartilage_end), thickness));
        }
    }

    /// Adds clavicle, scapula and humeral head of the raised arm.
    fn add_shoulder(&mut self, body: &Body, side: f32) {
        let s = body.size;
        let top = body.apex_z();
        let point = |x: f32, y: f32, z: f32| [side * x * s, y * s, z];
        self.add_bone(
            &[
                point(16.0, -56.0, top - 16.0),
                point(60.0, -62.0, top - 2.0),
                point(118.0, -8.0, top + 22.0),
            ],
            6.0 * s,
            1.8,
        );
        // The scapula: rows of thin bone outwards along the ribs.
        for row in 0..27 {
            let z = top - 118.0 * s + 4.2 * row as f32 * s;
            let blade: Vec<Point> = (0..6)
                .map(|i| {
                    let outer = 50.0 - 0.5 * row as f32;
                    let degrees =
                        mix(outer - 12.0, outer + 16.0 + 0.8 * row as f32, i as f32 / 5.0);
                    let (sine, cosine) = degrees.to_radians().sin_cos();
                    let reach = body.cavity.reach(sine, cosine, (z - DOME_Z).min(110.0 * s)) + 22.0;
                    [side * sine * reach, cosine * reach, z]
                })
                .collect();
            self.cortex.extend(Tube::chain(&blade, 2.4));
        }
        let socket = point(128.0, 16.0, top + 26.0);
        self.cortex.push(Tube::new(socket, point(134.0, 2.0, top + 70.0), 21.0 * s, 16.0 * s));
        self.marrow.push(Tube::new(socket, point(134.0, 2.0, top + 70.0), 18.5 * s, 13.0 * s));
    }

    /// Paints spine and sternum over `hu` in one voxel.
    pub(crate) fn paint_columns(&self, body: &Body, p: Point, edge: Edge, hu: f32) -> f32 {
        if p[0].abs() > 46.0 {
            hu
        } else if p[1] > 0.0 {
            self.paint_vertebra(body, p, edge, hu)
        } else {
            paint_sternum(body, p, edge, hu)
        }
    }

    fn paint_vertebra(&self, body: &Body, [x, y, z]: Point, edge: Edge, hu: f32) -> f32 {
        let s = body.size;
        let y = y - body.spine_y(z);
        if y < -26.0 * s {
            return hu;
        }
        // Position within a disc and vertebra, 0 to 1; 0 at the middle of the disc.
        let phase = ((z - self.first_disc_z) / self.vertebra_mm).rem_euclid(1.0);
        let from_disc = phase.min(1.0 - phase) * self.vertebra_mm;
        let disc = edge.coverage(from_disc - 2.2);
        let waist = 1.0 - 0.10 * (2.0 * phase.min(1.0 - phase));
        let mut hu = hu;
        let mut paint = |distance: f32, value: f32, share: f32| {
            hu = mix(hu, value, edge.coverage(distance) * share);
        };
        let arch_share = edge.coverage((phase - 0.62).abs() * self.vertebra_mm - 7.5);
        // Arch and processes; the back muscles are painted already.
        let canal = ellipse_distance(x, y - 23.0 * s, [8.5 * s, 7.5 * s]);
        paint(canal - 4.5 * s, CORTEX_HU * 0.8, arch_share);
        let transverse = ellipse_distance(x.abs() - 21.0 * s, y - 25.0 * s, [13.0 * s, 4.2 * s]);
        paint(transverse, CORTEX_HU * 0.75, arch_share);
        let spinous_share = edge.coverage((phase - 0.4).abs() * self.vertebra_mm - 8.0);
        let spinous = ellipse_distance(x, y - 46.0 * s, [3.4 * s, 15.0 * s]);
        paint(spinous, CORTEX_HU * 0.7, spinous_share);
        let column = ellipse_distance(x, y, [17.5 * s * waist, 14.5 * s * waist]);
        paint(column, CORTEX_HU, 1.0);
        let end_plate = edge.coverage(4.0 - from_disc);
        paint(column + 1.6, mix(CORTEX_HU * 0.75, MARROW_HU, end_plate), 1.0);
        paint(column, 85.0, disc);
        paint(canal, 18.0, 1.0);
        paint(ellipse_distance(x, y - 23.0 * s, [4.5 * s, 4.0 * s]), 40.0, 1.0);
        hu
    }
}

fn paint_sternum(body: &Body, [x, y, z]: Point, edge: Edge, hu: f32) -> f32 {
    let s = body.size;
    let low = -72.0 * s;
    let high = body.apex_z() - 26.0;
    let front = -(body.cavity.reach(0.0, -1.0, z - DOME_Z) + 9.0);
    if (y - front).abs() > 16.0 {
        return hu;
    }
    let present = edge.coverage(z - high) * edge.coverage(low - z);
    let half_width = if z > high - 45.0 * s { 26.0 * s } else { 16.0 * s };
    let plate = ellipse_distance(x, y - front, [half_width, 6.0 * s]);
    let hu = mix(hu, CORTEX_HU * 0.75, edge.coverage(plate) * present);
    mix(hu, MARROW_HU * 0.8, edge.coverage(plate + 1.6) * present)
}

/// Arms next to the body: outer surfaces of the soft tissue, then bones.
pub(super) fn arms_beside_body(body: &Body) -> (Vec<Tube>, Vec<Tube>) {
    let mut soft_tissue = Vec::new();
    let mut bone = Vec::new();
    for side in [-1.0, 1.0] {
        let x = side * (body.half_width() + 44.0);
        let course =
            [[x - side * 12.0, 16.0, 170.0], [x, 24.0, 60.0], [x + side * 4.0, 30.0, -260.0]];
        soft_tissue.extend(Tube::chain(&course, 41.0));
        bone.extend(Tube::chain(&course, 12.0));
    }
    (soft_tissue, bone)
}
