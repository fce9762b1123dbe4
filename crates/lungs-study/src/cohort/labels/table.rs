//! Reader of CSV files of labels.

use super::follow_up::FollowUpColumns;
use super::{Date, Label, Labels, LabelsError, PatientLabel};
use lungs_base::follow_up::FollowUp;
use lungs_base::table::{TextRow, TextTable};
use lungs_base::text;
use lungs_spec::spec::Outcome;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Columns with a reserved meaning. `study_date` selects the exam of a row that names a patient only; it is
/// also stored with the other columns.
const RESERVED_COLUMNS: [&str; 6] =
    ["patient_id", "exam_id", "series_uid", "path", "label", "study_date"];

/// The reserved cells of a row.
struct Row<'a> {
    patient_id: &'a str,
    exam_id: &'a str,
    series_uid: &'a str,
    path: &'a str,
    label: &'a str,
    study_date: &'a str,
}

impl<'a> Row<'a> {
    fn of(header: &[String], record: &'a csv::StringRecord) -> Self {
        let cell = |name: &str| {
            let index = header.iter().position(|column| column == name);
            index.and_then(|index| record.get(index)).unwrap_or_default()
        };
        Self {
            patient_id: cell("patient_id"),
            exam_id: cell("exam_id"),
            series_uid: cell("series_uid"),
            path: cell("path"),
            label: cell("label"),
            study_date: cell("study_date"),
        }
    }

    /// The label; `None` if the cell is not one.
    fn read_label(&self) -> Option<bool> {
        match self.label {
            "0" | "0.0" => Some(false),
            "1" | "1.0" => Some(true),
            _ => None,
        }
    }

    /// The label of a binary outcome.
    fn label(&self, line: &Line) -> Result<bool, LabelsError> {
        self.read_label().ok_or_else(|| LabelsError::BadLabel {
            path: line.file.to_owned(),
            line: line.number,
            value: self.label.to_owned(),
        })
    }

    /// The label of a survival outcome, and its follow-up.
    fn follow_up(
        &self,
        columns: &FollowUpColumns,
        row: &TextRow,
        line: &Line,
    ) -> Result<(bool, Option<FollowUp>), LabelsError> {
        let (path, number) = (line.file.to_owned(), line.number);
        let label = self.read_label();
        if label.is_none() && !self.label.is_empty() {
            let value = self.label.to_owned();
            return Err(LabelsError::BadOptionalLabel { path, line: number, value });
        }
        let (follow_up, label) = columns
            .read(row, label)
            .map_err(|problem| LabelsError::FollowUp { path, line: number, problem })?;
        Ok((label, Some(follow_up)))
    }
}

/// Position of a row.
struct Line<'a> {
    file: &'a Path,
    number: u64,
}

impl Labels {
    /// Reads a CSV file of labels, separated by `,`, `;` or tabs. A row labels the most specific name that it
    /// has: `series_uid`, `path` (a folder or volume file, relative to the folder of the table or to `root`),
    /// `exam_id` (StudyInstanceUID: all series of the exam), or `patient_id` (all exams of the patient, or
    /// those of `study_date`). A survival outcome needs columns of follow-up, and no label.
    ///
    /// # Errors
    /// The file has another format, or a row is invalid.
    pub fn read_csv(path: &Path, root: &Path, outcome: &Outcome) -> Result<Self, LabelsError> {
        let no_rows = || LabelsError::NoRows { path: path.to_owned() };
        let table = TextTable::parse(&text::read(path)?).map_err(|error| LabelsError::Csv {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        if table.rows.is_empty() && table.header.iter().all(String::is_empty) {
            return Err(no_rows());
        }
        let follow_up = FollowUpColumns::of(path, &table.header, outcome)?;
        check_header(path, &table.header, follow_up.is_some())?;
        if table.rows.is_empty() {
            return Err(no_rows());
        }
        let mut labels = Self { root: root.to_owned(), ..Self::default() };
        for row in &table.rows {
            if table.has_too_many_cells(row) {
                return Err(LabelsError::TooManyCells {
                    path: path.to_owned(),
                    line: row.line,
                    cells: row.cells.len(),
                    expected: table.header.len(),
                    separator: table.separator,
                });
            }
            let cells = table.header.iter().zip(&row.cells);
            let is_follow_up =
                |name: &str| follow_up.is_some() && FollowUpColumns::are_reserved(name);
            let is_stored = |name: &str| {
                name == "study_date" || !(RESERVED_COLUMNS.contains(&name) || is_follow_up(name))
            };
            let columns = cells.filter(|(name, _)| is_stored(name));
            let columns = columns.map(|(name, cell)| (name.clone(), cell.to_owned())).collect();
            let line = Line { file: path, number: row.line };
            let named = Row::of(&table.header, &row.cells);
            let outcome = match &follow_up {
                None => (named.label(&line)?, None),
                Some(times) => named.follow_up(times, row, &line)?,
            };
            labels.add_row(&named, outcome, columns, &line)?;
        }
        Ok(labels)
    }

    fn add_row(
        &mut self,
        row: &Row,
        (label, follow_up): (bool, Option<FollowUp>),
        columns: BTreeMap<String, String>,
        line: &Line,
    ) -> Result<(), LabelsError> {
        let (path, number) = (line.file.to_owned(), line.number);
        let non_empty = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let entry = Label {
            label,
            follow_up,
            patient_id: non_empty(row.patient_id),
            exam_id: non_empty(row.exam_id),
            split: None,
            columns,
            source: format!("{} line {number}", line.file.display()),
        };
        if !row.series_uid.is_empty() {
            self.by_series.entry(row.series_uid.to_owned()).or_default().push(entry);
        } else if !row.path.is_empty() {
            let key = self.locate(Path::new(row.path), line.file);
            self.by_path.entry(key).or_default().push(entry);
        } else if !row.exam_id.is_empty() {
            self.by_exam.entry(row.exam_id.to_owned()).or_default().push(entry);
        } else if !row.patient_id.is_empty() {
            let date = match (row.study_date, Date::parse(row.study_date)) {
                ("", _) => None,
                (_, Some(date)) => Some(date),
                (value, None) => {
                    let value = value.to_owned();
                    return Err(LabelsError::BadDate { path, line: number, value });
                }
            };
            let entry = PatientLabel { date, label: entry };
            self.by_patient.entry(row.patient_id.to_owned()).or_default().push(entry);
        } else {
            return Err(LabelsError::NoName { path, line: number });
        }
        Ok(())
    }

    /// Resolves a path of a table: relative to the folder of the table, or else to the folder of images.
    fn locate(&self, path: &Path, table: &Path) -> PathBuf {
        let next_to_table = table.parent().unwrap_or(Path::new(".")).join(path);
        let in_root = self.root.join(path);
        if !next_to_table.exists() && in_root.exists() {
            canonical(&in_root)
        } else {
            canonical(&next_to_table)
        }
    }
}

/// An absolute path without symbolic links if the file exists, so that paths of the same file are equal.
pub(super) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}

fn check_header(path: &Path, header: &[String], has_follow_up: bool) -> Result<(), LabelsError> {
    let has = |name: &str| header.iter().any(|column| column == name);
    let missing = |column| LabelsError::NoColumn {
        path: path.to_owned(),
        column,
        columns: header.join(", "),
    };
    if !has_follow_up && !has("label") {
        return Err(missing("label"));
    }
    if !["series_uid", "path", "exam_id", "patient_id"].into_iter().any(has) {
        return Err(missing("series_uid`, `path`, `exam_id` or `patient_id"));
    }
    let is_reserved = |name: &str| {
        RESERVED_COLUMNS.contains(&name) || (has_follow_up && FollowUpColumns::are_reserved(name))
    };
    let count = |name: &str| header.iter().filter(|column| *column == name).count();
    let mut reserved = header.iter().filter(|name| is_reserved(name));
    match reserved.find(|name| count(name) > 1) {
        Some(column) => {
            let column = column.clone();
            Err(LabelsError::ColumnTwice { path: path.to_owned(), column })
        }
        None => Ok(()),
    }
}
