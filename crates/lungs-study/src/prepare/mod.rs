//! Preparation of images into crops in a cache: read, resample, segment the lungs, crop, store.
//!
//! ```text
//! Image  ─read─▶ HU volume ─resample─▶ 1.5 mm ─segment─▶ lungs ─crop─▶ <cache>/<key>.npz
//!                                                  │                   <cache>/<key>.json  facts
//!                                                  └─draw────────────▶ <cache>/<key>.png   preview
//! ```
//!
//! With `compat = "sybil"`, `product` makes the input of Sybil instead, without lungs.
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
mod content;
mod key;
mod lock;
mod npz;
mod prepared;
mod preview;
mod product;
mod refusal;
mod row;
mod series;
mod shard;
mod stored;
mod sybil;

use lungs_image::dicom::{HuRule, StackRules};
use lungs_image::volume::{Grid, Interpolation, SYBIL_SIZE, SYBIL_SPACING_MM, SYBIL_WINDOW};
use lungs_spec::spec::Compat;

pub use all::{PrepareError, prepare_all};
pub use beyond::{BeyondCrop, NetworkInput};
pub use cache::{inputs_of, is_prepared, prepared_row};
pub use content::content_of;
pub use lock::{CacheLock, lock_task};
pub use npz::{LoadError, Prepared, load_prepared};
pub use prepared::has_other_settings;
pub use preview::Picture;
pub use refusal::Refusal;
pub use row::{Row, Status};
pub use series::{Outcome, prepare_image};
pub use shard::Shard;
pub use stored::{StoredEntry, is_cache_in_use, stored_entries};

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
    /// Position of the resampled voxels; with [`Compat::Lungs015`] always [`Grid::AlignedEnds`].
    pub grid: Grid,
    /// Size of the crop in voxels, `[depth, height, width]`, centred on the lungs.
    pub size: [usize; 3],
    /// Lower bound of the window (air): the padding of the crop, black in the preview.
    pub lower_hu: f32,
    /// Upper bound of the window, white in the preview.
    pub upper_hu: f32,
    /// The arithmetic: with [`Compat::Lungs015`] the Hounsfield units, grid, lung mask, exclusions, crop and padding
    /// with 0 HU of the Python package; with [`Compat::Sybil`] everything up to the network's input.
    pub compat: Compat,
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

impl Settings {
    /// The settings of Sybil's input; `stacks` and `limits` apply to the scan.
    pub fn sybil(stacks: StackRules, limits: Limits) -> Self {
        Self {
            spacing_mm: SYBIL_SPACING_MM,
            interpolation: Interpolation::Linear,
            grid: Grid::Physical,
            size: SYBIL_SIZE,
            lower_hu: SYBIL_WINDOW.lower_hu,
            upper_hu: SYBIL_WINDOW.upper_hu,
            compat: Compat::Sybil,
            stacks,
            limits,
        }
    }

    /// The conversion of stored values to Hounsfield units.
    pub fn hu_rule(&self) -> HuRule {
        match self.compat {
            Compat::None => HuRule::Standard,
            Compat::Lungs015 => HuRule::Lungs015,
            Compat::Sybil => HuRule::Sybil,
        }
    }
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
            compat: Compat::None,
            stacks: StackRules::default(),
            limits: Limits { min_slices: 50, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 },
        }
    }
}
