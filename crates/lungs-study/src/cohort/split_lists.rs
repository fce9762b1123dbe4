//! Lists of patients that fix the split (`split.lists`).
//!
//! A list is a text file with one patient ID per line. Empty lines and lines that start with `#` are ignored.

use super::CohortRow;
use lungs_base::text::{self, TextError};
use lungs_spec::spec::{Part, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// An invalid list of patients.
#[derive(Debug, thiserror::Error)]
pub enum SplitListError {
    /// The file cannot be read, or is not text.
    #[error("split.lists.{part}: {source}")]
    Text {
        /// The split.
        part: Part,
        /// The error.
        source: TextError,
    },
    /// A line that is not a patient ID.
    #[error("split.lists.{part}: {path}, line {line}: found {text:?}, expected one patient ID")]
    BadLine {
        /// The split.
        part: Part,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Text of the line.
        text: String,
    },
    /// The list has no patients.
    #[error("split.lists.{part}: {path} is empty; expected one patient ID per line")]
    Empty {
        /// The split.
        part: Part,
        /// The file.
        path: PathBuf,
    },
    /// No patient of the list is in the cohort.
    #[error(
        "split.lists.{part}: none of its {listed} patients is in the cohort; the list has, for example, \
         \"{first}\", the cohort \"{known}\"; case and spaces must agree"
    )]
    NoMembers {
        /// The split.
        part: Part,
        /// Patients in the list.
        listed: usize,
        /// The first patient of the list by name.
        first: String,
        /// The first patient of the cohort by name.
        known: String,
    },
    /// A patient in two lists.
    #[error(
        "patient {patient} is in two of split.lists: {first_path}, line {first_line} ({first}) and \
         {second_path}, line {second_line} ({second}); expected in one list only"
    )]
    Duplicate {
        /// The patient.
        patient: String,
        /// The split of the first list.
        first: Part,
        /// Its file.
        first_path: PathBuf,
        /// Its line, from 1.
        first_line: usize,
        /// The split of the second list.
        second: Part,
        /// Its file.
        second_path: PathBuf,
        /// Its line, from 1.
        second_line: usize,
    },
}

/// The lists of a spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitLists {
    /// The split of each listed patient.
    parts: BTreeMap<String, Part>,
    /// BLAKE3 of the contents of each list.
    blake3: BTreeMap<Part, String>,
}

/// Split, file and line of a patient.
type ListPosition<'a> = (Part, &'a Path, usize);

impl SplitLists {
    /// Reads the lists of a spec; empty for a spec without lists.
    ///
    /// # Errors
    /// A list cannot be read, or a patient is in two lists.
    pub fn read(spec: &Spec) -> Result<Self, SplitListError> {
        let lists = &spec.split.lists;
        let files =
            [(Part::Train, &lists.train), (Part::Valid, &lists.valid), (Part::Test, &lists.test)];
        let mut split_lists = Self::default();
        let mut positions = BTreeMap::<String, ListPosition>::new();
        for (part, path) in
            files.into_iter().filter_map(|(part, path)| Some((part, path.as_ref()?)))
        {
            let path = path.as_path();
            let text = text::read(path).map_err(|source| SplitListError::Text { part, source })?;
            split_lists.blake3.insert(part, blake3::hash(text.as_bytes()).to_hex().to_string());
            split_lists.add(part, path, &text, &mut positions)?;
        }
        Ok(split_lists)
    }

    fn add<'a>(
        &mut self,
        part: Part,
        path: &'a Path,
        text: &str,
        positions: &mut BTreeMap<String, ListPosition<'a>>,
    ) -> Result<(), SplitListError> {
        let count_before = self.parts.len();
        for (number, line) in text.lines().enumerate() {
            let (line_number, patient) = (number + 1, line.trim());
            if patient.is_empty() || patient.starts_with('#') {
                continue;
            }
            if patient.contains([',', ';', '\t', '"']) {
                let (path, text) = (path.to_owned(), patient.to_owned());
                return Err(SplitListError::BadLine { part, path, line: line_number, text });
            }
            let position = (part, path, line_number);
            let (first, first_path, first_line) =
                *positions.entry(patient.to_owned()).or_insert(position);
            if first != part {
                return Err(SplitListError::Duplicate {
                    patient: patient.to_owned(),
                    first,
                    first_path: first_path.to_owned(),
                    first_line,
                    second: part,
                    second_path: path.to_owned(),
                    second_line: line_number,
                });
            }
            self.parts.insert(patient.to_owned(), part);
        }
        if self.parts.len() == count_before {
            return Err(SplitListError::Empty { part, path: path.to_owned() });
        }
        Ok(())
    }

    /// Whether the spec has no lists.
    pub fn is_empty(&self) -> bool {
        self.blake3.is_empty()
    }

    /// The split of a listed patient.
    pub(crate) fn part_of(&self, patient: &str) -> Option<Part> {
        self.parts.get(patient).copied()
    }

    /// Every listed patient and the split, sorted by patient.
    pub fn patients(&self) -> impl Iterator<Item = (&str, Part)> {
        self.parts.iter().map(|(patient, part)| (patient.as_str(), *part))
    }

    /// Whether a split has a list. Other patients are not drawn for such a split.
    pub fn has(&self, part: Part) -> bool {
        self.blake3.contains_key(&part)
    }

    /// Checks that each list has a patient of the cohort.
    ///
    /// # Errors
    /// [`SplitListError::NoMembers`].
    pub(crate) fn check_members<'a>(
        &self,
        cohort: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), SplitListError> {
        for part in self.blake3.keys().copied() {
            if cohort.clone().any(|patient| self.part_of(patient) == Some(part)) {
                continue;
            }
            let mut listed =
                self.parts.iter().filter(|(_, split)| **split == part).map(|(patient, _)| patient);
            return Err(SplitListError::NoMembers {
                part,
                listed: listed.clone().count(),
                first: listed.next().cloned().unwrap_or_default(),
                known: cohort.min().unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    /// BLAKE3 of the contents of each list, by split.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.blake3.iter().map(|(part, hash)| (part.to_string(), hash.clone())).collect()
    }

    /// Counts of listed patients and of those without exams in the cohort; empty without lists.
    pub fn summary(&self, rows: &[CohortRow]) -> String {
        let cohort_patients: BTreeSet<&str> =
            rows.iter().filter(|row| row.chosen).map(|row| row.patient.as_str()).collect();
        let count = |part: &Part| {
            let listed = self.parts.iter().filter(|(_, split)| *split == part);
            let (present, absent): (Vec<_>, Vec<_>) =
                listed.partition(|(patient, _)| cohort_patients.contains(patient.as_str()));
            format!(
                "{part} list: {} patients, {} not in the cohort",
                present.len() + absent.len(),
                absent.len()
            )
        };
        self.blake3.keys().map(count).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
#[path = "split_lists_tests.rs"]
mod tests;
