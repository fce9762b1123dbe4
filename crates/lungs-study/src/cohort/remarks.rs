//! Assumptions about the cohort that are reported before training.

use super::PatientRows;
use lungs_base::text::counted;
use lungs_image::codes::Flag;

/// An assumption about the cohort, or its consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Exams that are labelled by patient.
    LabelledByPatient(PatientRows),
    /// Volume files without a patient, each treated as a separate patient.
    PatientsAssumed {
        /// Number of files.
        files: usize,
    },
    /// Series that are excluded because another series has identical voxels.
    EqualScansExcluded {
        /// Number of excluded series.
        series: usize,
    },
    /// Series with identical voxels of one patient, all of them used.
    EqualScansOfOnePatient {
        /// Number of groups of identical series.
        groups: usize,
    },
}

impl Remark {
    /// The first word of a line with the remark.
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
                "{}: {} no patient; each is treated as a separate patient, so \
                 exams of one patient can be in different splits. To name patients, use data.labels with the \
                 columns path, patient_id and label",
                Flag::PatientAssumed,
                counted(*files, "volume file has", "volume files have")
            ),
            Self::EqualScansExcluded { series } => {
                write!(f, "{series} series with the same voxels as another series (equal-scan)")
            }
            Self::EqualScansOfOnePatient { groups } => write!(
                f,
                "{} of series with identical voxels, patient and label; data.equal_scans = \
                 \"keep-first\" uses one series of each group",
                counted(*groups, "group", "groups")
            ),
        }
    }
}
