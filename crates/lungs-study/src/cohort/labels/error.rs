//! Labels that cannot be used.

use super::contradictions::Contradictions;
use super::follow_up::FollowUpError;
use lungs_base::text::TextError;
use std::path::PathBuf;

/// Labels that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file is missing, or is not text.
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
        /// Message of the parser.
        message: String,
    },
    /// A required column is missing.
    #[error(
        "{path} has no column `{column}`; its columns are: {columns}. Add the column, or rename an existing \
         one"
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
        /// All columns of the file.
        columns: String,
    },
    /// The file has no rows.
    #[error("{path} has no rows; expected a header and a row for each series, exam or patient")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A row with more cells than the header.
    #[error(
        "{path}, line {line}: found {cells} cells, expected {expected} as in the header; quote cells that \
         contain the separator \"{separator}\""
    )]
    TooManyCells {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Cells in the row.
        cells: usize,
        /// Cells in the header.
        expected: usize,
        /// Separator of cells.
        separator: char,
    },
    /// Two columns with the same reserved name.
    #[error("{path} has two columns `{column}`; rename or remove one of them")]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A value that is not a label.
    #[error("{path}, line {line}: label is \"{value}\", expected 0 or 1")]
    BadLabel {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Content of the cell.
        value: String,
    },
    /// A value that is not a label of a survival outcome.
    #[error("{path}, line {line}: label is \"{value}\", expected 0, 1 or an empty cell")]
    BadOptionalLabel {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Content of the cell.
        value: String,
    },
    /// A survival outcome without a column of times.
    #[error(
        "{path} has no column `{years}` or `{days}`, which outcome.name = \"survival\" needs; its columns are: \
         {columns}. Add the column, or rename an existing one"
    )]
    NoTimeColumn {
        /// The file.
        path: PathBuf,
        /// The column in years.
        years: &'static str,
        /// The column in days.
        days: &'static str,
        /// All columns of the file.
        columns: String,
    },
    /// A time in years and in days.
    #[error("{path} has the columns `{years}` and `{days}`; remove one of them")]
    TimeColumnTwice {
        /// The file.
        path: PathBuf,
        /// The column in years.
        years: &'static str,
        /// The column in days.
        days: &'static str,
    },
    /// A follow-up that cannot be used.
    #[error("{path}, line {line}: {problem}")]
    FollowUp {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The problem.
        problem: FollowUpError,
    },
    /// One follow-up for several exams.
    #[error(
        "{source_name}: the row names patient {patient} without study_date, and the patient has several exams: \
         {exams}. A follow-up starts at one exam. Write a row for each exam, with study_date, exam_id or \
         series_uid"
    )]
    OneFollowUpForExams {
        /// File and line.
        source_name: String,
        /// The patient.
        patient: String,
        /// The exams with their dates.
        exams: String,
    },
    /// A value that is not a date.
    #[error(
        "{path}, line {line}: study_date is \"{value}\", expected a date such as 2001-12-31 or 20011231, \
         or an empty cell"
    )]
    BadDate {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Content of the cell.
        value: String,
    },
    /// A row without a series, path, exam or patient.
    #[error(
        "{path}, line {line}: series_uid, path, exam_id and patient_id are empty, expected at least one"
    )]
    NoName {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// Contradictory labels, patients, exams or splits of one series or exam.
    #[error(transparent)]
    Contradictions(#[from] Contradictions),
}
