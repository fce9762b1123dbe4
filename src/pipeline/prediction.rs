//! The row of `lungs predict` for one series.

use lungs_base::files;
use lungs_image::codes::{Flag, joined_flags};
use lungs_spec::results::ResultsError;
use lungs_spec::spec::horizon_name;
use serde::{Deserialize, Serialize};
use std::path::Path;

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
    /// Risk of cancer until each horizon of the model, ascending; empty if the series is excluded, or the model has
    /// one probability. See [`write_predictions`].
    #[serde(skip)]
    pub risks: Vec<f64>,
    /// Calibrated risks; empty if a model has no calibration map.
    #[serde(skip)]
    pub calibrated_risks: Vec<f64>,
}

/// Writes predictions as CSV. With horizons, the additional columns are `risk_1_year`, `risk_2_years`, …, and if a row
/// has calibrated risks, `calibrated_risk_1_year`, ….
///
/// # Errors
/// The file cannot be written.
pub fn write_predictions(
    path: &Path,
    horizons_years: &[f64],
    rows: &[Prediction],
) -> Result<(), ResultsError> {
    let invalid = |error: &dyn std::fmt::Display| ResultsError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(|error| invalid(&error))?;
    let bytes = writer.into_inner().map_err(|error| invalid(&error))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let has_calibrated = rows.iter().any(|row| !row.calibrated_risks.is_empty());
    let kinds = [("risk", true), ("calibrated_risk", has_calibrated)];
    let mut header = reader.headers().map_err(|error| invalid(&error))?.clone();
    for (kind, _) in kinds.into_iter().filter(|(_, exists)| *exists) {
        header
            .extend(horizons_years.iter().map(|years| format!("{kind}_{}", horizon_name(*years))));
    }
    writer.write_record(&header).map_err(|error| invalid(&error))?;
    for (record, row) in reader.records().zip(rows) {
        let mut record = record.map_err(|error| invalid(&error))?;
        let of_kinds = [(&row.risks, true), (&row.calibrated_risks, has_calibrated)];
        for (risks, _) in of_kinds.into_iter().filter(|(_, exists)| *exists) {
            let cell = |index| risks.get(index).map_or(String::new(), f64::to_string);
            record.extend((0..horizons_years.len()).map(cell));
        }
        writer.write_record(&record).map_err(|error| invalid(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| invalid(&error))?;
    Ok(files::write_bytes(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_spec::results::write_csv;

    #[test]
    fn risks_are_additional_columns_and_a_single_probability_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plain) = (folder.path().join("risks.csv"), folder.path().join("plain.csv"));
        let mut rows = [Some(0.25), None].map(|probability| Prediction {
            path: "a, b".to_owned(),
            probability,
            ..Prediction::default()
        });
        write_csv(&plain, &rows).unwrap();
        write_predictions(&path, &[], &rows).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&plain).unwrap());
        rows[0].risks = vec![0.25, 0.5];
        write_predictions(&path, &[1.0, 6.0], &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "path,patient,exam,series,probability,calibrated_probability,reason,flags,risk_1_year,risk_6_years\n\
             \"a, b\",,,,0.25,,,,0.25,0.5\n\"a, b\",,,,,,,,,\n"
        );
        rows[0].calibrated_risks = vec![0.125, 0.375];
        write_predictions(&path, &[1.0, 6.0], &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("risk_6_years,calibrated_risk_1_year,calibrated_risk_6_years\n"));
        assert!(text.contains(",0.25,0.5,0.125,0.375\n"), "{text}");
        write_predictions(&path, &[1.0], &[]).unwrap();
    }
}
