//! Follow-up of exams, ordered by time.

use super::error::SurvivalError;
use crate::cluster;
use lungs_base::follow_up::{FollowUp, Status};

/// Exams with the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub time_years: f64,
    /// Exams with at least this time.
    pub at_risk: usize,
    /// Cancers at this time.
    pub events: usize,
    /// Ends of follow-up at this time, after the cancers.
    pub censored: usize,
}

/// Follow-up of all exams of a cohort, checked.
#[derive(Clone, Debug)]
pub struct Outcomes {
    follow_ups: Vec<FollowUp>,
    patients: Vec<usize>,
    patient_count: usize,
    steps: Vec<Step>,
    step_of: Vec<usize>,
}

impl Outcomes {
    /// Follow-up with the index of each exam's patient; without `patients`, every exam is of another patient.
    ///
    /// # Errors
    /// A time that is negative or not finite, or another number of patients than of exams.
    pub fn new(follow_ups: &[FollowUp], patients: Option<&[usize]>) -> Result<Self, SurvivalError> {
        let is_time = |time: f64| time.is_finite() && time >= 0.0;
        let wrong = follow_ups.iter().position(|it| !is_time(it.time_years));
        if let Some(exam) = wrong {
            return Err(SurvivalError::Time { exam, time_years: follow_ups[exam].time_years });
        }
        let expected = follow_ups.len();
        if let Some(found) = patients.map(<[usize]>::len).filter(|&found| found != expected) {
            return Err(SurvivalError::Length { what: "patients", found, expected });
        }
        let patients = patients.map_or_else(|| (0..expected).collect(), <[usize]>::to_vec);
        Ok(Self::of_checked(follow_ups.to_vec(), patients))
    }

    fn of_checked(follow_ups: Vec<FollowUp>, patients: Vec<usize>) -> Self {
        // Indices without gaps, so that their largest tells the number of patients.
        let mut names = patients.clone();
        names.sort_unstable();
        names.dedup();
        let index = |patient: &usize| names.partition_point(|name| name < patient);
        let patients: Vec<usize> = patients.iter().map(index).collect();
        let mut order: Vec<usize> = (0..follow_ups.len()).collect();
        let time = |exam: usize| follow_ups[exam].time_years;
        // Adding 0 makes a time of −0 one of 0.
        order.sort_by(|&a, &b| (time(a) + 0.0).total_cmp(&(time(b) + 0.0)));
        let (mut steps, mut step_of) = (Vec::new(), vec![0; follow_ups.len()]);
        let mut at_risk = follow_ups.len();
        for ties in order.chunk_by(|&a, &b| time(a) == time(b)) {
            let events = ties.iter().filter(|&&exam| follow_ups[exam].event).count();
            let censored = ties.len() - events;
            ties.iter().for_each(|&exam| step_of[exam] = steps.len());
            steps.push(Step { time_years: time(ties[0]), at_risk, events, censored });
            at_risk -= ties.len();
        }
        Self { follow_ups, patients, patient_count: names.len(), steps, step_of }
    }

    /// Number of exams.
    pub fn len(&self) -> usize {
        self.follow_ups.len()
    }

    /// Whether there is no exam.
    pub fn is_empty(&self) -> bool {
        self.follow_ups.is_empty()
    }

    /// Number of patients.
    pub fn patient_count(&self) -> usize {
        self.patient_count
    }

    /// Number of exams with cancer.
    pub fn event_count(&self) -> usize {
        self.steps.iter().map(|step| step.events).sum()
    }

    /// What is known about an exam at a horizon.
    ///
    /// # Panics
    /// When there is no such exam.
    pub fn status(&self, exam: usize, horizon_years: f64) -> Status {
        self.follow_ups[exam].status_at(horizon_years)
    }

    /// Some of the exams.
    pub(crate) fn subset(&self, exams: &[usize]) -> Self {
        let follow_ups = exams.iter().map(|&exam| self.follow_ups[exam]).collect();
        Self::of_checked(follow_ups, exams.iter().map(|&exam| self.patients[exam]).collect())
    }

    /// Distinct times in increasing order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Index of each exam's step.
    pub(crate) fn step_of(&self) -> &[usize] {
        &self.step_of
    }

    /// Number of steps before a time.
    pub(crate) fn steps_before(&self, time_years: f64) -> usize {
        self.steps.partition_point(|step| step.time_years < time_years)
    }

    /// Number of steps until a time, inclusive.
    pub(crate) fn steps_until(&self, time_years: f64) -> usize {
        self.steps.partition_point(|step| step.time_years <= time_years)
    }

    /// Whether the exam's follow-up ends with cancer.
    pub(crate) fn has_event(&self, exam: usize) -> bool {
        self.follow_ups[exam].event
    }

    /// Index of each exam's patient, without gaps.
    pub(crate) fn patients(&self) -> &[usize] {
        &self.patients
    }

    /// Index of each exam's patient where any has several exams.
    pub(crate) fn repeated_patients(&self) -> Option<&[usize]> {
        (cluster::count(&self.patients) < self.len()).then_some(&self.patients)
    }

    /// Why the risk at a horizon is unknown: the longest follow-up ends before it, without cancer.
    pub(crate) fn unknown_risk(&self, horizon_years: f64) -> Option<String> {
        let Some(last) = self.steps.last() else { return Some("there are no exams".to_owned()) };
        let is_followed = last.time_years >= horizon_years;
        (last.censored > 0 && !is_followed).then(|| {
            format!(
                "no exam is followed to {horizon_years} years: the longest follow-up is {} years",
                last.time_years
            )
        })
    }
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
