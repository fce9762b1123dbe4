//! What exams are called on a page that leaves the house.

use crate::spec::Identifiers;

/// Gives exams the names that a page shows.
#[derive(Clone, Debug)]
pub(in crate::report) struct Namer {
    identifiers: Identifiers,
    key: [u8; 32],
}

impl Namer {
    /// Hashes are keyed by the whole cohort table: who does not have that table cannot find out which
    /// identifier a hash is of by trying them all.
    pub fn new(identifiers: Identifiers, cohort_table: &[u8]) -> Self {
        let key = blake3::derive_key("lungs 2026-11 identifiers in reports", cohort_table);
        Self { identifiers, key }
    }

    /// Whether patients and series keep their names.
    pub fn is_plain(&self) -> bool {
        self.identifiers == Identifiers::Plain
    }

    /// The name of a patient; nothing where the data name none, or rows are all that is told.
    pub fn patient(&self, patient: &str) -> String {
        match self.identifiers {
            Identifiers::Plain => patient.to_owned(),
            Identifiers::Hashed if !patient.is_empty() => {
                let hash = blake3::keyed_hash(&self.key, patient.as_bytes());
                format!("patient {}", &hash.to_hex()[..8])
            }
            Identifiers::Hashed | Identifiers::Row => String::new(),
        }
    }

    /// The name of an exam, the `row`th (from 1) of its table of predictions.
    pub fn exam(&self, patient: &str, exam: &str, row: usize) -> String {
        match self.identifiers {
            Identifiers::Plain => format!("patient {patient}, exam {exam}"),
            Identifiers::Row => format!("row {row}"),
            Identifiers::Hashed => {
                let hash = blake3::keyed_hash(&self.key, format!("{patient}\n{exam}").as_bytes());
                format!("exam {}, row {row}", &hash.to_hex()[..8])
            }
        }
    }
}
