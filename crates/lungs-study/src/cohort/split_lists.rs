//! Lists of patients that fix the split (`split.lists`).
//!
//! A list is a text file with one patient ID per line. Empty lines and lines that start with `#` are ignored.

use super::CohortRow;
use lungs_base::text::counted;
use lungs_base::text::{self, TextError};
use lungs_spec::spec::{Spec, SplitName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// An invalid list of patients.
#[derive(Debug, thiserror::Error)]
pub enum SplitListError {
    /// The file cannot be read, or is not text.
    #[error("split.lists.{split}: {source}")]
    Text {
        /// The split.
        split: SplitName,
        /// The error.
        source: TextError,
    },
    /// A line that is not a patient ID.
    #[error("split.lists.{split}: {path}, line {line}: found {text:?}, expected one patient ID")]
    BadLine {
        /// The split.
        split: SplitName,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Text of the line.
        text: String,
    },
    /// The list has no patients.
    #[error("split.lists.{split}: {path} is empty; expected one patient ID per line")]
    Empty {
        /// The split.
        split: SplitName,
        /// The file.
        path: PathBuf,
    },
    /// No patient of the list is in the cohort.
    #[error(
        "split.lists.{split}: none of its {} is in the cohort; the list has, for example, \
         \"{first}\", the cohort \"{known}\"; case and spaces must agree",
        counted(*.listed, "patient", "patients")
    )]
    NoMembers {
        /// The split.
        split: SplitName,
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
        first: SplitName,
        /// Its file.
        first_path: PathBuf,
        /// Its line, from 1.
        first_line: usize,
        /// The split of the second list.
        second: SplitName,
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
    splits: BTreeMap<String, SplitName>,
    /// BLAKE3 of the contents of each list.
    blake3: BTreeMap<SplitName, String>,
}

/// Split, file and line of a patient.
type ListPosition<'a> = (SplitName, &'a Path, usize);

impl SplitLists {
    /// Reads the lists of a spec; empty for a spec without lists.
    ///
    /// # Errors
    /// A list cannot be read, or a patient is in two lists.
    pub fn read(spec: &Spec) -> Result<Self, SplitListError> {
        let lists = &spec.split.lists;
        let files = [
            (SplitName::Train, &lists.train),
            (SplitName::Valid, &lists.valid),
            (SplitName::Test, &lists.test),
        ];
        let mut split_lists = Self::default();
        let mut positions = BTreeMap::<String, ListPosition>::new();
        for (split, path) in
            files.into_iter().filter_map(|(split, path)| Some((split, path.as_ref()?)))
        {
            let path = path.as_path();
            let text = text::read(path).map_err(|source| SplitListError::Text { split, source })?;
            split_lists.blake3.insert(split, blake3::hash(text.as_bytes()).to_hex().to_string());
            split_lists.add(split, path, &text, &mut positions)?;
        }
        Ok(split_lists)
    }

    fn add<'a>(
        &mut self,
        split: SplitName,
        path: &'a Path,
        text: &str,
        positions: &mut BTreeMap<String, ListPosition<'a>>,
    ) -> Result<(), SplitListError> {
        let count_before = self.splits.len();
        for (number, line) in text.lines().enumerate() {
            let (line_number, patient) = (number + 1, line.trim());
            if patient.is_empty() || patient.starts_with('#') {
                continue;
            }
            if patient.contains([',', ';', '\t', '"']) {
                let (path, text) = (path.to_owned(), patient.to_owned());
                return Err(SplitListError::BadLine { split, path, line: line_number, text });
            }
            let position = (split, path, line_number);
            let (first, first_path, first_line) =
                *positions.entry(patient.to_owned()).or_insert(position);
            if first != split {
                return Err(SplitListError::Duplicate {
                    patient: patient.to_owned(),
                    first,
                    first_path: first_path.to_owned(),
                    first_line,
                    second: split,
                    second_path: path.to_owned(),
                    second_line: line_number,
                });
            }
            self.splits.insert(patient.to_owned(), split);
        }
        if self.splits.len() == count_before {
            return Err(SplitListError::Empty { split, path: path.to_owned() });
        }
        Ok(())
    }

    /// Whether the spec has no lists.
    pub fn is_empty(&self) -> bool {
        self.blake3.is_empty()
    }

    /// The split of a listed patient.
    pub(crate) fn split_of(&self, patient: &str) -> Option<SplitName> {
        self.splits.get(patient).copied()
    }

    /// Every listed patient and the split, sorted by patient.
    pub fn patients(&self) -> impl Iterator<Item = (&str, SplitName)> {
        self.splits.iter().map(|(patient, split)| (patient.as_str(), *split))
    }

    /// Whether a split has a list. Other patients are not drawn for such a split.
    pub fn has(&self, split: SplitName) -> bool {
        self.blake3.contains_key(&split)
    }

    /// Checks that each list has a patient of the cohort.
    ///
    /// # Errors
    /// [`SplitListError::NoMembers`].
    pub(crate) fn check_members<'a>(
        &self,
        cohort: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), SplitListError> {
        for split in self.blake3.keys().copied() {
            if cohort.clone().any(|patient| self.split_of(patient) == Some(split)) {
                continue;
            }
            let mut listed =
                self.splits.iter().filter(|(_, own)| **own == split).map(|(patient, _)| patient);
            return Err(SplitListError::NoMembers {
                split,
                listed: listed.clone().count(),
                first: listed.next().cloned().unwrap_or_default(),
                known: cohort.min().unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    /// BLAKE3 of the contents of each list, by split.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.blake3.iter().map(|(split, hash)| (split.to_string(), hash.clone())).collect()
    }

    /// Counts of listed patients and of those without exams in the cohort; empty without lists.
    pub fn summary(&self, rows: &[CohortRow]) -> String {
        let cohort_patients: BTreeSet<&str> =
            rows.iter().filter(|row| row.chosen).map(|row| row.patient_id.as_str()).collect();
        let count = |split: &SplitName| {
            let listed = self.splits.iter().filter(|(_, own)| *own == split);
            let (present, absent): (Vec<_>, Vec<_>) =
                listed.partition(|(patient, _)| cohort_patients.contains(patient.as_str()));
            format!(
                "{split} list: {}, {} not in the cohort",
                counted(present.len() + absent.len(), "patient", "patients"),
                absent.len()
            )
        };
        self.blake3.keys().map(count).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
#[path = "split_lists_tests.rs"]
mod tests;
