//! Names of patients and exams on pages that may be shared.

use lungs_spec::spec::Identifiers;

/// Names of patients and exams by `report.identifiers`.
#[derive(Clone, Debug)]
pub(crate) struct Namer {
    identifiers: Identifiers,
    key: [u8; 32],
}

impl Namer {
    /// Hashes are keyed by the content of the cohort table, so without that table nobody can recover an
    /// identifier by hashing all candidates.
    pub(crate) fn new(identifiers: Identifiers, cohort_table: &[u8]) -> Self {
        let key = blake3::derive_key("lungs 2026-11 identifiers in reports", cohort_table);
        Self { identifiers, key }
    }

    /// Whether pages show the original names.
    pub(crate) fn is_plain(&self) -> bool {
        self.identifiers == Identifiers::Plain
    }

    /// The displayed name of a patient; empty when the data name none or pages show row numbers only.
    pub(crate) fn patient(&self, patient: &str) -> String {
        match self.identifiers {
            Identifiers::Plain => patient.to_owned(),
            Identifiers::Hashed if !patient.is_empty() => {
                let hash = blake3::keyed_hash(&self.key, patient.as_bytes());
                format!("patient {}", &hash.to_hex()[..8])
            }
            Identifiers::Hashed | Identifiers::Row => String::new(),
        }
    }

    /// The displayed name of an exam; `row` is its row (from 1) in the table of predictions.
    pub(crate) fn exam(&self, patient: &str, exam: &str, row: usize) -> String {
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
