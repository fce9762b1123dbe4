//! The spec as written: every key, its type, and its default.
//!
//! The types here accept anything of the right shape; [`check`](super::check) decides what makes
//! sense. Doc comments on fields are the reference documentation of the keys.

use super::{ClassWeights, Train};
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
    /// What the report shows.
    pub report: Report,
    /// The machine. Nothing here changes results on one machine type.
    pub runtime: Runtime,
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

/// `[data]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder that is walked for DICOM series, NIfTI, MetaImage and prepared `.npz` files, or one
    /// such file. Relative paths start at the working directory.
    pub root: PathBuf,
    /// CSV with a column `label` (0 or 1) and `series_uid` or `exam_id` or `path`; `patient_id`
    /// and `days_to_cancer` optional, any further column is kept for subgroups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Folder whose series are all positive (instead of `labels`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positives: Option<PathBuf>,
    /// Folder whose series are all negative (instead of `labels`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negatives: Option<PathBuf>,
    /// `.list` file ("path label" per line) of the training series: imposes the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_list: Option<PathBuf>,
    /// `.list` file of the validation series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_list: Option<PathBuf>,
    /// `.list` file of the test series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_list: Option<PathBuf>,
    /// Folder of prepared volumes. Default: `<root>.prepared`, beside the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Which series of an exam is used.
    pub select: Select,
    /// Make a synthetic cohort at `root` when nothing is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phantom: Option<Phantom>,
}

/// `[data.select]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Only series whose reconstruction kernel begins with one of these, whatever the case; empty
    /// accepts all.
    pub kernels: Vec<String>,
    /// Series whose reconstruction kernel begins with one of these are left out.
    pub exclude_kernels: Vec<String>,
    /// Series with a larger gap between slices are left out.
    pub max_slice_spacing_mm: f64,
    /// Series with a smaller gap between slices are left out.
    pub min_slice_spacing_mm: f64,
    /// What `"nearest-spacing"` is near to; 0 is not set.
    pub target_slice_spacing_mm: f64,
    /// Series that reach less far from the first to the last slice are left out; 0 is off.
    pub min_coverage_mm: f64,
    /// Series with fewer slices are left out.
    pub min_slices: usize,
    /// Series with more slices are left out; 0 is off.
    pub max_slices: usize,
    /// Among an exam's remaining series, the best by these rules in turn; ties go to the
    /// smallest series UID.
    pub prefer: Vec<Preference>,
}

impl Default for Select {
    fn default() -> Self {
        Self {
            kernels: Vec::new(),
            exclude_kernels: Vec::new(),
            max_slice_spacing_mm: 5.0,
            min_slice_spacing_mm: 0.0,
            target_slice_spacing_mm: 0.0,
            min_coverage_mm: 0.0,
            min_slices: 50,
            max_slices: 0,
            prefer: vec![Preference::SoftKernel, Preference::MostSlices],
        }
    }
}

/// A rule to prefer one series of an exam over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// Soft-tissue reconstruction kernels before unknown ones before sharp ones.
    SoftKernel,
    /// Sharp (lung, bone) reconstruction kernels before unknown ones before soft ones.
    SharpKernel,
    /// More slices first.
    MostSlices,
    /// Smaller slice spacing first.
    ThinnestSlices,
    /// Slice spacing nearest to `target_slice_spacing_mm` first.
    NearestSpacing,
    /// Longest way from the first to the last slice first.
    LongestCoverage,
}

/// `[data.phantom]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phantom {
    /// Number of synthetic patients, with one to three exams each.
    pub patients: usize,
    /// Share of patients with cancer.
    pub positive_fraction: f64,
    /// Smallest and largest diameter of a cancer at its last exam.
    pub cancer_diameter_mm: [f64; 2],
    /// Seed of the cohort (not of the experiment).
    pub seed: u64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self { patients: 120, positive_fraction: 0.5, cancer_diameter_mm: [17.0, 27.0], seed: 1 }
    }
}

/// `[preprocess]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocess {
    /// Isotropic voxel size after resampling.
    pub spacing_mm: f64,
    /// `"cubic"` (B-spline) or `"linear"`.
    pub interpolation: Interpolation,
    /// Stored crop: depth, height, width, in voxels, centred on the lungs.
    pub size: [usize; 3],
    /// `"none"`, or `"lungs-0.1.5"` for the arithmetic of the original Python package.
    pub compat: Compat,
    /// Series whose lungs are smaller than this are refused.
    pub min_lung_ml: f64,
    /// `"reshear"` moves the rows of a stack acquired with a tilted gantry onto an untilted grid,
    /// `"refuse"` refuses it with the angle.
    pub gantry_tilt: GantryTilt,
    /// `"reformat"` turns a stack of sagittal or coronal images to axial order, `"refuse"` refuses
    /// it.
    pub orientation: Orientation,
    /// Hounsfield window.
    pub window: Window,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            spacing_mm: 1.5,
            interpolation: Interpolation::Cubic,
            size: [224, 224, 224],
            compat: Compat::None,
            min_lung_ml: 500.0,
            gantry_tilt: GantryTilt::Reshear,
            orientation: Orientation::Reformat,
            window: Window::default(),
        }
    }
}

/// `preprocess.interpolation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Cubic B-spline with prefilter.
    Cubic,
    /// Linear.
    Linear,
}

/// `preprocess.compat`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compat {
    /// Our own preparation.
    #[serde(rename = "none")]
    None,
    /// The original's arithmetic, for weights trained on it.
    #[serde(rename = "lungs-0.1.5")]
    Lungs015,
}

/// `preprocess.gantry_tilt`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GantryTilt {
    /// Rows are moved onto an untilted grid.
    Reshear,
    /// The series is refused.
    Refuse,
}

/// `preprocess.orientation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// Sagittal and coronal stacks are turned to axial order.
    Reformat,
    /// They are refused.
    Refuse,
}

/// `[preprocess.window]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Becomes −1, and so does everything below.
    pub lower_hu: f64,
    /// Becomes +1, and so does everything above.
    pub upper_hu: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { lower_hu: -1000.0, upper_hu: 400.0 }
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
    /// Share of a batch-norm moving average that one more batch leaves in place.
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

/// `[report]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Epochs that get a ROC plot besides the selected and the last one.
    pub roc_epochs: Vec<usize>,
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// `"auto"`, `"cpu"`, `"cuda"` or `"cuda:1"`.
    pub device: String,
    /// `"f32"`.
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
            device: "auto".into(),
            precision: Precision::F32,
            threads: 0,
            workers: 1,
            results: PathBuf::from("results"),
        }
    }
}

/// `runtime.precision`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
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
