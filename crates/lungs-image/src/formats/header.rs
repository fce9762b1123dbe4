//! What the header of a volume file says.

use super::source::Source;
use super::values::Stored;
use crate::codes::Flag;
use crate::volume::{Geometry, Turn, Volume};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The kinds of volume files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Format {
    /// NIfTI-1 or -2.
    Nifti,
    /// MetaImage, with its data in the same or a separate file.
    MetaImage,
    /// A prepared volume: from our cache or from the Python package `lungs`.
    Prepared,
}

/// The header of a volume file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeHeader {
    /// The kind of file.
    pub format: Format,
    /// Voxels along the axes as stored, the slowest first.
    pub stored: [usize; 3],
    /// Conversion of stored values to Hounsfield units.
    pub values: Stored,
    /// Location of the stored values.
    pub location: DataLocation,
    /// From stored axes to canonical `[depth, height, width]`.
    pub turn: Turn,
    /// Position of the canonical volume in the patient.
    pub geometry: Geometry,
    /// First and last voxel of the lungs, for our prepared volumes.
    pub lung_box: Option<[[i64; 2]; 3]>,
    /// Peculiarities that do not exclude the file.
    pub flags: Vec<Flag>,
    /// The scan from which a prepared volume was made, if a `.json` file describes it.
    pub source: Option<Box<Source>>,
}

/// Location of the stored values of a volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataLocation {
    /// Name of a separate data file, relative to the folder of the header.
    pub file: Option<String>,
    /// Bytes before the values (after decompression, for gzip); `None` if they end with the file.
    pub offset: Option<u64>,
    /// Their compression.
    pub packing: Packing,
}

/// The compression of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packing {
    /// Uncompressed.
    None,
    /// The whole file in gzip.
    Gzip,
    /// The values in zlib, from the offset on.
    Zlib,
    /// The entry `data.npy` of a zip archive.
    Zip,
}

impl VolumeHeader {
    /// Voxels in the file.
    pub fn voxels(&self) -> u64 {
        self.stored.iter().map(|&length| length as u64).product()
    }

    /// The file with the values.
    pub(crate) fn data_path(&self, path: &Path) -> PathBuf {
        match &self.location.file {
            Some(name) => path.with_file_name("").join(name),
            None => path.to_owned(),
        }
    }

    /// Voxels along canonical depth, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.turn.from.map(|axis| self.stored[axis])
    }
}

/// A volume with facts of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadVolume {
    /// The volume in canonical order.
    pub volume: Volume,
    /// Least and greatest Hounsfield unit.
    pub range_hu: (i16, i16),
    /// BLAKE3 over the stored values and the header values that determine their meaning, independent of
    /// the name and compression of the file.
    pub content_hash: [u8; 32],
}
