//! Nodules: lobulated malignant ones, and round benign ones.

use rand::{Rng, RngExt};

use super::anatomy::Body;
use super::shapes::{Edge, Point, Tube, add, dot, length, mix, scale, subtract, unit};
use super::side::Side;
use super::trees::lung_points;
use lungs_base::random::stream;

/// Appearance of a nodule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoduleKind {
    /// Malignant: lobulated, solid, with radial spicules.
    SpiculatedSolid,
    /// Malignant: a solid, spiculated core in a ground-glass halo.
    SpiculatedPartSolid,
    /// Malignant: lobulated, ground glass throughout.
    GroundGlass,
    /// Benign: round, smooth.
    Smooth,
    /// Benign: round, calcified.
    Calcified,
    /// Benign: round ground glass, as after an inflammation.
    Haze,
}

impl NoduleKind {
    /// Whether it is a cancer.
    pub(crate) fn is_malignant(self) -> bool {
        matches!(self, Self::SpiculatedSolid | Self::SpiculatedPartSolid | Self::GroundGlass)
    }

    /// Whether vessels are visible through it.
    fn is_ground_glass(self) -> bool {
        matches!(self, Self::GroundGlass | Self::Haze)
    }
}

/// The structure next to a nodule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// Lung tissue only.
    Free,
    /// The chest wall, the diaphragm or the mediastinum.
    Pleura,
    /// A vessel.
    Vessel,
}

impl Site {
    /// A random site: free in half of the cases, else at the pleura or at a vessel.
    pub(super) fn draw(random: &mut impl Rng) -> Self {
        match random.random_range(0..4) {
            0 => Self::Pleura,
            1 => Self::Vessel,
            _ => Self::Free,
        }
    }
}

/// One nodule in one exam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nodule {
    /// Appearance.
    pub kind: NoduleKind,
    /// Mean diameter of the solid part, mm.
    pub diameter_mm: f64,
    /// HU of the solid part, or of the ground glass without a solid part.
    pub hu: f64,
    /// The structure next to it.
    pub site: Site,
    /// Centre in the body's coordinates, in mm (without the exam's table position).
    pub(super) center: Point,
    /// Seed of lobes and spicules; the same in all exams of a patient.
    pub(super) shape_seed: u64,
}

/// A nodule's geometry, for painting.
#[derive(Clone, Debug)]
pub(super) struct NoduleShape {
    pub nodule: Nodule,
    lobes: Vec<(Point, f32)>,
    pub spicules: Vec<Tube>,
}

/// A random centre for a nodule: inside a lung, `margin` mm from its border, away from the hila and from
/// `avoid`. `None` if none is found.
pub(super) fn sample_center(
    random: &mut impl Rng,
    body: &Body,
    margin: f32,
    avoid: Option<Point>,
) -> Option<Point> {
    let first = if random.random_bool(0.5) { Side::Right } else { Side::Left };
    let second = if first == Side::Right { Side::Left } else { Side::Right };
    [first, second].into_iter().find_map(|side| {
        let candidates = lung_points(random, body, side, margin, 60);
        let hilum = super::airways::hilum(body, side);
        candidates.into_iter().find(|p| {
            length(subtract(*p, hilum)) > 42.0
                && p[2] < body.apex_z() - 24.0
                && avoid.is_none_or(|other| length(subtract(*p, other)) > 45.0)
        })
    })
}

/// A random centre for a nodule of this radius at `site`, as in [`sample_center`]; a free one if none is
/// found at the site.
pub(super) fn sample_center_at(
    random: &mut impl Rng,
    body: &Body,
    site: Site,
    radius_mm: f32,
    vessels: &[Tube],
    avoid: Option<Point>,
) -> Option<(Site, Point)> {
    let center = match site {
        Site::Free => None,
        // The centre is so close to the border that the nodule has a broad base.
        Site::Pleura => (0..40)
            .filter_map(|_| sample_center(random, body, 0.6 * radius_mm, avoid))
            .find(|p| body.lung_distance(*p) > -0.95 * radius_mm),
        Site::Vessel => sample_center_at_vessel(random, body, radius_mm, vessels, avoid),
    };
    match center {
        Some(center) => Some((site, center)),
        None => Some((Site::Free, sample_center(random, body, radius_mm + 4.0, avoid)?)),
    }
}

/// A centre for a nodule whose surface is close to the axis of a vessel of at least 1.5 mm radius.
fn sample_center_at_vessel(
    random: &mut impl Rng,
    body: &Body,
    radius_mm: f32,
    vessels: &[Tube],
    avoid: Option<Point>,
) -> Option<Point> {
    (0..40).filter_map(|_| sample_center(random, body, radius_mm + 2.0, avoid)).find(|p| {
        let axes = vessels.iter().map(|tube| tube.axis_distance(*p));
        let thick = axes.filter(|(_, vessel_radius)| *vessel_radius > 1.5);
        let nearest = thick.map(|(distance, _)| distance).fold(1e3, f32::min);
        (0.4 * radius_mm..1.1 * radius_mm).contains(&nearest)
    })
}

/// A random direction, uniform on the sphere.
fn random_direction(random: &mut impl Rng) -> Point {
    loop {
        let p: Point = std::array::from_fn(|_| random.random_range(-1.0f32..1.0));
        let size = length(p);
        if (0.1..1.0).contains(&size) {
            return unit(p);
        }
    }
}

impl NoduleShape {
    /// Draws lobes, spicules and pleural tags.
    pub(crate) fn new(nodule: Nodule, body: &Body) -> Self {
        let radius = nodule.diameter_mm as f32 / 2.0;
        let mut shape = Self { nodule, lobes: Vec::new(), spicules: Vec::new() };
        if !nodule.kind.is_malignant() {
            return shape;
        }
        let mut random = stream(nodule.shape_seed, "nodule shape");
        shape.lobes = (0..7)
            .map(|_| (random_direction(&mut random), random.random_range(0.04f32..0.17)))
            .collect();
        if nodule.kind.is_ground_glass() {
            return shape;
        }
        let center = nodule.center;
        for _ in 0..random.random_range(20..30) {
            let direction = random_direction(&mut random);
            let reach = radius * random.random_range(1.5f32..2.1);
            let base = random.random_range(1.2f32..2.0);
            shape.spicules.push(Tube::new(
                add(center, scale(direction, radius * 0.8)),
                add(center, scale(direction, reach)),
                base,
                0.3,
            ));
        }
        // Tags to the pleura, if it is near.
        for _ in 0..2 {
            let sideways = unit([center[0], center[1], 0.0]);
            let direction = unit(add(sideways, scale(random_direction(&mut random), 0.4)));
            let wall = (0..45)
                .map(|mm| add(center, scale(direction, mm as f32)))
                .find(|p| body.lung_distance(*p) > 0.0);
            if let Some(wall) = wall {
                shape.spicules.push(Tube::new(center, wall, 0.8, 0.8));
            }
        }
        shape
    }

    /// Largest distance from the centre at which core or halo are painted.
    pub(crate) fn reach(&self) -> f32 {
        self.nodule.diameter_mm as f32 * 1.15 + 4.0
    }

    /// Paints core and halo over `hu`.
    pub(crate) fn paint(&self, p: Point, edge: Edge, hu: f32) -> f32 {
        let offset = subtract(p, self.nodule.center);
        let distance = length(offset);
        if distance > self.reach() {
            return hu;
        }
        let radius = self.nodule.diameter_mm as f32 / 2.0;
        let direction = unit(offset);
        let bulge: f32 = self
            .lobes
            .iter()
            .map(|(lobe, height)| height * (dot(*lobe, direction).max(0.0).powi(4) - 0.2))
            .sum();
        let surface = distance - radius * (1.0 + bulge);
        let hu = if self.nodule.kind == NoduleKind::SpiculatedPartSolid {
            mix(hu, hu.max(-480.0), edge.coverage(surface - 0.45 * radius))
        } else {
            hu
        };
        let own = self.nodule.hu as f32;
        let own = if self.nodule.kind.is_ground_glass() { hu.max(own) } else { own };
        mix(hu, own, edge.coverage(surface))
    }
}
