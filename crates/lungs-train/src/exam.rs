//! An exam of a study, and what is known about its outcome.

use lungs_base::follow_up::{FollowUp, Status};
use lungs_spec::spec::Outcome;
use std::path::PathBuf;

/// An exam with its prepared volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Exam {
    /// Patient.
    pub patient_id: String,
    /// Exam.
    pub exam_id: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// 1 for cancer within the horizon, the first of several; 0 if unknown (prediction).
    pub label: bool,
    /// Time to cancer or to the end of follow-up, for an outcome of several years.
    pub follow_up: Option<FollowUp>,
    /// The prepared volume.
    pub crop: PathBuf,
}

impl Exam {
    /// What is known about the outcome of the exam.
    pub fn target(&self) -> Target {
        Target { label: self.label, follow_up: self.follow_up }
    }

    /// Whether the label is known: always, but for an exam whose follow-up ends before the first horizon.
    pub fn has_known_label(&self, outcome: &Outcome) -> bool {
        let status = |horizon| self.follow_up.map(|follow_up| follow_up.status_at(horizon));
        outcome.first_horizon().is_none_or(|horizon| status(horizon) != Some(Status::Unknown))
    }

    /// Whether the exam has cancer: by its label, or until the last horizon.
    pub fn is_positive(&self, outcome: &Outcome) -> bool {
        match (outcome.last_horizon(), self.follow_up) {
            (Some(horizon), Some(follow_up)) => follow_up.status_at(horizon) == Status::Cancer,
            _ => self.label,
        }
    }
}

/// What is known about the outcome of an exam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The label.
    pub label: bool,
    /// The follow-up; `None` without one, as in prediction.
    pub follow_up: Option<FollowUp>,
}

impl Target {
    /// The classes of the exam at the horizons of an outcome; `None` where its status is unknown. A binary
    /// outcome has one class, the label.
    pub(super) fn classes(self, outcome: &Outcome) -> Vec<Option<bool>> {
        if !outcome.is_survival() {
            return vec![Some(self.label)];
        }
        let class = |horizon: &f64| match self.follow_up?.status_at(*horizon) {
            Status::Cancer => Some(true),
            Status::Free => Some(false),
            Status::Unknown => None,
        };
        outcome.horizons().iter().map(class).collect()
    }
}
