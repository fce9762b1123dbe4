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
mod header;
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

pub use header::{DataLocation, Format, Packing, ReadVolume, VolumeHeader};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use lungs_base::unpack::Gunzip;

pub use error::FormatRefusal;
pub use nifti_map::{MapGrid, write_map};
pub use source::Source;
pub use values::{Element, Rounding};

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
