//! Images become prepared crops in a cache: read, resample, find the lungs, crop, keep.
//!
//! ```text
//! Image  ─read─▶ HU volume ─resample─▶ 1.5 mm ─segment─▶ lungs ─crop─▶ <cache>/<key>.npz
//!                                                  │                   <cache>/<key>.json  facts
//!                                                  └─draw────────────▶ <cache>/<key>.png   preview
//! ```
//!
//! The key is a BLAKE3 hash of the input files' contents, the settings and [`ALGORITHM_VERSION`],
//! so an entry can never be out of date: change anything that matters and the name changes. A
//! second, tiny index from (path, size, time of change) to contents lets a re-run on an unchanged
//! folder read no pixel. The `.json` is written last and marks the entry as complete.
//!
//! One bad image never stops the others: every image gets a [`Row`], with its reason.

mod all;
mod beyond;
mod cache;
mod claim;
mod content;
mod npz;
mod prepared;
mod preview;
mod refusal;
mod series;
mod shard;

use serde::{Deserialize, Serialize};

use crate::dicom::StackRules;
use crate::volume::{Grid, Interpolation};

pub use all::{PrepareError, prepare_all};
pub use beyond::{BeyondCrop, LUNGS_BEYOND_CROP, NetworkInput};
pub use cache::{inputs_of, is_prepared, prepared_row};
pub use claim::{Claim, turn};
pub use content::content_of;
pub use npz::{LoadError, Prepared, load_prepared};
pub use prepared::is_prepared_otherwise;
pub use preview::Picture;
pub use refusal::Refusal;
pub use series::{Outcome, prepare_image};
pub use shard::Shard;

/// Part of every cache key: goes up whenever the same inputs and settings give other voxels,
/// figures or pictures than before.
pub const ALGORITHM_VERSION: u32 = 4;

/// What decides the prepared crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Voxel size after resampling, `[depth, height, width]`.
    pub spacing_mm: [f64; 3],
    /// How values between voxels are found.
    pub interpolation: Interpolation,
    /// Where the resampled voxels lie; with `compat` always [`Grid::AlignedEnds`].
    pub grid: Grid,
    /// Voxels of the crop, `[depth, height, width]`, centred on the lungs.
    pub size: [usize; 3],
    /// Lower bound of the window: what the crop is padded with (air), black in the preview.
    pub lower_hu: f32,
    /// Upper bound of the window: white in the preview.
    pub upper_hu: f32,
    /// The arithmetic of the Python package `lungs` 0.1.5 throughout: its Hounsfield units, grid,
    /// lung mask, refusals, crop and padding with 0 HU.
    pub compat: bool,
    /// What becomes of tilted and of sagittal or coronal stacks.
    pub stacks: StackRules,
    /// What is refused.
    pub limits: Limits,
}

/// Which series are refused, beyond those that make no volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Fewest slices.
    pub min_slices: usize,
    /// Widest gap between slices.
    pub max_slice_spacing_mm: f64,
    /// Smallest volume of both lungs together.
    pub min_lung_ml: f64,
}

impl Settings {
    /// What decides the voxels of a prepared volume, as text that changes when one of it does: all but
    /// the limits, with the version of the algorithm.
    pub fn of_voxels(&self) -> String {
        let limits = Limits { min_slices: 0, max_slice_spacing_mm: 0.0, min_lung_ml: 0.0 };
        format!("{ALGORITHM_VERSION} {:?}", Self { limits, ..*self })
    }
}

impl Default for Settings {
    /// The published recipe, with our corrections.
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
    /// It is not, for the row's reason.
    Refused,
}

/// One line of `preparation.csv`. Values that were not reached before a refusal are empty.
///
/// Boxes and centres are in voxels of the resampled volume, first and last inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the table's columns; names carry their units")]
pub struct Row {
    pub patient_id: String,
    pub study_uid: String,
    pub series_uid: String,
    pub status: Status,
    /// Short stable word for the refusal, empty when prepared.
    pub code: String,
    /// The refusal in a sentence, empty when prepared.
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
    /// How far the lungs reach beyond the crop on each side of the patient; 0 where the crop holds them.
    pub beyond_head_mm: Option<f64>,
    pub beyond_feet_mm: Option<f64>,
    pub beyond_front_mm: Option<f64>,
    pub beyond_back_mm: Option<f64>,
    pub beyond_right_mm: Option<f64>,
    pub beyond_left_mm: Option<f64>,
    /// What was noticed and is safe, short stable words joined by `;`.
    pub flags: String,
    /// The crop's file name in the cache, empty when refused; `.png` beside it is the preview.
    pub cache_file: String,
    /// Not in the table, so that two runs write the same bytes.
    #[serde(skip)]
    pub seconds: f64,
    /// Whether the work was done just now, and not found done in the cache; not in the table.
    #[serde(skip)]
    pub new: bool,
}
