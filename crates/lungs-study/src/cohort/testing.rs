//! Images for tests of the cohort.

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
        path: series_uid.into(),
        slices: 100,
        grid: Ok(Grid { geometry, slices: 100, rows: 512, columns: 512, slice_spacing_mm: 2.0 }),
        files: Vec::new(),
        flags: Vec::new(),
        excluded: Vec::new(),
    }
}
