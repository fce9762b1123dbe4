//! What is known of each exam: a CSV of labels, folders of positives and negatives, or lists.
//!
//! ```text
//! labels.csv ──table──▶ Labels ──matching──▶ Matched ──contradictions──▶ one label per exam
//! ```

mod contradictions;
mod date;
mod matching;
mod table;
#[cfg(test)]
mod tests;

use crate::images::Image;
use crate::spec::Part;
use crate::text::TextError;
use date::Date;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) use contradictions::check as check_contradictions;
pub use contradictions::{Contradiction, Contradictions};
pub use matching::{Matched, PatientRows, Unused};

/// Labels that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file is not there, or is not text.
    #[error(
        "data.labels: {0}. Expected a CSV file with a column `label` and one of `series_uid`, `path`, \
         `exam_id`, `patient_id`"
    )]
    Text(#[from] TextError),
    /// The file is not CSV.
    #[error("data.labels: cannot read {path}: {message}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A needed column is absent.
    #[error(
        "{path} has no column `{column}`; its columns are: {found}. Rename the column that holds it, or \
         add it"
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
        /// What is there.
        found: String,
    },
    /// No rows.
    #[error("{path} has no rows; expected a header and a row for each series, exam or patient")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A row with more cells than the header.
    #[error(
        "{path}, line {line}: {found} cells, the header has {expected}; quote cells that contain the \
         separator \"{separator}\""
    )]
    TooManyCells {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
        /// What separates cells.
        separator: char,
    },
    /// A column of our own twice.
    #[error("{path} has two columns `{column}`; rename or remove one of them")]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A value that is not a label.
    #[error("{path}, line {line}: label is \"{found}\", expected 0 or 1")]
    BadLabel {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What was found.
        found: String,
    },
    /// A value that is not a date.
    #[error(
        "{path}, line {line}: study_date is \"{found}\", expected a date as 2001-12-31 or 20011231, or \
         nothing"
    )]
    BadDate {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What was found.
        found: String,
    },
    /// A row that names nothing.
    #[error("{path}, line {line}: series_uid, path, exam_id and patient_id are all empty")]
    NoName {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// Two labels, patients, exams or parts of one series or exam.
    #[error(transparent)]
    Contradictions(#[from] Contradictions),
}

/// What is known of one exam.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// 1 for cancer within the horizon.
    pub label: u8,
    /// Patient, when the source names one.
    pub patient: Option<String>,
    /// Exam, when the source names one.
    pub exam: Option<String>,
    /// Part of the study, when the source imposes one.
    pub part: Option<Part>,
    /// What further columns say, by their names.
    pub columns: BTreeMap<String, String>,
    /// Where it stands, such as `labels.csv line 3`.
    pub source: String,
}

/// A label of a patient, for all exams or for those of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PatientLabel {
    /// The day, when the source names one.
    date: Option<Date>,
    label: Label,
}

/// Every label, by what it names.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    by_series: BTreeMap<String, Vec<Label>>,
    by_path: BTreeMap<PathBuf, Vec<Label>>,
    by_exam: BTreeMap<String, Vec<Label>>,
    by_patient: BTreeMap<String, Vec<PatientLabel>>,
    /// The folder of images: names of folders below it can name patients.
    root: PathBuf,
}

impl Labels {
    /// Gives every image the same label, and part; `source` is the line of a list that names it, else each
    /// image's own folder or file is.
    pub fn add_images(
        &mut self,
        images: &[Image],
        label: u8,
        part: Option<Part>,
        source: Option<&str>,
    ) {
        for image in images {
            let source = source.map_or_else(|| image.path.display().to_string(), str::to_owned);
            let columns = BTreeMap::new();
            let entry = Label { label, patient: None, exam: None, part, columns, source };
            self.by_series.entry(image.series_uid.clone()).or_default().push(entry);
        }
    }
}
