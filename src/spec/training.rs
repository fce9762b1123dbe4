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
    /// Gradients of a step whose norm over all parameters is larger are scaled to it; 0 is off.
    pub clip_norm: f64,
    /// Decoupled weight decay (AdamW) of kernels: times `1 - learning_rate * weight_decay` in
    /// every step; 0 is off.
    pub weight_decay: f64,
    /// `"shuffle"`: every exam once in an epoch; `"balanced"`: as many draws, half of each class.
    pub sampling: Sampling,
    /// Exams in one batch.
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one optimizer step.
    pub accumulate: usize,
    /// Passes over the training exams.
    pub epochs: usize,
    /// Which epoch the final evaluation and `predict` use.
    pub select: SelectEpoch,
    /// Decay of a moving average of the weights, which is then what is validated, selected and
    /// kept for prediction; 0 is off. In step `t` it is at most `(1 + t) / (10 + t)`.
    pub weight_average: f64,
    /// Stop when validation has not improved for `patience` epochs.
    pub early_stopping: EarlyStopping,
    /// Minutes between checkpoints within an epoch; 0 writes them at the ends of epochs only. Does
    /// not change a byte of the results.
    pub checkpoint_minutes: f64,
    /// `"best-and-last"` or `"all"`.
    pub keep_checkpoints: KeepCheckpoints,
    /// Also keep the checkpoint of every so many epochs; 0 is off.
    pub keep_every: usize,
    /// Compute a step's intermediate results a second time instead of keeping them: less memory, more
    /// time. Does not change a byte of the results on the CPU.
    pub recompute: bool,
    /// Write TensorBoard event files in the run folder. Does not change a byte of the results.
    pub tensorboard: bool,
    /// Layers that training leaves as they are, by name: `"Conv3d_1a_7x7"`, `"Mixed_3b"`, …
    pub freeze: Vec<String>,
    /// Multiplies the learning rate of the classifier.
    pub head_rate_factor: f64,
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
            clip_norm: 0.0,
            weight_decay: 0.0,
            sampling: Sampling::Shuffle,
            batch_size: 2,
            accumulate: 1,
            epochs: 37,
            select: SelectEpoch::BestValidAuc,
            weight_average: 0.0,
            early_stopping: EarlyStopping::default(),
            checkpoint_minutes: 10.0,
            keep_checkpoints: KeepCheckpoints::BestAndLast,
            keep_every: 0,
            recompute: false,
            tensorboard: false,
            freeze: Vec::new(),
            head_rate_factor: 1.0,
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

/// `train.sampling`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Every exam once in an epoch.
    Shuffle,
    /// As many draws as there are exams, half of them of each class: the rarer class repeats its
    /// exams, the other takes turns from epoch to epoch.
    Balanced,
}

/// `train.select`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectEpoch {
    /// Highest validation AUC; the earliest of equals.
    BestValidAuc,
    /// Lowest validation loss; the earliest of equals.
    BestValidLoss,
    /// Highest validation average precision; the earliest of equals.
    BestValidAveragePrecision,
    /// Lowest validation Brier score; the earliest of equals.
    BestValidBrier,
    /// Highest validation accuracy; the earliest of equals.
    BestValidAccuracy,
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
///
/// Turning, scaling, shifting and mirroring are one map, and cost one linear interpolation; shifts
/// and mirrors alone copy voxels as they are.
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
    /// Turn about each of the three axes by up to this angle.
    pub rotate_degrees: f64,
    /// Enlarge or shrink by a factor between `1 / (1 + scale)` and `1 + scale`.
    pub scale: f64,
    /// Make all voxels brighter or darker by up to this.
    pub shift_hu: f64,
    /// Add noise with a standard deviation, drawn for each exam, of up to this.
    pub noise_hu: f64,
}
