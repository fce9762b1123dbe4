//! A CSV of labels.

use super::{Date, Label, Labels, LabelsError, PatientLabel};
use crate::text::{self, Separator};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Columns of a labels file that have a meaning of their own. `study_date` picks the exam where a row
/// names a patient alone; it is kept as a further column too.
const OWN_COLUMNS: [&str; 6] =
    ["patient_id", "exam_id", "series_uid", "path", "label", "study_date"];

/// The cells of a row that have a meaning of their own.
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
}

/// Where a row stands.
struct Line<'a> {
    file: &'a Path,
    number: u64,
}

impl Labels {
    /// Reads a CSV of labels, with cells between `,`, `;` or tabs. Of a row, the most specific name
    /// counts: `series_uid`, else `path` (a folder or volume file, relative to the table's folder or to
    /// `root`), else `exam_id` (StudyInstanceUID: every series of the exam), else `patient_id` (every
    /// exam of the patient, or those of `study_date`).
    ///
    /// # Errors
    /// When the file is no such table, or a row cannot be understood.
    pub fn read_csv(path: &Path, root: &Path) -> Result<Self, LabelsError> {
        let text = text::read(path)?;
        if text.trim().is_empty() {
            return Err(LabelsError::NoRows { path: path.to_owned() });
        }
        let separator = Separator::of(text.as_bytes());
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(separator.byte)
            .flexible(true)
            .from_reader(&text.as_bytes()[separator.skip..]);
        let unreadable = |error: csv::Error| LabelsError::Csv {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let header: Vec<String> =
            reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        check_header(path, &header)?;
        let mut labels = Self { root: root.to_owned(), ..Self::default() };
        let mut record = csv::StringRecord::new();
        let mut rows = 0_usize;
        while reader.read_record(&mut record).map_err(unreadable)? {
            let number = record.position().map_or(0, csv::Position::line);
            let line = Line { file: path, number: number + separator.lines_skipped() };
            // A spreadsheet writes rows that were cleared.
            if record.iter().all(str::is_empty) {
                continue;
            }
            if record.iter().skip(header.len()).any(|cell| !cell.is_empty()) {
                return Err(LabelsError::TooManyCells {
                    path: path.to_owned(),
                    line: line.number,
                    found: record.len(),
                    expected: header.len(),
                    separator: char::from(separator.byte),
                });
            }
            rows += 1;
            let cells = header.iter().zip(&record);
            let kept = |name: &str| !OWN_COLUMNS.contains(&name) || name == "study_date";
            let columns = cells.filter(|(name, _)| kept(name));
            let columns = columns.map(|(name, cell)| (name.clone(), cell.to_owned())).collect();
            labels.add_row(&Row::of(&header, &record), columns, &line)?;
        }
        if rows == 0 {
            return Err(LabelsError::NoRows { path: path.to_owned() });
        }
        Ok(labels)
    }

    fn add_row(
        &mut self,
        row: &Row,
        columns: BTreeMap<String, String>,
        line: &Line,
    ) -> Result<(), LabelsError> {
        let (path, number) = (line.file.to_owned(), line.number);
        let label = match row.label {
            "0" | "0.0" => 0,
            "1" | "1.0" => 1,
            other => {
                let found = other.to_owned();
                return Err(LabelsError::BadLabel { path, line: number, found });
            }
        };
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let entry = Label {
            label,
            patient: some(row.patient_id),
            exam: some(row.exam_id),
            part: None,
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
                (found, None) => {
                    let found = found.to_owned();
                    return Err(LabelsError::BadDate { path, line: number, found });
                }
            };
            let entry = PatientLabel { date, label: entry };
            self.by_patient.entry(row.patient_id.to_owned()).or_default().push(entry);
        } else {
            return Err(LabelsError::NoName { path, line: number });
        }
        Ok(())
    }

    /// The file or folder that a path in a table means: the one next to the table, else the one in the
    /// folder of images.
    fn locate(&self, path: &Path, table: &Path) -> PathBuf {
        let next_to_table = table.parent().unwrap_or(Path::new(".")).join(path);
        let in_root = self.root.join(path);
        if !next_to_table.exists() && in_root.exists() {
            tidy(&in_root)
        } else {
            tidy(&next_to_table)
        }
    }
}

/// A path without `.` and symbolic links where the file system knows it, so that equal files compare
/// equal.
pub(super) fn tidy(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}

fn check_header(path: &Path, header: &[String]) -> Result<(), LabelsError> {
    let has = |name: &str| header.iter().any(|column| column == name);
    let missing =
        |column| LabelsError::NoColumn { path: path.to_owned(), column, found: header.join(", ") };
    if !has("label") {
        return Err(missing("label"));
    }
    if !["series_uid", "path", "exam_id", "patient_id"].into_iter().any(has) {
        return Err(missing("series_uid` (or `path`, `exam_id`, `patient_id"));
    }
    let count = |name: &&&str| header.iter().filter(|column| column == *name).count();
    match OWN_COLUMNS.iter().find(|name| count(name) > 1) {
        Some(column) => {
            let column = (*column).to_owned();
            Err(LabelsError::ColumnTwice { path: path.to_owned(), column })
        }
        None => Ok(()),
    }
}
