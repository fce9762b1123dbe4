//! What was assumed about the study, to be said before anybody trains on it.

use super::PatientRows;

/// An assumption, or what followed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Exams labelled by their patient alone.
    LabelledByPatient(PatientRows),
    /// Volume files that name no patient, each taken for a patient of its own.
    PatientsAssumed {
        /// How many.
        files: usize,
    },
    /// Scans excluded because another one has the same voxels.
    EqualScansExcluded {
        /// How many.
        scans: usize,
    },
    /// Scans that one patient has twice or more, all of them used.
    EqualScansOfOnePatient {
        /// How many different ones.
        scans: usize,
    },
}

/// The flag of volume files that are taken for a patient of their own.
pub(super) const PATIENT_ASSUMED: &str = "patient-assumed";

impl Remark {
    /// What a line with the remark begins with.
    pub fn heading(self) -> &'static str {
        match self {
            Self::LabelledByPatient(_) => "labels",
            Self::EqualScansExcluded { .. } => "excluded",
            Self::PatientsAssumed { .. } | Self::EqualScansOfOnePatient { .. } => "warning",
        }
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LabelledByPatient(rows) => write!(f, "{rows}"),
            Self::PatientsAssumed { files } => write!(
                f,
                "{PATIENT_ASSUMED}: {} no patient; each is taken for a patient of its own, so \
                 two scans of one person can be in different parts. Name patients in data.labels (path, \
                 patient_id, label) to exclude that",
                match files {
                    1 => "1 volume file names".to_owned(),
                    _ => format!("{files} volume files name"),
                }
            ),
            Self::EqualScansExcluded { scans } => write!(
                f,
                "{} excluded, with the voxels of another one (equal-scan)",
                match scans {
                    1 => "1 scan is".to_owned(),
                    _ => format!("{scans} scans are"),
                }
            ),
            Self::EqualScansOfOnePatient { scans } => write!(
                f,
                "{} in the study twice or more under one patient and label, with the same \
                 voxels; data.equal_scans = \"keep-first\" uses each once",
                match scans {
                    1 => "1 scan is".to_owned(),
                    _ => format!("{scans} scans are"),
                }
            ),
        }
    }
}
