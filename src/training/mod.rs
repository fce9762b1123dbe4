//! From prepared exams to a trained network.
//!
//! ```text
//! exams ──order──▶ batches ──read, augment, window──▶ step: forward, loss, backward, Adam
//!            └──────────────── once per epoch ────────────────┘
//!       ──▶ score the validation exams ──▶ metrics, predictions, checkpoint
//! ```
//!
//! The loop is our own because it has to be exact: what happens in step `n` is a function of the
//! spec, the data and `n` alone. Order, augmentation and dropout come from named random streams,
//! so a checkpoint needs no generator state, and a run that was interrupted continues with the
//! bytes it would have had. Burn gives the network, gradients, Adam and records; from burn-train
//! come the [`TrainStep`](burn::train::TrainStep) and [`InferenceStep`](burn::train::InferenceStep)
//! that the network
//! implements here and the [`Interrupter`](burn::train::Interrupter) that stops the
//! loop.

mod adam;
mod augment;
mod averages;
mod batches;
mod checkpoint;
mod classifier;
mod epoch;
mod fit;
mod footprint;
mod initial;
mod objective;
mod optimizer;
mod order;
mod recorder;
mod replicas;
mod schedule;
mod scoring;
mod selection;
mod state;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod testing;
mod windowing;

pub use adam::Adam;
pub use batches::{Exam, central_slices};
pub use checkpoint::{CheckpointError, Position};
pub use classifier::{Batch, Inferred, Scores, Trained};
pub use fit::{Outcome, fit, selected_epoch_of, trained_network};
pub use footprint::{DeviceFailure, advice, step_bytes};
pub use initial::{InitError, initial_file, initial_weights, network, selected_weights};
pub use objective::Objective;
pub use order::{Draw, epoch_order};
pub use schedule::learning_rate;
pub use scoring::{Scored, score};
pub use selection::{selected_epoch, stops_early};

use crate::model::{ModelError, WeightsError};
use crate::prepare::LoadError;
use crate::results::ResultsError;
use std::path::PathBuf;

/// What training tells whoever watches.
pub trait Watch: Sync {
    /// An epoch begins at `batch` of `batches`.
    fn epoch_begins(&self, epoch: usize, epochs: usize, batch: usize, batches: usize);
    /// A batch of so many exams has been trained on.
    fn batch_done(&self, exams: usize, loss: f64);
    /// An optimizer step is done; its row of `steps.csv`.
    fn step_done(&self, _row: &crate::results::StepRow) {}
    /// Memory and GPUs were looked at: every second or so.
    fn usage(&self, _usage: &crate::usage::Usage) {}
    /// The validation exams are being scored.
    fn validation_begins(&self, exams: usize);
    /// Some exams have been scored.
    fn exams_scored(&self, exams: usize);
    /// An epoch is complete; its rows of `metrics.csv`.
    fn epoch_ends(&self, rows: &[crate::results::MetricsRow], best_so_far: Option<usize>);
    /// Something the user should know.
    fn note(&self, text: &str);
}

impl From<InitError> for TrainingError {
    fn from(error: InitError) -> Self {
        Self::Init(Box::new(error))
    }
}

/// Training could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The run folder cannot be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The network cannot be started as the spec says.
    #[error(transparent)]
    Init(#[from] Box<InitError>),
    /// The spec describes no network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A prepared volume cannot be read.
    #[error(transparent)]
    Prepared(#[from] LoadError),
    /// A prepared volume has another size than the spec says.
    #[error("{path} has the shape {found:?}, expected {expected:?}; prepare the data again")]
    Shape {
        /// The prepared volume.
        path: PathBuf,
        /// Its shape.
        found: [usize; 3],
        /// `preprocess.size`.
        expected: [usize; 3],
    },
    /// A device has too little memory.
    #[error("the device ran out of memory in step {step} (epoch {epoch}): {words}; {advice}")]
    OutOfMemory {
        /// Optimizer step.
        step: usize,
        /// Epoch.
        epoch: usize,
        /// The words of the device.
        words: String,
        /// What to try.
        advice: String,
    },
    /// A device has too little memory even to score exams.
    #[error("the device ran out of memory while scoring exams: {words}; {advice}")]
    OutOfMemoryScoring {
        /// The words of the device.
        words: String,
        /// What to try.
        advice: String,
    },
    /// A device failed in another way.
    #[error(
        "the device failed: {words}. The last good checkpoint is kept: the same command continues \
         from it; if it fails again, try another device (runtime.device)"
    )]
    Device {
        /// The words of the device.
        words: String,
    },
    /// The gradient is not a number any more.
    #[error(
        "the gradient's norm became {norm} in step {step} (epoch {epoch}); the learning rate is too \
         high for this data: try a smaller train.learning_rate, or train.warmup_steps. The last \
         good checkpoint is kept"
    )]
    Gradient {
        /// The norm.
        norm: f64,
        /// Optimizer step.
        step: usize,
        /// Epoch.
        epoch: usize,
    },
    /// The loss is not a number any more.
    #[error(
        "the loss became {loss} in step {step} (epoch {epoch}); the learning rate is too high for \
         this data: try a smaller train.learning_rate, or train.warmup_steps. The last good \
         checkpoint is kept"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// Optimizer step.
        step: usize,
        /// Epoch.
        epoch: usize,
    },
}
