//! Synthetic chest CT exams as DICOM series, with known ground truth.
//!
//! Real screening CTs cannot be distributed with a program. Analytic chests in millimetres (body, lungs,
//! airways, vessels, skeleton, table) can. Each patient is different, some have a spiculated nodule, and
//! grids, kernels and storage vary. They test DICOM reading and geometry against the ground truth, and
//! run the complete pipeline in minutes. They do not replace patients: a network trained on them cannot
//! detect real cancers.
//!
//! ```text
//! PhantomPlan ──exams()──▶ [ExamPlan] ──render()──▶ Volume + truth ──▶ DICOM files, labels.csv,
//!   seed, numbers            body, grid,              (pure)              truth.csv, phantom.json
//!                            nodules, storage
//! ```
//!
//! [`write_cohort`] performs all steps; [`render`] alone gives a volume for tests without files.
//!
//! ```
//! use lungs_phantom::PhantomPlan;
//!
//! let plan = PhantomPlan { patients: 6, positive_fraction: 0.5, seed: 7, ..Default::default() };
//! let exams = plan.exams()?;
//! assert!(exams.iter().any(|exam| exam.cancer) && exams.iter().any(|exam| !exam.cancer));
//! assert_eq!(exams, plan.exams()?);
//! # Ok::<(), lungs_phantom::PhantomError>(())
//! ```

use std::io;
use std::path::{Path, PathBuf};

mod abdomen;
mod airways;
mod anatomy;
mod cohort;
mod disease;
mod diseased_body;
mod exam;
mod finding;
mod findings_of_exam;
mod follow_up;
mod grid;
mod head;
mod nodule;
mod noise;
mod patient;
mod plan;
mod render;
mod scanner;
mod series;
mod shapes;
mod side;
mod skeleton;
mod stance;
mod streaks;
mod surroundings;
#[cfg(test)]
mod tests;
mod trees;
mod truth;
mod variants;
mod vessels;

pub use anatomy::Body;
pub use cohort::{check_cohort, write_cohort};
pub use exam::{ExamPlan, ExtraSeries, Kernel, Pixels, Storage};
pub use finding::Finding;
pub use grid::Grid;
pub use nodule::{Nodule, NoduleKind, Site};
pub use plan::PhantomPlan;
pub use render::{Lungs, RenderedExam, render};
pub use side::Side;
pub use truth::Truth;
pub use variants::Variants;

/// A synthetic cohort cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    /// A value of the plan is out of range.
    #[error("phantom plan: `{key}` is {value}, expected {allowed}")]
    Plan {
        /// Key of the plan.
        key: &'static str,
        /// Value of the key.
        value: String,
        /// Allowed values.
        allowed: &'static str,
    },
    /// The path of the cohort is a file.
    #[error("{path} is a file, expected a folder for the synthetic cohort")]
    NotAFolder {
        /// The requested path.
        path: PathBuf,
    },
    /// The folder is not empty and has no synthetic cohort.
    #[error(
        "{dir} is not empty and contains no synthetic cohort (no phantom.json); choose a new or empty \
         folder, or, in a spec for your own images, remove the table [data.phantom]"
    )]
    Occupied {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder contains the cohort of another plan.
    #[error(
        "{dir} contains another synthetic cohort: {difference}; \
         choose another folder, the settings of the existing cohort, or, in a spec for your own images, \
         remove the table [data.phantom]"
    )]
    OtherPlan {
        /// The folder.
        dir: PathBuf,
        /// The found and the requested value of each different key.
        difference: String,
    },
    /// A table of the cohort cannot be read or written.
    #[error("{path}: {reason}; delete the cohort's folder to generate it again")]
    Table {
        /// The table.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A DICOM file cannot be encoded.
    #[error("cannot encode {path}: {reason}")]
    Dicom {
        /// The file.
        path: PathBuf,
        /// The DICOM library's error.
        reason: String,
    },
    /// An operation of the file system failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A table cannot be written.
    #[error(transparent)]
    Write(#[from] lungs_base::files::WriteError),
}

impl PhantomError {
    /// Adds operation and path to an [`io::Error`].
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
