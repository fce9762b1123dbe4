//! Counts of the follow-up of a cohort.

use super::CohortRow;
use lungs_base::follow_up::{FollowUp, Status};
use lungs_base::text::counted;
use lungs_spec::spec::horizon_words;
use serde::Serialize;

/// Follow-up of the chosen exams of a cohort.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FollowUpCounts {
    /// Number of exams.
    pub exams: usize,
    /// Exams with cancer, at any time.
    pub cancer: usize,
    /// Exams without cancer until the end of their follow-up.
    pub censored: usize,
    /// Median time of the exams without cancer, in years.
    pub median_years_censored: Option<f64>,
    /// What is known at each horizon, ascending.
    pub horizons: Vec<HorizonCounts>,
}

/// What is known about the exams at a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HorizonCounts {
    /// The horizon.
    pub years: f64,
    /// Exams with cancer within the horizon.
    pub cancer: usize,
    /// Exams followed to the horizon without cancer.
    pub free: usize,
    /// Exams whose follow-up ends before the horizon, without cancer.
    pub unknown: usize,
}

impl FollowUpCounts {
    /// Counts the chosen rows; `None` without horizons, as for a binary outcome.
    pub fn of(rows: &[CohortRow], horizons_years: &[f64]) -> Option<Self> {
        if horizons_years.is_empty() {
            return None;
        }
        let follow_ups = rows.iter().filter(|row| row.chosen).filter_map(|row| row.follow_up);
        let follow_ups: Vec<FollowUp> = follow_ups.collect();
        let times = follow_ups.iter().filter(|it| !it.event).map(|it| it.time_years);
        let mut times: Vec<f64> = times.collect();
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        let median_years_censored = match times.get(middle) {
            Some(above) if times.len().is_multiple_of(2) => Some((times[middle - 1] + above) / 2.0),
            above => above.copied(),
        };
        let at = |&years: &f64| {
            let count =
                |status| follow_ups.iter().filter(|it| it.status_at(years) == status).count();
            HorizonCounts {
                years,
                cancer: count(Status::Cancer),
                free: count(Status::Free),
                unknown: count(Status::Unknown),
            }
        };
        Some(Self {
            exams: follow_ups.len(),
            cancer: follow_ups.len() - times.len(),
            censored: times.len(),
            median_years_censored,
            horizons: horizons_years.iter().map(at).collect(),
        })
    }

    /// The consequences of censoring for training, as sentences.
    pub fn notes(&self) -> Vec<String> {
        let sentence = |count: usize, horizon: &HorizonCounts, effect: &str| {
            let (are, have) = if count == 1 { ("is", "has") } else { ("are", "have") };
            format!(
                "{count} of {} {are} followed for less than {} and {have} no cancer: {effect}",
                counted(self.exams, "exam", "exams"),
                horizon_words(horizon.years)
            )
        };
        let (Some(first), Some(last)) = (self.horizons.first(), self.horizons.last()) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        if first.unknown > 0 {
            let effect = "not used in training, because no horizon is known";
            notes.push(sentence(first.unknown, first, effect));
        }
        if last.unknown > first.unknown {
            let effect = "used in training for the horizons that are known";
            notes.push(sentence(last.unknown, last, effect));
        }
        notes
    }
}

impl std::fmt::Display for FollowUpCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exams, cancer, censored, median_years_censored, .. } = self;
        let exams = counted(*exams, "exam", "exams");
        write!(
            f,
            "{cancer} of {exams} with cancer, {censored} without until the end of follow-up"
        )?;
        match median_years_censored {
            Some(median) => write!(f, " (median {median:.1} years)"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for HorizonCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cancer, free, unknown, .. } = self;
        write!(f, "{cancer} with cancer, {free} free of it, {unknown} unknown")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::testing::chosen_row;

    #[test]
    fn exams_are_counted_at_every_horizon() {
        let times =
            [(0.5, false), (0.5, true), (1.0, false), (2.5, false), (2.5, true), (9.0, false)];
        let row = |(time_years, event)| CohortRow {
            follow_up: Some(FollowUp { time_years, event }),
            ..chosen_row("P", "E", "1", event)
        };
        let mut rows: Vec<CohortRow> = times.map(row).into();
        rows.push(CohortRow { chosen: false, ..rows[0].clone() });
        assert_eq!(FollowUpCounts::of(&rows, &[]), None);
        let counts = FollowUpCounts::of(&rows, &[1.0, 3.0]).unwrap();
        assert_eq!(
            counts.to_string(),
            "2 of 6 exams with cancer, 4 without until the end of follow-up (median 1.8 years)"
        );
        let lines: Vec<String> = counts.horizons.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["1 with cancer, 4 free of it, 1 unknown", "2 with cancer, 1 free of it, 3 unknown"]
        );
        assert_eq!(
            counts.notes(),
            [
                "1 of 6 exams is followed for less than 1 year and has no cancer: not used in training, \
                 because no horizon is known",
                "3 of 6 exams are followed for less than 3 years and have no cancer: used in training for the \
                 horizons that are known",
            ]
        );
        let followed = FollowUpCounts::of(&rows[1..], &[1.0, 3.0]).unwrap();
        assert_eq!(
            followed.notes(),
            [
                "2 of 5 exams are followed for less than 3 years and have no cancer: used in training for the \
              horizons that are known"
            ]
        );
        let cancers = FollowUpCounts::of(&rows[4..5], &[3.0]).unwrap();
        assert_eq!(
            cancers.to_string(),
            "1 of 1 exam with cancer, 0 without until the end of follow-up"
        );
        assert!(cancers.notes().is_empty());
    }
}
