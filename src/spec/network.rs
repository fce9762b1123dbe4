//! `[model]` and `[loss]`: the network, the weights that it begins with, and what it minimises.

use super::ClassWeights;
use serde::{Deserialize, Serialize};

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// `"i3d"`.
    pub name: ModelName,
    /// Slices of the stored crop that the network sees, around its centre.
    pub slices: usize,
    /// `"random"`; or weights: a TensorFlow checkpoint, a `.pt`, `.pth` or `.safetensors` file, or
    /// the folder of another run. Two-dimensional ones are inflated.
    pub init: String,
    /// The classifier of `init`: `"load"`, or `"new"` for one drawn from the seed.
    pub init_head: InitHead,
    /// `"same"` refuses weights of `init` that were trained on volumes prepared in another way than
    /// this spec says; `"any"` takes them.
    pub init_preprocess: InitPreprocess,
    /// Share of features that dropout keeps while training.
    pub keep_prob: f64,
    /// Input channels: 1, or 3 for the original's layout.
    pub channels: usize,
    /// Multiplies the width of every layer; 1 is I3D.
    pub width: f64,
    /// `"train"`: training normalises by each batch; `"frozen"`: by the moving averages, which stay
    /// what they are (for weights that bring theirs).
    pub batch_norm: BatchNorm,
    /// Share of a batch-norm moving average that one more batch leaves in place, once there have
    /// been many batches.
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
    /// The classifier that the weights bring.
    Load,
    /// A new one.
    New,
}

/// `model.init_preprocess`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitPreprocess {
    /// The weights' preparation and this spec's must be the same.
    Same,
    /// They may differ.
    Any,
}

/// `model.batch_norm`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// By the batch's own moments, which the moving averages follow.
    Train,
    /// By the moving averages, which do not move.
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
    /// `"cross-entropy"` or `"focal"`.
    pub name: LossName,
    /// Focal loss: how fast easy exams lose weight.
    pub gamma: f64,
    /// Focal loss: weight of positives; negatives get `1 - alpha`.
    pub alpha: f64,
    /// `"none"`, `"balanced"`, or the weights of an exam without and with cancer in the loss.
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
