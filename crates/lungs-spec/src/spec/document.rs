//! The spec as written: every key, its type and its default.
//!
//! The types here accept any value of the right type; [`check`](super::check) checks ranges and
//! combinations. Doc comments of fields are the reference documentation of the keys.

use super::{Data, Evaluate, Loss, Model, Outcome, Preprocess, Slurm, Statements, Train};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A complete spec file, with defaults for missing keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Name and seed of the experiment.
    pub experiment: Experiment,
    /// Images, labels and the selection of series.
    pub data: Data,
    /// Preprocessing of a series to a stored crop.
    pub preprocess: Preprocess,
    /// Assignment of patients to the train, valid and test splits.
    pub split: Split,
    /// The predicted quantity: one probability, or the risks of several years. The resolved spec omits this table for
    /// one probability.
    #[serde(default, skip_serializing_if = "Outcome::is_binary")]
    pub outcome: Outcome,
    /// The network.
    pub model: Model,
    /// The loss.
    pub loss: Loss,
    /// The optimisation.
    pub train: Train,
    /// Optional metrics of the predictions.
    pub evaluate: Evaluate,
    /// Contents of the report.
    pub report: Report,
    /// Device, threads and folders. Only `precision` is part of the experiment's identity.
    pub runtime: Runtime,
    /// Resources of jobs on a Slurm cluster. The resolved spec omits this table if every key has its default.
    #[serde(default, skip_serializing_if = "Slurm::is_default")]
    pub slurm: Slurm,
}

impl Document {
    /// The document for commands that are given images without labels: of `[data]` it keeps `[data.select]`.
    pub(super) fn without_cohort(self) -> Self {
        let data = Data {
            root: PathBuf::from("."),
            labels: Some(PathBuf::new()),
            select: self.data.select,
            ..Data::default()
        };
        Self { data, split: Split::default(), ..self }
    }
}

/// `[experiment]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// Name of the experiment and of its folder in `runtime.results`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Seed of every random draw of the run.
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
    /// Unit of the split, with one choice: all exams of a patient are in one split.
    pub unit: SplitUnit,
    /// Stratification of the split.
    pub stratify: Stratify,
    /// Fraction of patients in the train split. `train`, `valid` and `test` add up to 1.
    pub train: f64,
    /// Fraction of patients in the validation split, which selects the epoch.
    pub valid: f64,
    /// Fraction of patients in the test split, which is used in the final evaluation only.
    pub test: f64,
    /// Number of folds of a cross-validation by patient, 2 to 100, with the same stratification; 0 is no
    /// cross-validation. Each fold is the test split of one run, in `fold-1`, `fold-2`, … inside the run
    /// folder. Of the other patients, drawn for each fold, `train / (train + valid)` train and the rest
    /// select the epoch. `cross-validation.json` has the metrics of the pooled predictions.
    pub folds: usize,
    /// Index of the fold to run, from 1 to `folds`; 0 runs all folds, one after the other.
    pub fold: usize,
    /// Files with patient IDs that fix the members of splits.
    #[serde(skip_serializing_if = "SplitListFiles::are_none")]
    pub lists: SplitListFiles,
}

/// `[split.lists]`
///
/// Text files with one patient ID per line. Empty lines and lines that start with `#` are ignored.
///
/// A split with a list has the listed patients only. Other patients are drawn for the splits without a list, by
/// their fractions; they are excluded as `not-in-split-lists` if these fractions are 0. A patient in two lists
/// is an error. Listed patients without an exam in the study are counted. The BLAKE3 of the contents is part of
/// the data hash and in `provenance.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitListFiles {
    /// Patients of the train split.
    pub train: Option<PathBuf>,
    /// Patients of the validation split.
    pub valid: Option<PathBuf>,
    /// Patients of the test split.
    pub test: Option<PathBuf>,
}

impl SplitListFiles {
    /// Whether no list is set.
    pub(crate) fn are_none(&self) -> bool {
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
    /// All exams of a patient are in one split.
    Patient,
}

/// `split.stratify`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stratify {
    /// Every split has the same fraction of patients with a positive exam.
    Label,
    /// No stratification.
    None,
}

/// `[report]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Epochs with a ROC plot, in addition to the selected and the last one.
    pub roc_epochs: Vec<usize>,
    /// Identifiers of exams in `report.html`.
    pub identifiers: Identifiers,
    /// Columns of the labels file that `characteristics.csv` and the report describe, in addition to those of
    /// these names: `age`, `sex`, `race`, `smoking`, `pack_years`, `days_of_follow_up`, `days_to_cancer`,
    /// `stage`, `nodules`, `largest_nodule_mm`.
    pub characteristics: Vec<String>,
    /// Statements of the authors for the report.
    #[serde(skip_serializing_if = "Statements::are_none")]
    pub statements: Statements,
}

impl Report {
    /// Columns of the labels that are described wherever they exist.
    const KNOWN_COLUMNS: [&'static str; 10] = [
        "age",
        "sex",
        "race",
        "smoking",
        "pack_years",
        "days_of_follow_up",
        "days_to_cancer",
        "stage",
        "nodules",
        "largest_nodule_mm",
    ];

    /// The columns of the labels that are described: those that need not exist, then those of the spec.
    pub fn described_columns(&self) -> Vec<&str> {
        let own = self.characteristics.iter().map(String::as_str);
        let own = own.filter(|column| !Self::KNOWN_COLUMNS.contains(column));
        Self::KNOWN_COLUMNS.into_iter().chain(own).collect()
    }
}

/// `report.identifiers`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identifiers {
    /// A hash, which can be computed only with the run's `cohort.csv`, and the row in the table of
    /// predictions.
    #[default]
    Hashed,
    /// The row in the table of predictions.
    Row,
    /// Patient and exam IDs.
    Plain,
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// Device: `"auto"`, `"cpu"`, `"cuda"` or `"cuda:1"`. Or a list of devices, such as `["cuda:0",
    /// "cuda:1"]`: they share the `train.accumulate` batches of an optimizer step and the exams of a
    /// prediction. It has no effect on results on the CPU.
    pub device: DeviceNames,
    /// Number format of convolutions. It affects results.
    pub precision: Precision,
    /// Threads for preparation and CPU training; 0 uses every core. It has no effect on results.
    pub threads: usize,
    /// Threads that read and augment exams in advance, at most 64; 0 reads each batch when it is needed. One
    /// worker has three batches in memory, several have two each. It has no effect on results.
    pub workers: usize,
    /// Folder of all run folders.
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
    /// Several devices.
    Several(Vec<String>),
}

impl DeviceNames {
    /// The device names, in the order of the spec.
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
    /// 32-bit floating point throughout, on GPUs too.
    F32,
    /// Convolutions multiply TensorFloat-32 numbers (10 bits of the mantissa) on a GPU with tensor cores, and
    /// 32-bit floating point on the CPU.
    Tf32,
    /// Convolutions multiply bfloat16 numbers (7 bits of the mantissa), for GPUs with tensor cores; weights,
    /// gradients, sums, normalisation and loss in 32-bit floating point.
    Bf16,
}

/// The split that an exam belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// Exams that train the network.
    Train,
    /// Exams that select the epoch.
    Valid,
    /// Exams of the final test.
    Test,
    /// Exams of another source than those of the development of the model.
    External,
}

impl SplitName {
    /// The split in a sentence: `validation` for the key `valid`.
    pub fn word(self) -> &'static str {
        match self {
            SplitName::Train => "training",
            SplitName::Valid => "validation",
            SplitName::Test => "test",
            SplitName::External => "external",
        }
    }
}

impl std::fmt::Display for SplitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SplitName::Train => "train",
            SplitName::Valid => "valid",
            SplitName::Test => "test",
            SplitName::External => "external",
        })
    }
}
