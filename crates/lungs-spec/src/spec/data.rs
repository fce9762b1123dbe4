//! `[data]`: paths of images and labels, and the rules that select one series per exam.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder that is searched at any depth for DICOM series, NIfTI, MetaImage and prepared `.npz` files, or
    /// one such file. Relative paths start at the working directory. Required unless lists or class folders
    /// name the images.
    pub root: PathBuf,
    /// CSV file with a column `label` (0 or 1) and at least one of `series_uid`, `path`, `exam_id` and
    /// `patient_id`. `study_date` selects the exam of a row that names a patient only. With `outcome.name =
    /// "survival"`, the follow-up replaces `label`: `years_to_event` or `days_to_event`, and `years_followed` or
    /// `days_followed`. Other columns can define subgroups and weights in `[evaluate]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Folder whose series all have label 1. Replaces `labels`, together with `negatives`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positives: Option<PathBuf>,
    /// Folder whose series all have label 0. Replaces `labels`, together with `positives`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negatives: Option<PathBuf>,
    /// `.list` file of the training series, one `path label` per line. Replaces `labels` and fixes the split,
    /// together with `valid_list`. Relative paths in it start at the working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_list: Option<PathBuf>,
    /// `.list` file of the validation series, in the format of `train_list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_list: Option<PathBuf>,
    /// `.list` file of the test series, in the format of `train_list`. If not set, there is no test split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_list: Option<PathBuf>,
    /// Folder of prepared volumes. If not set, `<root>.prepared`, next to `root`. Several specs can share it.
    /// It has no effect on results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Treatment of series with identical voxels but several patients.
    #[serde(skip_serializing_if = "EqualScans::is_default")]
    pub equal_scans: EqualScans,
    /// Rules that exclude series, and that select one series per exam.
    pub select: Select,
    /// Synthetic cohort that is generated at `root` if that folder does not exist. If the table is missing,
    /// nothing is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phantom: Option<Phantom>,
}

/// `data.equal_scans`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EqualScans {
    /// Stop before training and list the series.
    #[default]
    Error,
    /// Use the first series by patient, exam and series UID, and exclude the others.
    KeepFirst,
}

impl EqualScans {
    /// The default is not written, so that specs without the key keep their hash.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[data.select]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Accept only series whose reconstruction kernel (ConvolutionKernel) starts with one of these prefixes,
    /// ignoring case. An empty list accepts all.
    pub kernels: Vec<String>,
    /// Exclude series whose reconstruction kernel starts with one of these prefixes, ignoring case.
    pub exclude_kernels: Vec<String>,
    /// Largest accepted distance between slices, in mm.
    pub max_slice_spacing_mm: f64,
    /// Smallest accepted distance between slices, in mm.
    pub min_slice_spacing_mm: f64,
    /// Slice spacing, in mm, that the rule `"nearest-spacing"` of `prefer` compares with. 0 is not set.
    pub target_slice_spacing_mm: f64,
    /// Smallest accepted distance from the first to the last slice, in mm. 0 sets no limit.
    pub min_coverage_mm: f64,
    /// Smallest accepted number of slices, at least 2.
    pub min_slices: usize,
    /// Largest accepted number of slices. 0 sets no limit.
    pub max_slices: usize,
    /// Rules that choose among the accepted series of an exam. A later rule decides ties of the earlier ones;
    /// the smallest series UID decides the rest.
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
    /// Soft-tissue reconstruction kernels first, then unknown ones, then sharp ones.
    SoftKernel,
    /// Sharp (lung, bone) reconstruction kernels first, then unknown ones, then soft ones.
    SharpKernel,
    /// Largest number of slices first.
    MostSlices,
    /// Smallest slice spacing first.
    ThinnestSlices,
    /// Slice spacing nearest to `target_slice_spacing_mm` first.
    NearestSpacing,
    /// Largest distance from the first to the last slice first.
    LongestCoverage,
}

/// `[data.phantom]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phantom {
    /// Number of patients, each with one to three exams. At least 4.
    pub patients: usize,
    /// Fraction of patients with cancer, between 0 and 1.
    pub positive_fraction: f64,
    /// Smallest and largest diameter of a cancer at its last exam, in mm.
    pub cancer_diameter_mm: [f64; 2],
    /// Vary the difficulty: cancers from solid to ground glass, isolated, at the pleura or at a vessel, and
    /// benign nodules of the same kinds with up to 16 mm.
    pub graded: bool,
    /// Years after the last exam over which cancers are diagnosed, for `outcome.name = "survival"`. If set, exams
    /// are a year apart, a cancer is smaller the longer before its diagnosis, and `labels.csv` has `days_to_event`
    /// and `days_followed`. If not set, every cancer is diagnosed within a year of each exam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_years: Option<f64>,
    /// Seed of the cohort, independent of `experiment.seed`.
    pub seed: u64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self {
            patients: 120,
            positive_fraction: 0.5,
            cancer_diameter_mm: [17.0, 27.0],
            graded: false,
            follow_up_years: None,
            seed: 1,
        }
    }
}
