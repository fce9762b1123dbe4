//! A series becomes one volume: each file is read once, whole, slices in parallel. Its hash is
//! taken on the way, so that a cache can tell whether it has seen these inputs.

use std::fs::File;
use std::io::Read;

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use crate::volume::{Geometry, Volume};

use super::decode::{decode, native_pixels};
use super::geometry::needed;
use super::hounsfield::{TableKey, hu_table, look_up};
use super::{HuRule, Series, SeriesRefusal, SliceFile, Stack, Turn, stack};

/// What was found in a series on the way to its volume.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFacts {
    /// Slices in the volume.
    pub slices: usize,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub columns: usize,
    /// Spacing and place of the volume.
    pub geometry: Geometry,
    /// Least value of the volume.
    pub hu_min: i16,
    /// Greatest value of the volume.
    pub hu_max: i16,
    /// What was noticed and is safe, as short stable words.
    pub flags: Vec<String>,
    /// BLAKE3 over the contents of every file read, whatever their names and order.
    pub content_hash: [u8; 32],
}

/// Reads a series into one volume of Hounsfield units in canonical order: depth from feet to
/// head, height from front to back, width from the patient's right to left.
///
/// # Errors
/// A [`SeriesRefusal`]: a stack that is not one even volume, a file cut short, a transfer syntax
/// without decoder, values that are not Hounsfield units. Nothing is ever filled in.
pub fn read_volume(series: &Series, rule: HuRule) -> Result<(Volume, SeriesFacts), SeriesRefusal> {
    let stack = stack(series)?;
    for &index in &stack.slices {
        check_values(&series.slices[index])?;
    }
    let shape = (stack.slices.len(), stack.rows, stack.columns);
    let pixels = stack.rows * stack.columns;
    let mut hu = vec![0_i16; shape.0 * pixels];
    // One result per slice, in order: which error is reported does not depend on threads.
    let read: Vec<Result<SliceFacts, SeriesRefusal>> = hu
        .par_chunks_mut(pixels)
        .zip(&stack.slices)
        .map_init(Scratch::default, |scratch, (out, &index)| {
            read_slice(&series.slices[index], rule, scratch, out)
        })
        .collect();
    let read = read.into_iter().collect::<Result<Vec<_>, _>>()?;

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
    let facts = SeriesFacts {
        slices: shape.0,
        rows: stack.rows,
        columns: stack.columns,
        geometry: stack.geometry,
        hu_min: read.iter().map(|facts| facts.least).min().unwrap_or(0),
        hu_max: read.iter().map(|facts| facts.greatest).max().unwrap_or(0),
        flags: stack.flags,
        content_hash: *content.finalize().as_bytes(),
    };
    Ok((Volume { hu: turned(hu, stack.turn), geometry: stack.geometry }, facts))
}

/// The volume with its axes permuted and flipped.
fn turned(hu: Array3<i16>, turn: Turn) -> Array3<i16> {
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

/// Slices at one place are left out only if they show the same.
fn check_duplicates(
    series: &Series,
    stack: &Stack,
    rule: HuRule,
    hu: &[i16],
) -> Result<Vec<[u8; 32]>, SeriesRefusal> {
    let pixels = stack.rows * stack.columns;
    let mut scratch = Scratch::default();
    let mut out = vec![0; pixels];
    let mut hashes = Vec::with_capacity(stack.duplicates.len());
    for &(kept, left_out) in &stack.duplicates {
        let (first, second) = (&series.slices[kept], &series.slices[left_out]);
        check_values(second)?;
        hashes.push(read_slice(second, rule, &mut scratch, &mut out)?.hash);
        let same = stack
            .slices
            .iter()
            .position(|&index| index == kept)
            .and_then(|place| hu.get(place * pixels..(place + 1) * pixels))
            .is_some_and(|kept| kept == out);
        if !same {
            let position = first.position_mm.clone().unwrap_or_default();
            let normal = series.slices[kept].orientation.clone().unwrap_or_default();
            let [r0, r1, r2, c0, c1, c2] = normal;
            let normal = [r1 * c2 - r2 * c1, r2 * c0 - r0 * c2, r0 * c1 - r1 * c0];
            return Err(SeriesRefusal::DuplicateSlices {
                first: first.path.clone(),
                second: second.path.clone(),
                position_mm: position.iter().zip(normal).map(|(p, n)| p * n).sum(),
            });
        }
    }
    Ok(hashes)
}

/// No file of one slice is larger (4096 × 4096 pixels are 32 MiB); files are read whole.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Buffers of one worker, used for slice after slice.
#[derive(Default)]
struct Scratch {
    file: Vec<u8>,
    table: Option<(TableKey, Vec<i16>)>,
}

struct SliceFacts {
    least: i16,
    greatest: i16,
    hash: [u8; 32],
}

/// Refuses headers whose values are not plain one-channel CT.
fn check_values(slice: &SliceFile) -> Result<(), SeriesRefusal> {
    let values = &slice.values;
    let bad = |tag, found: String, expected: &str| SeriesRefusal::BadTag {
        path: slice.path.clone(),
        tag,
        found,
        expected: expected.to_owned(),
    };
    if values.samples != 1 {
        let found = values.samples.to_string();
        return Err(bad("SamplesPerPixel (0028,0002)", found, "1 (grey values)"));
    }
    let tag = "BitsAllocated (0028,0100)";
    let bits = needed(slice, &values.bits_allocated, tag, "8 or 16")?;
    if bits != 8 && bits != 16 {
        return Err(bad(tag, bits.to_string(), "8 or 16"));
    }
    // "US" (unspecified) is what some scanners write on plain Hounsfield units.
    if !["", "HU", "US"].contains(&values.rescale_type.as_str()) {
        return Err(SeriesRefusal::NotHounsfield { found: values.rescale_type.clone() });
    }
    needed(slice, &values.slope, "RescaleSlope (0028,1053)", "a number")?;
    needed(slice, &values.intercept, "RescaleIntercept (0028,1052)", "a number")?;
    Ok(())
}

/// Reads one file into `out` (rows × columns Hounsfield units).
fn read_slice(
    slice: &SliceFile,
    rule: HuRule,
    scratch: &mut Scratch,
    out: &mut [i16],
) -> Result<SliceFacts, SeriesRefusal> {
    read_file(slice, &mut scratch.file)?;
    let hash = *blake3::hash(&scratch.file).as_bytes();
    let key = TableKey::of(&slice.values, rule);
    let table = match &mut scratch.table {
        Some((made_for, table)) if *made_for == key => table,
        other => &mut other.insert((key, hu_table(&key))).1,
    };
    let decoded;
    let stored = match native_pixels(slice, &scratch.file, out.len()) {
        Some(bytes) => bytes,
        None => {
            decoded = decode(slice, &scratch.file, out.len())?;
            &decoded
        }
    };
    look_up(stored, table, out);
    let (least, greatest) = range(out);
    Ok(SliceFacts { least, greatest, hash })
}

fn read_file(slice: &SliceFile, buffer: &mut Vec<u8>) -> Result<(), SeriesRefusal> {
    let unreadable = |error: std::io::Error| SeriesRefusal::Unreadable {
        path: slice.path.clone(),
        message: error.to_string(),
    };
    let mut file = File::open(&slice.path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length != slice.bytes {
        return Err(SeriesRefusal::Unreadable {
            path: slice.path.clone(),
            message: format!(
                "the file changed while it was used: {length} bytes, {} when the folder was read",
                slice.bytes
            ),
        });
    }
    if length > MAX_FILE_BYTES {
        return Err(SeriesRefusal::Unreadable {
            path: slice.path.clone(),
            message: format!("{length} bytes, expected at most {MAX_FILE_BYTES} for one slice"),
        });
    }
    // The buffer is as long as the longest file so far; only growing it costs a fill.
    buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    file.read_exact(buffer).map_err(unreadable)
}

/// Least and greatest value; two plain passes over what is in the cache become vector code.
fn range(values: &[i16]) -> (i16, i16) {
    let least = values.iter().fold(i16::MAX, |least, &value| least.min(value));
    let greatest = values.iter().fold(i16::MIN, |most, &value| most.max(value));
    (least, greatest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::testing::{TestSlice, write_series};
    use dicom_dictionary_std::uids;

    fn volume_of(slices: &[TestSlice]) -> Result<(Volume, SeriesFacts), SeriesRefusal> {
        let folder = tempfile::tempdir().unwrap();
        write_series(folder.path(), slices);
        let scan = crate::dicom::scan(folder.path()).unwrap();
        read_volume(&scan.series[0], HuRule::Standard)
    }

    #[test]
    fn a_series_is_read_in_order_with_its_rescale_per_slice() {
        let mut slices: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
        slices[3].slope = 2.0;
        slices[3].intercept = -7.0;
        let (volume, facts) = volume_of(&slices).unwrap();
        assert_eq!(volume.hu.dim(), (5, 4, 6));
        assert_eq!(volume.hu[[0, 0, 0]], 0);
        assert_eq!(volume.hu[[2, 1, 4]], 210);
        assert_eq!(volume.hu[[3, 0, 1]], 2 * 301 - 7);
        assert_eq!((facts.hu_min, facts.hu_max), (0, 2 * 323 - 7));
    }

    #[test]
    fn every_syntax_and_file_order_gives_the_same_volume() {
        let plain: Vec<TestSlice> = (0..4).map(TestSlice::axial).collect();
        let (expected, facts) = volume_of(&plain).unwrap();
        for syntax in [uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"] {
            let mut slices = plain.clone();
            slices.reverse();
            for slice in &mut slices {
                slice.transfer_syntax = syntax;
            }
            let (volume, other) = volume_of(&slices).unwrap();
            assert_eq!(volume, expected, "{syntax}");
            assert_ne!(other.content_hash, facts.content_hash);
        }
        let mut reversed = plain;
        reversed.reverse();
        assert_eq!(volume_of(&reversed).unwrap().1, facts);
    }

    #[test]
    fn flipped_and_sagittal_stacks_become_the_same_axial_volume() {
        let axial: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
        let (expected, _) = volume_of(&axial).unwrap();
        // Rows and columns both run backwards: same normal, first pixel at the other corner.
        let mut turned = axial.clone();
        for slice in &mut turned {
            slice.orientation = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
            slice.position[0] += 5.0 * 0.8;
            slice.position[1] += 3.0 * 0.7;
            slice.pixels.reverse();
        }
        let (volume, facts) = volume_of(&turned).unwrap();
        assert_eq!(volume.hu, expected.hu);
        assert_eq!(volume.geometry.axes, expected.geometry.axes);
        assert_eq!(facts.flags, ["reoriented"]);
        for (a, b) in volume.geometry.origin_mm.iter().zip(expected.geometry.origin_mm) {
            assert!((a - b).abs() < 1e-9);
        }
        // The same voxels stored as sagittal images: columns run to the back, rows to the feet.
        let sagittal: Vec<TestSlice> = (0..6)
            .map(|x| {
                let mut slice = TestSlice::axial(x);
                (slice.rows, slice.columns) = (5, 4);
                slice.spacing = [2.5, 0.7];
                slice.orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
                slice.position = [-10.0 + 0.8 * f64::from(x), -20.0, -90.0];
                slice.pixels = (0..5)
                    .rev()
                    .flat_map(|z| (0..4).map(move |y| (z, y)))
                    .map(|(z, y)| expected.hu[[z, y, x as usize]])
                    .collect();
                slice
            })
            .collect();
        let (volume, _) = volume_of(&sagittal).unwrap();
        assert_eq!(volume.hu, expected.hu);
        for (a, b) in volume.geometry.spacing_mm.iter().zip(expected.geometry.spacing_mm) {
            assert!((a - b).abs() < 1e-9);
        }
        assert_eq!(volume.geometry.axes, expected.geometry.axes);
    }

    #[test]
    fn equal_duplicates_are_dropped_and_different_ones_refused() {
        let mut slices: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
        slices.push(TestSlice::axial(2));
        let (volume, facts) = volume_of(&slices).unwrap();
        assert_eq!(volume.hu.dim().0, 5);
        assert_eq!(facts.flags, ["duplicates-dropped"]);
        slices[5].pixels[3] += 1;
        let refusal = volume_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "duplicate-slices");
        assert!(refusal.to_string().contains("both lie at -95.00 mm"), "{refusal}");
    }

    #[test]
    fn a_slice_cut_short_anywhere_refuses_the_series() {
        for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN] {
            let folder = tempfile::tempdir().unwrap();
            let mut slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
            for slice in &mut slices {
                slice.transfer_syntax = syntax;
            }
            write_series(folder.path(), &slices);
            let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            let whole = std::fs::read(&path).unwrap();
            for kept in [1, 2, 30, 47, 48] {
                std::fs::write(&path, &whole[..whole.len() - kept]).unwrap();
                let scan = crate::dicom::scan(folder.path()).unwrap();
                let refusal = read_volume(&scan.series[0], HuRule::Standard).unwrap_err();
                assert_eq!(refusal.code(), "truncated", "{syntax} {kept}");
                let found = format!("has {} bytes, expected 48", 48 - kept);
                assert!(refusal.to_string().contains(&found), "{refusal}");
            }
            // Within the header: no problem of the whole, a problem or refusal of the file.
            for length in (0..whole.len() - 60).step_by(7) {
                std::fs::write(&path, &whole[..length]).unwrap();
                let scan = crate::dicom::scan(folder.path()).unwrap();
                let refused =
                    scan.series.iter().any(|series| read_volume(series, HuRule::Standard).is_err());
                // Without the first 132 bytes nothing says that it was DICOM.
                let said = refused || !scan.problems.is_empty() || scan.skipped == 1;
                assert!(said, "{syntax} {length}");
            }
        }
    }

    #[test]
    fn values_that_are_not_hounsfield_units_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
        write_series(folder.path(), &slices);
        let mut series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
        series.slices[1].values.rescale_type = "mL/100mL".to_owned();
        let refusal = read_volume(&series, HuRule::Standard).unwrap_err();
        assert_eq!(refusal.code(), "not-hounsfield");
        series.slices[1].values.rescale_type = "HU".to_owned();
        series.slices[1].values.slope = Err("absent".to_owned());
        let refusal = read_volume(&series, HuRule::Standard).unwrap_err();
        assert!(
            refusal.to_string().ends_with("RescaleSlope (0028,1053) is absent, expected a number")
        );
    }
}
