//! From a run's tables to pictures: nothing is drawn that the tables do not say.
//!
//! ```text
//!   metrics.csv ──────────────────────────► plots/loss, plots/auc-accuracy
//!   predictions/valid-epoch-010.csv ──────► plots/roc-epoch-010
//!   evaluation.json (the selected epoch) ─► plots/roc, plots/calibration, plots/scores
//!   curves/valid-….csv ───────────────────► plots/roc (band), precision-recall, decision
//!   cohort.csv, preparation.csv ──────────► plots/cohort-flow
//!   all of these, and the pictures ───────► report.html
//! ```
//!
//! Each as `.svg` and `.png`. Every picture is a function of those files and of `spec.toml`
//! alone, so deleting `plots/` and calling [`redraw`] restores it byte for byte. The quality
//! control page, `preparation.html`, is drawn likewise: see [`preparation`].

mod compare;
mod draw_run;
mod folds;
mod headline;
pub mod page;
pub mod plot;
pub mod preparation;
mod run_page;
mod run_report;

use crate::evaluation::Evaluation;
use crate::files::WriteError;
use crate::results::ResultsError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub use compare::{
    Cell, CompareOptions, Comparison, Figure, Group, KeyDifference, PairedTest, Spread, compare,
    comparison_page,
};
pub use draw_run::{overlaid_roc, redraw, roc_of, summary};
pub use folds::{
    CrossValidation, Fold, PooledRow, cross_validation, headline_of_folds, redraw_folds,
};
pub use headline::headline;

/// What `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The epoch whose weights the run stands for.
    pub selected_epoch: usize,
    /// Figures of that epoch by part of the cohort: `"valid"` and, where there is one, `"test"`.
    pub parts: BTreeMap<String, Evaluation>,
}

/// A run could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no epoch to draw yet.
    #[error("{path} has no finished epoch to draw; continue the run, then plot it again")]
    NothingToDraw {
        /// The metrics table that is missing or empty.
        path: PathBuf,
    },
    /// The run has no final figures yet.
    #[error("{path} does not exist: the run is not finished; continue it first")]
    NotFinished {
        /// Where `evaluation.json` would be.
        path: PathBuf,
    },
    /// Runs scored different exams.
    #[error(
        "{first} and {second} scored different exams ({first_exams} and {second_exams}, {common} in \
         common), so no paired test is fair; use the same data, seed and [split], or compare on the \
         exams in common: --common"
    )]
    OtherExams {
        /// A run.
        first: String,
        /// The other.
        second: String,
        /// Its exams.
        first_exams: usize,
        /// The other's.
        second_exams: usize,
        /// Exams of both.
        common: usize,
    },
    /// Runs know exams by different labels.
    #[error(
        "{first} and {second} have different labels for {exams} of the same exams; they cannot be \
         compared: train or evaluate both with the same labels"
    )]
    OtherLabels {
        /// A run.
        first: String,
        /// The other.
        second: String,
        /// Exams with two labels.
        exams: usize,
    },
    /// A table of the run could not be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A picture could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
