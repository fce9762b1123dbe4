//! The spec as written: every key, its type, and its default.
//!
//! The types here accept anything of the right shape; [`check`](super::check) decides what makes
//! sense. Doc comments on fields are the reference documentation of the keys.

use super::{Data, Evaluate, Loss, Model, Preprocess, Slurm, Train};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A whole spec file, with defaults for what it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Name and seed.
    pub experiment: Experiment,
    /// Where the images and labels are.
    pub data: Data,
    /// From a series to a stored crop.
    pub preprocess: Preprocess,
    /// Who trains and who validates.
    pub split: Split,
    /// The network.
    pub model: Model,
    /// The loss.
    pub loss: Loss,
    /// The optimisation.
    pub train: Train,
    /// What is computed of the predictions.
    pub evaluate: Evaluate,
    /// What the report shows.
    pub report: Report,
    /// The machine. Nothing here changes results on one machine type.
    pub runtime: Runtime,
    /// The cluster, where there is one. Left out of the resolved spec where nothing is set.
    #[serde(default, skip_serializing_if = "Slurm::is_default")]
    pub slurm: Slurm,
}

/// `[experiment]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// Names the folder under `results/`. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Every random draw of the run comes from this number.
    pub seed: u64,
}

impl Default for Experiment {
    fn default() -> Self {
        Self { name: "experiment".into(), seed: 37 }
    }
}

/// `[split]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// What is kept together. `"patient"` is the only honest choice, and the only one.
    pub unit: SplitUnit,
    /// `"label"` keeps the share of positive patients alike in every part.
    pub stratify: Stratify,
    /// Share of patients that train.
    pub train: f64,
    /// Share of patients that select the epoch.
    pub valid: f64,
    /// Share of patients that are kept for a final test.
    pub test: f64,
    /// Cross-validation in so many parts, each of which is tested once by a network that the
    /// others trained; 0 is off.
    pub folds: usize,
    /// The fold that is tested, from 1; 0 runs all of them one after the other.
    pub fold: usize,
    /// Lists of patient IDs, one a line, that impose the split.
    #[serde(skip_serializing_if = "SplitListFiles::are_none")]
    pub lists: SplitListFiles,
}

/// `split.lists`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitListFiles {
    /// Patients that train.
    pub train: Option<PathBuf>,
    /// Patients that select the epoch.
    pub valid: Option<PathBuf>,
    /// Patients of the final test.
    pub test: Option<PathBuf>,
}

impl SplitListFiles {
    /// Whether no list is named.
    pub fn are_none(&self) -> bool {
        self.train.is_none() && self.valid.is_none() && self.test.is_none()
    }
}

impl Default for Split {
    fn default() -> Self {
        Self {
            unit: SplitUnit::Patient,
            stratify: Stratify::Label,
            train: 0.7,
            valid: 0.3,
            test: 0.0,
            folds: 0,
            fold: 0,
            lists: SplitListFiles::default(),
        }
    }
}

/// `split.unit`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitUnit {
    /// All exams of a patient go to one part.
    Patient,
}

/// `split.stratify`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stratify {
    /// By whether the patient has a positive exam.
    Label,
    /// Not at all.
    None,
}

/// `[report]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Epochs that get a ROC plot besides the selected and the last one.
    pub roc_epochs: Vec<usize>,
    /// What exams are called in `report.html`.
    pub identifiers: Identifiers,
}

/// `report.identifiers`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identifiers {
    /// A hash that only who has `cohort.csv` can compute, and the row in the table of predictions.
    #[default]
    Hashed,
    /// The row alone.
    Row,
    /// Patient and exam as they are.
    Plain,
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// `"auto"`, `"cpu"`, `"cuda"` or `"cuda:1"`, or a list: the batches of an optimizer step are
    /// then computed on several devices at once.
    pub device: DeviceNames,
    /// `"f32"` or `"bf16"`.
    pub precision: Precision,
    /// Threads for preparation and CPU training; 0 takes every core.
    pub threads: usize,
    /// Threads that read and augment exams ahead of the network; 0 reads when they are needed.
    pub workers: usize,
    /// Folder that receives the run.
    pub results: PathBuf,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            device: DeviceNames::One("auto".into()),
            precision: Precision::F32,
            threads: 0,
            workers: 1,
            results: PathBuf::from("results"),
        }
    }
}

/// `runtime.device`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a device such as \"cuda\", or a list such as [\"cuda:0\", \"cuda:1\"]"
)]
pub enum DeviceNames {
    /// One device.
    One(String),
    /// Several, each once.
    Several(Vec<String>),
}

impl DeviceNames {
    /// The names, in order.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// `runtime.precision`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// Convolutions in bfloat16, everything else in 32-bit floating point.
    Bf16,
}

/// The part of the cohort that an exam belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Trains the network.
    Train,
    /// Selects the epoch.
    Valid,
    /// Kept for a final test.
    Test,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        })
    }
}
