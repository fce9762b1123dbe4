//! The run folder: the only place that knows file names inside a run.
//!
//! ```text
//! results/baseline/2026-11-23T10-15-02Z-5f3a9c/   experiment name / start time - spec hash
//!   spec.toml                  resolved spec, complete
//!   provenance.json            version, commit, hashes, seed, device, threads, seconds of stages
//!   cohort.csv                 every series seen, and what became of it
//!   exam-columns.csv           columns that [evaluate] names
//!   inputs.csv                 what the run depends on, to see when it changes
//!   preparation.csv            geometry and quality of every prepared series
//!   preparation.html           the same for people: refusals, histograms, contact sheet
//!   metrics.csv  steps.csv     loss, accuracy and AUC by epoch; loss by step
//!   predictions/…-epoch-010.csv
//!   evaluation.json            final figures with intervals
//!   calibration.json           the map to calibrated probabilities, where the spec asks for one
//!   checkpoints/epoch-010/     everything needed to continue
//!   plots/                     drawn from the tables alone
//!   report.html                all of it on one page
//!   tensorboard/               the same as event files, where the spec asks for them
//!   run.log  run.lock
//! ```
//!
//! With `split.folds`, the folder holds one such run for each fold, and what they say together:
//!
//! ```text
//!   spec.toml
//!   fold-1/ … fold-5/           a run each
//!   predictions/out-of-fold.csv every exam once, by the network that had not seen its patient
//!   curves/out-of-fold-….csv  plots/   the curves behind them, drawn
//!   cross-validation.json       figures of each fold and of all together
//! ```
//!
//! Tables hold nothing that depends on the clock, so that two runs of one spec give the same
//! bytes; seconds live in `provenance.json` and `timings.csv`.

mod event_file;
mod folder;
mod lock;
mod provenance;
mod tables;
mod tensorboard;

pub use folder::{ResultsError, RunFolder, SWEEP_FILE, Table, find_run};
pub use lock::RunLock;
pub use provenance::{Provenance, now_utc, program_version};
pub use tables::{
    ColumnRow, InputKind, InputRow, MetricsRow, PredictionRow, StepRow, TimingRow, read_csv,
    write_csv,
};
pub use tensorboard::EventFiles;
