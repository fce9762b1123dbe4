//! Prepared crops on disk: NumPy's `.npz`, stored without compression.
//!
//! | array | type | shape | content |
//! |---|---|---|---|
//! | `data` | int16 | `[depth, height, width]` | Hounsfield units |
//! | `spacing_mm` | float64 | `[3]` | distance between voxel centres |
//! | `origin_mm` | float64 | `[3]` | patient coordinates x, y, z of voxel `[0, 0, 0]` |
//! | `axes` | float64 | `[3, 3]` | unit vectors of increasing depth, height, width |
//! | `lung_box` | int64 | `[3, 2]` | first and last voxel of the lungs in the crop's voxels; may be outside the crop |

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, arr1, arr2};
use ndarray_npy::{NpzReader, NpzWriter, ReadNpzError, WriteNpzError};

use lungs_base::files::{WriteError, write_bytes};
use lungs_image::volume::{Geometry, Volume};

/// A crop and the bounding box of the lungs.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The crop, `[depth, height, width]`, Hounsfield units.
    pub volume: Volume,
    /// First and last voxel of the lungs along depth, height, width; they may be outside the crop.
    pub lung_box: [[i64; 2]; 3],
}

/// A prepared crop cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("cannot open the prepared crop {path}: {source}; prepare the series again")]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file is not a complete `.npz` with the expected arrays.
    #[error("the prepared crop {path} is damaged ({message}); delete it and prepare again")]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Description of the damage.
        message: String,
    },
}

/// Writes a crop.
pub(super) fn write(path: &Path, prepared: &Prepared) -> Result<(), WriteError> {
    // The archive is built in memory: the archive writer does not distinguish a full disk from other errors.
    let voxels = prepared.volume.hu.len() * size_of::<i16>();
    let mut bytes = std::io::Cursor::new(Vec::with_capacity(voxels + (8 << 10)));
    fill(&mut bytes, prepared).map_err(|error| WriteError {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    write_bytes(path, bytes.get_ref())
}

fn fill<W: std::io::Write + std::io::Seek>(
    out: W,
    prepared: &Prepared,
) -> Result<(), WriteNpzError> {
    let geometry = &prepared.volume.geometry;
    let mut npz = NpzWriter::new(out);
    npz.add_array("data", &prepared.volume.hu)?;
    npz.add_array("spacing_mm", &arr1(&geometry.spacing_mm))?;
    npz.add_array("origin_mm", &arr1(&geometry.origin_mm))?;
    npz.add_array("axes", &arr2(&geometry.axes))?;
    npz.add_array("lung_box", &arr2(&prepared.lung_box))?;
    npz.finish()?;
    Ok(())
}

/// Reads a crop and verifies its checksum.
///
/// # Errors
/// [`LoadError`] when the file is missing, truncated, altered, or not a prepared crop.
pub fn load_prepared(path: &Path) -> Result<Prepared, LoadError> {
    let file =
        File::open(path).map_err(|source| LoadError::Open { path: path.to_owned(), source })?;
    parse(file).map_err(|message| LoadError::Damaged { path: path.to_owned(), message })
}

fn parse(file: File) -> Result<Prepared, String> {
    let message = |error: ReadNpzError| error.to_string();
    let mut npz = NpzReader::new(BufReader::with_capacity(1 << 18, file)).map_err(message)?;
    let data: Array3<i16> = npz.by_name("data").map_err(message)?;
    let spacing: Array1<f64> = npz.by_name("spacing_mm").map_err(message)?;
    let origin: Array1<f64> = npz.by_name("origin_mm").map_err(message)?;
    let axes: Array2<f64> = npz.by_name("axes").map_err(message)?;
    let lung_box: Array2<i64> = npz.by_name("lung_box").map_err(message)?;
    if spacing.dim() != 3 || origin.dim() != 3 || axes.dim() != (3, 3) || lung_box.dim() != (3, 2) {
        return Err("spacing_mm, origin_mm, axes or lung_box have an unexpected shape".to_owned());
    }
    let hu = if data.is_standard_layout() { data } else { data.as_standard_layout().into_owned() };
    Ok(Prepared {
        volume: Volume {
            hu,
            geometry: Geometry {
                spacing_mm: std::array::from_fn(|axis| spacing[axis]),
                origin_mm: std::array::from_fn(|axis| origin[axis]),
                axes: std::array::from_fn(|row| std::array::from_fn(|xyz| axes[[row, xyz]])),
            },
        },
        lung_box: std::array::from_fn(|axis| [lung_box[[axis, 0]], lung_box[[axis, 1]]]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Prepared {
        Prepared {
            volume: Volume {
                hu: Array3::from_shape_fn((3, 4, 5), |(z, y, x)| {
                    (z * 100 + y * 10 + x) as i16 - 99
                }),
                geometry: Geometry {
                    spacing_mm: [1.5, 1.25, 1.0],
                    origin_mm: [-10.0, -20.0, -30.5],
                    axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
                },
            },
            lung_box: [[-1, 2], [0, 3], [1, 6]],
        }
    }

    #[test]
    fn a_crop_survives_storage_and_the_bytes_are_reproducible() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
        write(&a, &example()).unwrap();
        write(&b, &example()).unwrap();
        assert_eq!(load_prepared(&a).unwrap(), example());
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        // The voxels are stored without compression, so that they can be mapped into memory.
        let bytes = std::fs::read(&a).unwrap();
        let voxels: Vec<u8> = example().volume.hu.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(bytes.windows(voxels.len()).any(|window| window == voxels));
    }

    #[test]
    fn damage_anywhere_in_the_voxels_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        write(&path, &example()).unwrap();
        let intact = std::fs::read(&path).unwrap();
        for length in [0, 10, 200, intact.len() - 1] {
            std::fs::write(&path, &intact[..length]).unwrap();
            let error = load_prepared(&path).unwrap_err();
            assert!(error.to_string().contains("delete it and prepare again"), "{error}");
        }
        let mut altered = intact.clone();
        altered[200] ^= 1; // within the voxels
        std::fs::write(&path, &altered).unwrap();
        assert!(matches!(load_prepared(&path), Err(LoadError::Damaged { .. })));
        assert!(matches!(load_prepared(Path::new("/none")), Err(LoadError::Open { .. })));
    }
}
