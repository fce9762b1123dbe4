//! Reads volume files (NIfTI, MetaImage and prepared `.npz`), and writes maps on the voxels of a scan
//! as NIfTI.
//!
//! ```text
//! .nii .nii.gz ──nifti────┐
//! .mhd .mha ─────metaimage─┼─▶ VolumeHeader ──read_volume──▶ Volume   (or a FormatRefusal)
//! .npz ──────────npz──────┘    element, location of the data, geometry
//! ```
//!
//! A header gives the position of the grid in the patient. All further steps equal those of DICOM
//! series: flips and permutation to canonical order ([`crate::volume`]), the limit of obliqueness, and
//! rounding, floor and clamping of Hounsfield units. Orientation and spacing come from the header
//! alone; a flag names each assumption for a value that the file lacks. Lengths in headers are
//! compared with the file before memory is allocated.

mod error;
mod grid;
mod metaimage;
#[cfg(test)]
mod metaimage_tests;
mod nifti;
mod nifti_map;
mod npz;
#[cfg(test)]
mod packed_tests;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod values;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::codes::Flag;
use crate::volume::{Geometry, Turn, Volume};
use lungs_base::unpack::Gunzip;

pub use error::FormatRefusal;
pub use nifti_map::{MapGrid, write_map};
pub use source::Source;
pub use values::{Element, Rounding};

use values::Stored;

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

/// Whether a name has the extension of a volume file.
pub(crate) fn is_volume_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".nii", ".nii.gz", ".hdr", ".mhd", ".mha", ".npz"].iter().any(|end| name.ends_with(end))
}

/// The name without the extension of a volume file: `1.2.3` for `1.2.3.mhd` and `1.2.3.nii.gz`.
pub fn stem(name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let end = [".nii.gz", ".nii", ".hdr", ".mhd", ".mha", ".npz"]
        .iter()
        .find(|end| lower.ends_with(**end))
        .map_or(0, |end| end.len());
    &name[..name.len() - end]
}

/// Reads the header of a file with the name of a volume file; `None` for other files (arrays without a
/// volume, the `.hdr` of another program).
///
/// # Errors
/// A [`FormatRefusal`] with the value found and the value expected.
pub fn read_header(path: &Path) -> Option<Result<VolumeHeader, FormatRefusal>> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    if name.ends_with(".npz") {
        npz::header(path).transpose()
    } else if name.ends_with(".mhd") || name.ends_with(".mha") {
        Some(metaimage::header(path))
    } else if name.ends_with(".hdr") {
        nifti::pair(path).map(Err)
    } else {
        Some(nifti::header(path))
    }
}

/// Checks that the file with the values exists and is large enough, without opening it.
///
/// # Errors
/// [`FormatRefusal::Unreadable`] or [`FormatRefusal::Truncated`].
pub(crate) fn check_size(path: &Path, header: &VolumeHeader) -> Result<(), FormatRefusal> {
    let data = header.data_path(path);
    let metadata =
        std::fs::metadata(&data).map_err(|error| FormatRefusal::unreadable(&data, &error))?;
    let needed = header.voxels() * header.values.element.bytes() as u64;
    let available = match header.location.packing {
        Packing::None => metadata.len().saturating_sub(header.location.offset.unwrap_or(0)),
        // Deflate shrinks at most 1032-fold.
        Packing::Gzip | Packing::Zlib => metadata.len().saturating_mul(1032),
        // The entry's own length was checked with the header.
        Packing::Zip => needed,
    };
    if available < needed {
        return Err(FormatRefusal::Truncated { path: data, found: available, expected: needed });
    }
    Ok(())
}

/// Reads the volume in canonical order. Prepared volumes are unchanged, others are rounded with
/// `rounding`.
///
/// # Errors
/// A [`FormatRefusal`]: a file cut short, damaged compressed data, values that are not Hounsfield
/// units.
pub fn read_volume(
    path: &Path,
    header: &VolumeHeader,
    rounding: Rounding,
) -> Result<ReadVolume, FormatRefusal> {
    check_size(path, header)?;
    let data = header.data_path(path);
    let unreadable = |error: std::io::Error| FormatRefusal::unreadable(&data, &error);
    if header.location.packing == Packing::Zip {
        let mut archive = npz::open(&data)?;
        let (entry, _) = npz::data_entry(&mut archive, &data)?.ok_or_else(|| {
            FormatRefusal::bad(&data, "data.npy", "absent", "an array named data")
        })?;
        // Integers need no rounding, and the spline between air and tissue may fall below the floor.
        return values::read(entry, &data, header, Rounding::Lungs015);
    }
    let mut file = File::open(&data).map_err(unreadable)?;
    let needed = header.voxels() * header.values.element.bytes() as u64;
    let length = file.metadata().map_err(unreadable)?.len();
    let offset = header.location.offset.unwrap_or(length.saturating_sub(needed));
    if header.location.packing == Packing::Gzip {
        let mut file = Gunzip::new(file);
        skip(&mut file, offset).map_err(unreadable)?;
        return values::read(file, &data, header, rounding);
    }
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    if header.location.packing == Packing::None {
        return values::read(file, &data, header, rounding);
    }
    // ITK accepts gzip in place of zlib, too.
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(unreadable)?;
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    if magic == [0x1f, 0x8b] {
        values::read(Gunzip::new(file), &data, header, rounding)
    } else {
        values::read(flate2::read::ZlibDecoder::new(file), &data, header, rounding)
    }
}

fn skip(from: &mut impl Read, bytes: u64) -> std::io::Result<()> {
    std::io::copy(&mut from.take(bytes), &mut std::io::sink()).map(|_| ())
}
