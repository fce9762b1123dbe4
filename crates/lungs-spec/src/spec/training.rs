//! `[train]`: optimisation, selection of the epoch, checkpoints and augmentation.

use serde::{Deserialize, Serialize};

/// `[train]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Optimizer, with one choice: Adam with β 0.9 and 0.999, ε 1e-8.
    pub optimizer: Optimizer,
    /// Initial learning rate, more than 0 and at most 1.
    pub learning_rate: f64,
    /// Schedule of the learning rate.
    pub schedule: Schedule,
    /// Optimizer steps between two changes of the learning rate, with `schedule = "step"`.
    pub step_every: usize,
    /// Factor of each change, more than 0 and at most 1, with `schedule = "step"`.
    pub step_factor: f64,
    /// Optimizer steps over which the learning rate rises linearly to its scheduled value.
    pub warmup_steps: usize,
    /// Largest gradient norm of an optimizer step, over all parameters together. A larger gradient is scaled
    /// down to this norm. 0 sets no limit.
    pub clip_norm: f64,
    /// Decoupled weight decay (AdamW): every step multiplies kernels by `1 - learning_rate * weight_decay`.
    /// Offsets and the bias of the classifier do not decay. 0 is off.
    pub weight_decay: f64,
    /// Sampling of the training exams.
    pub sampling: Sampling,
    /// Exams per batch.
    pub batch_size: usize,
    /// Batches per optimizer step. The gradient is that of the mean over the exams of the step. Batch
    /// normalisation sees each batch alone.
    pub accumulate: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Criterion that selects the epoch for the final evaluation and for `lungs predict`.
    pub select: SelectEpoch,
    /// With `select = "best-valid-auc"` and `outcome.name = "survival"`: the horizon of the AUC, one of
    /// `outcome.horizons_years`. If not set, the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select_horizon_years: Option<f64>,
    /// Decay of the EMA of the weights and running statistics, at least 0 and less than 1; after step `t` it
    /// is `min(ema_decay, (1 + t) / (10 + t))`. Validation, selection, prediction and `weights.safetensors`
    /// use the EMA; training continues with the weights themselves. 0 is off.
    pub ema_decay: f64,
    /// Early stopping after `patience` epochs without improvement of the validation.
    pub early_stopping: EarlyStopping,
    /// Minutes between checkpoints within an epoch, which are written between two optimizer steps; 0 writes
    /// checkpoints at the end of each epoch only. It has no effect on results.
    pub checkpoint_minutes: f64,
    /// Checkpoints that are kept.
    pub keep_checkpoints: KeepCheckpoints,
    /// Interval, in epochs, of additional checkpoints that are kept. 0 keeps none.
    pub keep_every: usize,
    /// Gradient checkpointing: store only the outputs of the blocks of the network, and compute the other
    /// activations again in the backward pass. A full-size step takes 1.9 instead of 3.2 GB and 1.6 times as
    /// long. It has no effect on results on the CPU.
    pub gradient_checkpointing: bool,
    /// Write TensorBoard event files to the run folder during training; `tensorboard --logdir results` shows
    /// them. `lungs plot RUN --tensorboard` writes them later. It has no effect on results.
    pub tensorboard: bool,
    /// Names of layers that are not trained, with all layers below them: `"Conv3d_1a_7x7"`, `"Mixed_3b"`,
    /// `"Mixed_3b/Branch_1"`, `"Logits"`, … They normalise with their running statistics.
    pub freeze: Vec<String>,
    /// Learning-rate multiplier of the classifier, more than 0 and at most 10000.
    pub head_rate_factor: f64,
    /// Random augmentation of the training exams.
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
            select_horizon_years: None,
            ema_decay: 0.0,
            early_stopping: EarlyStopping::default(),
            checkpoint_minutes: 10.0,
            keep_checkpoints: KeepCheckpoints::BestAndLast,
            keep_every: 0,
            gradient_checkpointing: false,
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
    /// Constant learning rate.
    Constant,
    /// Multiplied by `step_factor` every `step_every` optimizer steps.
    Step,
    /// Half a cosine from the learning rate to zero at the last step.
    Cosine,
}

/// `train.sampling`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Every exam once per epoch, in random order.
    Shuffle,
    /// As many draws as exams, half of them (rounded down) positive: exams of the rarer class repeat within
    /// an epoch, each time with another augmentation; each epoch uses a subset of the other class, another one than the
    /// epoch before.
    Balanced,
}

/// `train.select`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectEpoch {
    /// Highest validation AUC; the earliest epoch of equal ones.
    BestValidAuc,
    /// Lowest validation loss; the earliest epoch of equal ones.
    BestValidLoss,
    /// Highest validation average precision; the earliest epoch of equal ones.
    BestValidAveragePrecision,
    /// Lowest validation Brier score; the earliest epoch of equal ones.
    BestValidBrier,
    /// Highest validation accuracy; the earliest epoch of equal ones.
    BestValidAccuracy,
    /// Highest C-index of the validation (Harrell), with `outcome.name = "survival"`; the earliest epoch of equal
    /// ones.
    BestValidCIndex,
    /// The last epoch.
    Last,
}

/// `[train.early_stopping]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopping {
    /// Epochs without improvement of the validation before training stops; 0 disables early stopping.
    /// Otherwise, with `select = "best-valid-auc"`, a validation AUC of 1 whose confidence interval starts at 0.95 or
    /// above also stops training, after `min_epochs`.
    pub patience: usize,
    /// Number of epochs before which training never stops early, to pass the initial plateau.
    pub min_epochs: usize,
}

/// `train.keep_checkpoints`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepCheckpoints {
    /// The selected epoch and the last two epochs; within a running epoch, also its last two checkpoints.
    BestAndLast,
    /// Every epoch.
    All,
}

/// `[train.augment]`
///
/// Rotation, scaling, shift and flips are one affine map with one linear interpolation; voxels outside the
/// crop have the lower limit of the window. Shifts and flips alone copy voxels without interpolation. Each
/// draw depends on the seed, the epoch and the exam only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Flip left and right with probability 0.5.
    pub flip_width: bool,
    /// Flip front and back with probability 0.5.
    pub flip_height: bool,
    /// Flip head and feet with probability 0.5.
    pub flip_depth: bool,
    /// Largest shift along each axis, in voxels.
    pub shift_voxels: usize,
    /// Largest rotation about each of the three axes, in degrees, from 0 to 180.
    pub rotate_degrees: f64,
    /// Range of the random scale factor, `1 / (1 + scale)` to `1 + scale`, from 0 to 1.
    pub scale: f64,
    /// Largest offset added to all voxels of an exam, in HU, from 0 to 1000.
    pub shift_hu: f64,
    /// Largest standard deviation of added noise, in HU, from 0 to 1000; drawn for each exam.
    pub noise_hu: f64,
}
