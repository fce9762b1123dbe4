//! Plots and pages of a run, drawn from its tables alone.
//!
//! ```text
//!   metrics.csv ──────────────────────────► plots/loss, plots/auc-accuracy
//!   predictions/valid-epoch-010.csv ──────► plots/roc-epoch-010
//!   evaluation.json (the selected epoch) ─► plots/roc, plots/calibration, plots/scores
//!   curves/valid-….csv ───────────────────► plots/roc (band), precision-recall, decision
//!   cohort.csv, preparation.csv ──────────► plots/cohort-flow
//!   all of these, and preview pictures ───► report.html
//! ```
//!
//! Every plot is written as `.svg` and `.png`. It is a function of those files and of `spec.toml`
//! alone, so deleting `plots/` and calling [`redraw`] restores it byte for byte. The same holds for
//! the quality control page, `preparation.html`: see [`preparation`].

mod compare;
mod draw_run;
mod drift;
mod evaluated;
mod external;
mod failures;
mod folds;
mod headline;
pub mod page;
pub mod plot;
pub mod preparation;
mod robustness;
mod run_page;
mod run_report;
mod thresholds;

use lungs_base::files::WriteError;
use lungs_spec::results::ResultsError;
use std::path::PathBuf;

pub use compare::{
    Cell, CompareOptions, Comparison, Group, KeyDifference, MetricRow, PairedTest, Spread, compare,
    comparison_page,
};
pub use draw_run::redraw;
pub(crate) use draw_run::roc_of;
pub use drift::{DriftRow, Inputs, drift};
pub use evaluated::{CrossValidation, Fold, PooledRow, Summary, cross_validation, summary};
pub use external::{External, ExternalHeadline, ModelKind, Overlap, external, external_headline};
pub use failures::{FailureRow, failure_rows};
pub use folds::{headline_of_folds, redraw_folds};
pub use headline::headline;
pub use robustness::{
    RobustMetric, RobustnessRow, robustness_points, robustness_rows, robustness_table,
};

/// A run could not be plotted or compared.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No epoch is finished yet.
    #[error("{path}: no finished epoch to plot; continue the run, then plot it again")]
    NoFinishedEpoch {
        /// The metrics table that is missing or empty.
        path: PathBuf,
    },
    /// The run has no final metrics yet.
    #[error("{path} does not exist: the run is not finished; continue it first")]
    NotFinished {
        /// The missing file: `evaluation.json` or `cross-validation.json`.
        path: PathBuf,
    },
    /// Two runs have predictions for different exams.
    #[error(
        "{first} and {second} have predictions for different exams ({first_exams} and {second_exams}, {common} in \
         common), but a paired test needs the same exams; use the same data, seed and [split], or compare \
         on the common exams with --common"
    )]
    DifferentExams {
        /// Name of the first run.
        first: String,
        /// Name of the second run.
        second: String,
        /// Number of exams of the first run.
        first_exams: usize,
        /// Number of exams of the second run.
        second_exams: usize,
        /// Number of exams of both.
        common: usize,
    },
    /// Two runs have different labels for the same exam.
    #[error(
        "{first} and {second} have different labels for {exams} common exams; train or evaluate both with \
         the same labels"
    )]
    DifferentLabels {
        /// Name of the first run.
        first: String,
        /// Name of the second run.
        second: String,
        /// Number of common exams whose labels differ.
        exams: usize,
    },
    /// A table of the run could not be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A plot or page could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
