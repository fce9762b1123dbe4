//! Follow-up of an exam: the time to cancer, or to the end of the observation.

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
