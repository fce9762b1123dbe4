//! Training: from prepared exams to a trained network.
//!
//! ```text
//! exams ──order──▶ batches ──read, augment, window──▶ step: forward, loss, backward, Adam
//!            └──────────────── once per epoch ────────────────┘
//!       ──▶ score the validation exams ──▶ metrics, predictions, checkpoint
//! ```
//!
//! The training loop is our own because it must be exactly reproducible: step `n` is a function of the
//! spec, the data and `n` alone. Order, augmentation and dropout come from named random streams, so
//! that a checkpoint needs no generator state, and a resumed run gives the same bytes as an
//! uninterrupted one. Burn provides the network, gradients, Adam and records; burn-train provides the
//! traits [`TrainStep`](burn::train::TrainStep) and [`InferenceStep`](burn::train::InferenceStep),
//! which the network implements here, and the [`Interrupter`](burn::train::Interrupter) that stops the
//! loop.
//!
//! ```
//! use lungs_spec::spec::Sampling;
//! use lungs_train::epoch_order;
//!
//! let labels = [true, false, false, false, true];
//! // The order of an epoch is a function of the seed and the epoch's number.
//! let order = |epoch| epoch_order(&labels, Sampling::Shuffle, 2, 37, epoch);
//! assert_eq!(order(7), order(7));
//! assert_eq!(order(7).concat().len(), 5);
//! ```

mod augment;
mod averages;
mod batches;
mod checkpoint;
mod classifier;
mod cleaning;
mod epoch;
mod event;
mod exam;
mod fit;
mod footprint;
mod initial;
mod logits;
mod objective;
mod optimizer;
mod order;
mod recorder;
mod replicas;
mod scanner;
mod schedule;
mod scoring;
mod selection;
mod state;
#[cfg(test)]
mod step_tests;
mod survival;
mod tables;
#[cfg(test)]
mod testing;
mod windowing;

pub use batches::central_slices;
pub use checkpoint::{CheckpointError, Position};
pub use classifier::{Batch, BatchOutput, Classifier, InferenceOutput, TrainStepOutput};
pub use cleaning::unneeded_checkpoints;
pub use event::{Event, Observer};
pub use exam::{Exam, Target};
pub use fit::{fit, trained_network};
pub use footprint::{DeviceFailure, advice, catch_panic, step_bytes};
pub use initial::{InitError, contract_of, initial_weights, network, selected_weights};
pub use logits::{ExamLogits, Logits};
pub use objective::Objective;
pub use optimizer::{adam, step as optimizer_step};
pub use order::{Draw, epoch_order};
pub use scanner::ScannerChange;
pub use schedule::learning_rate;
pub use scoring::{score, score_changed};
pub use selection::selected_epoch;
pub(crate) use selection::stops_early;
pub use state::Completion;
pub use tables::selected_epoch_of;
pub use windowing::{picture_window, window_of};

use lungs_net::model::{ModelError, WeightsError};
use lungs_spec::results::ResultsError;
use lungs_study::prepare::LoadError;
use std::path::PathBuf;

impl From<InitError> for TrainingError {
    fn from(error: InitError) -> Self {
        Self::Init(Box::new(error))
    }
}

/// Training cannot continue.
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
    /// The network cannot be initialised as specified.
    #[error(transparent)]
    Init(#[from] Box<InitError>),
    /// The spec describes no valid network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A prepared volume cannot be read.
    #[error(transparent)]
    Prepared(#[from] LoadError),
    /// A prepared volume does not have the spec's size.
    #[error("{path} has shape {actual:?}, expected {expected:?}; prepare the data again")]
    Shape {
        /// The prepared volume.
        path: PathBuf,
        /// Shape of the volume.
        actual: [usize; 3],
        /// `preprocess.size`.
        expected: [usize; 3],
    },
    /// A device has too little memory.
    #[error("the device ran out of memory in step {step} (epoch {epoch}): {message}; {advice}")]
    OutOfMemory {
        /// Optimizer step.
        step: usize,
        /// Epoch.
        epoch: usize,
        /// The device's message.
        message: String,
        /// Remedies to try.
        advice: String,
    },
    /// A device has too little memory to score exams.
    #[error("the device ran out of memory while scoring exams: {message}; {advice}")]
    OutOfMemoryScoring {
        /// The device's message.
        message: String,
        /// Remedies to try.
        advice: String,
    },
    /// A device failed for another reason.
    #[error(
        "the device failed: {message}. The last checkpoint is kept; run the same command again to \
         continue from it. If it fails again, try another device (runtime.device)"
    )]
    Device {
        /// The device's message.
        message: String,
    },
    /// The gradient is not finite.
    #[error(
        "the gradient norm is {norm} in step {step} (epoch {epoch}), expected a finite number; the \
         learning rate is too high for this data: reduce train.learning_rate or set \
         train.warmup_steps. The last checkpoint is kept"
    )]
    Gradient {
        /// The norm.
        norm: f64,
        /// Optimizer step.
        step: usize,
        /// Epoch.
        epoch: usize,
    },
    /// The loss is not finite.
    #[error(
        "the loss is {loss} in step {step} (epoch {epoch}), expected a finite number; the learning \
         rate is too high for this data: reduce train.learning_rate or set train.warmup_steps. \
         The last checkpoint is kept"
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
