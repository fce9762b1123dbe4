//! `[model]` and `[loss]`: the network, its initial weights and the loss function.

use super::ClassWeights;
use lungs_base::network::{Architecture, Head, Pool};
use serde::{Deserialize, Serialize};

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Network architecture.
    pub name: ModelName,
    /// Pool between the features and the classifier. The resolved spec omits `"average"`.
    #[serde(skip_serializing_if = "PoolName::is_average")]
    pub pool: PoolName,
    /// Number of central slices of the stored crop that are the network's input, from 1 to
    /// `preprocess.size[0]`.
    pub slices: usize,
    /// Initial weights: `"random"`, a TensorFlow checkpoint, a `.pt`, `.pth` or `.safetensors` file, or the
    /// folder of another run (its selected epoch). Two-dimensional weights are inflated.
    pub init: String,
    /// Classifier of the initial weights. A classifier that cannot be loaded as requested is an error.
    pub init_head: Head,
    /// Whether the preprocessing stored in the weights of `init` must agree with this spec.
    pub init_preprocess: InitPreprocess,
    /// Fraction of features that dropout keeps in training, more than 0 and at most 1.
    pub keep_prob: f64,
    /// Input channels: 1, or 3, which repeats the image three times, as the original does.
    pub channels: usize,
    /// Multiplier of the number of channels of every layer, from 0.05 to 4; 1 is the published network.
    pub width: f64,
    /// Statistics that training normalises with.
    pub batch_norm: BatchNorm,
    /// Decay of the running statistics of batch normalisation, at least 0 and less than 1. With random
    /// initial weights, the decay after batch `t` is `min(decay, (t - 1) / (t + 8))`: the running
    /// statistics contain no initial values, and they adapt quickly in the first steps. With weights in
    /// `init`, or with `preprocess.compat = "lungs-0.1.5"`, the decay is constant.
    pub batch_norm_decay: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            name: ModelName::I3d,
            pool: PoolName::Average,
            slices: 220,
            init: "random".into(),
            init_head: Head::Load,
            init_preprocess: InitPreprocess::Same,
            keep_prob: 0.7,
            channels: 1,
            width: 1.0,
            batch_norm: BatchNorm::Train,
            batch_norm_decay: 0.999,
        }
    }
}

/// `model.init_preprocess`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitPreprocess {
    /// A difference is an error.
    Same,
    /// The preprocessing may differ.
    Any,
}

/// `model.batch_norm`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// Use batch statistics, and update the running statistics.
    Train,
    /// Use the running statistics of `init`, and do not update them. For small batches.
    Frozen,
}

/// `model.name`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelName {
    /// Inflated Inception-v1 (Carreira & Zisserman 2017).
    #[serde(rename = "i3d")]
    I3d,
    /// The residual network of 18 layers of torchvision (Tran et al. 2018), the encoder of Sybil.
    #[serde(rename = "r3d-18")]
    R3d18,
    /// ResNet-152 with inflated kernels, the encoder of Merlin.
    #[serde(rename = "i3resnet-152")]
    I3Resnet152,
}

/// `model.pool`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolName {
    /// The mean over positions.
    Average,
    /// The pool of Sybil (Mikhael et al. 2023): attention over the positions of each slice and over slices,
    /// convolved maxima of slices with attention, and the maximum. For residual networks.
    Sybil,
}

impl PoolName {
    fn is_average(&self) -> bool {
        *self == Self::Average
    }
}

impl Model {
    /// The architecture of the network.
    pub fn architecture(&self) -> Architecture {
        match self.name {
            ModelName::I3d => Architecture::I3d,
            ModelName::R3d18 => Architecture::R3d18,
            ModelName::I3Resnet152 => Architecture::I3Resnet152,
        }
    }

    /// The pool of the network.
    pub fn network_pool(&self) -> Pool {
        match self.pool {
            PoolName::Average => Pool::Average,
            PoolName::Sybil => Pool::Sybil,
        }
    }
}

/// `[loss]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// Loss function.
    pub name: LossName,
    /// Focal loss: focusing exponent γ, 0 or more. A larger value reduces the weight of exams that are
    /// already predicted well.
    pub gamma: f64,
    /// Focal loss: weight of positive exams, between 0 and 1; negative exams have `1 - alpha`.
    pub alpha: f64,
    /// Weight of each class in the loss: a name, or two positive numbers for exams without and with cancer,
    /// such as `[1.0, 3.0]`. The sum over a step is divided by the number of its exams, not by their weights.
    /// The losses in tables are weighted too.
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
