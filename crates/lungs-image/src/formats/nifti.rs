//! NIfTI-1 and -2 in one file, plain or in gzip.
//!
//! A header has the position of voxels in three forms; the sform is preferred over the qform, and
//! both over bare voxel sizes (flag `orientation-assumed`: the format then assumes rows, columns and
//! slices towards the patient's right, front and head). NIfTI's x and y run to the right and front
//! (RAS), ours to the left and back.
//!
//! Layouts: <https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h>, `nifti2.h`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::values::{Element, Stored};
use super::{DataLocation, Format, FormatRefusal, Packing, VolumeHeader, grid};
use crate::codes::Flag;
use crate::volume::Turn;
use lungs_base::unpack::Gunzip;

/// Limit of the header with its extensions, which are skipped.
const MAX_OFFSET: f64 = (64 << 20) as f64;

/// Byte offsets of the fields of a version.
struct Layout {
    magic: usize,
    dim: usize,
    datatype: usize,
    bitpix: usize,
    pixdim: usize,
    vox_offset: usize,
    slope: usize,
    units: usize,
    qform_code: usize,
    sform_code: usize,
    quaternion: usize,
    sform: usize,
    /// Bytes of most numbers: 4 in version 1, 8 in version 2.
    wide: usize,
    /// Bytes of lengths: 2 in version 1, 8 in version 2.
    length: usize,
    /// Bytes of codes and units: 2 and 1 in version 1, 4 in version 2.
    code: usize,
    least_offset: u64,
}

const VERSION_1: Layout = Layout {
    magic: 344,
    dim: 40,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    vox_offset: 108,
    slope: 112,
    units: 123,
    qform_code: 252,
    sform_code: 254,
    quaternion: 256,
    sform: 280,
    wide: 4,
    length: 2,
    code: 2,
    least_offset: 352,
};

const VERSION_2: Layout = Layout {
    magic: 4,
    dim: 16,
    datatype: 12,
    bitpix: 14,
    pixdim: 104,
    vox_offset: 168,
    slope: 176,
    units: 500,
    qform_code: 344,
    sform_code: 348,
    quaternion: 352,
    sform: 400,
    wide: 8,
    length: 8,
    code: 4,
    least_offset: 544,
};

const SIZE_1: i32 = 348;
const SIZE_2: i32 = 540;

/// The refusal of a header whose data is in an `.img` file; `None` for other files.
pub(super) fn pair(path: &Path) -> Option<FormatRefusal> {
    let (bytes, _) = match start(path) {
        Ok(start) => start,
        Err(refusal) => return Some(refusal),
    };
    fields(&bytes)?;
    Some(split_file(path))
}

fn split_file(path: &Path) -> FormatRefusal {
    FormatRefusal::Unsupported {
        path: path.to_owned(),
        found: "a pair of .hdr and .img files (ANALYZE or NIfTI)".to_owned(),
        advice: "convert it to one .nii or .nii.gz file, which keeps the orientation".to_owned(),
    }
}

/// Reads the header.
pub(super) fn header(path: &Path) -> Result<VolumeHeader, FormatRefusal> {
    let (bytes, packing) = start(path)?;
    let Some(fields) = fields(&bytes) else {
        let found = format!("{:?}", bytes.get(..4).unwrap_or(&bytes));
        let expected = "348 (NIfTI-1) or 540 (NIfTI-2) in its first four bytes";
        return Err(FormatRefusal::bad(path, "sizeof_hdr", found, expected));
    };
    let layout = fields.layout;
    let magic = bytes.get(layout.magic..layout.magic + 3).unwrap_or_default();
    match magic {
        b"n+1" | b"n+2" => {}
        b"ni1" | b"ni2" => return Err(split_file(path)),
        _ => {
            let found = magic.escape_ascii();
            return Err(FormatRefusal::bad(path, "magic", found, "\"n+1\" or \"n+2\""));
        }
    }
    let dim: [i64; 8] =
        std::array::from_fn(|index| fields.integer(layout.dim, layout.length, index));
    if dim[0] < 3 || dim[0] > 7 || (4..=dim[0]).any(|index| dim[index as usize] > 1) {
        let lengths: Vec<String> = dim.iter().map(i64::to_string).collect();
        let found = format!("dim is [{}]", lengths.join(", "));
        return Err(FormatRefusal::NotOneVolume { path: path.to_owned(), found });
    }
    let stored = grid::lengths(path, "dim", [dim[1], dim[2], dim[3]])?;
    let values = values(path, &fields)?;
    let pixdim: [f64; 4] = std::array::from_fn(|index| fields.number(layout.pixdim, index));
    let (affine, field, is_assumed) = affine(&fields, pixdim);
    let to_mm = match fields.units() & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    // Columns of the affine are the steps of the stored axes, fastest first; RAS becomes LPS.
    let lps = |column: usize| {
        [-affine[0][column] * to_mm, -affine[1][column] * to_mm, affine[2][column] * to_mm]
    };
    let steps = [lps(2), lps(1), lps(0)];
    let (turn, geometry) = grid::canonical(path, field, stored, steps, lps(3))?;
    let mut flags = Vec::new();
    if is_assumed {
        flags.push(Flag::OrientationAssumed);
    }
    if turn != Turn::NONE {
        flags.push(Flag::Reoriented);
    }
    let location = DataLocation { file: None, offset: Some(offset(path, &fields)?), packing };
    let format = Format::Nifti;
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

/// The first bytes, decompressed, and their compression.
fn start(path: &Path) -> Result<(Vec<u8>, Packing), FormatRefusal> {
    let unreadable = |error: std::io::Error| FormatRefusal::unreadable(path, &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::with_capacity(SIZE_2 as usize);
    file.by_ref().take(SIZE_2 as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok((bytes, Packing::None));
    }
    let packed = std::io::Cursor::new(bytes).chain(file);
    let mut bytes = Vec::with_capacity(SIZE_2 as usize);
    Gunzip::new(packed).take(SIZE_2 as u64).read_to_end(&mut bytes).map_err(|error| {
        FormatRefusal::Undecodable { path: path.to_owned(), message: error.to_string() }
    })?;
    Ok((bytes, Packing::Gzip))
}

/// The bytes of a header with their layout and byte order.
struct Fields<'a> {
    bytes: &'a [u8],
    layout: &'static Layout,
    big_endian: bool,
}

/// Recognises version and byte order by the length in the header; `None` for other files and for
/// incomplete headers.
fn fields(bytes: &[u8]) -> Option<Fields<'_>> {
    let size: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let known = [(SIZE_1, &VERSION_1), (SIZE_2, &VERSION_2)];
    known.into_iter().find_map(|(length, layout)| {
        let big_endian = i32::from_be_bytes(size) == length;
        let matches = big_endian || i32::from_le_bytes(size) == length;
        (matches && bytes.len() >= length as usize).then_some(Fields { bytes, layout, big_endian })
    })
}

impl Fields<'_> {
    /// The integer with `index` in an array of integers of `size` bytes that starts at `at`; 0 beyond the
    /// header, which its length excludes.
    fn integer(&self, at: usize, size: usize, index: usize) -> i64 {
        let at = at + index * size;
        let bytes = self.bytes.get(at..at + size).unwrap_or_default();
        let fold = |value: i64, byte: &u8| (value << 8) | i64::from(*byte);
        let value = if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        };
        let unused = 64 - 8 * size;
        (value << unused) >> unused
    }

    fn number(&self, at: usize, index: usize) -> f64 {
        let bits = self.integer(at, self.layout.wide, index);
        match self.layout.wide {
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits.cast_unsigned()),
        }
    }

    fn code(&self, at: usize) -> i64 {
        self.integer(at, self.layout.code, 0)
    }

    fn units(&self) -> i64 {
        self.integer(self.layout.units, if self.layout.code == 2 { 1 } else { 4 }, 0)
    }
}

fn values(path: &Path, fields: &Fields) -> Result<Stored, FormatRefusal> {
    let layout = fields.layout;
    let datatype = fields.integer(layout.datatype, 2, 0);
    let element = match datatype {
        2 => Element::U8,
        4 => Element::I16,
        8 => Element::I32,
        16 => Element::F32,
        64 => Element::F64,
        256 => Element::I8,
        512 => Element::U16,
        768 => Element::U32,
        1024 => Element::I64,
        1280 => Element::U64,
        128 | 2304 => {
            let found = format!("datatype is {datatype} (colours)");
            return Err(FormatRefusal::NotOneVolume { path: path.to_owned(), found });
        }
        other => {
            let expected = "2, 256 (8 bits), 4, 512 (16 bits), 8, 768 (32 bits), 1024, 1280 (64 \
                            bits), 16 (float32) or 64 (float64)";
            return Err(FormatRefusal::bad(path, "datatype", other, expected));
        }
    };
    let bits = fields.integer(layout.bitpix, 2, 0);
    if bits != 8 * element.bytes() as i64 {
        let expected = format!("{} as datatype {datatype} says", 8 * element.bytes());
        return Err(FormatRefusal::bad(path, "bitpix", bits, &expected));
    }
    // Values are not scaled if the slope is zero or not a number, as nibabel writes it for "no
    // scaling", or if the intercept is not a number.
    let (slope, intercept) = match [0, 1].map(|index| fields.number(layout.slope, index)) {
        [slope, _] if slope == 0.0 || !slope.is_finite() => (1.0, 0.0),
        [_, intercept] if intercept.is_nan() => (1.0, 0.0),
        [slope, intercept] => (slope, intercept),
    };
    if !intercept.is_finite() {
        return Err(FormatRefusal::bad(path, "scl_inter", intercept, "a number"));
    }
    Ok(Stored { element, big_endian: fields.big_endian, slope, intercept })
}

fn offset(path: &Path, fields: &Fields) -> Result<u64, FormatRefusal> {
    let at = fields.layout.vox_offset;
    let least = fields.layout.least_offset;
    let found = match fields.layout.wide {
        4 => fields.number(at, 0),
        _ => fields.integer(at, 8, 0) as f64,
    };
    if found == 0.0 {
        return Ok(least);
    }
    // Also true for NaN.
    if !(found >= least as f64 && found <= MAX_OFFSET && found.fract() == 0.0) {
        let expected = format!("a whole number of bytes, {least} to {MAX_OFFSET}");
        return Err(FormatRefusal::bad(path, "vox_offset", found, &expected));
    }
    Ok(found as u64)
}

/// Rows of the affine from voxel (i, j, k, 1) to RAS coordinates, the field of its origin, and whether
/// directions are assumed.
fn affine(fields: &Fields, pixdim: [f64; 4]) -> ([[f64; 4]; 3], &'static str, bool) {
    let layout = fields.layout;
    if fields.code(layout.sform_code) > 0 {
        let row = |row: usize| std::array::from_fn(|c| fields.number(layout.sform, 4 * row + c));
        return ([row(0), row(1), row(2)], "sform", false);
    }
    let [_, dx, dy, dz] = pixdim;
    if fields.code(layout.qform_code) > 0 {
        let [b, c, d, x, y, z] = std::array::from_fn(|at| fields.number(layout.quaternion, at));
        let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
        let dz = if pixdim[0] < 0.0 { -dz } else { dz };
        let rows = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c), x],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b), y],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c, z],
        ];
        let scaled = rows.map(|[i, j, k, at]| [i * dx, j * dy, k * dz, at]);
        return (scaled, "qform", false);
    }
    let rows = [[dx, 0.0, 0.0, 0.0], [0.0, dy, 0.0, 0.0], [0.0, 0.0, dz, 0.0]];
    (rows, "pixdim", true)
}
