//! Reads a series into one volume: each file once, slices in parallel. The files are hashed on the
//! way, so that a cache can recognise the same inputs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use crate::codes::Flag;
use crate::volume::{Geometry, Volume};

use super::codec::Shape;
use super::decode::{Pixels, Storage, frame_bytes, location, native, native_range, storage};
use super::hounsfield::{TableKey, hu_table, look_up};
use super::plane;
use super::split::stack_by;
use super::units::{check_range, unit_of};
use super::{
    ExcludedSlices, HuRule, Series, SeriesRefusal, SliceFile, Stack, StackRules, Turn, shear,
};

/// Facts of a series that was read into a volume.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFacts {
    /// Slices in the volume.
    pub slices: usize,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub columns: usize,
    /// Spacing, position and axes of the volume.
    pub geometry: Geometry,
    /// Least value of the volume.
    pub hu_min: i16,
    /// Greatest value of the volume.
    pub hu_max: i16,
    /// Peculiarities that do not exclude the series.
    pub flags: Vec<Flag>,
    /// Images of the series that are not in the volume, with the reason.
    pub excluded: Vec<ExcludedSlices>,
    /// BLAKE3 over the contents of all files, independent of their names and order.
    pub content_hash: [u8; 32],
}

/// [`read_volume_by`] with the default rules for stacks.
///
/// # Errors
/// As [`read_volume_by`].
pub fn read_volume(series: &Series, rule: HuRule) -> Result<(Volume, SeriesFacts), SeriesRefusal> {
    read_volume_by(series, rule, StackRules::default())
}

/// Reads a series into one volume of Hounsfield units in canonical order: depth from feet to
/// head, height from front to back, width from the patient's right to left.
///
/// # Errors
/// A [`SeriesRefusal`]: a stack that is not one even volume, a file cut short, a transfer syntax
/// without decoder, values that are not Hounsfield units. No voxel is filled in, except the corners
/// of tilted stacks, which become air.
pub(crate) fn read_volume_by(
    series: &Series,
    rule: HuRule,
    rules: StackRules,
) -> Result<(Volume, SeriesFacts), SeriesRefusal> {
    let stack = stack_by(series, rules)?;
    for &index in &stack.slices {
        unit_of(&series.slices[index])?;
    }
    let shape = (stack.slices.len(), stack.rows, stack.columns);
    let pixels = stack.rows * stack.columns;
    check_sizes(series, &stack)?;
    let mut hu = vec![0_i16; shape.0 * pixels];
    let mut files: BTreeMap<&Path, Vec<Job>> = BTreeMap::new();
    for (out, &index) in hu.chunks_exact_mut(pixels).zip(&stack.slices) {
        let slice = &series.slices[index];
        files.entry(&slice.path).or_default().push(Job { slice, out });
    }
    // One result per file, in order, so that the reported error does not depend on threads.
    let files: Vec<Vec<Job>> = files.into_values().collect();
    let read: Vec<Result<FileFacts, SeriesRefusal>> = files
        .into_par_iter()
        .map_init(Scratch::default, |scratch, jobs| read_file(jobs, rule, scratch))
        .collect();
    let read = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let hu_min = read.iter().map(|facts| facts.least).min().unwrap_or(0);
    let hu_max = read.iter().map(|facts| facts.greatest).max().unwrap_or(0);
    check_range(series, &stack, hu_min, hu_max)?;

    let mut hashes: Vec<[u8; 32]> = read.iter().map(|facts| facts.hash).collect();
    hashes.extend(check_duplicates(series, &stack, rule, &hu)?);
    hashes.sort_unstable();
    let mut content = blake3::Hasher::new();
    for hash in &hashes {
        content.update(hash);
    }

    let hu = Array3::from_shape_vec(shape, hu).map_err(|error| SeriesRefusal::Unreadable {
        path: series.slices[stack.slices[0]].path.clone(),
        message: error.to_string(),
    })?;
    let hu = match stack.shear {
        Some(shear) => shear::apply(hu.view(), shear),
        None => hu,
    };
    let facts = SeriesFacts {
        slices: shape.0,
        rows: stack.rows,
        columns: stack.columns,
        geometry: stack.geometry,
        hu_min,
        hu_max,
        flags: stack.flags,
        excluded: stack.excluded,
        content_hash: *content.finalize().as_bytes(),
    };
    Ok((Volume { hu: reorder_axes(hu, stack.turn), geometry: stack.geometry }, facts))
}

/// Decodes one slice regardless of its position and units: `rows × columns` values of
/// `slope · stored + intercept`, by `rule`.
///
/// # Errors
/// Those of [`read_volume_by`] that concern one file.
pub fn read_slice(slice: &SliceFile, rule: HuRule) -> Result<Vec<i16>, SeriesRefusal> {
    let (rows, columns) = plane::size(slice)?;
    check_size(slice, rows as usize * columns as usize)?;
    let mut out = vec![0; rows as usize * columns as usize];
    read_file(vec![Job { slice, out: &mut out }], rule, &mut Scratch::default())?;
    Ok(out)
}

/// The volume with its axes permuted and flipped.
fn reorder_axes(hu: Array3<i16>, turn: Turn) -> Array3<i16> {
    if turn == Turn::NONE {
        return hu;
    }
    let mut hu = hu.permuted_axes(turn.from);
    for (axis, flip) in turn.flip.into_iter().enumerate() {
        if flip {
            hu.invert_axis(Axis(axis));
        }
    }
    hu.as_standard_layout().into_owned()
}

/// Refuses slices at one position with different pixels. Returns the hashes of the files of the
/// duplicates, without those that the stack has read too.
fn check_duplicates(
    series: &Series,
    stack: &Stack,
    rule: HuRule,
    hu: &[i16],
) -> Result<Vec<[u8; 32]>, SeriesRefusal> {
    let pixels = stack.rows * stack.columns;
    let mut scratch = Scratch::default();
    let mut out = vec![0; pixels];
    let mut hashes: BTreeMap<&Path, [u8; 32]> = BTreeMap::new();
    for &(kept, excluded) in &stack.duplicates {
        let (first, second) = (&series.slices[kept], &series.slices[excluded]);
        unit_of(second)?;
        check_size(second, pixels)?;
        let read = read_file(vec![Job { slice: second, out: &mut out }], rule, &mut scratch)?;
        hashes.insert(&second.path, read.hash);
        let same = stack
            .slices
            .iter()
            .position(|&slice| slice == kept)
            .and_then(|index| hu.get(index * pixels..(index + 1) * pixels))
            .is_some_and(|kept| kept == out);
        if !same {
            let position = first.position_mm.clone().unwrap_or_default();
            let normal = plane::Plane::of(first)?.normal();
            return Err(SeriesRefusal::DuplicateSlices {
                first: first.path.clone(),
                second: second.path.clone(),
                position_mm: position.iter().zip(normal).map(|(p, n)| p * n).sum(),
            });
        }
    }
    for &index in &stack.slices {
        hashes.remove(series.slices[index].path.as_path());
    }
    Ok(hashes.into_values().collect())
}

/// Limit of files that are read as a whole (compressed frames); no CT is larger.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most pixels per compressed byte: no codec compresses further (a JPEG-LS run of 2^15 pixels is
/// one bit).
const MAX_PIXELS_PER_BYTE: u64 = 1 << 18;

/// Refuses files too small for the size in their headers, before memory is allocated.
fn check_sizes(series: &Series, stack: &Stack) -> Result<(), SeriesRefusal> {
    let pixels = stack.rows * stack.columns;
    stack.slices.iter().try_for_each(|&index| check_size(&series.slices[index], pixels))
}

fn check_size(slice: &SliceFile, pixels: usize) -> Result<(), SeriesRefusal> {
    let location = location(slice)?;
    if let Storage::Native { .. } = storage(slice)? {
        let bits_allocated = slice.values.bits_allocated.clone().unwrap_or(16);
        let shape = Shape { rows: pixels, columns: 1, bits_allocated };
        return native_range(slice, location, shape, slice.bytes).map(drop);
    }
    let (found, expected) = (slice.bytes, pixels as u64 / MAX_PIXELS_PER_BYTE);
    if found < expected {
        return Err(SeriesRefusal::Truncated { path: slice.path.clone(), found, expected });
    }
    Ok(())
}

/// One slice to read, with its destination.
struct Job<'a> {
    slice: &'a SliceFile,
    out: &'a mut [i16],
}

/// Buffers of one worker, reused from file to file.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    table: TableCache,
}

/// The latest table; the slices of a series nearly always share one.
#[derive(Default)]
struct TableCache(Option<(TableKey, Vec<i16>)>);

impl TableCache {
    fn of(&mut self, key: TableKey) -> &[i16] {
        if self.0.as_ref().is_none_or(|(cached_key, _)| *cached_key != key) {
            self.0 = Some((key, hu_table(&key)));
        }
        self.0.as_ref().map_or(&[], |(_, table)| table)
    }
}

struct FileFacts {
    least: i16,
    greatest: i16,
    hash: [u8; 32],
}

/// Reads slices of one file; `jobs` is not empty and all of them are of that file.
fn read_file(
    mut jobs: Vec<Job>,
    rule: HuRule,
    scratch: &mut Scratch,
) -> Result<FileFacts, SeriesRefusal> {
    let Some(first) = jobs.first().map(|job| job.slice) else {
        return Ok(FileFacts { least: i16::MAX, greatest: i16::MIN, hash: [0; 32] });
    };
    let hash = match storage(first)? {
        Storage::Native { big_endian } if first.frames > 1 => {
            read_frames_by_range(&mut jobs, first, big_endian, rule, scratch)?
        }
        _ => read_whole(&mut jobs, first, rule, scratch)?,
    };
    let (least, greatest) = jobs
        .iter()
        .map(|job| range(job.out))
        .fold((i16::MAX, i16::MIN), |(a, b), (least, most)| (a.min(least), b.max(most)));
    Ok(FileFacts { least, greatest, hash })
}

/// Reads the whole file, then each frame from it.
fn read_whole(
    jobs: &mut [Job],
    first: &SliceFile,
    rule: HuRule,
    scratch: &mut Scratch,
) -> Result<[u8; 32], SeriesRefusal> {
    let mut file = open(first)?;
    if first.bytes > MAX_FILE_BYTES {
        let message =
            format!("the file has {} bytes, expected at most {MAX_FILE_BYTES}", first.bytes);
        return Err(SeriesRefusal::Unreadable { path: first.path.clone(), message });
    }
    // The buffer keeps the length of the longest file so far; only growing it writes zeros.
    scratch.bytes.resize(usize::try_from(first.bytes).unwrap_or(usize::MAX), 0);
    file.read_exact(&mut scratch.bytes).map_err(|error| unreadable(first, &error))?;
    let hash = *blake3::hash(&scratch.bytes).as_bytes();
    let shape = shape(first, TableKey::of(first, rule)?)?;
    let pixels = Pixels::find(first, &scratch.bytes, shape)?;
    let frame = |tables: &mut TableCache, job: &mut Job| {
        let key = TableKey::of(job.slice, rule)?;
        look_up(&pixels.frame(job.slice, shape)?, tables.of(key), job.out);
        Ok(())
    };
    if let [job] = jobs {
        frame(&mut scratch.table, job)?;
    } else {
        let done: Vec<_> = jobs.par_iter_mut().map_init(TableCache::default, frame).collect();
        done.into_iter().collect::<Result<(), SeriesRefusal>>()?;
    }
    Ok(hash)
}

/// Reads an uncompressed multi-frame file from front to back, holding one frame at a time.
fn read_frames_by_range(
    jobs: &mut [Job],
    first: &SliceFile,
    big_endian: bool,
    rule: HuRule,
    scratch: &mut Scratch,
) -> Result<[u8; 32], SeriesRefusal> {
    let shape = shape(first, TableKey::of(first, rule)?)?;
    let location = location(first)?;
    jobs.sort_by_key(|job| job.slice.frame);
    let mut file = open(first)?;
    let mut hash = blake3::Hasher::new();
    let bytes = &mut scratch.bytes;
    let mut at = 0;
    for job in jobs {
        let range = native_range(job.slice, location, shape, first.bytes)?;
        skip(&mut file, &mut hash, range.start - at).map_err(|error| unreadable(first, &error))?;
        bytes.resize(frame_bytes(shape), 0);
        file.read_exact(bytes).map_err(|error| unreadable(first, &error))?;
        hash.update(bytes);
        at = range.end;
        let table = scratch.table.of(TableKey::of(job.slice, rule)?);
        look_up(&native(bytes, shape, big_endian), table, job.out);
    }
    skip(&mut file, &mut hash, first.bytes - at).map_err(|error| unreadable(first, &error))?;
    Ok(*hash.finalize().as_bytes())
}

/// Hashes the next bytes of a file without keeping them.
fn skip(file: &mut File, hash: &mut blake3::Hasher, bytes: u64) -> std::io::Result<()> {
    let from = file.stream_position()?;
    hash.update_reader(file.by_ref().take(bytes))?;
    file.seek(SeekFrom::Start(from + bytes)).map(drop)
}

/// Opens a file that has not changed since its header was read.
fn open(slice: &SliceFile) -> Result<File, SeriesRefusal> {
    let file = File::open(&slice.path).map_err(|error| unreadable(slice, &error))?;
    let length = file.metadata().map_err(|error| unreadable(slice, &error))?.len();
    if length != slice.bytes {
        return Err(SeriesRefusal::Unreadable {
            path: slice.path.clone(),
            message: format!(
                "the file has changed since the folder was scanned: {length} bytes, expected {}",
                slice.bytes
            ),
        });
    }
    Ok(file)
}

fn unreadable(slice: &SliceFile, error: &std::io::Error) -> SeriesRefusal {
    SeriesRefusal::Unreadable { path: slice.path.clone(), message: error.to_string() }
}

fn shape(slice: &SliceFile, key: TableKey) -> Result<Shape, SeriesRefusal> {
    let (rows, columns) = plane::size(slice)?;
    let bits_allocated = key.bits_allocated();
    Ok(Shape { rows: rows as usize, columns: columns as usize, bits_allocated })
}

/// Least and greatest value; two plain passes over cached values compile to vector code.
fn range(values: &[i16]) -> (i16, i16) {
    let least = values.iter().fold(i16::MAX, |least, &value| least.min(value));
    let greatest = values.iter().fold(i16::MIN, |most, &value| most.max(value));
    (least, greatest)
}
