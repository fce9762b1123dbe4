//! Hard chests: what a radiology department sees every week and an algorithm must not stumble over.

use std::f32::consts::{FRAC_PI_2, PI};

use super::anatomy::Side;
use super::disease::{Part, Shape};
use super::exam::ExamPlan;
use super::plan::to_decimals;
use super::shapes::Tube;

/// One thing that makes an exam hard. Several can be combined where they do not contradict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// A lung collapsed to soft tissue; heart and vessels are drawn to its side.
    CollapsedLung(Side),
    /// A lung taken out; its place is filled with fluid and half taken by the other lung.
    RemovedLung(Side),
    /// Fluid in the back half of one side of the chest.
    Effusion(Side),
    /// Both lungs hardly denser than air: −945 HU on average, −970 in front.
    Emphysema,
    /// A bulla of 100 mm in one lung.
    Bulla(Side),
    /// Gas in front of one lung.
    Pneumothorax(Side),
    /// One side full of gas, the lung a fist at the hilum.
    CompletePneumothorax(Side),
    /// A mass of 80 mm against the ribs.
    Mass(Side),
    /// A lower lobe without air.
    Consolidation(Side),
    /// Fibrosis: dense ground glass, about −500 HU.
    Fibrosis,
    /// Gas in the colon right under both domes of the diaphragm.
    HighColon,
    /// An abdomen full of distended colon, as for CT colonography; for scans that reach there.
    InflatedColon,
    /// A blanket with air under it.
    Blanket,
    /// A hollow table, closed all around.
    HollowTable,
    /// So much fat that the body leaves the field of view on all sides.
    Obesity,
    /// On the front.
    Prone,
    /// On the left side.
    LeftSideDown,
    /// Rolled by 25° without the headers' saying so.
    Rolled,
    /// The middle of the body 55 mm off the middle of the picture, which is large.
    OffCentre,
    /// Shoulder prostheses and a pacemaker with their streaks.
    Metal,
    /// Noise of this standard deviation at the centre, HU.
    Noise(f64),
    /// The value outside the circle that the scanner reconstructs, HU.
    Padding(i16),
    /// From the pelvis on.
    WithAbdomen,
    /// Up to the top of the head.
    WithHead,
    /// Nothing but the head.
    HeadOnly,
    /// Nothing but abdomen and pelvis.
    AbdomenOnly,
    /// Abdomen and pelvis, with the lungs' lowest parts at the top.
    LungBases,
    /// The scan begins 55 mm above the lungs' lowest points.
    CutAtBottom,
    /// A field of view that ends inside both lungs.
    NarrowField,
    /// A child: everything at 0.55.
    Child,
}

/// Top of the field of view with head, and bottom with pelvis, mm in the body's coordinates.
const CROWN_Z: f64 = 425.0;
const PELVIS_Z: f64 = -470.0;

impl ExamPlan {
    /// The same exam, harder. Nodules are left out: their places may be gone.
    pub fn with_findings(mut self, findings: &[Finding]) -> Self {
        self.findings = findings.to_vec();
        self.nodules.clear();
        for &finding in findings {
            self.change_body(finding);
        }
        // The grid follows the body.
        for &finding in findings {
            self.change_scan(finding);
        }
        self.body.disease.down = self.stance.down();
        self
    }

    fn change_body(&mut self, finding: Finding) {
        let body = &mut self.body;
        let s = body.size;
        let mut part = |side: Side, shape: Shape, hu: f32, aerated: bool| {
            body.disease.parts.push(Part { side, shape, hu, aerated });
        };
        match finding {
            Finding::Effusion(side) => part(side, Shape::Behind(4.0), 8.0, false),
            Finding::Bulla(side) => {
                let center = [side.sign() * 80.0 * s, -30.0 * s, 15.0 * s];
                let semi = [48.0 * s, 52.0 * s, 50.0 * s];
                // The wall, then the gas.
                part(side, Shape::Within(center, semi.map(|mm| mm + 1.2)), -500.0, true);
                part(side, Shape::Within(center, semi), -990.0, true);
            }
            Finding::Pneumothorax(side) => part(side, Shape::InFront(-28.0), -998.0, true),
            Finding::CompletePneumothorax(side) => {
                let center = [side.sign() * 48.0 * s, 14.0, -20.0 * s];
                let semi = [30.0 * s, 34.0 * s, 52.0 * s];
                part(side, Shape::Within(center, semi), -350.0, true);
                part(side, Shape::Around(center, semi), -998.0, true);
            }
            Finding::Mass(side) => {
                let center = [side.sign() * 92.0 * s, 8.0, -8.0 * s];
                part(side, Shape::Within(center, [40.0; 3]), 42.0, false);
            }
            Finding::Consolidation(side) => part(side, Shape::LowerLobe, 30.0, false),
            Finding::CollapsedLung(side) => {
                body.opaque = Some(side);
                body.disease.opaque_hu = 38.0;
                body.disease.shift_mm = side.sign() * 28.0;
            }
            Finding::RemovedLung(side) => {
                body.opaque = Some(side);
                body.disease.opaque_hu = 6.0;
                body.disease.shift_mm = side.sign() * 52.0;
            }
            Finding::Emphysema => body.disease.lung_hu = Some([-945.0, 12.0]),
            Finding::Fibrosis => body.disease.lung_hu = Some([-510.0, 70.0]),
            Finding::HighColon => body.disease.high_colon = true,
            Finding::Obesity => body.fatten(95.0),
            Finding::WithHead | Finding::HeadOnly => body.has_head = true,
            Finding::Prone => self.stance.lying = PI,
            Finding::LeftSideDown => self.stance.lying = FRAC_PI_2,
            Finding::Rolled => self.stance.roll = 25f32.to_radians(),
            Finding::Child => self.stance.scale = 0.55,
            _ => {}
        }
    }

    fn change_scan(&mut self, finding: Finding) {
        let floor = f64::from(self.body.floor_z());
        let top = f64::from(self.body.apex_z()) + 18.0;
        match finding {
            Finding::Noise(hu) => self.noise_hu = hu,
            Finding::Padding(hu) => self.padding_hu = hu,
            Finding::WithAbdomen => self.scan_between(PELVIS_Z, top),
            Finding::WithHead => self.scan_between(floor - 24.0, CROWN_Z),
            Finding::HeadOnly => self.scan_between(190.0, CROWN_Z),
            Finding::AbdomenOnly => self.scan_between(PELVIS_Z, floor - 12.0),
            Finding::LungBases => self.scan_between(PELVIS_Z, floor + 78.0),
            Finding::CutAtBottom => self.scan_between(floor + 55.0, top),
            Finding::NarrowField => self.see(0.8 * 2.0 * f64::from(self.body.cavity.semi[0])),
            Finding::Child => {
                self.see(2.0 * 0.55 * f64::from(self.body.half_width()) + 40.0);
                self.scan_between(floor - 24.0, top);
            }
            Finding::OffCentre => {
                self.see(500.0);
                self.grid.origin_mm[0] -= 55.0;
                self.grid.origin_mm[1] += 40.0;
            }
            _ => {}
        }
    }

    /// Moves the first and last slice to these heights of the body.
    fn scan_between(&mut self, low: f64, high: f64) {
        let scale = f64::from(self.stance.scale);
        let gap = self.grid.spacing_mm[0];
        self.grid.shape[0] = (((high - low) * scale / gap).ceil() as usize).max(1) + 1;
        self.grid.origin_mm[2] = to_decimals(low * scale + self.grid.body_offset_mm[2], 3);
    }

    /// Changes the field of view about its centre; pixels stay as large as they are.
    fn see(&mut self, diameter_mm: f64) {
        let pixel = self.grid.spacing_mm[1];
        let matrix = (diameter_mm / pixel).round().max(1.0);
        let shift = pixel * (matrix - self.grid.shape[1] as f64) / 2.0;
        for xyz in 0..2 {
            self.grid.origin_mm[xyz] = to_decimals(self.grid.origin_mm[xyz] - shift, 3);
        }
        (self.grid.shape[1], self.grid.shape[2]) = (matrix as usize, matrix as usize);
    }

    /// Whether a finding is among the exam's.
    pub(super) fn has(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }

    /// Loops of colon as tubes of their inside, in the body's coordinates.
    pub(super) fn colon(&self) -> Vec<Tube> {
        let s = self.body.size;
        let low = self.body.floor_z() - 28.0;
        if self.has(Finding::InflatedColon) {
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
        // Ordinary bowel: bubbles here and there.
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
