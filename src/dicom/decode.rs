//! The stored pixels of one slice: in place when uncompressed, by the codecs otherwise.

use std::borrow::Cow;
use std::io::Read;

use dicom_dictionary_std::uids;
use flate2::read::DeflateDecoder;

use super::codec::{self, Codec, Shape};
use super::fragments::{Broken, Fragments};
use super::header::EXPLICIT_VR_BIG_ENDIAN;
use super::{PixelPlace, SeriesRefusal, SliceFile, meta};

/// Stored samples as they are at hand.
#[derive(Debug)]
pub(super) enum Stored<'a> {
    /// 8 bits each.
    Bytes(&'a [u8]),
    /// 16 bits each, little endian.
    Pairs(&'a [u8]),
    /// 16 bits each, big endian.
    SwappedPairs(&'a [u8]),
    /// Decoded.
    Words(Vec<u16>),
}

/// How a transfer syntax keeps pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// As they are; frame after frame.
    Native { big_endian: bool },
    /// The data set as a whole is deflated.
    Deflated,
    /// In fragments.
    Encapsulated(Codec),
}

/// How the pixels of `slice` are kept, or the refusal that names its transfer syntax.
pub(super) fn storage(slice: &SliceFile) -> Result<Storage, SeriesRefusal> {
    let uid = slice.transfer_syntax.as_str();
    Ok(match uid {
        uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => {
            Storage::Native { big_endian: false }
        }
        EXPLICIT_VR_BIG_ENDIAN => Storage::Native { big_endian: true },
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => Storage::Deflated,
        _ => {
            let (codec, name) = codec::of(uid);
            let unsupported = || SeriesRefusal::UnsupportedSyntax {
                path: slice.path.clone(),
                uid: uid.to_owned(),
                name: name.to_owned(),
            };
            Storage::Encapsulated(codec.ok_or_else(unsupported)?)
        }
    })
}

/// Bytes of an uncompressed frame.
pub(super) fn frame_bytes(shape: Shape) -> usize {
    shape.pixels() * (shape.bits_allocated as usize / 8)
}

/// Where in the file (or inflated data set) an uncompressed frame lies.
///
/// # Errors
/// When the value, or the file of `available` bytes, ends before the frame does.
pub(super) fn native_range(
    slice: &SliceFile,
    place: PixelPlace,
    shape: Shape,
    available: u64,
) -> Result<std::ops::Range<u64>, SeriesRefusal> {
    let bytes = frame_bytes(shape) as u64;
    let before = bytes * u64::from(slice.frame);
    let expected = bytes * u64::from(slice.frames.max(1));
    let there = available.saturating_sub(place.offset);
    let found = place.length.map_or(there, |length| length.min(there));
    if found < expected {
        return Err(SeriesRefusal::Truncated { path: slice.path.clone(), found, expected });
    }
    Ok(place.offset + before..place.offset + before + bytes)
}

/// One uncompressed frame's samples.
pub(super) fn native(bytes: &[u8], shape: Shape, big_endian: bool) -> Stored<'_> {
    match (shape.bits_allocated, big_endian) {
        (8, _) => Stored::Bytes(bytes),
        (_, false) => Stored::Pairs(bytes),
        (_, true) => Stored::SwappedPairs(bytes),
    }
}

/// A whole file's pixels, ready to give frames.
pub(super) enum Pixels<'a> {
    /// File or inflated data set.
    Native { bytes: Cow<'a, [u8]>, big_endian: bool },
    /// The file and its fragments.
    Fragments { file: &'a [u8], fragments: Fragments, codec: Codec },
}

impl<'a> Pixels<'a> {
    /// Finds the pixels of the file that `slice` is of.
    pub fn find(slice: &SliceFile, file: &'a [u8], shape: Shape) -> Result<Self, SeriesRefusal> {
        let place = place(slice)?;
        match storage(slice)? {
            Storage::Native { big_endian } => {
                Ok(Self::Native { bytes: Cow::Borrowed(file), big_endian })
            }
            Storage::Deflated => {
                let expected = frame_bytes(shape) as u64 * u64::from(slice.frames.max(1));
                let bytes = inflate(slice, file, place.offset.saturating_add(expected))?;
                Ok(Self::Native { bytes: Cow::Owned(bytes), big_endian: false })
            }
            Storage::Encapsulated(codec) => {
                if place.length.is_some() {
                    let message =
                        "it has a defined length, expected a sequence of fragments".to_owned();
                    return Err(undecodable(slice, message));
                }
                let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
                let fragments =
                    Fragments::read(file, start).map_err(|broken| refusal(slice, broken))?;
                Ok(Self::Fragments { file, fragments, codec })
            }
        }
    }

    /// The samples of `slice`, which is of this file.
    pub fn frame(&self, slice: &SliceFile, shape: Shape) -> Result<Stored<'_>, SeriesRefusal> {
        match self {
            Self::Native { bytes, big_endian } => {
                let range = native_range(slice, place(slice)?, shape, bytes.len() as u64)?;
                // Within `bytes`, so within usize.
                let frame = bytes.get(range.start as usize..range.end as usize);
                Ok(native(frame.unwrap_or_default(), shape, *big_endian))
            }
            Self::Fragments { file, fragments, codec } => {
                let frames = slice.frames.max(1) as usize;
                let frame = fragments
                    .frame(file, slice.frame as usize, frames)
                    .map_err(|broken| refusal(slice, broken))?;
                let words = codec::decode(*codec, &frame, shape);
                words.map(Stored::Words).map_err(|message| undecodable(slice, message))
            }
        }
    }
}

/// Where the pixels are, or the refusal of a file without.
pub(super) fn place(slice: &SliceFile) -> Result<PixelPlace, SeriesRefusal> {
    slice.pixels.clone().map_err(|found| SeriesRefusal::BadTag {
        path: slice.path.clone(),
        tag: "PixelData (7FE0,0010)",
        found,
        expected: "the pixels of the image".to_owned(),
    })
}

/// The first `wanted` bytes of a deflated data set (fewer when it ends).
fn inflate(slice: &SliceFile, file: &[u8], wanted: u64) -> Result<Vec<u8>, SeriesRefusal> {
    let meta = meta::read(file).map_err(|message| undecodable(slice, message))?;
    let deflated = file.get(meta.data_set..).unwrap_or_default();
    let mut bytes = Vec::new();
    DeflateDecoder::new(deflated).take(wanted).read_to_end(&mut bytes).map_err(|error| {
        undecodable(slice, format!("inflating fails after {} bytes: {error}", bytes.len()))
    })?;
    Ok(bytes)
}

fn refusal(slice: &SliceFile, broken: Broken) -> SeriesRefusal {
    match broken {
        Broken::Damaged(message) => undecodable(slice, message),
        Broken::Truncated { found, expected } => SeriesRefusal::Truncated {
            path: slice.path.clone(),
            found: found as u64,
            expected: expected as u64,
        },
    }
}

fn undecodable(slice: &SliceFile, message: String) -> SeriesRefusal {
    let name = match slice.transfer_syntax.as_str() {
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => "Deflated Explicit VR Little Endian",
        uid => codec::of(uid).1,
    };
    let path = match slice.frames {
        0 | 1 => slice.path.display().to_string(),
        frames => format!("{}, frame {} of {frames}", slice.path.display(), slice.frame + 1),
    };
    SeriesRefusal::Undecodable { path: path.into(), name: name.to_owned(), message }
}
