//! Locates DICOM data elements in bytes.
//!
//! The bytes are a file or its first part. A stated length is never trusted before the bytes are
//! present, nothing is allocated by a stated length, and nesting is bounded: this protects the rest
//! of the program from damaged files.

use super::HeaderValue;

/// The encoding of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Each element states its value representation.
    pub explicit: bool,
    /// Most significant byte first.
    pub big_endian: bool,
}

/// An element that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ElementError {
    /// The bytes end at this location (an element or a byte); reading more of the file may help.
    CutShort(String),
    /// The bytes are not a data set.
    Malformed(String),
}

impl ElementError {
    /// The verb phrase of a [`Problem`](super::Problem), once all bytes are read.
    pub(super) fn reason(self) -> String {
        match self {
            Self::CutShort(location) => format!("is cut short at {location}"),
            Self::Malformed(reason) => reason,
        }
    }
}

/// A tag as one number, `ggggeeee`.
pub(super) type TagNumber = u32;

/// PixelData (7FE0,0010).
pub(super) const PIXEL_DATA: TagNumber = 0x7FE0_0010;
/// FloatPixelData (7FE0,0008), the first of the tags with pixels.
const FLOAT_PIXEL_DATA: TagNumber = 0x7FE0_0008;
const ITEM: TagNumber = 0xFFFE_E000;
const ITEM_END: TagNumber = 0xFFFE_E00D;
const SEQUENCE_END: TagNumber = 0xFFFE_E0DD;
const UNDEFINED: u32 = u32::MAX;
/// Sequences within sequences; real files have four or five.
const MAX_DEPTH: usize = 24;
/// Longest text or list of numbers that is read.
const MAX_VALUE_BYTES: usize = 1024;

/// The header of one element.
#[derive(Clone, Copy, Debug)]
struct Head {
    tag: TagNumber,
    vr: [u8; 2],
    length: u32,
    value: usize,
}

/// Location of the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelElement {
    /// First byte of the value.
    pub start: usize,
    /// Length of the value, `None` when it is encapsulated (a sequence of fragments).
    pub length: Option<u32>,
}

/// The bytes of one value, with its representation and encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    bytes: &'a [u8],
    vr: [u8; 2],
    encoding: Encoding,
}

/// The type of a value whose representation the file does not state (implicit VR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Decimal text (DS, IS).
    Text,
    /// 16-bit whole number (US, SS).
    Short,
}

/// The elements of one data set or item, in file order.
#[derive(Clone, Debug)]
pub(super) struct DataSet<'a> {
    elements: Vec<(TagNumber, Value<'a>)>,
    /// The pixels, when the data set has them.
    pub pixels: Option<PixelElement>,
    /// The data set was read up to the position of the pixels.
    pub complete: bool,
}

impl<'a> DataSet<'a> {
    /// Reads elements from `start` up to the pixel data (or the first tag after it), or the end of
    /// `bytes`.
    pub(super) fn read(
        bytes: &'a [u8],
        start: usize,
        encoding: Encoding,
    ) -> Result<Self, ElementError> {
        Self::read_nested(bytes, start, encoding, 0)
    }

    fn read_nested(
        bytes: &'a [u8],
        mut at: usize,
        encoding: Encoding,
        depth: usize,
    ) -> Result<Self, ElementError> {
        let mut set = Self { elements: Vec::with_capacity(64), pixels: None, complete: false };
        while at < bytes.len() {
            let head = head(bytes, at, encoding)?;
            // Elements after the pixels are large and not needed.
            if (FLOAT_PIXEL_DATA..ITEM).contains(&head.tag) {
                if head.tag == PIXEL_DATA {
                    let length = (head.length != UNDEFINED).then_some(head.length);
                    set.pixels = Some(PixelElement { start: head.value, length });
                }
                set.complete = true;
                break;
            }
            let end = end_of(bytes, head, encoding, depth)?;
            let content = bytes.get(head.value..end.content).unwrap_or_default();
            set.elements.push((head.tag, Value { bytes: content, vr: head.vr, encoding }));
            at = end.next;
        }
        Ok(set)
    }

    /// The value of a tag; the first when a file has it twice.
    pub(super) fn get(&self, tag: TagNumber) -> Option<Value<'a>> {
        self.elements.iter().find(|(key, _)| *key == tag).map(|(_, value)| *value)
    }
}

impl<'a> Value<'a> {
    /// Text without padding; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.start()).trim_matches([' ', '\0']).to_owned()
    }

    /// The first [`MAX_VALUE_BYTES`] bytes of the value.
    pub(super) fn start(&self) -> &'a [u8] {
        self.bytes.get(..MAX_VALUE_BYTES).unwrap_or(self.bytes)
    }

    /// All numbers of the value; `None` when one of them does not parse.
    fn all_numbers(&self, kind: Kind) -> Option<Vec<f64>> {
        let big = self.encoding.big_endian;
        let vr = if self.encoding.explicit { &self.vr } else { b"??" };
        let binary: fn(u64) -> f64 = match vr {
            b"US" | b"UL" | b"UV" => |bits| bits as f64,
            b"SS" => |bits| f64::from((bits as u16).cast_signed()),
            b"SL" => |bits| f64::from((bits as u32).cast_signed()),
            b"FL" => |bits| f64::from(f32::from_bits(bits as u32)),
            b"FD" => f64::from_bits,
            b"??" | b"UN" if kind == Kind::Short => |bits| bits as f64,
            _ => {
                let text = self.text();
                return text.split('\\').map(|number| number.trim().parse().ok()).collect();
            }
        };
        let width = match vr {
            b"UL" | b"SL" | b"FL" => 4,
            b"UV" | b"FD" => 8,
            _ => 2,
        };
        let number = |bytes: &[u8]| binary(unsigned(bytes, big));
        let chunks = self.start().chunks_exact(width);
        let is_whole = chunks.remainder().is_empty();
        is_whole.then(|| chunks.map(number).collect())
    }

    /// Exactly `N` finite numbers, or the value as text.
    pub(super) fn numbers<const N: usize>(&self, kind: Kind) -> HeaderValue<[f64; N]> {
        self.all_numbers(kind)
            .and_then(|values| <[f64; N]>::try_from(values).ok())
            .filter(|values| values.iter().all(|value| value.is_finite()))
            .ok_or_else(|| self.display_text(kind))
    }

    /// The first number as an integer, or the value as text.
    pub(super) fn integer(&self, kind: Kind) -> HeaderValue<i64> {
        self.all_numbers(kind)
            .and_then(|values| values.first().copied())
            .filter(|value| value.fract() == 0.0 && value.abs() < 1e15)
            .map(|value| value as i64)
            .ok_or_else(|| self.display_text(kind))
    }

    /// The value as text for messages.
    fn display_text(&self, kind: Kind) -> String {
        if self.bytes.is_empty() {
            return "empty".to_owned();
        }
        match self.all_numbers(kind).filter(|values| values.len() <= 6) {
            Some(values) => values.iter().map(f64::to_string).collect::<Vec<_>>().join("\\"),
            None => format!("{:?}", self.text().chars().take(80).collect::<String>()),
        }
    }

    /// The items of a sequence, as data sets.
    pub(super) fn items(&self) -> Result<Vec<DataSet<'a>>, ElementError> {
        // A sequence of unknown VR is written as implicit VR little endian (PS3.5, 6.2.2).
        let encoding = match &self.vr {
            b"UN" => Encoding { explicit: false, big_endian: false },
            _ => self.encoding,
        };
        let mut items = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            let head = head(self.bytes, at, encoding)?;
            if head.tag != ITEM {
                return Err(ElementError::Malformed(format!(
                    "has element {} in place of a sequence item (FFFE,E000)",
                    tag_text(head.tag)
                )));
            }
            let end = end_of(self.bytes, head, encoding, 0)?;
            let content = self.bytes.get(head.value..end.content).unwrap_or_default();
            items.push(DataSet::read_nested(content, 0, encoding, 1)?);
            at = end.next;
        }
        Ok(items)
    }

    /// The first item of a sequence.
    pub(crate) fn first_item(&self) -> Option<DataSet<'a>> {
        self.items().ok()?.into_iter().next()
    }
}

/// Reads tag, VR and length at `at`.
fn head(bytes: &[u8], at: usize, encoding: Encoding) -> Result<Head, ElementError> {
    let big = encoding.big_endian;
    let number = |from: usize, width: usize| {
        let bytes = bytes.get(at + from..at + from + width);
        bytes.map(|bytes| unsigned(bytes, big) as u32)
    };
    let (Some(group), Some(element)) = (number(0, 2), number(2, 2)) else {
        return Err(ElementError::CutShort(format!("byte {at}")));
    };
    let tag = group << 16 | element;
    let cut_short = || ElementError::CutShort(format!("element {}", tag_text(tag)));
    if !encoding.explicit || group == 0xFFFE {
        let length = number(4, 4).ok_or_else(cut_short)?;
        return Ok(Head { tag, vr: *b"??", length, value: at + 8 });
    }
    let vr = bytes.get(at + 4..at + 6).ok_or_else(cut_short)?;
    let vr = [vr[0], vr[1]];
    match &vr {
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR"
        | b"UT" | b"UV" => {
            let length = number(8, 4).ok_or_else(cut_short)?;
            Ok(Head { tag, vr, length, value: at + 12 })
        }
        _ if vr.iter().all(u8::is_ascii_uppercase) => {
            let length = number(6, 2).ok_or_else(cut_short)?;
            Ok(Head { tag, vr, length, value: at + 8 })
        }
        // Some writers mix implicit with explicit elements; a plausible length reveals them.
        _ => {
            let length = number(4, 4).ok_or_else(cut_short)?;
            if length > u32::from(u16::MAX) && length != UNDEFINED {
                return Err(ElementError::Malformed(format!(
                    "has no value representation at element {}, expected two letters",
                    tag_text(tag)
                )));
            }
            Ok(Head { tag, vr: *b"UN", length, value: at + 8 })
        }
    }
}

/// End of an element's content and start of the next element.
struct ElementEnd {
    content: usize,
    next: usize,
}

fn end_of(
    bytes: &[u8],
    head: Head,
    encoding: Encoding,
    depth: usize,
) -> Result<ElementEnd, ElementError> {
    if head.length != UNDEFINED {
        let end = head.value.checked_add(head.length as usize).filter(|end| *end <= bytes.len());
        let end =
            end.ok_or_else(|| ElementError::CutShort(format!("element {}", tag_text(head.tag))))?;
        return Ok(ElementEnd { content: end, next: end });
    }
    if depth >= MAX_DEPTH {
        return Err(ElementError::Malformed(format!(
            "has more than {MAX_DEPTH} nested sequences at element {}",
            tag_text(head.tag)
        )));
    }
    let inside = match &head.vr {
        b"UN" => Encoding { explicit: false, big_endian: false },
        _ => encoding,
    };
    // An item contains elements, any other value of undefined length contains items.
    let closing = if head.tag == ITEM { ITEM_END } else { SEQUENCE_END };
    let mut at = head.value;
    loop {
        let inner = self::head(bytes, at, inside)?;
        if inner.tag == closing {
            return Ok(ElementEnd { content: at, next: inner.value });
        }
        if closing == SEQUENCE_END && inner.tag != ITEM {
            return Err(ElementError::Malformed(format!(
                "has element {} in place of an item (FFFE,E000) of sequence {}",
                tag_text(inner.tag),
                tag_text(head.tag)
            )));
        }
        at = end_of(bytes, inner, inside, depth + 1)?.next;
    }
}

/// A number of up to eight bytes.
pub(super) fn unsigned(bytes: &[u8], big_endian: bool) -> u64 {
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

/// A tag as `(gggg,eeee)`.
fn tag_text(tag: TagNumber) -> String {
    format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: Encoding = Encoding { explicit: true, big_endian: false };

    #[test]
    fn lengths_beyond_the_bytes_and_endless_nesting_are_errors() {
        let long = b"\x10\0\x20\0LO\xFF\x7Fshort";
        assert_eq!(
            DataSet::read(long, 0, EXPLICIT).unwrap_err(),
            ElementError::CutShort("element (0010,0020)".to_owned())
        );
        let nested =
            b"\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF".repeat(99);
        let Err(ElementError::Malformed(reason)) = DataSet::read(&nested, 0, EXPLICIT) else {
            panic!()
        };
        assert!(reason.contains("more than 24 nested sequences"), "{reason}");
        let huge = b"\xE0\x7F\x10\0OW\0\0\xFE\xFF\xFF\xFF";
        let pixels = DataSet::read(huge, 0, EXPLICIT).unwrap().pixels.unwrap();
        assert_eq!((pixels.start, pixels.length), (12, Some(0xFFFF_FFFE)));
    }

    #[test]
    fn sequences_of_either_length_give_their_items() {
        let item = b"\x28\0\x10\0US\x02\0\x07\0";
        let sized = [b"\x28\0\x10\x91SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0", &item[..]].concat();
        let endless = [
            b"\x28\0\x10\x91SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF",
            &item[..],
            b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0",
        ]
        .concat();
        for bytes in [sized, endless] {
            let set = DataSet::read(&bytes, 0, EXPLICIT).unwrap();
            let item = set.get(0x0028_9110).unwrap().first_item().unwrap();
            assert_eq!(item.get(0x0028_0010).unwrap().integer(Kind::Short), Ok(7));
        }
    }
}
