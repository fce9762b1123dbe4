//! The run folder: paths, tables, lock and provenance of a run.
//!
//! ```text
//! results/baseline/2026-11-23T10-15-02Z-5f3a9c/   experiment name / start time - spec hash
//!   spec.toml                  resolved spec, complete
//!   provenance.json            version, commit, hashes, seed, device, threads, time of stages
//!   cohort.csv                 every series, with the reason of its exclusion
//!   exam-columns.csv           columns that [evaluate] names and the report describes
//!   inputs.csv                 inputs of the run, to detect changes
//!   preparation.csv            geometry and quality of every prepared series
//!   preparation.html           excluded series, histograms, contact sheet
//!   metrics.csv  steps.csv     loss, accuracy and AUC by epoch; loss by step
//!   predictions/…-epoch-010.csv
//!   predictions/…-epoch-010-risks.csv   with outcome.name = "survival": follow-up and risks by horizon
//!   evaluation.json            final metrics with confidence intervals
//!   calibration.json           the map to calibrated probabilities, with evaluate.recalibrate
//!   checkpoints/epoch-010/     state to resume training
//!   plots/                     plots of the tables
//!   report.html                report of the run
//!   tensorboard/               event files, with train.tensorboard
//!   run.log  run.lock
//! ```
//!
//! With `split.folds`, the folder has one such run per fold, and the pooled results:
//!
//! ```text
//!   spec.toml
//!   fold-1/ … fold-5/           one run per fold
//!   predictions/out-of-fold.csv out-of-fold prediction of every exam
//!   curves/out-of-fold-….csv  plots/   curves and plots of the pooled predictions
//!   cross-validation.json       metrics of each fold and of the pooled predictions
//! ```
//!
//! The folder of `lungs evaluate MODEL --data … --out FOLDER` has the layout of a run without training:
//!
//! ```text
//!   external.json               the model, its validation and test metrics, exams in common
//!   spec.toml                   the spec of the model, on the other exams
//!   cohort.csv  inputs.csv  preparation.csv  exam-columns.csv   as in a run; the split is `external`
//!   predictions/external.csv    and external-network-1.csv, … of an ensemble
//!   evaluation.json  curves/external-….csv  plots/  report.html
//!   drift.csv                   inputs, compared with those of the development
//!   failures.csv                false negatives and false positives by group
//!   robustness.csv              with --robustness; also in a run
//! ```
//!
//! Tables do not depend on the clock: two runs of one spec have identical tables. Times are in
//! `provenance.json` and `timings.csv`.

mod clock;
mod error;
mod event_file;
mod failure;
mod folder;
#[cfg(test)]
mod label_tests;
mod lock;
mod provenance;
mod survival;
mod tables;
mod tensorboard;
mod wide;

pub use clock::now_utc;
pub use error::ResultsError;
pub use failure::RunFailure;
pub use folder::{RunFolder, SWEEP_FILE, Table, find_run};
pub use lock::RunLock;
pub use provenance::{Program, Provenance};
pub use survival::{
    HorizonAuc, RiskRow, SurvivalMetrics, read_metrics, read_risks, write_metrics, write_risks,
};
pub use tables::{
    ColumnRow, InputKind, InputRow, MetricsRow, PredictionRow, StepRow, TimingRow, read_csv,
    read_inputs, write_csv, write_inputs,
};
pub use tensorboard::EventFiles;
pub use wide::{WideRow, read_wide_csv, write_wide_csv};
