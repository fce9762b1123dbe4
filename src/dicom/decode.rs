//! The stored pixels of one file: in place when uncompressed, by the codecs otherwise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_pixeldata::PixelDecoder;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::header::{chain, parse};
use super::{SeriesRefusal, SliceFile, meta};

/// The stored pixels of an uncompressed little-endian file, found from its end: a conforming
/// file ends with the pixel data, whose element header says that it is just as long as the image.
/// `None` when that is not so, and the whole file has to be parsed.
pub(super) fn native_pixels<'a>(
    slice: &SliceFile,
    file: &'a [u8],
    pixels: usize,
) -> Option<&'a [u8]> {
    let bytes = pixels * (slice.values.bits_allocated.clone().ok()? as usize / 8);
    let (start, stored) = file.split_at_checked(file.len().checked_sub(bytes)?)?;
    let length = u32::try_from(bytes).ok()?.to_le_bytes();
    let element: &[u8] = match slice.transfer_syntax.as_str() {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => &[0xE0, 0x7F, 0x10, 0],
        uids::EXPLICIT_VR_LITTLE_ENDIAN if bytes.is_multiple_of(2) => {
            let header = start.len().checked_sub(12)?;
            match start.get(header..header + 8)? {
                [0xE0, 0x7F, 0x10, 0, b'O', b'W' | b'B', 0, 0] => &start[header..header + 8],
                _ => return None,
            }
        }
        _ => return None,
    };
    start.strip_suffix(&length)?.ends_with(element).then_some(stored)
}

/// The stored pixels as little-endian bytes, by the full parser and the codecs.
pub(super) fn decode(
    slice: &SliceFile,
    file: &[u8],
    pixels: usize,
) -> Result<Vec<u8>, SeriesRefusal> {
    let uid = slice.transfer_syntax.as_str();
    let syntax = TransferSyntaxRegistry.get(uid);
    let retired =
        if uid.starts_with("1.2.840.10008.1.2.4.") { "a retired JPEG process" } else { "unknown" };
    let name = syntax.map_or(retired, |syntax| syntax.name()).to_owned();
    if !syntax.is_some_and(|syntax| syntax.can_decode_all()) {
        return Err(SeriesRefusal::UnsupportedSyntax {
            path: slice.path.clone(),
            uid: uid.to_owned(),
            name,
        });
    }
    let expected = pixels * slice.values.bits_allocated.clone().unwrap_or(16) as usize / 8;
    let truncated = |found: usize| SeriesRefusal::Truncated {
        path: slice.path.clone(),
        found: found as u64,
        expected: expected as u64,
    };
    if let Some(found) = bytes_after_pixel_header(file, expected)
        && found < expected
    {
        return Err(truncated(found));
    }
    // A decoder that panics on a damaged file must not take the other series with it.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let meta = meta::read(file)?;
        let object = parse(&meta, file.get(meta.data_set..).unwrap_or_default(), None)?;
        let data = object.decode_pixel_data().map_err(|error| chain(&error))?;
        Ok(data.into_data())
    }))
    .unwrap_or_else(|_| Err("the decoder failed on damaged data".to_owned()));
    match decoded {
        Ok(data) if data.len() < expected => Err(truncated(data.len())),
        Ok(mut data) => {
            // Writers pad to an even length, and sometimes further.
            data.truncate(expected);
            Ok(data)
        }
        Err(message) => Err(SeriesRefusal::Undecodable { path: slice.path.clone(), name, message }),
    }
}

/// How many bytes follow an explicit or implicit little-endian PixelData header that announces
/// `expected` bytes; `None` when there is no such header.
fn bytes_after_pixel_header(file: &[u8], expected: usize) -> Option<usize> {
    let length = u32::try_from(expected).ok()?.to_le_bytes();
    let implicit = [[0xE0, 0x7F, 0x10, 0], length].concat();
    let explicit = [[0xE0, 0x7F, 0x10, 0], *b"OW\0\0", length].concat();
    [explicit, implicit].iter().find_map(|header| {
        let at = file.windows(header.len()).position(|window| window == header)?;
        Some(file.len() - at - header.len())
    })
}
