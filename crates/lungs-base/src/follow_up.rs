//! Follow-up of an exam: the time to cancer, or to the end of the observation.

use serde::{Deserialize, Serialize};

/// Days of a year: the mean of the calendar.
pub const DAYS_PER_YEAR: f64 = 365.25;

/// Follow-up of one exam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Years from the exam to cancer if there is one, else to the end of follow-up.
    pub time_years: f64,
    /// Whether the follow-up ends with cancer.
    pub event: bool,
}

/// What is known about an exam at a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Cancer within the horizon.
    Cancer,
    /// Followed to the horizon without cancer, whatever happened later.
    Free,
    /// Follow-up ended before the horizon, without cancer.
    Unknown,
}

impl FollowUp {
    /// What is known at a horizon. Cancer at exactly the horizon is within it; an exam whose follow-up ends at
    /// exactly the horizon is known to be free of cancer.
    pub fn status_at(self, horizon_years: f64) -> Status {
        if self.event && self.time_years <= horizon_years {
            Status::Cancer
        } else if self.time_years >= horizon_years {
            Status::Free
        } else {
            Status::Unknown
        }
    }
}

impl std::fmt::Display for FollowUp {
    /// `cancer after 0.5 years`, `no cancer in 1 year`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time_years, event } = *self;
        let outcome = if event { "cancer after" } else { "no cancer in" };
        let years = if time_years == 1.0 { "year" } else { "years" };
        write!(f, "{outcome} {time_years} {years}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_is_a_phrase() {
        let text = |time_years, event| FollowUp { time_years, event }.to_string();
        assert_eq!(text(0.5, true), "cancer after 0.5 years");
        assert_eq!(text(1.0, false), "no cancer in 1 year");
    }

    #[test]
    fn the_status_depends_on_time_and_event() {
        let status = |time_years, event| FollowUp { time_years, event }.status_at(2.0);
        assert_eq!(status(1.9, true), Status::Cancer);
        assert_eq!(status(2.0, true), Status::Cancer);
        assert_eq!(status(2.1, true), Status::Free);
        assert_eq!(status(2.0, false), Status::Free);
        assert_eq!(status(1.9, false), Status::Unknown);
    }
}
