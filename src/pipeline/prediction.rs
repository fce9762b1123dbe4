//! The row of `lungs predict` for one series.

use serde::{Deserialize, Serialize};

/// The prediction of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Folder of the series, volume file, or damaged file.
    pub path: String,
    /// PatientID.
    pub patient: String,
    /// StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// Probability of cancer; empty if the series is excluded.
    pub probability: Option<f64>,
    /// Calibrated probability; empty if the series is excluded, or a model has no calibration map.
    pub calibrated_probability: Option<f64>,
    /// Reason of the exclusion.
    pub reason: String,
    /// Flags of harmless peculiarities in preparation.
    pub flags: String,
}
