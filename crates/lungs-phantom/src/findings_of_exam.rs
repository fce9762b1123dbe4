//! Changes of an exam by its findings.

use std::f32::consts::{FRAC_PI_2, PI};

use super::disease::{LungRegion, RegionShape};
use super::exam::ExamPlan;
use super::finding::Finding;
use super::grid::to_decimals;
use super::side::Side;

/// Highest z of scans with head, in mm in the body's coordinates.
const CROWN_Z: f64 = 425.0;
/// Lowest z of scans with pelvis.
const PELVIS_Z: f64 = -470.0;

impl ExamPlan {
    /// The exam with these findings. Nodules outside the lungs are removed, and all nodules of scaled or
    /// rolled patients.
    pub(crate) fn with_findings(mut self, findings: &[Finding]) -> Self {
        self.findings = findings.to_vec();
        for &finding in findings {
            self.apply_to_body(finding);
        }
        // The grid depends on the changed body.
        for &finding in findings {
            self.apply_to_scan(finding);
        }
        if findings.is_empty() {
            return self;
        }
        self.body.disease.down = self.pose.down();
        self.remove_invisible_nodules();
        if self.pose.scale != 1.0 || self.pose.roll != 0.0 {
            self.nodules.clear();
        }
        let lowest = self.grid.body_point([0.0; 3])[2] as f32;
        self.nodules.retain(|nodule| nodule.center[2] - nodule.diameter_mm as f32 > lowest);
        self
    }

    fn apply_to_body(&mut self, finding: Finding) {
        let body = &mut self.body;
        let s = body.size;
        let mut add_region = |side: Side, shape: RegionShape, hu: f32, aerated: bool| {
            body.disease.regions.push(LungRegion { side, shape, hu, aerated });
        };
        match finding {
            Finding::Effusion(side) => add_region(side, RegionShape::Behind(4.0), 8.0, false),
            Finding::Bulla(side) => {
                let center = [side.sign() * 80.0 * s, -30.0 * s, 15.0 * s];
                let semi = [48.0 * s, 52.0 * s, 50.0 * s];
                // Wall, then gas.
                add_region(
                    side,
                    RegionShape::Within(center, semi.map(|mm| mm + 1.2)),
                    -500.0,
                    true,
                );
                add_region(side, RegionShape::Within(center, semi), -990.0, true);
            }
            Finding::Pneumothorax(side) => {
                add_region(side, RegionShape::InFront(-28.0), -998.0, true)
            }
            Finding::CompletePneumothorax(side) => {
                let center = [side.sign() * 48.0 * s, 14.0, -20.0 * s];
                let semi = [30.0 * s, 34.0 * s, 52.0 * s];
                add_region(side, RegionShape::Within(center, semi), -350.0, true);
                add_region(side, RegionShape::Around(center, semi), -998.0, true);
            }
            Finding::Mass(side) => {
                let center = [side.sign() * 92.0 * s, 8.0, -8.0 * s];
                add_region(side, RegionShape::Within(center, [40.0; 3]), 42.0, false);
            }
            Finding::Consolidation(side) => add_region(side, RegionShape::LowerLobe, 30.0, false),
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
            Finding::Obesity => body.add_fat(95.0),
            Finding::WithHead | Finding::HeadOnly => body.has_head = true,
            Finding::Prone => self.pose.lying = PI,
            Finding::LeftSideDown => self.pose.lying = FRAC_PI_2,
            Finding::Rolled => self.pose.roll = 25f32.to_radians(),
            Finding::Child => self.pose.scale = 0.55,
            _ => {}
        }
    }

    fn apply_to_scan(&mut self, finding: Finding) {
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
            Finding::NarrowField => {
                self.set_field_of_view(0.8 * 2.0 * f64::from(self.body.cavity.semi[0]))
            }
            Finding::Child => {
                self.set_field_of_view(2.0 * 0.55 * f64::from(self.body.half_width()) + 40.0);
                self.scan_between(floor - 24.0, top);
            }
            Finding::OffCentre => {
                self.set_field_of_view(500.0);
                self.grid.origin_mm[0] -= 55.0;
                self.grid.origin_mm[1] += 40.0;
            }
            _ => {}
        }
    }

    /// Sets the lowest and highest slice, in z of the body.
    fn scan_between(&mut self, low: f64, high: f64) {
        let scale = f64::from(self.pose.scale);
        let gap = self.grid.spacing_mm[0];
        self.grid.shape[0] = (((high - low) * scale / gap).ceil() as usize).max(1) + 1;
        self.grid.origin_mm[2] = to_decimals(low * scale + self.grid.body_offset_mm[2], 3);
    }

    /// Changes the field of view about its centre, with the same pixel size.
    fn set_field_of_view(&mut self, diameter_mm: f64) {
        let pixel = self.grid.spacing_mm[1];
        let matrix = (diameter_mm / pixel).round().max(1.0);
        let shift = pixel * (matrix - self.grid.shape[1] as f64) / 2.0;
        for xyz in 0..2 {
            self.grid.origin_mm[xyz] = to_decimals(self.grid.origin_mm[xyz] - shift, 3);
        }
        (self.grid.shape[1], self.grid.shape[2]) = (matrix as usize, matrix as usize);
    }

    /// Whether the exam has a finding.
    pub(super) fn has_finding(&self, finding: Finding) -> bool {
        self.findings.contains(&finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PhantomPlan, Variants};

    #[test]
    fn an_ordinary_plan_has_no_findings_and_no_hard_key() {
        let plan = PhantomPlan { patients: 6, ..PhantomPlan::default() };
        assert!(plan.exams().unwrap().iter().all(|exam| exam.findings.is_empty()));
        assert!(!serde_json::to_string(&plan).unwrap().contains("hard"));
    }

    #[test]
    fn every_exam_of_a_hard_plan_has_one_of_many_findings() {
        let plan = PhantomPlan { patients: 40, hard: true, ..PhantomPlan::default() };
        let exams = plan.exams().unwrap();
        let mut names: Vec<String> = exams
            .iter()
            .map(|exam| {
                assert_eq!(exam.findings.len(), 1);
                exam.findings[0].name()
            })
            .collect();
        names.sort();
        names.dedup();
        assert!(names.len() > 15, "{names:?}");
    }

    #[test]
    fn nodules_of_a_removed_lung_are_removed() {
        let exam = ExamPlan::example(5, Variants::default()).unwrap();
        let side = Side::of(exam.nodules[0].center[0]);
        let with_blanket = exam.clone().with_findings(&[Finding::Blanket]);
        assert_eq!(with_blanket.nodules, exam.nodules);
        let without_lung = exam.with_findings(&[Finding::RemovedLung(side)]);
        assert!(without_lung.nodules.iter().all(|nodule| Side::of(nodule.center[0]) != side));
    }
}
