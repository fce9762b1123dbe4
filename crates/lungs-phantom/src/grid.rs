//! The voxel grid of a series.

use super::anatomy::Body;

/// The voxel grid of a series, and the position of the body in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Slices, rows, columns.
    pub shape: [usize; 3],
    /// Distance between slices, rows, columns, mm.
    pub spacing_mm: [f64; 3],
    /// Slice thickness in mm; more than the spacing if slices overlap.
    pub thickness_mm: f64,
    /// Patient coordinates (x, y, z) of the first voxel of the lowest slice.
    pub origin_mm: [f64; 3],
    /// Offset from the body's coordinates to patient coordinates.
    pub body_offset_mm: [f64; 3],
}

/// Rounds to the precision of a DICOM decimal string, so that files and truth agree exactly.
pub(super) fn to_decimals(value: f64, decimals: i32) -> f64 {
    let factor = 10f64.powi(decimals);
    (value * factor).round() / factor
}

impl Grid {
    /// A grid around a body, from below to above the lungs.
    pub(super) fn around(
        body: &Body,
        matrix: usize,
        field_of_view_mm: f64,
        gap_mm: f64,
        thickness_mm: f64,
        center_mm: [f64; 2],
        body_offset_mm: [f64; 3],
    ) -> Self {
        let pixel = to_decimals(field_of_view_mm / matrix as f64, 4);
        let half = pixel * (matrix as f64 - 1.0) / 2.0;
        let low = f64::from(body.floor_z()) - 24.0;
        let high = f64::from(body.apex_z()) + 18.0;
        let offset = body_offset_mm.map(|mm| to_decimals(mm, 1));
        let origin = [center_mm[0] - half, center_mm[1] - half, low];
        Self {
            shape: [((high - low) / gap_mm).ceil() as usize + 1, matrix, matrix],
            spacing_mm: [gap_mm, pixel, pixel],
            thickness_mm,
            origin_mm: std::array::from_fn(|xyz| to_decimals(origin[xyz] + offset[xyz], 3)),
            body_offset_mm: offset,
        }
    }

    /// The grid with the same centre and a field of view of at least `diameter_mm`.
    pub(super) fn widened(&self, diameter_mm: f64) -> Self {
        let matrix = self.shape[1] as f64;
        let pixel = to_decimals((diameter_mm / matrix).max(self.spacing_mm[1]), 4);
        let shift = (pixel - self.spacing_mm[1]) * (matrix - 1.0) / 2.0;
        let [x, y, z] = self.origin_mm;
        Self {
            spacing_mm: [self.spacing_mm[0], pixel, pixel],
            origin_mm: [to_decimals(x - shift, 3), to_decimals(y - shift, 3), z],
            ..*self
        }
    }

    /// Body coordinates (x, y, z) of a voxel `[depth, height, width]`.
    pub(super) fn body_point(&self, [depth, height, width]: [f64; 3]) -> [f64; 3] {
        let [gap, row, column] = self.spacing_mm;
        let steps = [width * column, height * row, depth * gap];
        std::array::from_fn(|xyz| self.origin_mm[xyz] - self.body_offset_mm[xyz] + steps[xyz])
    }

    /// Whether a pixel lies in the circle of reconstruction.
    pub(crate) fn in_field_of_view(&self, row: usize, column: usize) -> bool {
        let center = (self.shape[1] as f64 - 1.0) / 2.0;
        let (dy, dx) = (row as f64 - center, column as f64 - center);
        dx * dx + dy * dy <= (self.shape[1] as f64 / 2.0).powi(2)
    }
}
