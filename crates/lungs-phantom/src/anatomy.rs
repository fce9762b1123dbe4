//! Soft tissue: skin, fat and muscle, thoracic cavity, lungs, mediastinum, upper abdomen.
//!
//! Anatomy coordinates are the patient's (x left, y back, z head) in mm with the origin at the
//! carina's level, in the middle of the chest:
//!
//! ```text
//!          z = +95 apex            the cavity is a trunk: a cylinder below z = DOME_Z that
//!         _.--._   _.--._          closes to a dome above it; a lung is one side of the cavity
//!       .'      `|'      `.        above its diaphragm dome, minus the mediastinum (heart, hila,
//!      |   R     | arch L  |       aorta, spine)
//!      |        (o)hila    |  z = 0 carina
//!      |   _.--. heart --. |
//!      | .'liver`--'   ` .\|  z ≈ -88 right dome, -100 left
//!      |/                 \|  z = -150 floor of the recesses
//! ```

use rand::{Rng, RngExt};

use super::disease::Disease;
use super::head;
use super::shapes::{
    Edge, Point, Trunk, ellipse_distance, ellipsoid_distance, mix, smooth_max, smooth_min,
    smooth_noise,
};
use super::side::Side;

/// Height at which the cavity starts to close towards the apices, in mm.
pub(super) const DOME_Z: f32 = -60.0;

/// A patient's body, in mm; the same in all exams of the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    pub(super) size: f32,
    pub(super) cavity: Trunk,
    skin: Trunk,
    skin_center_y: f32,
    fat: f32,
    breast: f32,
    dome_top: [f32; 2],
    dome_height: f32,
    floor: f32,
    heart_center: Point,
    heart_semi: Point,
    lung_hu: f32,
    gravity_hu: f32,
    pub(super) blood_hu: f32,
    pub(super) noise_seed: u32,
    /// A lung without air (white-out), for the variants.
    pub(super) opaque: Option<Side>,
    /// Gas in stomach and colon under the left diaphragm.
    pub(super) bowel_gas: bool,
    /// Whether neck and head are rendered.
    pub(super) has_head: bool,
    /// Pathology of the chest.
    pub(super) disease: Disease,
}

impl Body {
    /// A random body; `female` affects the average size and the breasts.
    pub(super) fn sample(random: &mut impl Rng, female: bool) -> Self {
        let average = if female { 0.94 } else { 1.02 };
        let size = average * random.random_range(0.93f32..1.07);
        let half_width = 131.0 * size * random.random_range(0.95f32..1.05);
        let half_depth = 90.0 * size * random.random_range(0.92f32..1.08);
        let dome_height = 152.0 * size * random.random_range(0.95f32..1.05);
        let fat = random.random_range(7.0f32..26.0);
        let right_top = -88.0 * size + random.random_range(-10.0f32..10.0);
        Self {
            size,
            cavity: Trunk {
                semi: [half_width, half_depth, dome_height],
                roundness: random.random_range(0.62f32..0.9),
            },
            skin: Trunk {
                semi: [half_width + 24.0 + fat, half_depth + 29.0 + fat * 0.9, 125.0],
                roundness: random.random_range(0.55f32..0.8),
            },
            skin_center_y: 11.0,
            fat,
            breast: if female { random.random_range(14.0f32..32.0) } else { 0.0 },
            dome_top: [right_top, right_top - random.random_range(6.0f32..18.0)],
            dome_height: random.random_range(48.0f32..66.0) * size,
            floor: -150.0 * size + random.random_range(-8.0f32..8.0),
            heart_center: [
                20.0 * size + random.random_range(-5.0f32..5.0),
                -35.0 * size,
                -66.0 * size,
            ],
            heart_semi: [
                57.0 * size * random.random_range(0.92f32..1.1),
                45.0 * size * random.random_range(0.92f32..1.06),
                51.0 * size,
            ],
            lung_hu: random.random_range(-885.0f32..-835.0),
            gravity_hu: random.random_range(15.0f32..45.0),
            blood_hu: if random.random_bool(0.25) {
                random.random_range(110.0f32..220.0)
            } else {
                random.random_range(36.0f32..48.0)
            },
            noise_seed: random.next_u32(),
            opaque: None,
            bowel_gas: false,
            has_head: false,
            disease: Disease::default(),
        }
    }

    /// The z of the lungs' highest points.
    pub(super) fn apex_z(&self) -> f32 {
        DOME_Z + self.cavity.semi[2] * 0.94
    }

    /// The z of the lungs' lowest points.
    pub(super) fn floor_z(&self) -> f32 {
        self.floor
    }

    /// The y of the centre of the vertebral bodies at height `z`: a gentle thoracic kyphosis.
    pub(super) fn spine_y(&self, z: f32) -> f32 {
        let bend = (z + 30.0) / 130.0;
        self.cavity.semi[1] - 24.0 * self.size - 9.0 * bend * bend
    }

    /// The y of the skin of the back in the midline.
    pub(super) fn back_y(&self) -> f32 {
        self.skin_center_y + self.skin.semi[1]
    }

    /// Distance from the axis to the skin of the front.
    pub(super) fn front_reach(&self) -> f32 {
        self.skin.semi[1] - self.skin_center_y + if self.breast > 0.0 { 14.0 } else { 0.0 }
    }

    /// Adds subcutaneous fat.
    pub(super) fn add_fat(&mut self, extra_mm: f32) {
        self.fat += extra_mm;
        self.skin.semi[0] += extra_mm;
        self.skin.semi[1] += extra_mm;
    }

    /// Half the body's width.
    pub(super) fn half_width(&self) -> f32 {
        self.skin.semi[0]
    }

    /// Signed distance to the inner surface of the rib cage.
    pub(super) fn cavity_distance(&self, [x, y, z]: Point) -> f32 {
        self.cavity.distance([x, y, z - DOME_Z])
    }

    /// Signed distance to the skin.
    pub(super) fn skin_distance(&self, p: Point) -> f32 {
        let mut torso = self.skin.distance([p[0], p[1] - self.skin_center_y, p[2] - 62.0]);
        if self.has_head && p[2] > 60.0 {
            torso = smooth_min(torso, head::skin_distance(p), 16.0);
        }
        if self.breast == 0.0 || p[1] > 0.0 {
            return torso;
        }
        let center = [72.0 * self.size, self.skin_center_y - self.skin.semi[1] * 0.86, -35.0];
        let semi = [58.0 * self.size, self.breast + 14.0, 56.0];
        let folded = [p[0].abs(), p[1], p[2]];
        smooth_min(torso, ellipsoid_distance(folded, center, semi), 12.0)
    }

    /// Height of the diaphragm at (x, y), and the factor from height to distance.
    pub(super) fn diaphragm(&self, side: Side, x: f32, y: f32) -> (f32, f32) {
        let center_x = side.sign() * 60.0 * self.size;
        // Steep towards the ribs and the back, flat towards the midline and the front.
        let rx = if x.abs() > center_x.abs() && Side::of(x) == side { 72.0 } else { 150.0 };
        let ry = if y > -6.0 { 80.0 } else { 135.0 };
        let (rx, ry) = (rx * self.size, ry * self.size);
        let (u, v) = ((x - center_x) / rx, (y + 6.0) / ry);
        let top = self.dome_top[side as usize];
        let height = top - self.dome_height * (u * u + v * v);
        let slope = 2.0 * self.dome_height * ((u / rx).powi(2) + (v / ry).powi(2)).sqrt();
        (height, 1.0 / (1.0 + slope * slope).sqrt())
    }

    /// Signed distance to everything between the lungs: heart, hila, great vessels, spine.
    fn mediastinum_distance(&self, p: Point) -> f32 {
        let [x, y, z] = p;
        let s = self.size;
        let septum = x.abs() - 4.0;
        if x.abs() > 95.0 * s {
            return septum;
        }
        let mut d = septum;
        let upper = ellipse_distance(x, y - 2.0, [(25.0 - 0.03 * z.abs()) * s, 44.0 * s]);
        d = smooth_min(d, smooth_max(upper, -28.0 - z, 10.0), 6.0);
        d = smooth_min(d, ellipsoid_distance(p, self.heart_center, self.heart_semi), 6.0);
        let hilum = [x.abs(), y, z];
        // Retrosternal fat, and the tissue between heart and spine.
        let front = self.cavity.semi[1] * self.cavity.taper(z - DOME_Z);
        let retrosternal = ellipse_distance(x, y + front + 2.0, [24.0 * s, 17.0 * s]);
        d = smooth_min(d, retrosternal, 8.0);
        let behind_heart =
            ellipse_distance(x - 7.0 * s, y - self.spine_y(z) + 34.0 * s, [17.0 * s, 28.0 * s]);
        d = smooth_min(d, smooth_max(behind_heart, z + 10.0, 8.0), 8.0);
        d = smooth_min(
            d,
            ellipsoid_distance(hilum, [31.0 * s, 4.0, -12.0], [17.0 * s, 20.0 * s, 26.0 * s]),
            8.0,
        );
        let arch = ellipsoid_distance(p, [17.0 * s, 4.0, 27.0 * s], [19.0 * s, 36.0 * s, 14.0 * s]);
        d = smooth_min(d, arch, 5.0);
        let spine_y = self.spine_y(z);
        let column = ellipse_distance(x, y - spine_y - 13.0, [25.0 * s, 34.0 * s]);
        d = smooth_min(d, column, 5.0);
        if z < 30.0 * s {
            let aorta = ellipse_distance(x - 23.0 * s, y - spine_y + 17.0, [13.5 * s, 13.5 * s]);
            d = smooth_min(d, aorta, 4.0);
        }
        d
    }

    /// Signed distance to the lung on the point's side. Vessels and nodules count as lung.
    pub(super) fn lung_distance(&self, p: Point) -> f32 {
        let side = self.side_of(p);
        if self.opaque == Some(side) {
            return 1e3;
        }
        self.pleura_distance(side, p).max(-self.non_lung_distance(side, p))
    }

    /// [`Body::lung_distance`] for lungs with and without air.
    fn pleura_distance(&self, side: Side, p: Point) -> f32 {
        let mut d = self.cavity_distance(p) + 1.5;
        if d > 12.0 {
            return d;
        }
        let inner = self.to_undisplaced(p);
        let (height, cosine) = self.diaphragm(side, inner[0], p[1]);
        d = smooth_max(d, (height - p[2]) * cosine, 8.0);
        d = smooth_max(d, self.floor - p[2], 14.0);
        if d > 12.0 {
            return d;
        }
        smooth_max(d, -self.mediastinum_distance(inner), 6.0)
    }

    /// Hounsfield units of the body without bones, vessels and airways, and the lungs' share of the
    /// voxel. `None` outside the body.
    pub(super) fn tissue(&self, p: Point, edge: Edge) -> Option<(f32, f32)> {
        let skin = self.skin_distance(p);
        let body = edge.coverage(skin);
        if body == 0.0 {
            return None;
        }
        let cavity = self.cavity_distance(p);
        let inside = edge.coverage(cavity);
        let mut hu = if inside < 1.0 { self.wall_hu(p, skin, cavity, edge) } else { 0.0 };
        let mut lung = 0.0;
        if inside > 0.0 {
            let side = self.side_of(p);
            let pleura = edge.coverage(self.pleura_distance(side, p));
            let mut inner =
                if pleura < 1.0 { self.interior_hu(self.to_undisplaced(p), edge) } else { 0.0 };
            if pleura > 0.0 {
                let opaque = self.opaque == Some(side);
                let (content_hu, aerated) = if opaque {
                    (self.disease.opaque_hu, 0.0)
                } else {
                    self.lung_content(side, p, edge)
                };
                inner = mix(inner, content_hu, pleura);
                lung = pleura * inside * aerated;
            }
            hu = mix(hu, inner, inside);
        }
        if self.has_head {
            hu = head::paint(p, edge, hu);
        }
        // Skin is a thin bright line at full resolution, and invisible by partial volume otherwise.
        let skin_share = 0.6 * edge.tube_coverage((skin + 1.0).abs(), 1.0);
        hu = mix(hu, 20.0, skin_share);
        Some((mix(-1000.0, hu, body), lung))
    }

    /// Chest wall: subcutaneous fat, then muscle with fat planes, denser near the ribs.
    fn wall_hu(&self, p: Point, skin: f32, cavity: f32, edge: Edge) -> f32 {
        let grain = smooth_noise(self.noise_seed ^ 1, [p[0], p[1], p[2] * 0.6], 17.0);
        let glandular = if self.breast > 0.0 && p[1] < -40.0 { 0.45 } else { 0.08 };
        let fat = -104.0 + 130.0 * glandular * (grain - 0.1).max(0.0);
        // Fat planes between the muscles: one around the ribs, one half way to the skin.
        let inner = (cavity - 17.0 - 5.0 * grain).abs();
        let outer = (skin + self.fat + 13.0 - 7.0 * grain).abs();
        let plane = edge.tube_coverage(inner.min(outer), 1.6);
        let muscle = mix(48.0 + 7.0 * grain, -85.0, 0.8 * plane);
        let depth = skin + self.fat + 3.0 * grain;
        // There is always muscle between the ribs.
        mix(fat, muscle, edge.coverage(depth).max(edge.coverage(cavity - 9.0)))
    }

    /// Hounsfield units inside the rib cage and outside the lungs.
    fn interior_hu(&self, p: Point, edge: Edge) -> f32 {
        let (right, cosine) = self.diaphragm(Side::Right, p[0], p[1]);
        let (left, _) = self.diaphragm(Side::Left, p[0], p[1]);
        let under = (p[2] - right.max(left)) * cosine;
        let abdomen = edge.coverage(under + 2.0);
        let muscle = edge.tube_coverage(under.abs(), 2.0);
        let mut hu = 0.0;
        if abdomen < 1.0 {
            hu = self.chest_hu(p, edge);
        }
        if abdomen > 0.0 {
            hu = mix(hu, self.abdomen_hu(p, edge), abdomen);
        }
        mix(hu, 48.0, muscle)
    }

    /// Hounsfield units of the heart and the mediastinal fat, with nodes and thymic remnants.
    fn chest_hu(&self, p: Point, edge: Edge) -> f32 {
        let grain = smooth_noise(self.noise_seed ^ 2, p, 9.0);
        let fat = -88.0 + 110.0 * (grain - 0.25).max(0.0);
        let heart = ellipsoid_distance(p, self.heart_center, self.heart_semi);
        let pericardium = heart + 4.0 + 3.0 * grain;
        let mut hu = mix(fat, 44.0, edge.coverage(pericardium));
        // The chambers, visible against the muscle only with contrast agent.
        let shift = [self.heart_center[0] - 14.0, self.heart_center[1], self.heart_center[2]];
        let right_chamber = ellipsoid_distance(p, shift, [26.0, 30.0, 34.0]);
        let shift = [shift[0] + 36.0, shift[1] + 5.0, shift[2] - 4.0];
        let left_chamber = ellipsoid_distance(p, shift, [18.0, 24.0, 30.0]);
        hu = mix(hu, self.blood_hu, edge.coverage(right_chamber.min(left_chamber)));
        mix(hu, 45.0, edge.coverage(self.cavity_distance(p) + 2.5).mul_add(-1.0, 1.0))
    }

    /// Hounsfield units of aerated lung: denser downwards (gravity), finely mottled, with a fissure.
    pub(super) fn parenchyma_hu(&self, p: Point, edge: Edge) -> f32 {
        let [down_x, down_y] = self.disease.down;
        let gravity = (p[0] * down_x + p[1] * down_y) / self.cavity.semi[1];
        let patchy = smooth_noise(self.noise_seed ^ 4, p, 28.0);
        let fine = smooth_noise(self.noise_seed ^ 5, p, 5.5);
        let [lung_hu, patches_hu] = self.disease.lung_hu.unwrap_or([self.lung_hu, 12.0]);
        let mut hu = lung_hu + self.gravity_hu * gravity + patches_hu * patchy + 16.0 * fine;
        // Oblique fissure, from posterior superior to anterior inferior.
        let fissure = (p[2] + 38.0 - 0.85 * p[1] + 8.0 * patchy) * 0.76;
        hu += 320.0 * edge.tube_coverage(fissure.abs(), 0.5);
        hu
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_base::random::stream;

    fn bodies() -> Vec<Body> {
        (0..20).map(|i| Body::sample(&mut stream(i, "anatomy-test"), i.is_multiple_of(2))).collect()
    }

    #[test]
    fn lungs_lie_inside_the_cavity_and_the_cavity_inside_the_skin() {
        for body in bodies() {
            for z in (-160..90).step_by(10) {
                for x in (-200..=200).step_by(8) {
                    for y in (-140..=140).step_by(8) {
                        let p = [x as f32, y as f32, z as f32];
                        if body.lung_distance(p) < 0.0 {
                            assert!(body.cavity_distance(p) < 0.0, "{p:?}");
                            assert!(body.skin_distance(p) < -8.0, "{p:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_left_lung_is_smaller_and_the_midline_is_not_lung() {
        for body in bodies() {
            let mut voxels = [0usize; 2];
            for z in (-170..100).step_by(6) {
                for x in (-160..=160).step_by(6) {
                    for y in (-120..=120).step_by(6) {
                        let p = [x as f32, y as f32, z as f32];
                        if body.lung_distance(p) < 0.0 {
                            assert!(p[0].abs() > 2.0, "{p:?}");
                            voxels[Side::of(p[0]) as usize] += 1;
                        }
                    }
                }
            }
            let millilitres = voxels.map(|n| n as f32 * 0.216);
            assert!(millilitres[0] > millilitres[1] * 1.02, "{millilitres:?}");
            assert!(millilitres.iter().all(|ml| (1000.0..3600.0).contains(ml)), "{millilitres:?}");
        }
    }
}
