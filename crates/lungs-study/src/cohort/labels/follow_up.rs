//! The follow-up of a row of labels: the time to cancer, or to the end of the observation.

use super::LabelsError;
use lungs_base::follow_up::{DAYS_PER_YEAR, FollowUp, Status};
use lungs_base::table::TextRow;
use lungs_spec::spec::{Outcome, horizon_words};
use std::path::Path;

/// Longest accepted time. A larger number of years is a number of days.
const MAX_YEARS: u32 = 150;
/// Columns of the time from the exam to cancer.
const TO_EVENT: [&str; 2] = ["years_to_event", "days_to_event"];
/// Columns of the time from the exam to the end of the observation.
const FOLLOWED: [&str; 2] = ["years_followed", "days_followed"];

/// A follow-up that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowUpError {
    /// A cell that is not a time.
    #[error("{column} is \"{value}\", expected a number from 0 to {max}, or an empty cell")]
    BadTime {
        /// The column.
        column: &'static str,
        /// Content of the cell.
        value: String,
        /// Largest accepted number.
        max: u32,
    },
    /// No time.
    #[error(
        "{event} and {followed} are empty; expected the time from the exam to cancer in {event}, or the time \
         without cancer in {followed}"
    )]
    NoTime {
        /// Column of the time to cancer.
        event: &'static str,
        /// Column of the time of the observation.
        followed: &'static str,
    },
    /// Cancer after the end of the observation.
    #[error(
        "{event} is {event_value} and {followed} is {followed_value}: the cancer is after the end of the \
         follow-up. Correct one of the two cells; {followed} can be empty if there is cancer"
    )]
    EventAfterEnd {
        /// Column of the time to cancer.
        event: &'static str,
        /// Its cell.
        event_value: String,
        /// Column of the time of the observation.
        followed: &'static str,
        /// Its cell.
        followed_value: String,
    },
    /// A positive label of an exam without cancer.
    #[error(
        "label is 1, but {event} is empty: no cancer was seen. Correct one of the two cells; label can be empty"
    )]
    PositiveWithoutCancer {
        /// Column of the time to cancer.
        event: &'static str,
    },
    /// A negative label of an exam with cancer within the first horizon.
    #[error(
        "label is 0, but {event} is {value}: cancer within {horizon}, the first of outcome.horizons_years. \
         Correct one of the two cells; label can be empty"
    )]
    NegativeWithCancer {
        /// Column of the time to cancer.
        event: &'static str,
        /// Its cell.
        value: String,
        /// The first horizon in words.
        horizon: String,
    },
}

/// A column of times and its unit.
#[derive(Clone, Copy)]
struct TimeColumn {
    index: usize,
    name: &'static str,
    per_year: f64,
}

/// The columns of follow-up of a table.
#[derive(Clone, Copy)]
pub(super) struct FollowUpColumns {
    event: TimeColumn,
    followed: TimeColumn,
    first_horizon_years: f64,
}

impl FollowUpColumns {
    /// Whether a column of a table with follow-up has a reserved meaning.
    pub(super) fn are_reserved(name: &str) -> bool {
        TO_EVENT.contains(&name) || FOLLOWED.contains(&name)
    }

    /// The columns of a table for a survival outcome; `None` for a binary one.
    ///
    /// # Errors
    /// A column is missing, or there are both years and days.
    pub(super) fn of(
        path: &Path,
        header: &[String],
        outcome: &Outcome,
    ) -> Result<Option<Self>, LabelsError> {
        let Some(first_horizon_years) = outcome.first_horizon() else { return Ok(None) };
        let column = |names: [&'static str; 2]| {
            let index = names.map(|name| header.iter().position(|column| column == name));
            let [years, days] = names;
            match index {
                [Some(index), None] => Ok(TimeColumn { index, name: years, per_year: 1.0 }),
                [None, Some(index)] => {
                    Ok(TimeColumn { index, name: days, per_year: DAYS_PER_YEAR })
                }
                [None, None] => Err(LabelsError::NoTimeColumn {
                    path: path.to_owned(),
                    years,
                    days,
                    columns: header.join(", "),
                }),
                [Some(_), Some(_)] => {
                    Err(LabelsError::TimeColumnTwice { path: path.to_owned(), years, days })
                }
            }
        };
        let (event, followed) = (column(TO_EVENT)?, column(FOLLOWED)?);
        Ok(Some(Self { event, followed, first_horizon_years }))
    }

    /// The follow-up of a row, and the label it implies: cancer within the first horizon. `label` is the label of
    /// the row, if it has one.
    ///
    /// # Errors
    /// A cell is not a time, or two cells contradict each other.
    pub(super) fn read(
        &self,
        row: &TextRow,
        label: Option<bool>,
    ) -> Result<(FollowUp, bool), FollowUpError> {
        let (event, followed) = (self.event.years(row)?, self.followed.years(row)?);
        let (event_name, followed_name) = (self.event.name, self.followed.name);
        let follow_up = match (event, followed) {
            (None, None) => {
                return Err(FollowUpError::NoTime { event: event_name, followed: followed_name });
            }
            (Some(event), Some(followed)) if event > followed => {
                return Err(FollowUpError::EventAfterEnd {
                    event: event_name,
                    event_value: row.cell(self.event.index).to_owned(),
                    followed: followed_name,
                    followed_value: row.cell(self.followed.index).to_owned(),
                });
            }
            (Some(time_years), _) => FollowUp { time_years, event: true },
            (None, Some(time_years)) => FollowUp { time_years, event: false },
        };
        let has_cancer = follow_up.status_at(self.first_horizon_years) == Status::Cancer;
        match label {
            Some(true) if !follow_up.event => {
                Err(FollowUpError::PositiveWithoutCancer { event: event_name })
            }
            Some(false) if has_cancer => Err(FollowUpError::NegativeWithCancer {
                event: event_name,
                value: row.cell(self.event.index).to_owned(),
                horizon: horizon_words(self.first_horizon_years),
            }),
            _ => Ok((follow_up, has_cancer)),
        }
    }
}

impl TimeColumn {
    /// The time of a row in years; `None` if the cell is empty.
    fn years(self, row: &TextRow) -> Result<Option<f64>, FollowUpError> {
        let cell = row.cell(self.index);
        if cell.is_empty() {
            return Ok(None);
        }
        let max = f64::from(MAX_YEARS) * self.per_year;
        let time = cell.parse().ok().filter(|time: &f64| (0.0..=max).contains(time));
        // Adding 0 makes a time of −0 one of 0.
        let years = time.map(|time| time / self.per_year + 0.0);
        years.map(Some).ok_or_else(|| FollowUpError::BadTime {
            column: self.name,
            value: cell.to_owned(),
            max: max as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{error_of, read_of};
    use super::super::{Label, check_contradictions};
    use super::*;
    use crate::cohort::testing::image;
    use lungs_spec::spec::OutcomeName;

    fn survival() -> Outcome {
        Outcome { name: OutcomeName::Survival, ..Outcome::default() }
    }

    fn label(text: &str) -> Label {
        let folder = tempfile::tempdir().unwrap();
        let labels = read_of(folder.path(), text, &survival()).unwrap();
        labels.by_series["1"][0].clone()
    }

    fn error(text: &str) -> String {
        error_of(text, &survival())
    }

    #[test]
    fn years_and_days_give_the_same_follow_up_and_the_label_of_the_first_horizon() {
        let cases = [
            ("series_uid,years_to_event,years_followed\n1,0.5,\n", 0.5, true, true),
            ("series_uid,days_to_event,years_followed,label\n1,365.25,3,1\n", 1.0, true, true),
            (
                "series_uid,days_to_event,days_followed,label\n1,366,,0\n",
                366.0 / 365.25,
                true,
                false,
            ),
            ("series_uid,days_to_event,days_followed,label\n1,,730.5,0\n", 2.0, false, false),
            ("series_uid;years_to_event;days_followed;label\n1;;0;\n", 0.0, false, false),
            ("series_uid,years_to_event,years_followed,label\n1,4,4,1\n", 4.0, true, false),
        ];
        for (text, time_years, event, positive) in cases {
            let label = label(text);
            assert_eq!(label.follow_up, Some(FollowUp { time_years, event }), "{text}");
            assert_eq!(label.label, positive, "{text}");
            assert!(label.columns.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_binary_outcome_keeps_the_columns_as_other_columns() {
        let folder = tempfile::tempdir().unwrap();
        let text = "series_uid,label,days_to_event,years_to_event,years_followed\n1,0,x,5,\n";
        let labels = read_of(folder.path(), text, &Outcome::default()).unwrap();
        let label = &labels.by_series["1"][0];
        assert_eq!(label.follow_up, None);
        assert_eq!(label.columns["days_to_event"], "x");
        assert_eq!(label.columns.len(), 3);
    }

    #[test]
    fn errors_name_the_line_the_columns_and_the_cells() {
        let head = "series_uid,days_to_event,years_followed,label\n";
        let place = "DIR/labels.csv, line 2: ";
        for (row, message) in [
            (
                "1,-3,5,",
                "days_to_event is \"-3\", expected a number from 0 to 54787, or an empty cell",
            ),
            (
                "1,,never,",
                "years_followed is \"never\", expected a number from 0 to 150, or an empty cell",
            ),
            (
                "1,,2200,",
                "years_followed is \"2200\", expected a number from 0 to 150, or an empty cell",
            ),
            (
                "1,NaN,,",
                "days_to_event is \"NaN\", expected a number from 0 to 54787, or an empty cell",
            ),
            (
                "1,,,0",
                "days_to_event and years_followed are empty; expected the time from the exam to cancer in \
                 days_to_event, or the time without cancer in years_followed",
            ),
            (
                "1,400,1,",
                "days_to_event is 400 and years_followed is 1: the cancer is after the end of the follow-up. \
                 Correct one of the two cells; years_followed can be empty if there is cancer",
            ),
            (
                "1,,3,1",
                "label is 1, but days_to_event is empty: no cancer was seen. Correct one of the two cells; \
                 label can be empty",
            ),
            (
                "1,300,,0",
                "label is 0, but days_to_event is 300: cancer within 1 year, the first of \
                 outcome.horizons_years. Correct one of the two cells; label can be empty",
            ),
            ("1,300,,maybe", "label is \"maybe\", expected 0, 1 or an empty cell"),
        ] {
            assert_eq!(error(&format!("{head}{row}\n")), format!("{place}{message}"));
        }
        assert_eq!(
            error("series_uid,label,years_followed\n1,0,3\n"),
            "DIR/labels.csv has no column `years_to_event` or `days_to_event`, which outcome.name = \"survival\" \
             needs; its columns are: series_uid, label, years_followed. Add the column, or rename an existing one"
        );
        assert_eq!(
            error("series_uid,years_to_event,years_followed,days_followed\n1,,3,9\n"),
            "DIR/labels.csv has the columns `years_followed` and `days_followed`; remove one of them"
        );
        assert_eq!(
            error("series_uid,years_to_event,years_to_event,years_followed\n1,,,3\n"),
            "DIR/labels.csv has two columns `years_to_event`; rename or remove one of them"
        );
    }

    #[test]
    fn follow_ups_of_one_exam_that_differ_contradict_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let head = "series_uid,years_to_event,years_followed\n";
        let contradiction = |rows: &str| {
            let labels = read_of(folder.path(), &format!("{head}{rows}"), &survival()).unwrap();
            // Both images are of one exam.
            let images = [image("1"), image("2")];
            let matched = labels.match_images(&images);
            let error = check_contradictions(&labels, &images, &matched).err();
            error.map_or_else(String::new, |error| error.to_string())
        };
        assert_eq!(contradiction("1,,3\n2,,3\n1,,3.0\n"), "");
        let later = contradiction("1,,3\n2,4,\n");
        assert!(
            later.contains("exam E of P has two follow-ups: no cancer in 3 years ("),
            "{later}"
        );
        assert!(later.contains("and cancer after 4 years ("), "{later}");
        let same_series = contradiction("1,0.5,\n1,,1\n");
        assert!(same_series.contains("series 1 has two follow-ups: cancer after 0.5 years ("));
        assert!(!same_series.contains("two labels"), "{same_series}");
    }
}
