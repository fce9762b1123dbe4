//! MetaImage: a text header (`.mhd`) with a data file, or both in one file (`.mha`).
//!
//! TransformMatrix contains the directions of the x, y and z axes one after another, Offset (also
//! called Position or Origin) the centre of the first voxel, both in LPS coordinates as ITK
//! writes them. AnatomicalOrientation repeats the matrix and is ignored.
//!
//! Format: <https://itk.org/Wiki/ITK/MetaIO/Documentation>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use super::values::{Element, Stored};
use super::{DataLocation, Format, FormatRefusal, Packing, VolumeHeader, grid};
use crate::codes::Flag;
use crate::volume::Turn;
use crate::volume::turn::scale;

/// Limit of header bytes; headers are about a kilobyte of text.
const MAX_HEADER: u64 = 64 << 10;

/// The lines of a header, and its end in bytes.
struct Lines<'a> {
    path: &'a Path,
    values: BTreeMap<String, String>,
    end: u64,
}

/// Reads the header.
pub(super) fn header(path: &Path) -> Result<VolumeHeader, FormatRefusal> {
    let lines = lines(path)?;
    let (dimensions, stored) = lines.shape()?;
    let values = Stored {
        element: lines.element()?,
        big_endian: lines
            .flag("BinaryDataByteOrderMSB")
            .or_else(|| lines.flag("ElementByteOrderMSB"))
            .unwrap_or(false),
        slope: 1.0,
        intercept: 0.0,
    };
    let spacing = lines.spacing(dimensions)?;
    let (matrix, assumed) = lines.directions(dimensions)?;
    let mut flags: Vec<Flag> = assumed.into_iter().collect();
    let origin = lines.origin(dimensions)?;
    let step = |axis: usize| {
        let direction: [f64; 3] = std::array::from_fn(|xyz| matrix[dimensions * axis + xyz]);
        // Directions are unit vectors; distances come from the spacing alone.
        let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt();
        scale(direction, spacing[axis] / length)
    };
    let steps = [step(2), step(1), step(0)];
    let field = "TransformMatrix with ElementSpacing";
    let (turn, geometry) = grid::canonical(path, field, stored, steps, origin)?;
    if turn != Turn::NONE {
        flags.push(Flag::Reoriented);
    }
    let location = lines.location()?;
    let format = Format::MetaImage;
    Ok(VolumeHeader {
        format,
        stored,
        values,
        location,
        turn,
        geometry,
        lung_box: None,
        flags,
        source: None,
    })
}

/// Reads `Key = Value` (or `Key: Value`) lines up to ElementDataFile, the last one. Lines with neither
/// sign are ignored, as in ITK.
fn lines(path: &Path) -> Result<Lines<'_>, FormatRefusal> {
    let unreadable = |error: std::io::Error| FormatRefusal::unreadable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_HEADER).read_to_end(&mut bytes).map_err(unreadable)?;
    let mut values = BTreeMap::new();
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        end += line.len() as u64;
        let text = String::from_utf8_lossy(line);
        let Some((key, value)) = text.split_once(['=', ':']) else { continue };
        let key = key.trim().to_owned();
        let last = key == "ElementDataFile";
        values.insert(key, value.trim().to_owned());
        if last {
            return Ok(Lines { path, values, end });
        }
    }
    let found = format!("absent from the first {} bytes", bytes.len());
    Err(FormatRefusal::bad(path, "ElementDataFile", found, "a file's name or LOCAL"))
}

impl Lines<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A truth value: true if it begins with `T`, `t` or `1`, as in MetaIO.
    fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| value.starts_with(['T', 't', '1']))
    }

    /// The first `count` numbers of a line.
    fn numbers<T: std::str::FromStr>(
        &self,
        key: &str,
        count: usize,
        expected: &str,
    ) -> Result<Vec<T>, FormatRefusal> {
        let text = self.get(key).unwrap_or("absent");
        let words = text.split_ascii_whitespace().take(count);
        words
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<T>>>()
            .filter(|numbers| numbers.len() == count)
            .ok_or_else(|| FormatRefusal::bad(self.path, key, text, expected))
    }

    /// The first of `keys` that has a line.
    fn first<'k>(&self, keys: [&'k str; 3]) -> Option<&'k str> {
        keys.into_iter().find(|key| self.get(key).is_some())
    }

    /// Number of axes, and the lengths of the first three; the others have the length 1.
    fn shape(&self) -> Result<(usize, [usize; 3]), FormatRefusal> {
        let path = self.path;
        let not_one = |found: String| FormatRefusal::NotOneVolume { path: path.to_owned(), found };
        let dimensions = match self.get("NDims").map(|text| (text, text.parse::<usize>())) {
            Some((_, Ok(count @ 3..=10))) => count,
            Some((other, _)) => return Err(not_one(format!("NDims is {other}"))),
            None => return Err(FormatRefusal::bad(path, "NDims", "absent", "3")),
        };
        if let Some(channels) = self.get("ElementNumberOfChannels").filter(|count| *count != "1") {
            return Err(not_one(format!("ElementNumberOfChannels is {channels}")));
        }
        if self.flag("BinaryData") == Some(false) {
            return Err(FormatRefusal::bad(path, "BinaryData", "False", "True"));
        }
        let lengths: Vec<i64> =
            self.numbers("DimSize", dimensions, "a whole number for each axis")?;
        if lengths[3..].iter().any(|length| *length != 1) {
            return Err(not_one(format!("DimSize is {}", self.get("DimSize").unwrap_or_default())));
        }
        let lengths = grid::lengths(path, "DimSize", [lengths[0], lengths[1], lengths[2]])?;
        Ok((dimensions, lengths))
    }

    /// Distances along the axes in mm.
    fn spacing(&self, dimensions: usize) -> Result<Vec<f64>, FormatRefusal> {
        let has_size_alone =
            self.get("ElementSpacing").is_none() && self.get("ElementSize").is_some();
        let key = if has_size_alone { "ElementSize" } else { "ElementSpacing" };
        self.numbers(key, dimensions, "a distance in mm for each axis")
    }

    /// The directions of the axes, `dimensions` numbers for each; assumed, with a flag, if they are absent.
    fn directions(&self, dimensions: usize) -> Result<(Vec<f64>, Option<Flag>), FormatRefusal> {
        let count = dimensions * dimensions;
        match self.first(["TransformMatrix", "Rotation", "Orientation"]) {
            Some(key) => Ok((self.numbers(key, count, "the direction of each axis")?, None)),
            None => {
                let number = |at: usize| f64::from(u8::from(at.is_multiple_of(dimensions + 1)));
                Ok(((0..count).map(number).collect(), Some(Flag::OrientationAssumed)))
            }
        }
    }

    /// The position of the first voxel in mm; 0 if it is absent.
    fn origin(&self, dimensions: usize) -> Result<[f64; 3], FormatRefusal> {
        let Some(key) = self.first(["Offset", "Position", "Origin"]) else { return Ok([0.0; 3]) };
        let origin: Vec<f64> = self.numbers(key, dimensions, "a number for each axis")?;
        Ok([origin[0], origin[1], origin[2]])
    }

    fn element(&self) -> Result<Element, FormatRefusal> {
        Ok(match self.get("ElementType") {
            Some("MET_UCHAR") => Element::U8,
            Some("MET_CHAR") => Element::I8,
            Some("MET_SHORT") => Element::I16,
            Some("MET_USHORT") => Element::U16,
            // A long of MetaIO has four bytes on every machine.
            Some("MET_INT" | "MET_LONG") => Element::I32,
            Some("MET_UINT" | "MET_ULONG") => Element::U32,
            Some("MET_LONG_LONG") => Element::I64,
            Some("MET_ULONG_LONG") => Element::U64,
            Some("MET_FLOAT") => Element::F32,
            Some("MET_DOUBLE") => Element::F64,
            other => {
                let found = other.unwrap_or("absent");
                let expected = "MET_CHAR, MET_SHORT, MET_INT, MET_LONG, MET_LONG_LONG, one of these \
                                with U (MET_USHORT), MET_FLOAT or MET_DOUBLE";
                return Err(FormatRefusal::bad(self.path, "ElementType", found, expected));
            }
        })
    }

    fn location(&self) -> Result<DataLocation, FormatRefusal> {
        let name = self.get("ElementDataFile").unwrap_or_default();
        let packing = match self.flag("CompressedData") {
            Some(true) => Packing::Zlib,
            _ => Packing::None,
        };
        if name.eq_ignore_ascii_case("LOCAL") {
            let offset = self.header_size(packing)?.unwrap_or(HeaderSize::Bytes(self.end));
            if let HeaderSize::Bytes(bytes) = offset
                && bytes < self.end
            {
                let expected = format!("-1 or at least {}, where the header ends", self.end);
                return Err(FormatRefusal::bad(self.path, "HeaderSize", bytes, &expected));
            }
            return Ok(DataLocation { file: None, offset: offset.bytes(), packing });
        }
        let exists = !name.is_empty() && self.path.with_file_name("").join(name).is_file();
        let several = name.split_ascii_whitespace().next() == Some("LIST");
        if !exists && (several || name.contains('%') || name.is_empty()) {
            return Err(FormatRefusal::Unsupported {
                path: self.path.to_owned(),
                found: format!("ElementDataFile = {name:?} (a file for each slice)"),
                advice: "write the volume with all its data in one file".to_owned(),
            });
        }
        let is_inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(name).components().all(is_inside) || name.contains('\0') {
            let (path, found) = (self.path.to_owned(), name.to_owned());
            return Err(FormatRefusal::Outside { path, found });
        }
        let offset = self.header_size(packing)?.unwrap_or(HeaderSize::Bytes(0));
        Ok(DataLocation { file: Some(name.to_owned()), offset: offset.bytes(), packing })
    }

    /// The value of HeaderSize; `None` if it is absent or 0.
    fn header_size(&self, packing: Packing) -> Result<Option<HeaderSize>, FormatRefusal> {
        match self.get("HeaderSize") {
            None | Some("0") => Ok(None),
            Some("-1") if packing == Packing::None => Ok(Some(HeaderSize::UntilEnd)),
            Some(text) => match text.parse() {
                Ok(bytes) => Ok(Some(HeaderSize::Bytes(bytes))),
                Err(_) => {
                    let expected = match packing {
                        Packing::None => "a number of bytes, or -1",
                        _ => "a number of bytes (-1 is not allowed with compressed data)",
                    };
                    Err(FormatRefusal::bad(self.path, "HeaderSize", text, expected))
                }
            },
        }
    }
}

/// The start of the values in their file.
#[derive(Clone, Copy)]
enum HeaderSize {
    /// After this many bytes.
    Bytes(u64),
    /// At the position from which they end with the file.
    UntilEnd,
}

impl HeaderSize {
    fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::UntilEnd => None,
        }
    }
}
