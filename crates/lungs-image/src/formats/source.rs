//! The scan from which a prepared volume was made, in `<name>.json` for `<name>.npz`. With it a folder
//! of prepared volumes has the header values of the scans.

use crate::dicom::Acquisition;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The scan from which a prepared volume was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Version of this layout; a file without it is of another kind.
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
    /// How the scan was acquired, and of whom; empty in files of older versions.
    #[serde(default)]
    pub acquisition: Acquisition,
    /// Slices of the scan.
    pub slices: usize,
    /// Rows of each slice.
    pub rows: usize,
    /// Columns of each slice.
    pub columns: usize,
    /// Distance between neighbouring slices.
    pub slice_spacing_mm: f64,
    /// BLAKE3 of the contents of the scan, the key in a cache.
    pub inputs: String,
    /// The settings of the preparation.
    pub prepared_as: String,
}

impl Source {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// Reads the source of a prepared volume; `None` without a valid `.json` file.
    pub(crate) fn read_for(volume: &Path) -> Option<Self> {
        let bytes = std::fs::read(volume.with_extension("json")).ok()?;
        let source: Self = serde_json::from_slice(&bytes).ok()?;
        (source.lungs_source == Self::VERSION).then_some(source)
    }
}
