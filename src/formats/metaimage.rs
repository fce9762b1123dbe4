//! MetaImage: a text header (`.mhd`) with its data beside it, or both in one file (`.mha`).
//!
//! TransformMatrix holds the directions of the x, y and z axes one after another, Offset (also
//! called Position or Origin) the centre of the first voxel, both in LPS coordinates as ITK
//! writes them. AnatomicalOrientation repeats what the matrix says, and the matrix rules.
//!
//! Format: <https://itk.org/Wiki/ITK/MetaIO/Documentation>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use super::values::{Element, Stored};
use super::{DataPlace, Format, FormatRefusal, Packing, VolumeHeader, grid};
use crate::volume::Turn;
use crate::volume::turn::scale;

/// Headers are a kilobyte of text.
const MAX_HEADER: u64 = 64 << 10;

/// The lines of a header, and where it ends.
struct Lines<'a> {
    path: &'a Path,
    values: BTreeMap<String, String>,
    end: u64,
}

/// Reads the header.
pub(super) fn header(path: &Path) -> Result<VolumeHeader, FormatRefusal> {
    let lines = lines(path)?;
    let not_one = |found: String| FormatRefusal::NotOneVolume { path: path.to_owned(), found };
    match lines.get("NDims") {
        Some("3") => {}
        Some(other) => return Err(not_one(format!("NDims is {other}"))),
        None => return Err(FormatRefusal::bad(path, "NDims", "absent", "3")),
    }
    if let Some(channels) = lines.get("ElementNumberOfChannels").filter(|count| *count != "1") {
        return Err(not_one(format!("ElementNumberOfChannels is {channels}")));
    }
    if lines.yes("BinaryData") == Some(false) {
        return Err(FormatRefusal::bad(path, "BinaryData", "False", "True"));
    }
    let stored = grid::lengths(path, "DimSize", lines.needed("DimSize", "three whole numbers")?)?;
    let values = Stored {
        element: lines.element()?,
        big_endian: lines
            .yes("BinaryDataByteOrderMSB")
            .or_else(|| lines.yes("ElementByteOrderMSB"))
            .unwrap_or(false),
        slope: 1.0,
        intercept: 0.0,
    };
    let spacing: [f64; 3] = match lines.get("ElementSpacing") {
        None if lines.get("ElementSize").is_some() => lines.needed("ElementSize", DISTANCES)?,
        _ => lines.needed("ElementSpacing", DISTANCES)?,
    };
    let mut flags = Vec::new();
    let matrix = match ["TransformMatrix", "Rotation", "Orientation"]
        .into_iter()
        .find(|key| lines.get(key).is_some())
    {
        Some(key) => lines.needed(key, "nine numbers: the directions of x, y and z")?,
        None => {
            flags.push("orientation-assumed".to_owned());
            [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        }
    };
    let origin =
        match ["Offset", "Position", "Origin"].into_iter().find(|key| lines.get(key).is_some()) {
            Some(key) => lines.needed(key, "three numbers")?,
            None => [0.0; 3],
        };
    let step = |axis: usize| {
        let direction: [f64; 3] = std::array::from_fn(|xyz| matrix[3 * axis + xyz]);
        // Directions are unit vectors; distances are the spacing's alone.
        let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt();
        scale(direction, spacing[axis] / length)
    };
    let steps = [step(2), step(1), step(0)];
    let field = "TransformMatrix with ElementSpacing";
    let (turn, geometry) = grid::canonical(path, field, stored, steps, origin)?;
    if turn != Turn::NONE {
        flags.push("reoriented".to_owned());
    }
    let place = lines.place()?;
    let format = Format::MetaImage;
    Ok(VolumeHeader {
        format,
        stored,
        values,
        place,
        turn,
        geometry,
        lung_box: None,
        flags,
        source: None,
    })
}

const DISTANCES: &str = "three distances in mm";

/// Reads `Key = Value` lines up to ElementDataFile, which is the last.
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
        let Some((key, value)) = text.split_once('=') else {
            if text.trim().is_empty() {
                continue;
            }
            let found: String = text.trim().chars().take(40).collect();
            let found = format!("{found:?}");
            return Err(FormatRefusal::bad(path, "a line of the header", found, "Key = Value"));
        };
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

    fn yes(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// Exactly `N` numbers.
    fn needed<T: std::str::FromStr, const N: usize>(
        &self,
        key: &str,
        expected: &str,
    ) -> Result<[T; N], FormatRefusal> {
        let text = self.get(key).unwrap_or("absent");
        text.split_ascii_whitespace()
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<T>>>()
            .and_then(|values| values.try_into().ok())
            .ok_or_else(|| FormatRefusal::bad(self.path, key, text, expected))
    }

    fn element(&self) -> Result<Element, FormatRefusal> {
        Ok(match self.get("ElementType") {
            Some("MET_UCHAR") => Element::U8,
            Some("MET_CHAR") => Element::I8,
            Some("MET_SHORT") => Element::I16,
            Some("MET_USHORT") => Element::U16,
            Some("MET_INT") => Element::I32,
            Some("MET_FLOAT") => Element::F32,
            Some("MET_DOUBLE") => Element::F64,
            other => {
                let found = other.unwrap_or("absent");
                let expected = "MET_SHORT, MET_USHORT, MET_UCHAR, MET_CHAR, MET_INT, MET_FLOAT or \
                                MET_DOUBLE";
                return Err(FormatRefusal::bad(self.path, "ElementType", found, expected));
            }
        })
    }

    fn place(&self) -> Result<DataPlace, FormatRefusal> {
        let name = self.get("ElementDataFile").unwrap_or_default();
        let packing = match self.yes("CompressedData") {
            Some(true) => Packing::Zlib,
            _ => Packing::None,
        };
        if name.eq_ignore_ascii_case("LOCAL") {
            return Ok(DataPlace { beside: None, offset: Some(self.end), packing });
        }
        let several = name.split_ascii_whitespace().next() == Some("LIST");
        if several || name.contains('%') || name.is_empty() {
            return Err(FormatRefusal::Unsupported {
                path: self.path.to_owned(),
                found: format!("ElementDataFile = {name:?} (a file for each slice)"),
                advice: "write the volume with all its data in one file".to_owned(),
            });
        }
        let normal = |part: Component| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(normal) || name.contains('\0') {
            let (path, found) = (self.path.to_owned(), name.to_owned());
            return Err(FormatRefusal::Outside { path, found });
        }
        let offset = match self.get("HeaderSize") {
            None => Some(0),
            Some("-1") if packing == Packing::None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                FormatRefusal::bad(self.path, "HeaderSize", text, "a number of bytes, or -1")
            })?),
        };
        Ok(DataPlace { beside: Some(name.to_owned()), offset, packing })
    }
}
