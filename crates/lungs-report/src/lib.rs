//! Plots and pages of a run, drawn from its tables alone.
//!
//! ```text
//!   metrics.csv ──────────────────────────► plots/loss, plots/auc-accuracy
//!   predictions/valid-epoch-010.csv ──────► plots/roc-epoch-010
//!   evaluation.json (the selected epoch) ─► plots/roc, plots/calibration, plots/scores
//!   curves/valid-….csv ───────────────────► plots/roc (band), precision-recall, decision, observed-risk
//!   evaluation.json (risks of several years) ► survival.csv, plots/auc-by-year, risk-calibration
//!   cohort.csv, preparation.csv ──────────► plots/cohort-flow
//!   cohort.csv, exam-columns.csv ─────────► characteristics.csv, acquisition.csv, exclusions.csv
//!   [report.statements] ──────────────────► checklist.csv
//!   all of these, and preview pictures ───► report.html
//! ```
//!
//! Every plot is written as `.svg` and `.png`. It is a function of those files and of `spec.toml`
//! alone, so deleting `plots/` and calling [`redraw`] restores it byte for byte. The same holds for
//! the quality control page, `preparation.html`: see [`preparation`].
//!
//! ```
//! use lungs_spec::results::RunFolder;
//! use std::path::Path;
//!
//! let folder = tempfile::tempdir()?;
//! // A folder that is no run is an error with its name.
//! assert!(RunFolder::open(folder.path()).is_err());
//! if let Ok(run) = RunFolder::open(Path::new("results/demo")) {
//!     lungs_report::redraw(&run, Path::new("data/demo.prepared"))?;
//!     println!("{}", lungs_report::headline(&run)?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checklist;
mod compare;
mod digits;
mod draw_run;
mod drift;
mod error;
mod evaluated;
mod external;
mod failures;
mod folds;
mod groupings;
mod headline;
pub mod page;
mod paired;
pub mod plot;
mod population;
mod predictions;
pub mod preparation;
mod risk_plots;
mod robustness;
mod run_page;
mod run_predictions;
mod run_report;
mod score;
mod survival;
#[cfg(test)]
mod survival_tests;
mod thresholds;

pub use compare::{
    Cell, CompareOptions, Comparison, Group, KeyDifference, MetricRow, Spread, Subject, compare,
    comparison_page,
};
pub use draw_run::redraw;
pub(crate) use draw_run::roc_of;
pub use drift::{DriftRow, Inputs, drift};
pub use error::{OtherExams, OtherFollowUp, OtherLabel, OtherPatient, ReportError};
pub use evaluated::{CrossValidation, Fold, PooledRow, Summary, cross_validation, summary};
pub use external::{
    External, ExternalHeadline, ModelKind, Overlap, development_roc, external, external_headline,
};
pub use failures::{FailureRow, failure_rows};
pub use folds::{headline_of_folds, redraw_folds};
pub use groupings::{MAX_GROUPS, finite_number, grouping};
pub use headline::headline;
pub use paired::{MarginTest, PairedTest, SurvivalTest, ThresholdTest};
pub use predictions::{
    Fault, Faults, LineFault, ModelPredictions, PredictionTable, PredictionsError,
    RequestedColumns, TableExam,
};
pub use robustness::{
    RobustMetric, RobustnessRow, robustness_points, robustness_rows, robustness_table,
};
pub use run_predictions::{
    ContradictionKind, ExamContradiction, RunPredictions, RunPredictionsError,
};
pub use score::{
    GroupMetrics, Metric, Metrics, Models, NamedMetric, PointMetrics, PrevalenceMetrics,
    ScoreOptions, ScoreReport, ScoredModel, SubgroupMetrics, Threshold, score, write_score,
};
pub use survival::{SplitRisks, write_evaluated_risks};
pub use thresholds::threshold_of_rule;
