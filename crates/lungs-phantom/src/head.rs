//! Neck and head, for scans that include them: skin, skull, brain and air.

use super::shapes::{Edge, Point, Tube, ellipse_distance, ellipsoid_distance, mix, smooth_max};

const HEAD: Point = [0.0, -18.0, 305.0];
const HEAD_SEMI: Point = [76.0, 96.0, 112.0];

/// Lower end of the neck, in mm.
const NECK_Z: f32 = 90.0;

/// Signed distance to the skin of neck and head.
pub(super) fn skin_distance(p: Point) -> f32 {
    let neck = ellipse_distance(p[0], p[1] - 4.0, [61.0, 64.0]);
    let neck = smooth_max(neck, (NECK_Z - p[2]).max(p[2] - HEAD[2]), 8.0);
    neck.min(ellipsoid_distance(p, HEAD, HEAD_SEMI))
}

/// Paints skull, brain and air cells over `hu`.
pub(super) fn paint(p: Point, edge: Edge, hu: f32) -> f32 {
    if p[2] < 170.0 {
        return hu;
    }
    let skull_center = [HEAD[0], HEAD[1] + 6.0, HEAD[2] + 14.0];
    let skull = ellipsoid_distance(p, skull_center, [69.0, 86.0, 90.0]);
    let mut hu = mix(hu, 900.0, edge.coverage(skull));
    hu = mix(hu, 34.0, edge.coverage(skull + 6.0));
    let folded = [p[0].abs(), p[1], p[2]];
    let antrum = ellipsoid_distance(folded, [27.0, -84.0, 262.0], [15.0, 17.0, 18.0]);
    let nose = ellipsoid_distance(p, [0.0, -80.0, 266.0], [9.0, 28.0, 22.0]);
    hu = mix(hu, -980.0, edge.coverage(antrum.min(nose)));
    let mastoid = ellipsoid_distance(folded, [60.0, 14.0, 262.0], [9.0, 13.0, 15.0]);
    mix(hu, -650.0, edge.coverage(mastoid))
}

/// The airway from the nose to the upper end of the trachea, for a body of size `s`.
pub(super) fn upper_airway(s: f32, apex_z: f32) -> Vec<Tube> {
    let course = [
        [0.0, -16.0 * s, apex_z + 60.0],
        [0.0, -22.0, apex_z + 90.0],
        [0.0, -38.0, 225.0],
        [0.0, -48.0, 258.0],
    ];
    Tube::chain(&course, 9.0 * s).collect()
}
