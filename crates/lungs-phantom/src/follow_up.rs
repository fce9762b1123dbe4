//! Exams years before the cancer, and the end of the observation: for risks of several years.
//!
//! A patient has an exam a year. A cancer is diagnosed up to [`PhantomPlan::follow_up_years`] after the last exam,
//! half of them within a quarter of that time. Before, it is smaller by the patient's doubling time, so that the
//! diameter of the nodule tells the risk. The observation ends for everybody in a study at the same date, but the
//! study began at different dates for its patients; some are lost earlier. All are followed for more than a year.
//!
//! [`PhantomPlan::follow_up_years`]: super::PhantomPlan::follow_up_years

use super::grid::to_decimals;
use super::nodule::Nodule;
use lungs_base::random::stream;
use rand::RngExt;

/// Cancer within these days is the label 1.
pub(super) const DAYS_OF_LABEL: u32 = 365;
/// Days of a year, rounded up: the shortest follow-up of an exam.
const SHORTEST_DAYS: u32 = 366;
/// Share of the patients who are lost in a year.
const LOST_PER_YEAR: f64 = 0.04;
/// Smallest diameter of a cancer.
const SMALLEST_MM: f64 = 3.0;

/// The dates of an exam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Days from this exam to the patient's last one.
    pub(super) days_before_last: u32,
    /// Days to the diagnosis, if the patient has a cancer.
    pub(super) days_to_cancer: u32,
    /// Days to the end of the observation; `None` in a plan without follow-up.
    pub(super) days_followed: Option<u32>,
}

/// The exams of a patient by date, about a year apart, with a diagnosis up to `years` after the last of them.
pub(super) fn visits(patient_seed: u64, count: usize, years: f64) -> Vec<Visit> {
    let mut random = stream(patient_seed, "follow-up");
    let days = years * 365.25;
    let share: f64 = random.random();
    let diagnosis = 10 + (share * share * (days - 10.0)) as u32;
    let end_of_study = days * random.random_range(0.5..1.2);
    let lost = -(1.0 - random.random::<f64>()).ln() / LOST_PER_YEAR * 365.25;
    let end = (end_of_study.min(lost) as u32).max(SHORTEST_DAYS);
    let mut before_last = vec![0u32];
    for _ in 1..count {
        before_last.push(before_last[before_last.len() - 1] + random.random_range(340u32..=400));
    }
    let visit = |days_before_last: u32| Visit {
        days_before_last,
        days_to_cancer: diagnosis + days_before_last,
        days_followed: Some(end + days_before_last),
    };
    before_last.into_iter().rev().map(visit).collect()
}

/// A cancer at a visit; `at_diagnosis` is the cancer on the day of the diagnosis.
pub(super) fn cancer_at(at_diagnosis: Nodule, visit: Visit, doubling_days: f64) -> Nodule {
    let growth = (-f64::from(visit.days_to_cancer) / (3.0 * doubling_days)).exp2();
    let diameter_mm = to_decimals((at_diagnosis.diameter_mm * growth).max(SMALLEST_MM), 2);
    Nodule { diameter_mm, ..at_diagnosis }
}

#[cfg(test)]
mod tests {
    use super::super::PhantomPlan;

    #[test]
    fn cancers_are_large_before_the_diagnosis_and_small_years_before_it() {
        let plan = PhantomPlan {
            patients: 400,
            positive_fraction: 1.0,
            cancer_diameter_mm: [20.0, 20.0],
            follow_up_years: Some(6.0),
            ..PhantomPlan::default()
        };
        let exams = plan.exams().unwrap();
        assert_eq!(exams, plan.exams().unwrap());
        let mean_mm = |days: std::ops::Range<u32>| {
            let exams = exams.iter().filter(|exam| days.contains(&exam.days_to_cancer.unwrap()));
            let sizes = exams.filter_map(|exam| Some(exam.nodules.first()?.diameter_mm));
            let sizes: Vec<f64> = sizes.collect();
            assert!(sizes.len() > 30, "{days:?}: {}", sizes.len());
            sizes.iter().sum::<f64>() / sizes.len() as f64
        };
        let (near, later, far) = (mean_mm(0..200), mean_mm(500..800), mean_mm(1500..3000));
        assert!(near > 15.0 && later < 0.8 * near && far < 0.6 * later, "{near} {later} {far}");
        for exam in &exams {
            assert!((366..=3500).contains(&exam.days_followed.unwrap()));
            assert_eq!(exam.cancer, exam.days_to_cancer.unwrap() <= 365);
        }
        let pairs = exams.windows(2).filter(|pair| pair[0].patient_id == pair[1].patient_id);
        for pair in pairs {
            let days = |exam: &super::super::ExamPlan| exam.days_to_cancer.unwrap();
            let between = days(&pair[0]) - days(&pair[1]);
            assert!((340..=400).contains(&between));
            assert_eq!(pair[0].days_followed.unwrap() - pair[1].days_followed.unwrap(), between);
            assert!(pair[0].date < pair[1].date);
        }
        let with_cancer_known =
            exams.iter().filter(|exam| exam.days_to_cancer <= exam.days_followed).count();
        let share = with_cancer_known as f64 / exams.len() as f64;
        assert!((0.6..0.95).contains(&share), "{share}");
    }
}
