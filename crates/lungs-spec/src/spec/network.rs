//! `[model]` and `[loss]`: the network, its initial weights and the loss function.

use super::ClassWeights;
use serde::{Deserialize, Serialize};

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Network architecture. `"i3d"` is the only choice.
    pub name: ModelName,
    /// Number of central slices of the stored crop that are the network's input, from 1 to
    /// `preprocess.size[0]`. Default: 220.
    pub slices: usize,
    /// Initial weights: `"random"`, a TensorFlow checkpoint, a `.pt`, `.pth` or `.safetensors` file, or
    /// the folder of another run (its selected epoch). Two-dimensional weights are inflated.
    /// Default: `"random"`.
    pub init: String,
    /// Classifier of the initial weights: `"load"` uses that of `init`, `"new"` draws one from the seed.
    /// Default: `"load"`.
    pub init_head: InitHead,
    /// Whether the preprocessing stored in the weights of `init` must agree with this spec: `"same"` stops
    /// with an error if it differs, `"any"` accepts it. Default: `"same"`.
    pub init_preprocess: InitPreprocess,
    /// Fraction of features that dropout keeps in training, more than 0 and at most 1. Default: 0.7.
    pub keep_prob: f64,
    /// Input channels: 1, or 3, which repeats the image three times, as the original does. Default: 1.
    pub channels: usize,
    /// Multiplier of the number of channels of every layer, from 0.05 to 4; 1 is I3D. Default: 1.0.
    pub width: f64,
    /// Statistics that training normalises with: `"train"` uses batch statistics and updates the running
    /// statistics; `"frozen"` uses the running statistics of `init` and does not update them.
    /// Default: `"train"`.
    pub batch_norm: BatchNorm,
    /// Decay of the running statistics of batch normalisation, at least 0 and less than 1. With random
    /// initial weights, the decay after batch `t` is `min(decay, (t - 1) / (t + 8))`. Default: 0.999.
    pub batch_norm_decay: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            name: ModelName::I3d,
            slices: 220,
            init: "random".into(),
            init_head: InitHead::Load,
            init_preprocess: InitPreprocess::Same,
            keep_prob: 0.7,
            channels: 1,
            width: 1.0,
            batch_norm: BatchNorm::Train,
            batch_norm_decay: 0.999,
        }
    }
}

/// `model.init_head`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitHead {
    /// Use the classifier of the initial weights.
    Load,
    /// Draw a new classifier from the seed.
    New,
}

/// `model.init_preprocess`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitPreprocess {
    /// The preprocessing of the weights must agree with this spec.
    Same,
    /// The preprocessing may differ.
    Any,
}

/// `model.batch_norm`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// Normalise with batch statistics, and update the running statistics.
    Train,
    /// Normalise with the running statistics, and do not update them.
    Frozen,
}

/// `model.name`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelName {
    /// Inflated Inception-v1.
    I3d,
}

/// `[loss]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// Loss function: `"cross-entropy"` or `"focal"`. Default: `"cross-entropy"`.
    pub name: LossName,
    /// Focal loss: focusing exponent γ, 0 or more. A larger value reduces the weight of exams that are
    /// already predicted well. Default: 2.0.
    pub gamma: f64,
    /// Focal loss: weight of positive exams, between 0 and 1; negative exams have `1 - alpha`.
    /// Default: 0.25.
    pub alpha: f64,
    /// Weight of each class in the loss: `"none"`, `"balanced"`, or two positive numbers for exams without
    /// and with cancer, such as `[1.0, 3.0]`. Default: `"none"`.
    pub class_weights: ClassWeights,
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            name: LossName::CrossEntropy,
            gamma: 2.0,
            alpha: 0.25,
            class_weights: ClassWeights::None,
        }
    }
}

/// `loss.name`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Softmax cross-entropy.
    CrossEntropy,
    /// Focal loss (Lin et al. 2017).
    Focal,
}
