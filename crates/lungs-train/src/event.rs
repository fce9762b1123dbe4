//! The progress of a run, as events.

use lungs_net::usage::Usage;
use lungs_spec::results::{MetricsRow, StepRow};

/// An event of a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stage with this name begins.
    StageBegins(&'a str),
    /// `done` of `total` items of the stage are done.
    StageAdvances {
        /// Items that are done.
        done: usize,
        /// Items of the stage.
        total: usize,
    },
    /// A stage ends.
    StageEnds {
        /// Its name.
        stage: &'a str,
        /// Its result in one line.
        summary: &'a str,
    },
    /// Training begins. Signals have another meaning during training.
    TrainingBegins,
    /// Training ends, finished or not.
    TrainingEnds,
    /// An epoch begins or resumes.
    EpochBegins {
        /// Its number, from 1.
        epoch: usize,
        /// Epochs of the run.
        epochs: usize,
        /// Batches of the epoch that are done.
        batch: usize,
        /// Batches of the epoch.
        batches: usize,
    },
    /// A batch is done.
    BatchDone {
        /// Its exams.
        exams: usize,
        /// Its mean loss.
        loss: f64,
    },
    /// An optimizer step is done; its row of `steps.csv`.
    StepDone(&'a StepRow),
    /// A measurement of memory and GPUs, about once a second.
    Measured(&'a Usage),
    /// Validation of this many exams begins.
    ValidationBegins {
        /// Exams to score.
        exams: usize,
    },
    /// This many more exams are scored.
    ExamsScored(usize),
    /// An epoch is complete.
    EpochEnds {
        /// Its rows of `metrics.csv`.
        rows: &'a [MetricsRow],
        /// The best epoch so far.
        best: Option<usize>,
    },
    /// A message for the user.
    Note(&'a str),
}

/// Receives the events of a run, from any thread.
pub type Observer<'a> = dyn Fn(&Event) + Sync + 'a;
