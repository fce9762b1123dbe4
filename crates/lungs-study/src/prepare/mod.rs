//! Preparation of images into crops in a cache: read, resample, segment the lungs, crop, store.
//!
//! ```text
//! Image  ─read─▶ HU volume ─resample─▶ 1.5 mm ─segment─▶ lungs ─crop─▶ <cache>/<key>.npz
//!                                                  │                   <cache>/<key>.json  facts
//!                                                  └─draw────────────▶ <cache>/<key>.png   preview
//! ```
//!
//! The key is a BLAKE3 hash of the input files' content, the settings and [`ALGORITHM_VERSION`],
//! so an entry is never out of date: any relevant change gives another key. An index from (path, size, time
//! of change) to content lets a second preparation of an unchanged folder read no pixels. The `.json` is
//! written last and marks the entry as complete.
//!
//! A bad image does not stop the others: every image has a [`Row`], with the reason if it is excluded.

mod all;
mod beyond;
mod cache;
mod claim;
mod content;
mod key;
mod npz;
mod prepared;
mod preview;
mod refusal;
mod series;
mod shard;

use serde::{Deserialize, Serialize};

use lungs_image::codes::{Exclusion, ExclusionCode, Flag, joined_flags, optional_code};
use lungs_image::dicom::StackRules;
use lungs_image::volume::{Grid, Interpolation};

pub use all::{PrepareError, prepare_all};
pub use beyond::{BeyondCrop, NetworkInput};
pub use cache::{inputs_of, is_prepared, prepared_row};
pub use claim::{CacheLock, lock_task};
pub use content::content_of;
pub use npz::{LoadError, Prepared, load_prepared};
pub use prepared::has_other_settings;
pub use preview::Picture;
pub use refusal::Refusal;
pub use series::{Outcome, prepare_image};
pub use shard::Shard;

/// Part of every cache key; increased whenever the same inputs and settings give different voxels, measurements
/// or pictures than before.
pub const ALGORITHM_VERSION: u32 = 4;

/// Settings of the preparation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Voxel size after resampling, `[depth, height, width]`.
    pub spacing_mm: [f64; 3],
    /// Interpolation between voxels.
    pub interpolation: Interpolation,
    /// Position of the resampled voxels; with `compat` always [`Grid::AlignedEnds`].
    pub grid: Grid,
    /// Size of the crop in voxels, `[depth, height, width]`, centred on the lungs.
    pub size: [usize; 3],
    /// Lower bound of the window (air): the padding of the crop, black in the preview.
    pub lower_hu: f32,
    /// Upper bound of the window, white in the preview.
    pub upper_hu: f32,
    /// Use the arithmetic of the Python package `lungs` 0.1.5: its Hounsfield units, grid, lung mask,
    /// exclusions, crop and padding with 0 HU.
    pub compat: bool,
    /// Rules for tilted and for sagittal or coronal stacks.
    pub stacks: StackRules,
    /// Limits that exclude series.
    pub limits: Limits,
}

/// Limits that exclude series which form a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Minimum number of slices.
    pub min_slices: usize,
    /// Maximum distance between slices.
    pub max_slice_spacing_mm: f64,
    /// Minimum volume of both lungs together.
    pub min_lung_ml: f64,
}

impl Default for Settings {
    /// The published settings, with corrected arithmetic.
    fn default() -> Self {
        Self {
            spacing_mm: [1.5; 3],
            interpolation: Interpolation::Cubic,
            grid: Grid::Physical,
            size: [224; 3],
            lower_hu: -1000.0,
            upper_hu: 400.0,
            compat: false,
            stacks: StackRules::default(),
            limits: Limits { min_slices: 50, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 },
        }
    }
}

/// Whether a series was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The crop is in the cache.
    Prepared,
    /// The series is excluded for the row's reason.
    Refused,
}

/// One row of `preparation.csv`. Values that were not computed before an exclusion are empty.
///
/// Boxes and centres are in voxels of the resampled volume, first and last inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the table's columns; names carry their units")]
pub struct Row {
    pub patient_id: String,
    #[serde(rename = "study_uid")]
    pub exam_id: String,
    pub series_uid: String,
    pub status: Status,
    /// Code of the exclusion, empty when prepared.
    #[serde(with = "optional_code")]
    pub code: Option<ExclusionCode>,
    /// Reason of the exclusion as a sentence, empty when prepared.
    pub reason: String,
    pub slices: Option<usize>,
    pub rows: Option<usize>,
    pub columns: Option<usize>,
    pub spacing_d_mm: Option<f64>,
    pub spacing_h_mm: Option<f64>,
    pub spacing_w_mm: Option<f64>,
    pub hu_min: Option<i16>,
    pub hu_max: Option<i16>,
    pub lung_left_ml: Option<f64>,
    pub lung_right_ml: Option<f64>,
    pub box_z0: Option<usize>,
    pub box_z1: Option<usize>,
    pub box_y0: Option<usize>,
    pub box_y1: Option<usize>,
    pub box_x0: Option<usize>,
    pub box_x1: Option<usize>,
    pub centre_z: Option<usize>,
    pub centre_y: Option<usize>,
    pub centre_x: Option<usize>,
    pub crop_d: Option<usize>,
    pub crop_h: Option<usize>,
    pub crop_w: Option<usize>,
    /// Distance by which the lungs extend beyond the crop on each side of the patient; 0 when they do not.
    pub beyond_head_mm: Option<f64>,
    pub beyond_feet_mm: Option<f64>,
    pub beyond_front_mm: Option<f64>,
    pub beyond_back_mm: Option<f64>,
    pub beyond_right_mm: Option<f64>,
    pub beyond_left_mm: Option<f64>,
    /// Observations that do not exclude the series.
    #[serde(with = "joined_flags")]
    pub flags: Vec<Flag>,
    /// File name of the crop in the cache, empty when excluded; the preview has the extension `.png`.
    pub cache_file: String,
    /// Duration of the preparation; not in the table, so that two runs write the same bytes.
    #[serde(skip)]
    pub seconds: f64,
    /// Whether the series was prepared in this call instead of loaded from the cache; not in the table.
    #[serde(skip)]
    pub new: bool,
}

impl Row {
    /// The code and the reason of an excluded series.
    pub fn exclusion(&self) -> Option<Exclusion> {
        let code = self.code.clone()?;
        Some(Exclusion { code, reason: self.reason.clone() })
    }
}
