//! Stored values to Hounsfield units, as they come in.

use std::io::{ErrorKind, Read};
use std::path::Path;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use super::{FormatRefusal, Packing, ReadVolume, VolumeHeader};
use crate::unpack;
use crate::volume::Volume;

/// Attenuation of air, the least that means anything.
const AIR_HU: i16 = -1024;
/// A chest has air: something must be below this …
const AIR_BELOW_HU: f32 = -200.0;
/// … and tissue: something must be above this.
const TISSUE_ABOVE_HU: f32 = -100.0;
/// Most bytes behind the voxels of a file in gzip.
const MOST_BEHIND: u64 = 64 << 20;
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
    // New ones at the end: indexes of headers hold these by their place.
    U32,
    I64,
    U64,
}

impl Element {
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

/// How stored values become Hounsfield units: `slope · stored + intercept`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Their type.
    pub element: Element,
    /// The most significant byte comes first.
    pub big_endian: bool,
    /// Factor.
    pub slope: f64,
    /// Summand.
    pub intercept: f64,
}

/// How numbers become 16-bit Hounsfield units; both clamp to 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, and −1024 (air) for what is less.
    Standard,
    /// Towards zero and without a floor, as the Python package `lungs` 0.1.5 cut to int16.
    Lungs015,
}

/// What the values had in common.
struct Seen {
    least: f32,
    greatest: f32,
    not_finite: u64,
}

/// Reads all voxels from where `from` stands.
pub(super) fn read(
    mut from: impl Read,
    path: &Path,
    header: &VolumeHeader,
    rounding: Rounding,
) -> Result<ReadVolume, FormatRefusal> {
    let stored = &header.values;
    let size = stored.element.bytes();
    // The caller has seen that the file can hold as many.
    let voxels = header.voxels() as usize;
    let mut hu: Vec<i16> = Vec::with_capacity(voxels);
    let mut seen = Seen { least: f32::INFINITY, greatest: f32::NEG_INFINITY, not_finite: 0 };
    let mut hasher = blake3::Hasher::new();
    hasher.update(meaning(header).as_bytes());
    let mut buffer = vec![0; CHUNK];
    let told = |error: &std::io::Error| match header.place.packing {
        Packing::None => FormatRefusal::unreadable(path, error),
        _ => FormatRefusal::Undecodable { path: path.to_owned(), message: error.to_string() },
    };
    while hu.len() < voxels {
        let wanted = CHUNK.min((voxels - hu.len()) * size);
        let found = fill(&mut from, &mut buffer[..wanted]).map_err(|error| told(&error))?;
        if found < wanted {
            return Err(FormatRefusal::Truncated {
                path: path.to_owned(),
                found: (hu.len() * size + found) as u64,
                expected: (voxels * size) as u64,
            });
        }
        hasher.update(&buffer[..wanted]);
        convert(&buffer[..wanted], stored, rounding, &mut hu, &mut seen);
    }
    let most = match header.place.packing {
        Packing::None => None,
        // A file may hold more behind its voxels; a container of voxels alone may not.
        Packing::Gzip => Some(MOST_BEHIND),
        Packing::Zlib | Packing::Zip => Some(0),
    };
    if let Some(most) = most {
        unpack::read_to_end(&mut from, most).map_err(|error| told(&error))?;
    }
    if seen.not_finite > 0 {
        return Err(FormatRefusal::NotNumbers { path: path.to_owned(), count: seen.not_finite });
    }
    if seen.least > AIR_BELOW_HU || seen.greatest < TISSUE_ABOVE_HU {
        return Err(FormatRefusal::NotHounsfield {
            path: path.to_owned(),
            least: seen.least,
            greatest: seen.greatest,
            air_hu: AIR_BELOW_HU,
            tissue_hu: TISSUE_ABOVE_HU,
        });
    }
    let range_hu = (number(seen.least, rounding), number(seen.greatest, rounding));
    let hu = Array3::from_shape_vec(header.stored, hu)
        .map_err(|error| FormatRefusal::unreadable(path, &error))?;
    Ok(ReadVolume {
        volume: Volume { hu: header.turn.applied(hu), geometry: header.geometry },
        range_hu,
        content_hash: *hasher.finalize().as_bytes(),
    })
}

/// What decides the meaning of the stored values, as text.
fn meaning(header: &VolumeHeader) -> String {
    let VolumeHeader { format, stored, values, turn, geometry, lung_box, .. } = header;
    format!("{format:?} {stored:?} {values:?} {turn:?} {geometry:?} {lung_box:?}\n")
}

/// Reads until the buffer is full or the source ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Decoders say so of a source that ends within their data.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn convert(bytes: &[u8], stored: &Stored, rounding: Rounding, hu: &mut Vec<i16>, seen: &mut Seen) {
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
                hu.push(seen.take(value as f32, stored, rounding));
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

impl Seen {
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
    }
}
