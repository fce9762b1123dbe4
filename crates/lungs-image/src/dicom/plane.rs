//! The plane of one image: size, pixel spacing and directions of rows and columns.

use std::path::Path;

use super::turn::{cross, dot, scaled_to_unit};
use super::{HeaderValue, SeriesRefusal, SliceFile};

/// Largest difference of direction cosines due to rounding.
const SAME_DIRECTION: f64 = 1e-3;
/// Largest relative difference of pixel spacings due to rounding.
const SAME_SPACING: f64 = 1e-3;
/// Largest number of rows or columns; more indicates a damaged header.
const MAX_SIDE: u32 = 4096;

/// Values that all slices of a stack must share.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub rows: u32,
    pub columns: u32,
    /// Unit vector of increasing column.
    pub along_row: [f64; 3],
    /// Unit vector of increasing row.
    pub along_column: [f64; 3],
    /// Between rows, between columns.
    pub spacing_mm: [f64; 2],
}

/// Rows and columns of an image, checked against [`MAX_SIDE`].
pub(super) fn size(slice: &SliceFile) -> Result<(u32, u32), SeriesRefusal> {
    let side = "1 to 4096 pixels";
    let rows = require(slice, &slice.rows, ROWS, side)?;
    let columns = require(slice, &slice.columns, COLUMNS, side)?;
    for (tag, length) in [(ROWS, rows), (COLUMNS, columns)] {
        if !(1..=MAX_SIDE).contains(&length) {
            return Err(bad(&slice.path, tag, length.to_string(), side));
        }
    }
    Ok((rows, columns))
}

impl Plane {
    /// # Errors
    /// The tag that is absent or impossible.
    pub(super) fn of(slice: &SliceFile) -> Result<Self, SeriesRefusal> {
        let (rows, columns) = size(slice)?;
        let spacing_mm =
            require(slice, &slice.pixel_spacing_mm, PIXEL_SPACING, "two distances in mm")?;
        if !spacing_mm.iter().all(|&gap| (0.01..=20.0).contains(&gap)) {
            let found = format!("{}\\{}", spacing_mm[0], spacing_mm[1]);
            return Err(bad(&slice.path, PIXEL_SPACING, found, "two distances of 0.01 to 20 mm"));
        }
        let expected = "two perpendicular unit vectors";
        let cosines = require(slice, &slice.orientation, ORIENTATION, expected)?;
        let [r0, r1, r2, c0, c1, c2] = cosines;
        let (row, column) = ([r0, r1, r2], [c0, c1, c2]);
        let is_unit = |vector: [f64; 3]| (dot(vector, vector).sqrt() - 1.0).abs() < 0.01;
        if !is_unit(row) || !is_unit(column) || dot(row, column).abs() > 0.01 {
            return Err(bad(&slice.path, ORIENTATION, join(&cosines), expected));
        }
        Ok(Self {
            rows,
            columns,
            along_row: scaled_to_unit(row),
            along_column: scaled_to_unit(column),
            spacing_mm,
        })
    }

    /// The stacking direction.
    pub(super) fn normal(&self) -> [f64; 3] {
        cross(self.along_row, self.along_column)
    }

    /// Whether the plane of `slice` is that of the first slice.
    ///
    /// # Errors
    /// [`SeriesRefusal::Inconsistent`] with the first value that differs.
    pub(super) fn check(&self, first: &SliceFile, slice: &SliceFile) -> Result<(), SeriesRefusal> {
        let plane = Self::of(slice)?;
        let differs = |tag, found: String, expected: String| SeriesRefusal::Inconsistent {
            path: slice.path.clone(),
            tag,
            found,
            expected,
        };
        for (tag, found, expected) in
            [(ROWS, plane.rows, self.rows), (COLUMNS, plane.columns, self.columns)]
        {
            if found != expected {
                return Err(differs(tag, found.to_string(), expected.to_string()));
            }
        }
        let off =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if off(&plane.along_row, &self.along_row) > SAME_DIRECTION
            || off(&plane.along_column, &self.along_column) > SAME_DIRECTION
        {
            let text = |slice: &SliceFile| {
                slice.orientation.as_ref().map_or_else(Clone::clone, |v| join(v))
            };
            return Err(differs(ORIENTATION, text(slice), text(first)));
        }
        if off(&plane.spacing_mm, &self.spacing_mm) > SAME_SPACING * self.spacing_mm[0] {
            return Err(differs(PIXEL_SPACING, join(&plane.spacing_mm), join(&self.spacing_mm)));
        }
        Ok(())
    }
}

const ROWS: &str = "Rows (0028,0010)";
const COLUMNS: &str = "Columns (0028,0011)";
const PIXEL_SPACING: &str = "PixelSpacing (0028,0030)";
const ORIENTATION: &str = "ImageOrientationPatient (0020,0037)";

/// The value, or a refusal with the text found instead.
pub(super) fn require<T: Copy>(
    slice: &SliceFile,
    value: &HeaderValue<T>,
    tag: &'static str,
    expected: &str,
) -> Result<T, SeriesRefusal> {
    value.as_ref().copied().map_err(|found| bad(&slice.path, tag, found.clone(), expected))
}

fn bad(path: &Path, tag: &'static str, found: String, expected: &str) -> SeriesRefusal {
    SeriesRefusal::BadTag { path: path.to_owned(), tag, found, expected: expected.to_owned() }
}

fn join(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join("\\")
}
