//! What is known of each exam: a CSV of labels, folders of positives and negatives, or lists.

use crate::dicom::{Scan, Series};
use crate::spec::Part;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Labels that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file is not there or not CSV.
    #[error(
        "cannot read the labels {path}: {message}; `data.labels` must be a CSV file with a column \
         `label` and one of `series_uid`, `exam_id`, `path`"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
    /// A needed column is absent.
    #[error("{path} has no column `{column}`; its columns are: {found}")]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
        /// What is there.
        found: String,
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
    /// A row that names nothing.
    #[error("{path}, line {line}: series_uid, exam_id and path are all empty")]
    NoName {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
    },
    /// One series with two labels or in two parts.
    #[error("series {series} is given twice: {first}, and {second}; it can be only one of them")]
    Conflict {
        /// The series, exam or path.
        series: String,
        /// What was said first.
        first: String,
        /// What was said then.
        second: String,
    },
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
    /// Where this was said.
    pub source: String,
}

/// Every label, by what it names.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    by_series: BTreeMap<String, Vec<Label>>,
    by_exam: BTreeMap<String, Vec<Label>>,
    by_path: BTreeMap<PathBuf, Vec<Label>>,
}

/// A row of a labels file, as text.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    patient_id: String,
    #[serde(default)]
    exam_id: String,
    #[serde(default)]
    series_uid: String,
    #[serde(default)]
    path: String,
    label: String,
}

impl Labels {
    /// Reads a CSV of labels. Rows with a `series_uid` speak of that series; rows without speak
    /// of every series of the exam (`exam_id` = StudyInstanceUID) or folder (`path`, relative to
    /// the file's own folder).
    pub fn read_csv(path: &Path) -> Result<Self, LabelsError> {
        let unreadable = |e: &dyn std::fmt::Display| LabelsError::Unreadable {
            path: path.to_owned(),
            message: e.to_string(),
        };
        let file = std::fs::File::open(path).map_err(|e| unreadable(&e))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headers = reader.headers().map_err(|e| unreadable(&e))?.clone();
        let found = || headers.iter().collect::<Vec<_>>().join(", ");
        let has = |name: &str| headers.iter().any(|header| header == name);
        let missing = |column| LabelsError::NoColumn { path: path.into(), column, found: found() };
        if !has("label") {
            return Err(missing("label"));
        }
        if !["series_uid", "exam_id", "path"].into_iter().any(has) {
            return Err(missing("series_uid` (or `exam_id`, or `path"));
        }
        let beside = path.parent().unwrap_or(Path::new("."));
        let mut labels = Self::default();
        for record in reader.records() {
            let record = record.map_err(|e| unreadable(&e))?;
            let line = record.position().map_or(0, |position| position.line());
            let row: Row = record.deserialize(Some(&headers)).map_err(|e| unreadable(&e))?;
            labels.add_row(row, path, line, beside)?;
        }
        labels.refuse_conflicts()?;
        Ok(labels)
    }

    fn add_row(
        &mut self,
        row: Row,
        path: &Path,
        line: u64,
        beside: &Path,
    ) -> Result<(), LabelsError> {
        let label = match row.label.as_str() {
            "0" | "0.0" => 0,
            "1" | "1.0" => 1,
            other => {
                let found = other.to_owned();
                return Err(LabelsError::BadLabel { path: path.to_owned(), line, found });
            }
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let entry = Label {
            label,
            patient: some(row.patient_id),
            exam: some(row.exam_id.clone()),
            part: None,
            source: format!("label {label} in {} line {line}", path.display()),
        };
        if !row.series_uid.is_empty() {
            self.by_series.entry(row.series_uid).or_default().push(entry);
        } else if !row.path.is_empty() {
            self.by_path.entry(tidy(&beside.join(row.path))).or_default().push(entry);
        } else if !row.exam_id.is_empty() {
            self.by_exam.entry(row.exam_id).or_default().push(entry);
        } else {
            return Err(LabelsError::NoName { path: path.to_owned(), line });
        }
        Ok(())
    }

    /// Gives every series of a scan the same label, and part.
    pub fn add_series(&mut self, scan: &Scan, label: u8, part: Option<Part>) {
        for series in &scan.series {
            let from = super::folder_of(series);
            let source = match part {
                Some(part) => format!("label {label} in the {part} list ({from})"),
                None => format!("label {label} by its folder ({from})"),
            };
            let entry = Label { label, patient: None, exam: None, part, source };
            self.by_series.entry(series.series_uid.clone()).or_default().push(entry);
        }
    }

    /// An error when one name has two labels, or two parts.
    pub fn refuse_conflicts(&self) -> Result<(), LabelsError> {
        let paths = self.by_path.iter().map(|(path, said)| (path.display().to_string(), said));
        let uids = self.by_series.iter().chain(&self.by_exam).map(|(uid, s)| (uid.clone(), s));
        for (series, said) in uids.chain(paths) {
            let differs =
                |other: &&Label| (other.label, other.part) != (said[0].label, said[0].part);
            if let Some(other) = said.iter().find(differs) {
                return Err(LabelsError::Conflict {
                    series,
                    first: said[0].source.clone(),
                    second: other.source.clone(),
                });
            }
        }
        Ok(())
    }

    /// What is known of a series: by its own UID, its folder, or its study.
    pub fn of(&self, series: &Series) -> Option<&Label> {
        let folder = || tidy(Path::new(&super::folder_of(series)));
        self.by_series
            .get(&series.series_uid)
            .or_else(|| {
                let folder = folder();
                folder.ancestors().find_map(|part| self.by_path.get(part))
            })
            .or_else(|| self.by_exam.get(&series.study_uid))
            .and_then(|said| said.first())
    }

    /// Names of labels that no series of the scan answers to, with what was said.
    pub fn without_series(&self, scan: &Scan) -> Vec<(String, &Label)> {
        let known = |name: &str| {
            scan.series.iter().any(|series| series.series_uid == name || series.study_uid == name)
        };
        let folders: Vec<PathBuf> =
            scan.series.iter().map(|series| tidy(Path::new(&super::folder_of(series)))).collect();
        let uids = self.by_series.iter().chain(&self.by_exam).filter(|(name, _)| !known(name));
        let paths = self
            .by_path
            .iter()
            .filter(|(path, _)| !folders.iter().any(|folder| folder.starts_with(path)));
        uids.map(|(name, said)| (name.clone(), &said[0]))
            .chain(paths.map(|(path, said)| (path.display().to_string(), &said[0])))
            .collect()
    }
}

/// A path without `.` and symbolic links where the file system knows it, so that equal places
/// compare equal.
fn tidy(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}
