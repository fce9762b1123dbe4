//! The row of `lungs predict` for one series.

use lungs_image::codes::{Flag, joined_flags};
use serde::{Deserialize, Serialize};

/// The prediction of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Folder of the series, volume file, or damaged file.
    pub path: String,
    /// PatientID.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// StudyInstanceUID.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// SeriesInstanceUID.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// Probability of cancer; empty if the series is excluded.
    pub probability: Option<f64>,
    /// Calibrated probability; empty if the series is excluded, or a model has no calibration map.
    pub calibrated_probability: Option<f64>,
    /// Reason of the exclusion, as `code: sentence`.
    pub reason: String,
    /// Flags of harmless peculiarities in preparation.
    #[serde(with = "joined_flags")]
    pub flags: Vec<Flag>,
}
