//! The first bytes of a DICOM file: preamble, magic word and file meta group.
//!
//! Files in archives violate the rules of this part (titles longer than 16 characters, wrong group
//! length, no preamble, no meta group), and only two of its values matter, so the parser is lenient.

use dicom_dictionary_std::uids;

/// Values of the file meta group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// TransferSyntaxUID (0002,0010); guessed from the first element without a meta group.
    pub transfer_syntax: String,
    /// MediaStorageSOPClassUID (0002,0002), empty when absent.
    pub storage_class: String,
    /// First byte of the data set in the file.
    pub data_set: usize,
}

/// Whether the magic word is at byte 128, or at the start of a file without preamble.
pub(super) fn has_magic(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM") || start.starts_with(b"DICM")
}

/// Whether the bytes may be a little-endian data set or file meta group without preamble: they
/// start with a short element of group 0002 or 0008.
pub(super) fn looks_like_a_data_set(start: &[u8]) -> bool {
    match start {
        [group @ (2 | 8), 0, element, 0, a, b, c, d, ..] => {
            let explicit = a.is_ascii_uppercase() && b.is_ascii_uppercase();
            let short_implicit = [*b, *c, *d] == [0; 3];
            *element <= 0x64 && (explicit || (*group == 8 && short_implicit))
        }
        _ => false,
    }
}

/// Reads the file meta group from the first bytes of a file.
pub(super) fn read(start: &[u8]) -> Result<Meta, String> {
    let mut at = match start {
        _ if start.get(128..132) == Some(b"DICM") => 132,
        _ if start.starts_with(b"DICM") => 4,
        _ if looks_like_a_data_set(start) => 0,
        _ => return Err(format!("is not DICOM: {}", describe_start(start))),
    };
    let mut meta =
        Meta { transfer_syntax: String::new(), storage_class: String::new(), data_set: 0 };
    while let Some(element) = start.get(at..) {
        let [2, 0, low, high, vr0, vr1, ..] = *element else { break };
        let (length, header): (_, usize) = match [vr0, vr1] {
            [b'O', b'B'] | [b'U', b'N'] => (element.get(8..12).map(little_endian), 12),
            _ => (element.get(6..8).map(little_endian), 8),
        };
        let value = length.and_then(|length| element.get(header..header.checked_add(length)?));
        let value = value.ok_or_else(|| {
            format!("is cut short in the file meta group, at element (0002,{high:02X}{low:02X})")
        })?;
        let text = || String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned();
        match [high, low] {
            [0x00, 0x02] => meta.storage_class = text(),
            [0x00, 0x10] => meta.transfer_syntax = text(),
            _ => {}
        }
        at += header + value.len();
    }
    meta.data_set = at;
    if meta.transfer_syntax.is_empty() {
        let first = start.get(at..).unwrap_or_default();
        if !looks_like_a_data_set(first) {
            return Err("TransferSyntaxUID (0002,0010) is absent, expected in the file meta group"
                .to_owned());
        }
        // The first element shows the encoding: explicit with a value representation.
        let explicit = first.get(4..6).is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        let syntax = if explicit {
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        } else {
            uids::IMPLICIT_VR_LITTLE_ENDIAN
        };
        syntax.clone_into(&mut meta.transfer_syntax);
    }
    Ok(meta)
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

/// A description of the first bytes of a file that is not DICOM.
fn describe_start(start: &[u8]) -> String {
    match start {
        [0x1f, 0x8b, ..] => {
            return "it is compressed with gzip; unpack it first (gunzip)".to_owned();
        }
        [b'P', b'K', 3, 4, ..] => return "it is a ZIP archive; unpack it first".to_owned(),
        _ => {}
    }
    let shown: String = start
        .iter()
        .take(12)
        .map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' })
        .collect();
    format!("starts with {shown:?}, expected \"DICM\" at byte 128 or a data set")
}
