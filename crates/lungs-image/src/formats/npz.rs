//! Prepared volumes as `.npz`, from our cache and from the Python package `lungs`.
//!
//! Ours contain their geometry (`spacing_mm`, `origin_mm`, `axes`, `lung_box`; see
//! [`lungs_study::prepare`]). Those of the package contain `data` alone: depth from feet to head, 1.5 mm,
//! cropped around the lungs. This is assumed, with the flag `spacing-assumed`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::values::{Element, Stored};
use super::{DataLocation, Format, FormatRefusal, Packing, Source, VolumeHeader, grid};
use crate::codes::Flag;
use crate::volume::Turn;
use lungs_base::unpack;

/// The voxel size of the package's prepared volumes.
const ORIGINAL_SPACING_MM: f64 = 1.5;
/// Limit of header bytes; NumPy writes 128.
const MAX_NPY_HEADER: usize = 4096;

pub(super) type Archive = ZipArchive<BufReader<File>>;
type Entry<'a> = ZipFile<'a, BufReader<File>>;

/// Reads the header; `None` for archives without an array `data`.
pub(super) fn header(path: &Path) -> Result<Option<VolumeHeader>, FormatRefusal> {
    let mut archive = open(path)?;
    let Some((_, npy)) = data_entry(&mut archive, path)? else { return Ok(None) };
    let [d, h, w] = npy.shape[..] else {
        let found = format!("data has {} dimensions", npy.shape.len());
        return Err(FormatRefusal::NotOneVolume { path: path.to_owned(), found });
    };
    let lengths = grid::lengths(path, "the shape of data", [w, h, d])?;
    // In Fortran order the stored axes are reversed.
    let (stored, stored_turn) = if npy.fortran {
        ([lengths[2], lengths[1], lengths[0]], Turn { from: [2, 1, 0], flip: [false; 3] })
    } else {
        (lengths, Turn::NONE)
    };
    let location = DataLocation { file: None, offset: Some(0), packing: Packing::Zip };
    let mut flags = Vec::new();
    let spacing = small_array::<3>(&mut archive, path, "spacing_mm", "f8")?;
    let numbers = |values: &[[u8; 8]]| -> Vec<f64> {
        values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    };
    let (steps, origin) = match spacing {
        None => {
            flags.push(Flag::SpacingAssumed);
            let mm = ORIGINAL_SPACING_MM;
            ([[0.0, 0.0, mm], [0.0, mm, 0.0], [mm, 0.0, 0.0]], [0.0; 3])
        }
        Some(spacing) => {
            let spacing = numbers(&spacing);
            let needed = |name: &str| {
                FormatRefusal::bad(path, name, "absent", "an array, since spacing_mm is present")
            };
            let axes = small_array::<9>(&mut archive, path, "axes", "f8")?
                .ok_or_else(|| needed("axes"))?;
            let origin = small_array::<3>(&mut archive, path, "origin_mm", "f8")?
                .ok_or_else(|| needed("origin_mm"))?;
            let (axes, origin) = (numbers(&axes), numbers(&origin));
            let step =
                |axis: usize| std::array::from_fn(|xyz| axes[3 * axis + xyz] * spacing[axis]);
            ([step(0), step(1), step(2)], [origin[0], origin[1], origin[2]])
        }
    };
    let (turn, geometry) = grid::canonical(path, "spacing_mm and axes", lengths, steps, origin)?;
    if turn != Turn::NONE {
        let found = "permuted or flipped";
        return Err(FormatRefusal::bad(path, "axes", found, "depth, height, width"));
    }
    let lung_box = small_array::<6>(&mut archive, path, "lung_box", "i8")?.map(|values| {
        let value = |index: usize| i64::from_le_bytes(values[index]);
        std::array::from_fn(|axis| [value(2 * axis), value(2 * axis + 1)])
    });
    let values =
        Stored { element: Element::I16, big_endian: npy.big_endian, slope: 1.0, intercept: 0.0 };
    let format = Format::Prepared;
    let source = Source::read_for(path).map(Box::new);
    Ok(Some(VolumeHeader {
        format,
        stored,
        values,
        location,
        turn: stored_turn,
        geometry,
        lung_box,
        flags,
        source,
    }))
}

pub(super) fn open(path: &Path) -> Result<Archive, FormatRefusal> {
    let file = File::open(path).map_err(|error| FormatRefusal::unreadable(path, &error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &dyn std::error::Error) -> FormatRefusal {
    FormatRefusal::Undecodable { path: path.to_owned(), message: error.to_string() }
}

/// The entry with the voxels, after its header; `None` without one.
pub(super) fn data_entry<'a>(
    archive: &'a mut Archive,
    path: &Path,
) -> Result<Option<(Entry<'a>, Npy)>, FormatRefusal> {
    let mut entry = match archive.by_name("data.npy") {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(damaged(path, &error)),
    };
    let npy = npy_header(&mut entry, path)?;
    if npy.kind != "i2" {
        let found = format!("{:?}", npy.kind);
        return Err(FormatRefusal::bad(path, "the type of data", found, "\"i2\" (int16)"));
    }
    let voxels = npy.shape.iter().try_fold(1_u64, |all, &side| {
        u64::try_from(side).ok().and_then(|side| all.checked_mul(side))
    });
    let needed = voxels.and_then(|voxels| voxels.checked_mul(2)).unwrap_or(u64::MAX);
    let found = entry.size().saturating_sub(npy.bytes);
    if found < needed {
        return Err(FormatRefusal::Truncated { path: path.to_owned(), found, expected: needed });
    }
    Ok(Some((entry, npy)))
}

/// The header of a `.npy` file.
pub(super) struct Npy {
    /// Type and size without the byte order, as `i2`.
    kind: String,
    big_endian: bool,
    fortran: bool,
    shape: Vec<i64>,
    /// Bytes of the header.
    bytes: u64,
}

/// Reads the header, a Python dictionary as text:
/// `{'descr': '<i2', 'fortran_order': False, 'shape': (3, 4, 5), }`.
fn npy_header(from: &mut impl Read, path: &Path) -> Result<Npy, FormatRefusal> {
    let bad = |found: &str| {
        FormatRefusal::bad(path, "the header of an array", format!("{found:?}"), "a .npy header")
    };
    let mut start = [0; 8];
    from.read_exact(&mut start).map_err(|error| damaged(path, &error))?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(bad(&start.escape_ascii().to_string()));
    }
    let mut length = vec![0; if start[6] == 1 { 2 } else { 4 }];
    from.read_exact(&mut length).map_err(|error| damaged(path, &error))?;
    let size = length.iter().rev().fold(0, |size, byte| (size << 8) | usize::from(*byte));
    if size > MAX_NPY_HEADER {
        return Err(bad(&format!("{size} bytes long")));
    }
    let mut text = vec![0; size];
    from.read_exact(&mut text).map_err(|error| damaged(path, &error))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let after = |key: &str| {
        let rest = text.split_once(&format!("'{key}':"))?.1;
        Some(rest.trim_start())
    };
    let parsed = || {
        let descr = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0;
        let order = descr.chars().next()?;
        let shape = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
        Some(Npy {
            kind: descr.get(1..)?.to_owned(),
            big_endian: order == '>',
            fortran: after("fortran_order")?.starts_with("True"),
            shape: sides.map(|side| side.parse().ok()).collect::<Option<Vec<i64>>>()?,
            bytes: (8 + length.len() + size) as u64,
        })
    };
    parsed().ok_or_else(|| bad(&text))
}

/// An array of `N` 8-byte little-endian values in row-major order; `None` when absent.
fn small_array<const N: usize>(
    archive: &mut Archive,
    path: &Path,
    name: &str,
    kind: &str,
) -> Result<Option<[[u8; 8]; N]>, FormatRefusal> {
    let mut entry = match archive.by_name(&format!("{name}.npy")) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(damaged(path, &error)),
    };
    let npy = npy_header(&mut entry, path)?;
    let count = npy.shape.iter().try_fold(1_i64, |all, side| all.checked_mul(*side));
    if npy.kind != kind || npy.big_endian || npy.fortran || count != Some(N as i64) {
        let found = format!("{} of shape {:?}", npy.kind, npy.shape);
        return Err(FormatRefusal::bad(path, name, found, &format!("{N} values of type {kind}")));
    }
    let mut values = [[0; 8]; N];
    for value in &mut values {
        entry.read_exact(value).map_err(|error| damaged(path, &error))?;
    }
    unpack::read_to_end(&mut entry, 0).map_err(|error| damaged(path, &error))?;
    Ok(Some(values))
}
