//! The stored pixels of one slice: in place if uncompressed, otherwise decoded.

use std::borrow::Cow;
use std::io::Read;

use dicom_dictionary_std::uids;
use flate2::read::DeflateDecoder;

use super::codec::{self, Codec, Shape};
use super::fragments::{FragmentError, Fragments};
use super::header::EXPLICIT_VR_BIG_ENDIAN;
use super::{PixelLocation, SeriesRefusal, SliceFile, meta};

/// Stored samples.
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

/// How a transfer syntax stores pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Uncompressed, frame after frame.
    Native { big_endian: bool },
    /// The data set as a whole is deflated.
    Deflated,
    /// Compressed, in fragments.
    Encapsulated(Codec),
}

/// The storage of the pixels of `slice`, or the refusal that names its transfer syntax.
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

/// The byte range of an uncompressed frame in the file (or inflated data set).
///
/// # Errors
/// The value, or the file of `available` bytes, ends before the last frame.
pub(super) fn native_range(
    slice: &SliceFile,
    location: PixelLocation,
    shape: Shape,
    available: u64,
) -> Result<std::ops::Range<u64>, SeriesRefusal> {
    let bytes = frame_bytes(shape) as u64;
    let before = bytes * u64::from(slice.frame);
    let expected = bytes * u64::from(slice.frames.max(1));
    let present = available.saturating_sub(location.offset);
    let found = location.length.map_or(present, |length| length.min(present));
    if found < expected {
        return Err(SeriesRefusal::Truncated { path: slice.path.clone(), found, expected });
    }
    Ok(location.offset + before..location.offset + before + bytes)
}

/// One uncompressed frame's samples.
pub(super) fn native(bytes: &[u8], shape: Shape, big_endian: bool) -> Stored<'_> {
    match (shape.bits_allocated, big_endian) {
        (8, _) => Stored::Bytes(bytes),
        (_, false) => Stored::Pairs(bytes),
        (_, true) => Stored::SwappedPairs(bytes),
    }
}

/// The pixels of a whole file.
pub(super) enum Pixels<'a> {
    /// The file or the inflated data set.
    Native { bytes: Cow<'a, [u8]>, big_endian: bool },
    /// The file and its fragments.
    Fragments { file: &'a [u8], fragments: Fragments, codec: Codec },
}

impl<'a> Pixels<'a> {
    /// Locates the pixels of the file that contains `slice`.
    pub(super) fn find(
        slice: &SliceFile,
        file: &'a [u8],
        shape: Shape,
    ) -> Result<Self, SeriesRefusal> {
        let location = location(slice)?;
        match storage(slice)? {
            Storage::Native { big_endian } => {
                Ok(Self::Native { bytes: Cow::Borrowed(file), big_endian })
            }
            Storage::Deflated => {
                let expected = frame_bytes(shape) as u64 * u64::from(slice.frames.max(1));
                let bytes = inflate(slice, file, location.offset.saturating_add(expected))?;
                Ok(Self::Native { bytes: Cow::Owned(bytes), big_endian: false })
            }
            Storage::Encapsulated(codec) => {
                if location.length.is_some() {
                    let message =
                        "it has a defined length, expected a sequence of fragments".to_owned();
                    return Err(undecodable(slice, message));
                }
                let start = usize::try_from(location.offset).unwrap_or(usize::MAX);
                let fragments =
                    Fragments::read(file, start).map_err(|error| refusal(slice, error))?;
                Ok(Self::Fragments { file, fragments, codec })
            }
        }
    }

    /// The samples of `slice`, which belongs to this file.
    pub(super) fn frame(
        &self,
        slice: &SliceFile,
        shape: Shape,
    ) -> Result<Stored<'_>, SeriesRefusal> {
        match self {
            Self::Native { bytes, big_endian } => {
                let range = native_range(slice, location(slice)?, shape, bytes.len() as u64)?;
                // Within `bytes`, so within usize.
                let frame = bytes.get(range.start as usize..range.end as usize);
                Ok(native(frame.unwrap_or_default(), shape, *big_endian))
            }
            Self::Fragments { file, fragments, codec } => {
                let frames = slice.frames.max(1) as usize;
                let frame = fragments
                    .frame(file, slice.frame as usize, frames)
                    .map_err(|error| refusal(slice, error))?;
                let words = codec::decode(*codec, &frame, shape);
                words.map(Stored::Words).map_err(|message| undecodable(slice, message))
            }
        }
    }
}

/// The location of the pixels, or the refusal of a file without pixels.
pub(super) fn location(slice: &SliceFile) -> Result<PixelLocation, SeriesRefusal> {
    slice.pixels.clone().map_err(|found| SeriesRefusal::BadTag {
        path: slice.path.clone(),
        tag: "PixelData (7FE0,0010)",
        found,
        expected: "the pixels of the image".to_owned(),
    })
}

/// The first `length` bytes of a deflated data set (fewer when it ends early).
fn inflate(slice: &SliceFile, file: &[u8], length: u64) -> Result<Vec<u8>, SeriesRefusal> {
    let meta = meta::read(file).map_err(|message| undecodable(slice, message))?;
    let deflated = file.get(meta.data_set..).unwrap_or_default();
    let mut bytes = Vec::new();
    DeflateDecoder::new(deflated).take(length).read_to_end(&mut bytes).map_err(|error| {
        undecodable(slice, format!("inflating fails after {} bytes: {error}", bytes.len()))
    })?;
    Ok(bytes)
}

fn refusal(slice: &SliceFile, error: FragmentError) -> SeriesRefusal {
    match error {
        FragmentError::Damaged(message) => undecodable(slice, message),
        FragmentError::Truncated { found, expected } => SeriesRefusal::Truncated {
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
