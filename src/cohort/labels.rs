//! What is known of each exam: a CSV of labels, folders of positives and negatives, or lists.

use super::CohortRow;
use crate::images::Image;
use crate::spec::Part;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
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
    /// What further columns say, by their names.
    pub columns: BTreeMap<String, String>,
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

/// Columns of a labels file that have a meaning of their own.
const OWN_COLUMNS: [&str; 5] = ["patient_id", "exam_id", "series_uid", "path", "label"];

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
    /// of every image of the exam (`exam_id` = StudyInstanceUID), or of the folder or volume file
    /// (`path`, relative to the labels' own folder).
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
            let cells = headers.iter().zip(record.iter());
            let further = cells.filter(|(name, _)| !OWN_COLUMNS.contains(name));
            let further = further.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
            labels.add_row(row, further, path, line, beside)?;
        }
        labels.refuse_conflicts()?;
        Ok(labels)
    }

    fn add_row(
        &mut self,
        row: Row,
        columns: BTreeMap<String, String>,
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
            columns,
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

    /// Gives every image the same label, and part.
    pub fn add_images(&mut self, images: &[Image], label: u8, part: Option<Part>) {
        for image in images {
            let from = image.path.display();
            let source = match part {
                Some(part) => format!("label {label} in the {part} list ({from})"),
                None => format!("label {label} by its folder ({from})"),
            };
            let columns = BTreeMap::new();
            let entry = Label { label, patient: None, exam: None, part, columns, source };
            self.by_series.entry(image.series_uid.clone()).or_default().push(entry);
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

    /// What is known of each image, by its own UID, its file or folder, or its study; and the
    /// names of labels that no image answers to, with what was said.
    pub fn matched(&self, images: &[Image]) -> Matched<'_> {
        let mut used = Used::default();
        let of = images.iter().map(|image| self.of(image, &mut used)).collect();
        let mut without_image: Vec<(String, &Label)> = Vec::new();
        for (name, said) in &self.by_series {
            if !used.names.contains(name.as_str()) {
                without_image.extend(said.first().map(|label| (name.clone(), label)));
            }
        }
        for (name, said) in &self.by_exam {
            if !used.names.contains(name.as_str()) {
                without_image.extend(said.first().map(|label| (name.clone(), label)));
            }
        }
        for (path, said) in &self.by_path {
            if !used.paths.contains(path.as_path()) {
                without_image.extend(said.first().map(|l| (path.display().to_string(), l)));
            }
        }
        Matched { of, without_image }
    }

    fn of<'l, 'i>(&'l self, image: &'i Image, used: &mut Used<'l, 'i>) -> Option<&'l Label> {
        // A volume file's series stands for its exam.
        let exam = if image.exam_id.is_empty() { &image.series_uid } else { &image.exam_id };
        used.names.extend([image.series_uid.as_str(), exam]);
        let mut by_path = None;
        // Only where paths are labelled: asking the file system takes its time.
        if !self.by_path.is_empty() {
            for part in tidy(&image.path).ancestors() {
                if let Some((path, said)) = self.by_path.get_key_value(part) {
                    used.paths.insert(path);
                    by_path = by_path.or(Some(said));
                }
            }
        }
        let by_series = self.by_series.get(&image.series_uid);
        by_series.or(by_path).or_else(|| self.by_exam.get(exam)).and_then(|said| said.first())
    }

    /// What is known of a row of an earlier cohort, by the same rules as of images.
    pub fn of_row(&self, row: &CohortRow) -> Option<&Label> {
        let by_series = self.by_series.get(&row.series);
        let by_path = || {
            let path = (!self.by_path.is_empty()).then(|| tidy(Path::new(&row.path)))?;
            path.ancestors().find_map(|part| self.by_path.get(part))
        };
        let by_exam = || self.by_exam.get(&row.exam);
        by_series.or_else(by_path).or_else(by_exam).and_then(|said| said.first())
    }
}

/// Labels and the images that they speak of.
pub struct Matched<'a> {
    /// For each image in order, what is known of it.
    pub of: Vec<Option<&'a Label>>,
    /// Names of labels that no image answers to, with what was said.
    pub without_image: Vec<(String, &'a Label)>,
}

/// Names and paths that images answer to.
#[derive(Default)]
struct Used<'l, 'i> {
    names: HashSet<&'i str>,
    paths: HashSet<&'l Path>,
}

/// A path without `.` and symbolic links where the file system knows it, so that equal places
/// compare equal.
fn tidy(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::testing::image;

    fn labels(text: &str) -> Labels {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        Labels::read_csv(&path).unwrap()
    }

    #[test]
    fn the_series_speaks_before_the_path_and_the_path_before_the_exam() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/scan.nii"), "").unwrap();
        let at = |path: &str| root.join(path).display().to_string();
        let labels = labels(&format!(
            "series_uid,path,exam_id,label\n1.1,,,1\n,{},,0\n,{},,1\n,,E,1\n,,F,0\n9.9,,,0\n",
            at("a/b"),
            at("a/b/scan.nii")
        ));
        let mut images = [image("1.1"), image("1.2"), image("1.3"), image("1.4"), image("F")];
        images[0].path = root.join("a/b");
        images[1].path = root.join("a/b/scan.nii");
        images[2].path = root.join("a/b");
        images[3].exam_id = "E".into();
        images[4].exam_id = String::new();
        let matched = labels.matched(&images);
        let said: Vec<_> = matched.of.iter().map(|label| label.map(|l| l.label)).collect();
        assert_eq!(said, [Some(1), Some(1), Some(0), Some(1), Some(0)]);
        let without: Vec<&str> = matched.without_image.iter().map(|(name, _)| &**name).collect();
        assert_eq!(without, ["9.9"]);
    }
}
