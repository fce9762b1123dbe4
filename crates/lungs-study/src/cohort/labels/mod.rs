//! Labels of exams, from a CSV file, class folders or lists.
//!
//! ```text
//! labels.csv ──table──▶ Labels ──matching──▶ LabelMatches ──contradictions──▶ one label per exam
//! ```

mod contradictions;
mod date;
mod matching;
mod table;
#[cfg(test)]
mod tests;

use date::Date;
use lungs_base::text::TextError;
use lungs_image::images::Image;
use lungs_spec::spec::SplitName;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub use contradictions::Contradictions;
pub(super) use contradictions::check as check_contradictions;
pub(crate) use matching::LabelMatches;
pub use matching::PatientRows;

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

/// The label of a series, an exam or a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// 1 for cancer within the horizon.
    pub label: bool,
    /// Patient, if the source has one.
    pub patient_id: Option<String>,
    /// Exam, if the source has one.
    pub exam_id: Option<String>,
    /// Split, if the source fixes it.
    pub split: Option<SplitName>,
    /// Values of other columns, by column name.
    pub columns: BTreeMap<String, String>,
    /// Source, such as `labels.csv line 3`.
    pub source: String,
}

/// A label of a patient, for all exams or for those of one date.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PatientLabel {
    /// The date of the exams; `None` for all exams.
    date: Option<Date>,
    label: Label,
}

/// All labels, by the series, path, exam or patient that they name.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    by_series: BTreeMap<String, Vec<Label>>,
    by_path: BTreeMap<PathBuf, Vec<Label>>,
    by_exam: BTreeMap<String, Vec<Label>>,
    by_patient: BTreeMap<String, Vec<PatientLabel>>,
    /// The folder of images. Folders below it can have patient IDs as names.
    root: PathBuf,
}

impl Labels {
    /// Gives all images the same label and split. `source` is the line of a list; without it, the source of
    /// each label is the path of the image.
    pub(crate) fn add_images(
        &mut self,
        images: &[Image],
        label: bool,
        split: Option<SplitName>,
        source: Option<&str>,
    ) {
        for image in images {
            let source = source.map_or_else(|| image.path.display().to_string(), str::to_owned);
            let columns = BTreeMap::new();
            let entry = Label { label, patient_id: None, exam_id: None, split, columns, source };
            self.by_series.entry(image.series_uid.clone()).or_default().push(entry);
        }
    }
}
