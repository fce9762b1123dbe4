//! Writes maps on the voxels of a scan as NIfTI-1 files in gzip.
//!
//! Values are int16 with a slope, which all viewers support and which compresses well; the sform gives
//! the position of the voxels (NIfTI's x and y run to the right and front, ours to the left and back).
//! The same map gives the same bytes.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;

use crate::volume::{Geometry, Turn};
use lungs_base::files::{WriteError, write_atomically};

const HEADER: usize = 352;
/// Slices computed at a time, by all threads.
const BATCH: usize = 16;

/// The voxel grid of a scan in the axis order of its file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapGrid {
    /// Voxels along canonical depth, height, width.
    pub shape: [usize; 3],
    /// Position of the canonical voxels in the patient.
    pub geometry: Geometry,
    /// From stored axes (the slowest first) to canonical ones.
    pub turn: Turn,
}

impl MapGrid {
    /// Lengths of the stored axes, slowest first.
    fn stored(&self) -> [usize; 3] {
        let mut stored = [0; 3];
        for (axis, from) in self.turn.from.into_iter().enumerate() {
            stored[from] = self.shape[axis];
        }
        stored
    }

    /// The canonical index of the voxel stored at `index`.
    fn canonical(&self, index: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let at = index[self.turn.from[axis]];
            if self.turn.flip[axis] { self.shape[axis] - 1 - at } else { at }
        })
    }

    /// Rows of the affine from (i, j, k, 1), the fastest axis first, to RAS millimetres.
    fn affine(&self) -> [[f64; 4]; 3] {
        let position_mm = |index: [usize; 3]| {
            self.geometry.position_mm(self.canonical(index).map(|at| at as f64))
        };
        let origin = position_mm([0; 3]);
        let mut rows = [[0.0; 4]; 3];
        for (axis, from) in self.turn.from.into_iter().enumerate() {
            let step_mm =
                if self.turn.flip[axis] { -1.0 } else { 1.0 } * self.geometry.spacing_mm[axis];
            for (row, direction) in rows.iter_mut().zip(self.geometry.axes[axis]) {
                row[2 - from] = step_mm * direction;
            }
        }
        for (row, origin) in rows.iter_mut().zip(origin) {
            row[3] = origin;
        }
        let [x, y, z] = rows;
        [x.map(|value| -value), y.map(|value| -value), z]
    }
}

/// Writes a map to a `.nii.gz`. `value` gives its value at a canonical voxel, at most `greatest`
/// from 0; `description` has room for 79 letters.
///
/// # Errors
/// When the file cannot be written.
pub fn write_map(
    path: &Path,
    grid: &MapGrid,
    description: &str,
    greatest: f32,
    value: impl Fn([usize; 3]) -> f32 + Sync,
) -> Result<(), WriteError> {
    let slope = if greatest > 0.0 && greatest.is_finite() { greatest / 32767.0 } else { 1.0 };
    let [slices, rows, columns] = grid.stored();
    let slice = |k: usize| -> Vec<u8> {
        let indices = (0..rows).flat_map(|j| (0..columns).map(move |i| [k, j, i]));
        let stored = indices.map(|index| (value(grid.canonical(index)) / slope).round() as i16);
        stored.flat_map(i16::to_le_bytes).collect()
    };
    write_atomically(path, |out| {
        let mut packed = GzEncoder::new(out, Compression::fast());
        packed.write_all(&header(grid, description, slope))?;
        for first in (0..slices).step_by(BATCH) {
            let batch: Vec<usize> = (first..(first + BATCH).min(slices)).collect();
            let batch: Vec<Vec<u8>> = batch.into_par_iter().map(slice).collect();
            for bytes in batch {
                packed.write_all(&bytes)?;
            }
        }
        packed.finish().map(drop)
    })
}

fn header(grid: &MapGrid, description: &str, slope: f32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    let [slices, rows, columns] = grid.stored();
    for (index, length) in [3, columns, rows, slices, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * index, &(length as i16).to_le_bytes());
    }
    // int16, 16 bits.
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    let mut spacing_mm = [0.0; 3];
    for (axis, from) in grid.turn.from.into_iter().enumerate() {
        spacing_mm[2 - from] = grid.geometry.spacing_mm[axis];
    }
    let [x, y, z] = spacing_mm;
    for (index, value) in [1.0, x, y, z].into_iter().enumerate() {
        put(76 + 4 * index, &(value as f32).to_le_bytes());
    }
    put(108, &(HEADER as f32).to_le_bytes());
    put(112, &slope.to_le_bytes());
    // Millimetres.
    put(123, &[2]);
    let letters = description.chars().filter(char::is_ascii).take(79);
    for (index, letter) in letters.enumerate() {
        put(148 + index, &[letter as u8]);
    }
    // sform_code: coordinates of the scanner.
    put(254, &1_i16.to_le_bytes());
    for (index, value) in grid.affine().as_flattened().iter().enumerate() {
        put(280 + 4 * index, &(*value as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Rounding, read_header, read_volume};
    use ndarray::Array3;

    fn geometries() -> [Geometry; 2] {
        let (sin, cos) = 0.2_f64.sin_cos();
        let (spacing_mm, origin_mm) = ([2.5, 0.7, 0.8], [-150.25, 12.5, -900.5]);
        let straight = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let oblique = [[0.0, -sin, cos], [0.0, cos, sin], [1.0, 0.0, 0.0]];
        [straight, oblique].map(|axes| Geometry { spacing_mm, origin_mm, axes })
    }

    /// Our reader, which is tested with files of other writers, restores every voxel.
    #[test]
    fn written_maps_are_read_back_at_their_positions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.nii.gz");
        let shape = [5, 4, 6];
        let hu = Array3::from_shape_fn(shape, |(d, h, w)| (300 * d + 24 * h + 7 * w) as i16 - 1000);
        let turns = [
            Turn::NONE,
            // As most programs turn axial DICOM, sagittal, and an odd one.
            Turn { from: [0, 1, 2], flip: [false, true, false] },
            Turn { from: [1, 2, 0], flip: [true, false, true] },
            Turn { from: [2, 0, 1], flip: [false, true, true] },
        ];
        for (geometry, turn) in geometries().into_iter().flat_map(|g| turns.map(|t| (g, t))) {
            let grid = MapGrid { shape, geometry, turn };
            let value = |voxel: [usize; 3]| f32::from(hu[voxel]);
            write_map(&path, &grid, "a test", 1000.0, value).unwrap();
            let header = read_header(&path).unwrap().unwrap();
            assert_eq!(header.turn, turn, "{turn:?}");
            let read = read_volume(&path, &header, Rounding::Standard).unwrap().volume;
            // A slope of 1000 / 32767 rounds by less than half a unit.
            assert_eq!(read.hu, hu, "{turn:?}");
            for index in [[0.0; 3], [4.0, 3.0, 5.0]] {
                let (found, expected) =
                    (read.geometry.position_mm(index), geometry.position_mm(index));
                for axis in 0..3 {
                    // The header has 24-bit numbers.
                    assert!((found[axis] - expected[axis]).abs() < 1e-4, "{found:?} {expected:?}");
                }
            }
        }
    }

    #[test]
    fn a_map_of_nothing_is_zeros_and_the_bytes_are_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let [geometry, _] = geometries();
        let grid = MapGrid { shape: [40, 3, 4], geometry, turn: Turn::NONE };
        let written = |name: &str| {
            let path = folder.path().join(name);
            write_map(&path, &grid, &"long ".repeat(40), 0.0, |_| 0.0).unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(written("a.nii.gz"), written("b.nii.gz"));
        let mut bytes = Vec::new();
        let packed = std::fs::read(folder.path().join("a.nii.gz")).unwrap();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed), &mut bytes)
            .unwrap();
        assert_eq!(bytes.len(), HEADER + 2 * 40 * 3 * 4);
        assert!(bytes[HEADER..].iter().all(|&byte| byte == 0));
        assert_eq!(bytes[148 + 79], 0);
    }
}
