//! Published lists of patients that impose the split (`split.lists`).
//!
//! A list is a text file with one patient ID a line; empty lines and lines that begin with `#` say
//! nothing.

use super::CohortRow;
use crate::spec::{Part, Spec};
use crate::text::{self, TextError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A list of patients that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SplitListError {
    /// It cannot be read, or is not text.
    #[error("split.lists.{part}: {source}")]
    Text {
        /// The part.
        part: Part,
        /// What is wrong with the file.
        source: TextError,
    },
    /// A line that is not one patient ID.
    #[error("split.lists.{part}: {path}, line {line}: found {found:?}, expected one patient ID")]
    BadLine {
        /// The part.
        part: Part,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was found.
        found: String,
    },
    /// Nothing in it.
    #[error("split.lists.{part}: {path} is empty; expected one patient ID a line")]
    Empty {
        /// The part.
        part: Part,
        /// The file.
        path: PathBuf,
    },
    /// Nobody of it is in the study.
    #[error(
        "split.lists.{part}: none of its {listed} patients is in the study; the first is \"{first}\", the \
         study has \"{known}\": upper and lower case and blanks matter"
    )]
    Nobody {
        /// The part.
        part: Part,
        /// Patients in the list.
        listed: usize,
        /// The first of them by name.
        first: String,
        /// The first patient of the study by name.
        known: String,
    },
    /// A patient in two lists.
    #[error(
        "patient {patient} is in two of split.lists: {first_path}, line {first_line} ({first}) and \
         {second_path}, line {second_line} ({second}); a patient can be in one part only"
    )]
    Twice {
        /// The patient.
        patient: String,
        /// The part of one list.
        first: Part,
        /// Its file.
        first_path: PathBuf,
        /// Its line, from 1.
        first_line: usize,
        /// The part of the other.
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
    /// The part of each listed patient.
    parts: BTreeMap<String, Part>,
    /// BLAKE3 of each list's contents.
    blake3: BTreeMap<Part, String>,
}

/// Where a patient was first listed.
type Place<'a> = (Part, &'a Path, usize);

impl SplitLists {
    /// Reads the lists that a spec names; none for a spec without.
    ///
    /// # Errors
    /// When one cannot be read, or a patient is in two of them.
    pub fn read(spec: &Spec) -> Result<Self, SplitListError> {
        let lists = &spec.split.lists;
        let named =
            [(Part::Train, &lists.train), (Part::Valid, &lists.valid), (Part::Test, &lists.test)];
        let mut read = Self::default();
        let mut places = BTreeMap::<String, Place>::new();
        for (part, path) in
            named.into_iter().filter_map(|(part, path)| Some((part, path.as_ref()?)))
        {
            let path = path.as_path();
            let text = text::read(path).map_err(|source| SplitListError::Text { part, source })?;
            read.blake3.insert(part, blake3::hash(text.as_bytes()).to_hex().to_string());
            read.add(part, path, &text, &mut places)?;
        }
        Ok(read)
    }

    fn add<'a>(
        &mut self,
        part: Part,
        path: &'a Path,
        text: &str,
        places: &mut BTreeMap<String, Place<'a>>,
    ) -> Result<(), SplitListError> {
        let before = self.parts.len();
        for (number, line) in text.lines().enumerate() {
            let (line_number, patient) = (number + 1, line.trim());
            if patient.is_empty() || patient.starts_with('#') {
                continue;
            }
            if patient.contains([',', ';', '\t', '"']) {
                let (path, found) = (path.to_owned(), patient.to_owned());
                return Err(SplitListError::BadLine { part, path, line: line_number, found });
            }
            let here = (part, path, line_number);
            let (first, first_path, first_line) = *places.entry(patient.to_owned()).or_insert(here);
            if first != part {
                return Err(SplitListError::Twice {
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
        if self.parts.len() == before {
            return Err(SplitListError::Empty { part, path: path.to_owned() });
        }
        Ok(())
    }

    /// Whether the spec names none.
    pub fn is_empty(&self) -> bool {
        self.blake3.is_empty()
    }

    /// The part that a patient is listed for.
    pub fn part_of(&self, patient: &str) -> Option<Part> {
        self.parts.get(patient).copied()
    }

    /// Every listed patient with the part, in the order of their names.
    pub fn patients(&self) -> impl Iterator<Item = (&str, Part)> {
        self.parts.iter().map(|(patient, part)| (patient.as_str(), *part))
    }

    /// Whether a part has a list: then nobody else is drawn for it.
    pub fn has(&self, part: Part) -> bool {
        self.blake3.contains_key(&part)
    }

    /// Checks that somebody of each list is in the study.
    ///
    /// # Errors
    /// [`SplitListError::Nobody`].
    pub fn check_met<'a>(
        &self,
        study: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), SplitListError> {
        for part in self.blake3.keys().copied() {
            if study.clone().any(|patient| self.part_of(patient) == Some(part)) {
                continue;
            }
            let mut listed = self.parts.iter().filter(|(_, of)| **of == part).map(|(it, _)| it);
            return Err(SplitListError::Nobody {
                part,
                listed: listed.clone().count(),
                first: listed.next().cloned().unwrap_or_default(),
                known: study.min().unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    /// BLAKE3 of each list's contents, by the part.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.blake3.iter().map(|(part, hash)| (part.to_string(), hash.clone())).collect()
    }

    /// How many listed patients are in the study, in words; empty without lists.
    pub fn told(&self, rows: &[CohortRow]) -> String {
        let there: BTreeSet<&str> =
            rows.iter().filter(|row| row.chosen).map(|row| row.patient.as_str()).collect();
        let count = |part: &Part| {
            let listed = self.parts.iter().filter(|(_, of)| *of == part);
            let (here, gone): (Vec<_>, Vec<_>) =
                listed.partition(|(patient, _)| there.contains(patient.as_str()));
            format!(
                "{part} list: {} patients, {} not in the study",
                here.len() + gone.len(),
                gone.len()
            )
        };
        self.blake3.keys().map(count).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
#[path = "split_lists_tests.rs"]
mod tests;
