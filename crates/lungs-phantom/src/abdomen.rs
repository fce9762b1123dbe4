//! The abdomen: liver, spleen, stomach, and gas in stomach and colon.

use super::anatomy::Body;
use super::exam::ExamPlan;
use super::finding::Finding;
use super::shapes::{
    Edge, Point, Tube, ellipse_distance, ellipsoid_distance, mix, smooth_max, smooth_noise,
};
use super::side::Side;

impl Body {
    /// Hounsfield units of liver, spleen and stomach in fat, with gas below the left dome for
    /// [`Body::bowel_gas`].
    pub(super) fn abdomen_hu(&self, p: Point, edge: Edge) -> f32 {
        let s = self.size;
        let deep = self.floor_z() - 5.0;
        let grain = smooth_noise(self.noise_seed ^ 3, p, 12.0);
        let mut hu = -98.0 + 60.0 * (grain - 0.4).max(0.0);
        let liver = ellipsoid_distance(p, [-48.0 * s, -4.0, deep], [102.0 * s, 88.0 * s, 72.0 * s]);
        hu = mix(hu, 56.0 + 5.0 * grain, edge.coverage(liver));
        let stomach =
            ellipsoid_distance(p, [58.0 * s, -22.0, deep], [50.0 * s, 46.0 * s, 48.0 * s]);
        hu = mix(hu, 22.0 + 14.0 * grain, edge.coverage(stomach));
        let spleen = ellipsoid_distance(p, [88.0 * s, 46.0, deep], [30.0 * s, 36.0 * s, 46.0 * s]);
        hu = mix(hu, 52.0, edge.coverage(spleen));
        if self.bowel_gas {
            let bubble = smooth_max(stomach + 5.0, p[1] + 26.0, 4.0);
            let flexure =
                ellipsoid_distance(p, [100.0 * s, -26.0, deep + 12.0], [24.0, 28.0, 26.0]);
            hu = mix(hu, -940.0, edge.coverage(bubble.min(flexure)));
        }
        if self.disease.high_colon {
            hu = self.paint_high_colon(p, edge, hu);
        }
        hu
    }

    /// Paints gas in the colon over `hu`, directly below both domes of the diaphragm, with a wall of 3 mm.
    fn paint_high_colon(&self, p: Point, edge: Edge, hu: f32) -> f32 {
        let side = Side::of(p[0]);
        let (height, cosine) = self.diaphragm(side, p[0], p[1]);
        let under = (p[2] - height) * cosine;
        let loops = ellipse_distance(p[0].abs() - 66.0 * self.size, p[1] + 30.0, [34.0, 36.0]);
        let gas = loops.max(under + 5.0).max(-(under + 42.0));
        let hu = mix(hu, 25.0, edge.coverage(gas - 3.0));
        mix(hu, -990.0, edge.coverage(gas))
    }
}

impl ExamPlan {
    /// Lumens of the colon, in the body's coordinates.
    pub(super) fn colon(&self) -> Vec<Tube> {
        let s = self.body.size;
        let low = self.body.floor_z() - 28.0;
        if self.has_finding(Finding::InflatedColon) {
            let frame = [
                [-92.0 * s, 10.0, -430.0],
                [-96.0 * s, 0.0, -330.0],
                [-88.0 * s, -20.0, low - 30.0],
                [-30.0 * s, -52.0, low - 60.0],
                [40.0 * s, -52.0, low - 50.0],
                [90.0 * s, -5.0, low - 12.0],
                [98.0 * s, 22.0, -330.0],
                [80.0 * s, 20.0, -410.0],
                [20.0, 10.0, -430.0],
            ];
            return Tube::chain(&frame, 27.0).collect();
        }
        // Ordinary bowel: isolated gas bubbles.
        let bubble = |x: f32, y: f32, z: f32, radius: f32| {
            Tube::new([x * s, y, z], [(x + 14.0) * s, y, z - 16.0], radius, radius)
        };
        vec![
            bubble(-86.0, -30.0, low - 40.0, 16.0),
            bubble(-90.0, -10.0, low - 120.0, 18.0),
            bubble(20.0, -58.0, low - 60.0, 14.0),
            bubble(84.0, -20.0, low - 90.0, 15.0),
            bubble(10.0, -30.0, low - 190.0, 11.0),
            bubble(4.0, 40.0, -440.0, 16.0),
        ]
    }
}
