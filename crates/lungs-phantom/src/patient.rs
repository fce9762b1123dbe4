//! Random patients: one body, one to three exams, growing cancers and constant benign nodules.

use rand::{Rng, RngExt};

use super::PhantomError;
use super::anatomy::Body;
use super::exam::{ExamPlan, ExtraSeries, Kernel};
use super::finding::Finding;
use super::follow_up::{self, Visit};
use super::grid::{Grid, to_decimals};
use super::nodule::{Nodule, NoduleKind, Site, sample_center, sample_center_at};
use super::plan::PhantomPlan;
use super::scanner::{draw_grid, draw_kernel, draw_storage};
use super::shapes::Tube;
use super::stance::Pose;
use super::variants::Variants;
use super::vessels;
use lungs_base::random::{stream, stream_seed};

impl PhantomPlan {
    /// The plans of all exams, by patient and then by date.
    ///
    /// # Errors
    /// When [`PhantomPlan::check`] fails.
    pub fn exams(&self) -> Result<Vec<ExamPlan>, PhantomError> {
        self.check()?;
        let has_cancer = with_cancer(self);
        let exams = (0..self.patients).flat_map(|index| exams(self, index, has_cancer[index]));
        Ok(exams.collect())
    }
}

impl ExamPlan {
    /// One exam of a small cohort (matrix 112): a chest with a cancer, for tests.
    ///
    /// # Errors
    /// None in practice: the constant plan is valid.
    pub fn example(seed: u64, variants: Variants) -> Result<Self, PhantomError> {
        let plan = PhantomPlan {
            seed,
            patients: 1,
            positive_fraction: 1.0,
            exams_per_patient: [1, 1],
            matrix: vec![112],
            extra_series_fraction: 0.0,
            ..PhantomPlan::default()
        };
        plan.check()?;
        Ok(first_exam(&plan).with_variants(variants))
    }

    /// A chest with voxels of `spacing_mm` (between slices, within a slice) and a field of view of
    /// 370 mm, for tests of volume processing.
    ///
    /// # Errors
    /// Those of [`ExamPlan::example`].
    pub fn chest(
        seed: u64,
        spacing_mm: [f64; 2],
        variants: Variants,
        findings: &[Finding],
    ) -> Result<Self, PhantomError> {
        let [gap_mm, pixel_mm] = spacing_mm;
        let mut exam = Self::example(seed, Variants::default())?;
        let matrix = (370.0 / pixel_mm).round() as usize;
        exam.grid = Grid::around(
            &exam.body,
            matrix,
            pixel_mm * matrix as f64,
            gap_mm,
            gap_mm,
            [0.0, 8.0],
            exam.grid.body_offset_mm,
        );
        Ok(exam.with_variants(variants).with_findings(findings))
    }
}

/// For each patient, whether they have a cancer: the planned number, in random order.
fn with_cancer(plan: &PhantomPlan) -> Vec<bool> {
    let mut has_cancer: Vec<bool> = (0..plan.patients).map(|i| i < plan.positives()).collect();
    let mut random = stream(plan.seed, "phantom/who is ill");
    for last in (1..has_cancer.len()).rev() {
        has_cancer.swap(last, random.random_range(0..=last));
    }
    has_cancer
}

/// The properties that all exams of a patient share.
struct Patient {
    id: String,
    seed: u64,
    female: bool,
    age_years: u32,
    body: Body,
    cancer: Option<Nodule>,
    doubling_days: f64,
    benign: Option<Nodule>,
    bowel_gas: bool,
}

fn draw_patient(plan: &PhantomPlan, index: usize, has_cancer: bool) -> Patient {
    let id = format!("P{:04}", index + 1);
    let seed = stream_seed(plan.seed, &format!("phantom/{id}"));
    let mut random = stream(seed, "patient");
    let female = random.random_bool(0.45);
    let body = Body::sample(&mut stream(seed, "body"), female);
    let bowel_gas = random.random_bool(0.3);
    let age_years = random.random_range(55..=74);
    let mut nodules = stream(seed, "nodules");
    // The same vessels as in the rendered exams.
    let vessels = plan.graded.then(|| vessels::pulmonary(&mut stream(seed, "vessels"), &body));
    // Both nodules are drawn for every patient, so that random draws do not depend on the label.
    let cancer = match &vessels {
        None => draw_cancer(&mut nodules, &body, plan.cancer_diameter_mm),
        Some(vessels) => draw_graded_cancer(&mut nodules, &body, plan.cancer_diameter_mm, vessels),
    };
    let doubling_days = nodules.random_range(160.0..400.0);
    let avoid = cancer.map(|nodule| nodule.center).filter(|_| has_cancer);
    let has_benign = nodules.random_bool(plan.benign_fraction);
    let benign = match &vessels {
        None => draw_benign(&mut nodules, &body, avoid),
        Some(vessels) => draw_graded_benign(&mut nodules, &body, vessels, avoid),
    };
    let benign = benign.filter(|_| has_benign);
    let cancer = cancer.filter(|_| has_cancer);
    Patient { id, seed, female, age_years, body, cancer, doubling_days, benign, bowel_gas }
}

fn draw_cancer(random: &mut impl Rng, body: &Body, diameters_mm: [f64; 2]) -> Option<Nodule> {
    let kind = if random.random_bool(0.75) {
        NoduleKind::SpiculatedSolid
    } else {
        NoduleKind::SpiculatedPartSolid
    };
    let [smallest, largest] = diameters_mm;
    let planned_mm = smallest + (largest - smallest) * random.random::<f64>();
    let hu = to_decimals(random.random_range(5.0..60.0), 1);
    // Decreasing margins, then decreasing diameters; every lung has space for the last.
    let attempts = [(1.0, 8.0f32), (1.0, 4.0), (1.0, 1.0), (0.8, 1.0), (0.6, 1.0), (0.4, 1.0)];
    let (diameter_mm, center) = attempts.into_iter().find_map(|(shrink, border)| {
        let diameter_mm = planned_mm * shrink;
        let center = sample_center(random, body, diameter_mm as f32 / 2.0 + border, None)?;
        Some((diameter_mm, center))
    })?;
    let site = Site::Free;
    Some(Nodule { kind, diameter_mm, hu, site, center, shape_seed: random.next_u64() })
}

/// Share of graded cancers that are easy: large, solid, free. A network learns from them; the others
/// show its limits.
const EASY_SHARE: f64 = 0.7;

/// A cancer from solid to ground glass, free, at the pleura or at a vessel. Easy ones have diameters in
/// the upper third of the range, the others in the full range.
fn draw_graded_cancer(
    random: &mut impl Rng,
    body: &Body,
    [smallest, largest]: [f64; 2],
    vessels: &[Tube],
) -> Option<Nodule> {
    if random.random_bool(EASY_SHARE) {
        let upper = largest - (largest - smallest) / 3.0;
        return draw_cancer(random, body, [upper, largest]);
    }
    let (kind, hu) = match random.random_range(0..3) {
        0 => (NoduleKind::GroundGlass, random.random_range(-650.0..-420.0)),
        1 => (NoduleKind::SpiculatedPartSolid, random.random_range(0.0..50.0)),
        _ => (NoduleKind::SpiculatedSolid, random.random_range(5.0..60.0)),
    };
    let diameter_mm = random.random_range(smallest..=largest);
    draw_graded_nodule(random, body, (kind, hu, diameter_mm), vessels, None)
}

/// A benign nodule of 4 to 16 mm, solid, calcified or ground glass, at the same sites as cancers.
fn draw_graded_benign(
    random: &mut impl Rng,
    body: &Body,
    vessels: &[Tube],
    avoid: Option<[f32; 3]>,
) -> Option<Nodule> {
    let (kind, hu) = match random.random_range(0..8) {
        0 | 1 => (NoduleKind::Calcified, random.random_range(220.0..600.0)),
        2 | 3 => (NoduleKind::Haze, random.random_range(-700.0..-500.0)),
        _ => (NoduleKind::Smooth, random.random_range(10.0..70.0)),
    };
    let diameter_mm = random.random_range(4.0..16.0);
    draw_graded_nodule(random, body, (kind, hu, diameter_mm), vessels, avoid)
}

/// A nodule at a random site, with the given diameter, or smaller if no lung has space for it.
fn draw_graded_nodule(
    random: &mut impl Rng,
    body: &Body,
    (kind, hu, diameter_mm): (NoduleKind, f64, f64),
    vessels: &[Tube],
    avoid: Option<[f32; 3]>,
) -> Option<Nodule> {
    let site = Site::draw(random);
    let (diameter_mm, (site, center)) = [1.0, 0.8, 0.6, 0.4].into_iter().find_map(|shrink| {
        let diameter_mm = diameter_mm * shrink;
        let radius_mm = diameter_mm as f32 / 2.0;
        Some((diameter_mm, sample_center_at(random, body, site, radius_mm, vessels, avoid)?))
    })?;
    let (hu, diameter_mm) = (to_decimals(hu, 1), to_decimals(diameter_mm, 2));
    Some(Nodule { kind, diameter_mm, hu, site, center, shape_seed: random.next_u64() })
}

fn draw_benign(random: &mut impl Rng, body: &Body, avoid: Option<[f32; 3]>) -> Option<Nodule> {
    let calcified = random.random_bool(0.3);
    let (kind, hu) = if calcified {
        (NoduleKind::Calcified, random.random_range(220.0..600.0))
    } else {
        (NoduleKind::Smooth, random.random_range(10.0..70.0))
    };
    let diameter_mm = to_decimals(random.random_range(4.0..9.0), 2);
    let center = sample_center(random, body, 7.0, avoid)?;
    let hu = to_decimals(hu, 1);
    let site = Site::Free;
    Some(Nodule { kind, diameter_mm, hu, site, center, shape_seed: random.next_u64() })
}

/// The first exam of the plan's first patient, with a cancer.
fn first_exam(plan: &PhantomPlan) -> ExamPlan {
    let patient = draw_patient(plan, 0, true);
    plan_exam(
        plan,
        &patient,
        1,
        Visit { days_before_last: 0, days_to_cancer: 30, days_followed: None },
    )
}

/// All exams of a patient, by date.
fn exams(plan: &PhantomPlan, index: usize, has_cancer: bool) -> Vec<ExamPlan> {
    let patient = draw_patient(plan, index, has_cancer);
    let mut random = stream(patient.seed, "visits");
    let [fewest, most] = plan.exams_per_patient;
    let mut count = fewest;
    while count < most && random.random_bool(0.4) {
        count += 1;
    }
    // Patients without cancer have the same calendar.
    let visits = match plan.follow_up_years {
        Some(years) => follow_up::visits(patient.seed, count, years),
        None => visits(&mut random, count),
    };
    let visits = visits.into_iter().enumerate();
    visits.map(|(index, visit)| plan_exam(plan, &patient, index + 1, visit)).collect()
}

/// Exams of which the last is 10 to 70 days before the diagnosis, and all are less than a year before it.
fn visits(random: &mut impl Rng, count: usize) -> Vec<Visit> {
    let mut days_before = vec![random.random_range(10u32..=70)];
    for _ in 1..count {
        days_before.push(days_before[days_before.len() - 1] + random.random_range(80u32..=140));
    }
    let last = days_before[0];
    let visit = |days: u32| Visit {
        days_before_last: days - last,
        days_to_cancer: days,
        days_followed: None,
    };
    days_before.into_iter().rev().map(visit).collect()
}

/// The exam of a visit; `number` counts from 1.
fn plan_exam(plan: &PhantomPlan, patient: &Patient, number: usize, visit: Visit) -> ExamPlan {
    let Visit { days_before_last, days_to_cancer, days_followed } = visit;
    let exam_id = format!("{}-{number}", patient.id);
    let exam_seed = stream_seed(patient.seed, &format!("exam/{number}"));
    let mut random = stream(exam_seed, "scanner");
    let (kernel, kernel_name, noise_hu) = draw_kernel(&mut random);
    let grid = draw_grid(plan, &patient.body, &mut random);
    let storage = draw_storage(&mut random);
    let thick = random.random_bool(0.4);
    let extra = random.random_bool(plan.extra_series_fraction).then_some(
        // A sharp main series has no thick sharp copy, so that series selection is unambiguous.
        if thick && kernel == Kernel::Soft {
            ExtraSeries::ThickSharp
        } else {
            ExtraSeries::Localizer
        },
    );
    let variants = Variants {
        bowel_gas: patient.bowel_gas,
        arms_down: random.random_bool(0.05),
        no_table: random.random_bool(0.07),
        ..Variants::default()
    };
    // Drawn from a separate stream, so that ordinary cohorts do not change.
    let mut findings = Vec::new();
    if plan.hard {
        let index = stream(exam_seed, "finding").random_range(0..Finding::HARD.len());
        findings.push(Finding::HARD[index]);
    }
    let cancer = match plan.follow_up_years {
        Some(_) => patient.cancer.map(|it| follow_up::cancer_at(it, visit, patient.doubling_days)),
        None => cancer_before(plan, patient, days_before_last),
    };
    ExamPlan {
        patient_id: patient.id.clone(),
        cancer: patient.cancer.is_some() && days_to_cancer <= follow_up::DAYS_OF_LABEL,
        days_to_cancer: patient.cancer.map(|_| days_to_cancer),
        days_followed,
        sex: if patient.female { 'F' } else { 'M' },
        age_years: patient.age_years - days_before_last / 365,
        date: date(patient.seed, days_before_last),
        grid,
        kernel,
        kernel_name,
        noise_hu,
        nodules: cancer.into_iter().chain(patient.benign).collect(),
        variants,
        findings: Vec::new(),
        padding_hu: -1024,
        storage,
        extra,
        body: patient.body.clone(),
        pose: Pose::default(),
        patient_seed: patient.seed,
        exam_seed,
        exam_id,
    }
    .with_variants(variants)
    .with_findings(&findings)
}

/// The patient's cancer `days_before_last` days before the last exam.
fn cancer_before(plan: &PhantomPlan, patient: &Patient, days_before_last: u32) -> Option<Nodule> {
    let growth = (-f64::from(days_before_last) / (3.0 * patient.doubling_days)).exp2();
    let smallest_mm = plan.cancer_diameter_mm[0] * 13.0 / 17.0;
    patient.cancer.map(|nodule| Nodule {
        diameter_mm: to_decimals((nodule.diameter_mm * growth).max(smallest_mm), 2),
        ..nodule
    })
}

/// A date in the years of the screening trials, `days_before_last` days before the last exam.
fn date(patient_seed: u64, days_before_last: u32) -> String {
    let start = jiff::civil::date(2002, 8, 1);
    let day = stream(patient_seed, "calendar").random_range(400i64..1400);
    let date = start.saturating_add(jiff::Span::new().days(day - i64::from(days_before_last)));
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exams_of_a_patient_share_the_body_and_the_cancer_grows() {
        let plan = PhantomPlan {
            patients: 12,
            positive_fraction: 1.0,
            exams_per_patient: [3, 3],
            ..PhantomPlan::default()
        };
        for index in 0..plan.patients {
            let exams = exams(&plan, index, true);
            assert_eq!(exams.len(), 3);
            for pair in exams.windows(2) {
                assert_eq!(pair[0].body.cavity.semi, pair[1].body.cavity.semi);
                assert!(pair[0].date < pair[1].date);
                assert!(pair[0].days_to_cancer > pair[1].days_to_cancer);
                assert!(pair[0].days_to_cancer.unwrap() <= 365);
                let [before, after] = [&pair[0].nodules[0], &pair[1].nodules[0]];
                assert_eq!(before.center, after.center);
                assert!(before.diameter_mm <= after.diameter_mm);
                assert_ne!(pair[0].uid("study"), pair[1].uid("study"));
                assert_ne!(pair[0].exam_seed, pair[1].exam_seed);
            }
        }
    }
}
