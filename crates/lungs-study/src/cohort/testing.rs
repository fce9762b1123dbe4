//! Images and rows for tests of the cohort.

use super::CohortRow;
use lungs_image::dicom::Acquisition;
use lungs_image::images::{Grid, Image, Kind};
use lungs_image::volume::Geometry;

/// A series of 100 slices 2 mm apart, kernel B30f, of patient P and exam E.
pub(super) fn image(series_uid: &str) -> Image {
    let geometry = Geometry {
        spacing_mm: [2.0, 0.7, 0.7],
        origin_mm: [0.0; 3],
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    Image {
        kind: Kind::Dicom,
        series_uid: series_uid.into(),
        patient_id: "P".into(),
        exam_id: "E".into(),
        study_date: String::new(),
        kernel: "B30f".into(),
        manufacturer: "SIEMENS".into(),
        acquisition: Acquisition::default(),
        path: series_uid.into(),
        slices: 100,
        grid: Ok(Grid { geometry, slices: 100, rows: 512, columns: 512, slice_spacing_mm: 2.0 }),
        files: Vec::new(),
        flags: Vec::new(),
        excluded: Vec::new(),
    }
}

/// A chosen row of 100 slices without flags; every other field is for the test to set.
pub(super) fn chosen_row(
    patient_id: &str,
    exam_id: &str,
    series_uid: &str,
    label: bool,
) -> CohortRow {
    CohortRow {
        patient_id: patient_id.into(),
        exam_id: exam_id.into(),
        series_uid: series_uid.into(),
        label: Some(label),
        chosen: true,
        kind: "dicom".into(),
        slices: 100,
        slice_spacing_mm: Some(2.0),
        coverage_mm: Some(198.0),
        ..CohortRow::default()
    }
}
