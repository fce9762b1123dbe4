//! `[train]`: how the network is optimised, which epoch is kept, and what changes training exams.

use serde::{Deserialize, Serialize};

/// `[train]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// `"adam"`.
    pub optimizer: Optimizer,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// `"constant"`, `"step"` (× `step_factor` every `step_every` steps) or `"cosine"` (to zero).
    pub schedule: Schedule,
    /// `schedule = "step"`: optimizer steps between two drops.
    pub step_every: usize,
    /// `schedule = "step"`: factor of a drop.
    pub step_factor: f64,
    /// Optimizer steps of linear warm-up.
    pub warmup_steps: usize,
    /// Exams in one batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one optimizer step.
    pub accumulate: usize,
    /// Passes over the training exams.
    pub epochs: usize,
    /// Which epoch the final evaluation and `predict` use.
    pub select: SelectEpoch,
    /// Stop when validation has not improved for `patience` epochs.
    pub early_stopping: EarlyStopping,
    /// Minutes between checkpoints within an epoch; 0 writes them at the ends of epochs only. Does
    /// not change a byte of the results.
    pub checkpoint_minutes: f64,
    /// `"best-and-last"` or `"all"`.
    pub keep_checkpoints: KeepCheckpoints,
    /// Also keep the checkpoint of every so many epochs; 0 is off.
    pub keep_every: usize,
    /// Random changes of training exams.
    pub augment: Augment,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            optimizer: Optimizer::Adam,
            learning_rate: 5e-5,
            schedule: Schedule::Constant,
            step_every: 5000,
            step_factor: 0.1,
            warmup_steps: 0,
            batch_size: 2,
            accumulate: 1,
            epochs: 37,
            select: SelectEpoch::BestValidAuc,
            early_stopping: EarlyStopping::default(),
            checkpoint_minutes: 10.0,
            keep_checkpoints: KeepCheckpoints::BestAndLast,
            keep_every: 0,
            augment: Augment::default(),
        }
    }
}

/// `train.optimizer`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Adam, β 0.9 and 0.999, ε 1e-8.
    Adam,
}

/// `train.schedule`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// Multiplied by a factor every so many steps.
    Step,
    /// Half a cosine from the learning rate to zero at the last step.
    Cosine,
}

/// `train.select`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectEpoch {
    /// Highest validation AUC; the earliest of equals.
    BestValidAuc,
    /// Lowest validation loss; the earliest of equals.
    BestValidLoss,
    /// The last epoch.
    Last,
}

/// `train.early_stopping`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopping {
    /// Epochs without improvement that are borne; 0 never stops early. An AUC of 1 whose
    /// interval begins above 0.95 stops too, where the AUC selects: nothing better can follow.
    pub patience: usize,
    /// Never stop before so many epochs: networks begin with a plateau.
    pub min_epochs: usize,
}

/// `train.keep_checkpoints`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepCheckpoints {
    /// The selected epoch and the last two.
    BestAndLast,
    /// Every epoch.
    All,
}

/// `[train.augment]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Mirror left and right in half of the draws.
    pub flip_width: bool,
    /// Mirror front and back in half of the draws.
    pub flip_height: bool,
    /// Mirror head and feet in half of the draws.
    pub flip_depth: bool,
    /// Shift by up to this many voxels along each axis, filled with air.
    pub shift_voxels: usize,
}
