//! What a prepared volume was made of, kept beside it: `<name>.json` for `<name>.npz`. With it a
//! folder of prepared volumes alone says what the scans said of themselves.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// The scan that a prepared volume was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Version of this layout; a file without it is something else.
    pub lungs_source: u32,
    /// PatientID.
    pub patient_id: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// StudyDate, `YYYYMMDD`.
    pub study_date: String,
    /// Reconstruction kernel, as the scanner names it.
    pub kernel: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Slices of the scan.
    pub slices: usize,
    /// Rows of each slice.
    pub rows: usize,
    /// Columns of each slice.
    pub columns: usize,
    /// Distance between neighbouring slices.
    pub slice_spacing_mm: f64,
    /// BLAKE3 of what the scan holds, by which a cache knows it.
    pub inputs: String,
    /// The settings that the volume was prepared with.
    pub prepared_as: String,
}

impl Source {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// The source of a prepared volume; `None` where there is none beside it.
    pub fn beside(volume: &Path) -> Option<Self> {
        let bytes = std::fs::read(volume.with_extension("json")).ok()?;
        let source: Self = serde_json::from_slice(&bytes).ok()?;
        (source.lungs_source == Self::VERSION).then_some(source)
    }
}
