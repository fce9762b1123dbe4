//! `[data]`: where the images and labels are, and which series of an exam is used.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[data]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder that is walked for DICOM series, NIfTI, MetaImage and prepared `.npz` files, or one
    /// such file. Relative paths start at the working directory.
    pub root: PathBuf,
    /// CSV with a column `label` (0 or 1) and one or more of `series_uid`, `path`, `exam_id` and
    /// `patient_id`; any further column is kept for subgroups.
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
    /// What to do with the same voxels under several patients.
    #[serde(skip_serializing_if = "EqualScans::is_default")]
    pub equal_scans: EqualScans,
    /// Which series of an exam is used.
    pub select: Select,
    /// Make a synthetic cohort at `root` when nothing is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phantom: Option<Phantom>,
}

/// `data.equal_scans`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EqualScans {
    /// The run ends before training.
    #[default]
    Error,
    /// The first by patient, exam and series is used, and the others are left out.
    KeepFirst,
}

impl EqualScans {
    /// Specs without the key keep their hash.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
    /// Graded cancers: solid to ground glass, free, at the pleura or at a vessel; benign nodules of up to
    /// 16 mm of the same kinds.
    pub graded: bool,
    /// Seed of the cohort (not of the experiment).
    pub seed: u64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self {
            patients: 120,
            positive_fraction: 0.5,
            cancer_diameter_mm: [17.0, 27.0],
            graded: false,
            seed: 1,
        }
    }
}
