//! Converts stored values to Hounsfield units while reading them.

use std::io::{ErrorKind, Read};
use std::path::Path;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use super::{Format, FormatRefusal, Packing, ReadVolume, VolumeHeader};
use crate::volume::sybil_levels::same_level_hu;
use crate::volume::{Geometry, Turn, Volume};
use lungs_base::unpack;

/// Attenuation of air, the floor of [`Rounding::Standard`].
const AIR_HU: i16 = -1024;
/// At least one value must be below this (air) …
const AIR_BELOW_HU: f32 = -200.0;
/// … and one above this (tissue).
const TISSUE_ABOVE_HU: f32 = -100.0;
/// Most bytes after the voxels of a file in gzip.
const MAX_TRAILING_BYTES: u64 = 64 << 20;
/// Bytes that are converted at a time; a multiple of every element's size.
const CHUNK: usize = 1 << 18;

/// The type of a stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Element {
    U8,
    I8,
    I16,
    U16,
    I32,
    F32,
    F64,
    // Add variants only at the end: the index of headers stores their position.
    U32,
    I64,
    U64,
}

impl Element {
    /// The name in the content hash.
    fn name(self) -> &'static str {
        match self {
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::I16 => "I16",
            Self::U16 => "U16",
            Self::I32 => "I32",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::U32 => "U32",
            Self::I64 => "I64",
            Self::U64 => "U64",
        }
    }

    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

/// The conversion of stored values to Hounsfield units: `slope · stored + intercept`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Their type.
    pub element: Element,
    /// Most significant byte first.
    pub big_endian: bool,
    /// Factor.
    pub slope: f64,
    /// Summand.
    pub intercept: f64,
}

/// The rounding to 16-bit Hounsfield units; all clamp to 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, with a floor of −1024 (air).
    Standard,
    /// Towards zero and without a floor, as the Python package `lungs` 0.1.5 cut to int16.
    Lungs015,
    /// To the nearest with the same grey level of Sybil, without a floor.
    Sybil,
}

/// Range of the values, and number of values that are not finite.
struct ValueStats {
    least: f32,
    greatest: f32,
    not_finite: u64,
}

/// Reads all voxels from the current position of `from`.
pub(super) fn read(
    mut from: impl Read,
    path: &Path,
    header: &VolumeHeader,
    rounding: Rounding,
) -> Result<ReadVolume, FormatRefusal> {
    let stored = &header.values;
    let size = stored.element.bytes();
    // The caller has checked that the file is large enough.
    let voxels = header.voxels() as usize;
    let mut hu: Vec<i16> = Vec::with_capacity(voxels);
    let mut stats = ValueStats { least: f32::INFINITY, greatest: f32::NEG_INFINITY, not_finite: 0 };
    let mut hasher = blake3::Hasher::new();
    hasher.update(meaning(header).as_bytes());
    let mut buffer = vec![0; CHUNK];
    let read_error = |error: &std::io::Error| match header.location.packing {
        Packing::None => FormatRefusal::unreadable(path, error),
        _ => FormatRefusal::Undecodable { path: path.to_owned(), message: error.to_string() },
    };
    while hu.len() < voxels {
        let length = CHUNK.min((voxels - hu.len()) * size);
        let count = fill(&mut from, &mut buffer[..length]).map_err(|error| read_error(&error))?;
        if count < length {
            return Err(FormatRefusal::Truncated {
                path: path.to_owned(),
                found: (hu.len() * size + count) as u64,
                expected: (voxels * size) as u64,
            });
        }
        hasher.update(&buffer[..length]);
        convert(&buffer[..length], stored, rounding, &mut hu, &mut stats);
    }
    let limit = match header.location.packing {
        Packing::None => None,
        // A file may have more data after its voxels; a container of voxels alone may not.
        Packing::Gzip => Some(MAX_TRAILING_BYTES),
        Packing::Zlib | Packing::Zip => Some(0),
    };
    if let Some(limit) = limit {
        unpack::read_to_end(&mut from, limit).map_err(|error| read_error(&error))?;
    }
    if stats.not_finite > 0 {
        return Err(FormatRefusal::NotNumbers { path: path.to_owned(), count: stats.not_finite });
    }
    if stats.least > AIR_BELOW_HU || stats.greatest < TISSUE_ABOVE_HU {
        return Err(FormatRefusal::NotHounsfield {
            path: path.to_owned(),
            least: stats.least,
            greatest: stats.greatest,
            air_hu: AIR_BELOW_HU,
            tissue_hu: TISSUE_ABOVE_HU,
        });
    }
    let range_hu = (number(stats.least, rounding), number(stats.greatest, rounding));
    let hu = Array3::from_shape_vec(header.stored, hu)
        .map_err(|error| FormatRefusal::unreadable(path, &error))?;
    Ok(ReadVolume {
        volume: Volume { hu: header.turn.applied(hu), geometry: header.geometry },
        range_hu,
        content_hash: *hasher.finalize().as_bytes(),
    })
}

/// The header values that determine the meaning of stored values, as text for the content hash. Prepared series are
/// found by this hash, so the text never changes for headers that exist; names of types and fields in Rust do not
/// change it.
fn meaning(header: &VolumeHeader) -> String {
    let VolumeHeader { format, stored, values, turn, geometry, lung_box, .. } = header;
    let format = match format {
        Format::Nifti => "Nifti",
        Format::MetaImage => "MetaImage",
        Format::Prepared => "Prepared",
    };
    let Stored { element, big_endian, slope, intercept } = values;
    let element = element.name();
    let Turn { from, flip } = turn;
    let Geometry { spacing_mm, origin_mm, axes } = geometry;
    format!(
        "{format} {stored:?} Stored {{ element: {element}, big_endian: {big_endian}, slope: {slope:?}, \
         intercept: {intercept:?} }} Turn {{ from: {from:?}, flip: {flip:?} }} \
         Geometry {{ spacing_mm: {spacing_mm:?}, origin_mm: {origin_mm:?}, axes: {axes:?} }} {lung_box:?}\n"
    )
}

/// Reads until the buffer is full or the source ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Decoders return this for a source that ends within their data.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn convert(
    bytes: &[u8],
    stored: &Stored,
    rounding: Rounding,
    hu: &mut Vec<i16>,
    stats: &mut ValueStats,
) {
    macro_rules! each {
        ($number:ty, $size:literal) => {
            // The chunks are whole: CHUNK is a multiple of every size.
            bytes.chunks_exact($size).for_each(|bytes| {
                let mut value = [0; $size];
                value.copy_from_slice(bytes);
                let value = if stored.big_endian {
                    <$number>::from_be_bytes(value)
                } else {
                    <$number>::from_le_bytes(value)
                };
                hu.push(stats.take(value as f32, stored, rounding));
            })
        };
    }
    match stored.element {
        Element::U8 => each!(u8, 1),
        Element::I8 => each!(i8, 1),
        Element::I16 => each!(i16, 2),
        Element::U16 => each!(u16, 2),
        Element::I32 => each!(i32, 4),
        Element::U32 => each!(u32, 4),
        Element::I64 => each!(i64, 8),
        Element::U64 => each!(u64, 8),
        Element::F32 => each!(f32, 4),
        Element::F64 => each!(f64, 8),
    }
}

impl ValueStats {
    #[inline]
    fn take(&mut self, value: f32, stored: &Stored, rounding: Rounding) -> i16 {
        let value = stored.slope as f32 * value + stored.intercept as f32;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.not_finite += u64::from(!value.is_finite());
        number(value, rounding)
    }
}

fn number(value: f32, rounding: Rounding) -> i16 {
    // `as` saturates, so the clamp to 16 bits is part of the conversion.
    match rounding {
        Rounding::Standard => (value.round() as i16).max(AIR_HU),
        Rounding::Lungs015 => value as i16,
        Rounding::Sybil => same_level_hu(f64::from(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::DataLocation;

    /// Other text would leave every existing cache entry of a volume file unused.
    #[test]
    fn the_text_of_a_header_never_changes() {
        let header = VolumeHeader {
            format: Format::MetaImage,
            stored: [5, 4, 6],
            values: Stored {
                element: Element::I16,
                big_endian: false,
                slope: 1.0,
                intercept: -1024.0,
            },
            location: DataLocation { file: None, offset: None, packing: Packing::None },
            turn: Turn { from: [0, 2, 1], flip: [false, true, false] },
            geometry: Geometry {
                spacing_mm: [2.5, 0.7, 0.8],
                origin_mm: [-100.0, 0.0, 1e-7],
                axes: [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]],
            },
            lung_box: Some([[0, 4], [-1, 3], [2, 5]]),
            flags: Vec::new(),
            source: None,
        };
        assert_eq!(
            meaning(&header),
            "MetaImage [5, 4, 6] Stored { element: I16, big_endian: false, slope: 1.0, intercept: -1024.0 } \
             Turn { from: [0, 2, 1], flip: [false, true, false] } Geometry { spacing_mm: [2.5, 0.7, 0.8], \
             origin_mm: [-100.0, 0.0, 1e-7], axes: [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]] } \
             Some([[0, 4], [-1, 3], [2, 5]])\n"
        );
    }
}
