//! Synthetic chest CT exams, written as real DICOM series, with known truth.
//!
//! Real screening CTs cannot be shipped with a program. These can: analytic chests in millimetres
//! (body, lungs, airways, vessels, skeleton, table), each patient different, some with a
//! spiculated nodule, scanned with varied grids, kernels and storage. They test everything that
//! touches DICOM and geometry against known truth, and let the whole pipeline be tried in minutes.
//! They are no substitute for patients: a network trained on them knows nothing of cancer.
//!
//! ```text
//! PhantomPlan ──exams()──▶ [ExamPlan] ──render()──▶ Volume + truth ──▶ DICOM files, labels.csv,
//!   seed, how many           body, grid,              (pure)              truth.csv, phantom.json
//!                            nodules, storage
//! ```
//!
//! [`write_cohort`] does all of it; [`render`] alone gives a volume to tests that need no files.

use std::io;
use std::path::{Path, PathBuf};

mod abdomen;
mod airways;
mod anatomy;
mod cohort;
mod disease;
mod exam;
mod finding;
mod head;
mod nodule;
mod noise;
mod patient;
mod plan;
mod render;
mod series;
mod shapes;
mod skeleton;
mod stance;
mod streaks;
mod surroundings;
#[cfg(test)]
mod tests;
mod trees;
mod truth;
mod vessels;

pub use anatomy::{Body, Side};
pub use cohort::write_cohort;
pub use exam::{ExamPlan, ExtraSeries, Kernel, Pixels, Storage};
pub use finding::Finding;
pub use nodule::{Nodule, NoduleKind, Site};
pub use plan::{Grid, PhantomPlan, Variants};
pub use render::{Lungs, Rendered, render};
pub use truth::Truth;

/// A phantom cohort could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    /// The plan asks for what cannot be.
    #[error("phantom plan: `{key}` is {found}, but must be {allowed}")]
    Plan {
        /// Which key of the plan.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is possible.
        allowed: &'static str,
    },
    /// The place for the cohort is taken by a file.
    #[error("{path} is a file; name a folder for the synthetic cohort")]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
    /// The folder holds something that is no phantom cohort.
    #[error(
        "{dir} is not empty and holds no synthetic cohort (no phantom.json); \
         name a new or empty folder"
    )]
    Occupied {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds the cohort of another plan.
    #[error(
        "{dir} holds another synthetic cohort: {difference}; \
         name another folder, or delete this one to make it anew"
    )]
    OtherPlan {
        /// The folder.
        dir: PathBuf,
        /// Key by key, what was found and what was asked for.
        difference: String,
    },
    /// A table of the cohort cannot be read or written.
    #[error("{path}: {reason}; delete the cohort's folder to make it anew")]
    Table {
        /// The table.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A DICOM file could not be composed.
    #[error("cannot compose {path}: {reason}")]
    Dicom {
        /// The file.
        path: PathBuf,
        /// What the DICOM library said.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A table could not be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
}

impl PhantomError {
    /// Makes an [`io::Error`] say what was tried, and on what.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
