//! Blood vessels: the great vessels of the mediastinum, and in each lung an arterial tree from the hilum
//! and a venous tree to the left atrium.

use rand::{Rng, RngExt};

use super::airways::hilum;
use super::anatomy::Body;
use super::shapes::{Point, Tube, add};
use super::side::Side;
use super::trees::{Root, grow, lung_points};

/// Pulmonary arteries and veins of both lungs.
pub(super) fn pulmonary(random: &mut impl Rng, body: &Body) -> Vec<Tube> {
    let mut tubes = Vec::new();
    for side in [Side::Right, Side::Left] {
        let hilum = hilum(body, side);
        let sign = side.sign();
        let trees = [
            ([4.0 * sign, -10.0, 8.0], [sign, -0.1, 0.1], 620),
            ([2.0 * sign, -8.0, -18.0], [sign, -0.2, -0.4], 480),
        ];
        for (offset, direction, terminals) in trees {
            let terminal_radius = random.random_range(0.62f32..0.74);
            let points = lung_points(random, body, side, 1.5, terminals);
            tubes.extend(grow(
                Root { start: add(hilum, offset), direction, terminal_radius },
                points,
            ));
        }
    }
    tubes
}

/// Aorta, superior vena cava, pulmonary trunk and the branches of the arch.
pub(super) fn mediastinal(body: &Body) -> Vec<Tube> {
    let s = body.size;
    let mut tubes = Vec::new();
    let mut course = |radius: f32, points: &[Point]| {
        tubes.extend(Tube::chain(points, radius * s));
    };
    let point = |x: f32, y: f32, z: f32| [x * s, y * s, z * s];
    // Ascending aorta, arch, descending aorta along the spine.
    let mut aorta = vec![
        point(-2.0, -26.0, -40.0),
        point(-12.0, -32.0, -12.0),
        point(-10.0, -30.0, 14.0),
        point(2.0, -20.0, 27.0),
        point(14.0, 0.0, 31.0),
        point(21.0, 22.0, 22.0),
    ];
    aorta.extend((0..10).map(|i| {
        let z = 8.0 - 24.0 * i as f32;
        [23.0 * s, body.spine_y(z) - 17.0, z]
    }));
    course(12.5, &aorta);
    course(
        8.5,
        &[point(-22.0, -20.0, 45.0), point(-23.0, -22.0, 10.0), point(-24.0, -18.0, -30.0)],
    );
    course(6.0, &[point(-22.0, -20.0, 45.0), point(-30.0, -24.0, 75.0), point(-45.0, -28.0, 92.0)]);
    course(5.5, &[point(-20.0, -24.0, 44.0), point(8.0, -34.0, 54.0), point(34.0, -28.0, 84.0)]);
    course(13.0, &[point(14.0, -36.0, -34.0), point(14.0, -26.0, -10.0)]);
    course(
        10.0,
        &[point(14.0, -26.0, -10.0), point(-6.0, -12.0, -14.0), point(-32.0, -4.0, -14.0)],
    );
    course(10.0, &[point(14.0, -26.0, -8.0), point(36.0, -2.0, -12.0)]);
    course(5.5, &[point(-4.0, -18.0, 32.0), point(-14.0, -18.0, 70.0), point(-26.0, -16.0, 120.0)]);
    course(4.0, &[point(6.0, -8.0, 34.0), point(15.0, -12.0, 70.0), point(22.0, -14.0, 120.0)]);
    course(5.0, &[point(16.0, 6.0, 34.0), point(24.0, 6.0, 65.0), point(44.0, 0.0, 92.0)]);
    tubes
}

/// The oesophagus, between the trachea and the spine.
pub(super) fn oesophagus(body: &Body) -> Vec<Tube> {
    let s = body.size;
    let course: Vec<Point> = (0..14)
        .map(|i| {
            let z = 130.0 - 22.0 * i as f32;
            [5.0 * s, body.spine_y(z.min(90.0)) - 26.0 * s, z]
        })
        .collect();
    Tube::chain(&course, 6.0 * s).collect()
}
