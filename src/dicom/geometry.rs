//! Where the slices of a series lie: their order, spacing and orientation, from
//! ImagePositionPatient and ImageOrientationPatient alone.
//!
//! With `r` the direction of increasing column and `c` of increasing row, the slice normal is
//! `n = r × c` and a slice at position `p` lies at `p · n` along the stack. A stack is accepted
//! when these places are evenly spaced, on one line along `n`, and near enough to the body's axes
//! that flips and a permutation bring it to the canonical axial order of [`crate::volume`].

use std::path::Path;

use crate::volume::Geometry;

use super::turn::{Axes, Turn, cross, dot, scale, scaled_to_unit, subtract, turn_to_body};
use super::{Found, Series, SeriesRefusal, SliceFile};

/// Slices nearer than this along the normal are at the same place.
const SAME_PLACE_MM: f64 = 0.01;
/// A gap may differ from the median by this part of it (positions are often rounded to 0.1 mm) …
const GAP_TOLERANCE: f64 = 0.1;
/// … plus this.
const GAP_TOLERANCE_MM: f64 = 0.05;
/// Largest angle between slice normal and stack direction that is not called gantry tilt.
const TILT_LIMIT_DEGREES: f64 = 0.5;
/// Farthest a slice may lie from the line through the first and last.
const OFF_LINE_LIMIT_MM: f64 = 1.0;
/// Largest difference of direction cosines that is rounding.
const SAME_DIRECTION: f64 = 1e-3;
/// Largest relative difference of pixel spacings that is rounding.
const SAME_SPACING: f64 = 1e-3;
/// Larger images than any CT's are a damaged header, and would ask for absurd memory.
const MAX_SIDE: u32 = 4096;

/// An accepted series: which slices, in which order, and the volume they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Indices into [`Series::slices`] in the order in which they are stacked.
    pub slices: Vec<usize>,
    /// Pairs (kept, left out) of slices at one place; they must turn out to have equal pixels.
    pub duplicates: Vec<(usize, usize)>,
    /// Rows of each image.
    pub rows: usize,
    /// Columns of each image.
    pub columns: usize,
    /// From stacked `[slice, row, column]` to canonical `[depth, height, width]`.
    pub turn: Turn,
    /// The canonical volume's place in the patient.
    pub geometry: Geometry,
    /// What was noticed and is safe, as short stable words.
    pub flags: Vec<String>,
}

impl Stack {
    /// Distance between neighbouring slices, whichever axis of the volume they are stacked along.
    pub fn slice_spacing_mm(&self) -> f64 {
        let axis = self.turn.from.iter().position(|&axis| axis == 0).unwrap_or(0);
        self.geometry.spacing_mm[axis]
    }
}

/// Orders the slices of a CT series and finds the volume's geometry, from headers alone.
///
/// # Errors
/// A [`SeriesRefusal`] with the value found and the limit when the slices do not make one even,
/// untilted stack of equal images.
pub fn stack(series: &Series) -> Result<Stack, SeriesRefusal> {
    if series.modality != "CT" {
        return Err(SeriesRefusal::NotCt { found: series.modality.clone() });
    }
    let mut flags = Vec::new();
    let images: Vec<usize> =
        (0..series.slices.len()).filter(|&index| !series.slices[index].localizer).collect();
    let Some(&first_index) = images.first() else {
        return Err(SeriesRefusal::Localizer { images: series.slices.len() });
    };
    if images.len() < series.slices.len() {
        flags.push("localizers-left-out".to_owned());
    }
    let first = &series.slices[first_index];
    let common = Common::of(first)?;
    for &index in &images {
        common.check(first, &series.slices[index])?;
    }
    if images.len() < 2 {
        return Err(SeriesRefusal::TooFewSlices { found: images.len(), limit: 2 });
    }

    let normal = cross(common.along_row, common.along_column);
    let mut places = Vec::with_capacity(images.len());
    for &index in &images {
        let slice = &series.slices[index];
        let position =
            needed(slice, &slice.position_mm, "ImagePositionPatient (0020,0032)", "x\\y\\z in mm")?;
        places.push(Place { index, position, along_mm: dot(position, normal) });
    }
    places.sort_by(|a, b| {
        let number = |place: &Place| series.slices[place.index].instance_number;
        a.along_mm
            .total_cmp(&b.along_mm)
            .then_with(|| number(a).cmp(&number(b)))
            .then_with(|| a.index.cmp(&b.index))
    });
    let duplicates = take_duplicates(&mut places);
    if !duplicates.is_empty() {
        flags.push("duplicates-dropped".to_owned());
    }
    let (Some(bottom), Some(top)) = (places.first(), places.last()) else {
        return Err(SeriesRefusal::TooFewSlices { found: 0, limit: 2 });
    };
    if places.len() < 2 {
        return Err(SeriesRefusal::TooFewSlices { found: places.len(), limit: 2 });
    }
    check_line(series, &places, normal)?;
    check_gaps(series, &places)?;
    // Every gap is the median but for rounding: the mean is free of that rounding.
    let spacing_mm = (top.along_mm - bottom.along_mm) / (places.len() - 1) as f64;

    let mut stacked = Axes {
        directions: [normal, common.along_column, common.along_row],
        spacing_mm: [spacing_mm, common.spacing_mm[0], common.spacing_mm[1]],
        lengths: [places.len(), common.rows as usize, common.columns as usize],
        origin_mm: bottom.position,
    };
    let mut turn = turn_to_body(&stacked.directions)?;
    if turn.from[0] == 0 && turn.flip[0] {
        // Stack from the other end instead of turning the volume around later.
        places.reverse();
        stacked.reverse(0);
        turn.flip[0] = false;
    }
    if turn != Turn::NONE {
        flags.push("reoriented".to_owned());
    }
    for (axis, flip) in turn.from.into_iter().zip(turn.flip) {
        if flip {
            stacked.reverse(axis);
        }
    }
    Ok(Stack {
        slices: places.iter().map(|place| place.index).collect(),
        duplicates,
        rows: common.rows as usize,
        columns: common.columns as usize,
        turn,
        geometry: Geometry {
            spacing_mm: turn.from.map(|axis| stacked.spacing_mm[axis]),
            origin_mm: stacked.origin_mm,
            axes: turn.from.map(|axis| stacked.directions[axis]),
        },
        flags,
    })
}

/// One slice's place.
struct Place {
    index: usize,
    position: [f64; 3],
    along_mm: f64,
}

/// What all slices of a series must share.
struct Common {
    rows: u32,
    columns: u32,
    along_row: [f64; 3],
    along_column: [f64; 3],
    spacing_mm: [f64; 2],
}

impl Common {
    fn of(slice: &SliceFile) -> Result<Self, SeriesRefusal> {
        if slice.frames != 1 {
            return Err(SeriesRefusal::MultiFrame {
                path: slice.path.clone(),
                frames: slice.frames,
            });
        }
        let side = "1 to 4096 pixels";
        let rows = needed(slice, &slice.rows, ROWS, side)?;
        let columns = needed(slice, &slice.columns, COLUMNS, side)?;
        for (tag, length) in [(ROWS, rows), (COLUMNS, columns)] {
            if !(1..=MAX_SIDE).contains(&length) {
                return Err(bad(&slice.path, tag, length.to_string(), side));
            }
        }
        let spacing_mm =
            needed(slice, &slice.pixel_spacing_mm, PIXEL_SPACING, "two distances in mm")?;
        if !spacing_mm.iter().all(|&gap| (0.01..=20.0).contains(&gap)) {
            let found = format!("{}\\{}", spacing_mm[0], spacing_mm[1]);
            return Err(bad(&slice.path, PIXEL_SPACING, found, "two distances of 0.01 to 20 mm"));
        }
        let wanted = "two perpendicular unit vectors";
        let cosines = needed(slice, &slice.orientation, ORIENTATION, wanted)?;
        let [r0, r1, r2, c0, c1, c2] = cosines;
        let (row, column) = ([r0, r1, r2], [c0, c1, c2]);
        let unit = |vector: [f64; 3]| (dot(vector, vector).sqrt() - 1.0).abs() < 0.01;
        if !unit(row) || !unit(column) || dot(row, column).abs() > 0.01 {
            return Err(bad(&slice.path, ORIENTATION, joined(&cosines), wanted));
        }
        Ok(Self {
            rows,
            columns,
            along_row: scaled_to_unit(row),
            along_column: scaled_to_unit(column),
            spacing_mm,
        })
    }

    /// Whether `slice` has what the first slice has.
    fn check(&self, first: &SliceFile, slice: &SliceFile) -> Result<(), SeriesRefusal> {
        let here = Self::of(slice)?;
        let differs = |tag, found: String, expected: String| SeriesRefusal::Inconsistent {
            path: slice.path.clone(),
            tag,
            found,
            expected,
        };
        for (tag, found, expected) in
            [(ROWS, here.rows, self.rows), (COLUMNS, here.columns, self.columns)]
        {
            if found != expected {
                return Err(differs(tag, found.to_string(), expected.to_string()));
            }
        }
        let off =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if off(&here.along_row, &self.along_row) > SAME_DIRECTION
            || off(&here.along_column, &self.along_column) > SAME_DIRECTION
        {
            let text = |slice: &SliceFile| {
                slice.orientation.as_ref().map_or_else(Clone::clone, |v| joined(v))
            };
            return Err(differs(ORIENTATION, text(slice), text(first)));
        }
        if off(&here.spacing_mm, &self.spacing_mm) > SAME_SPACING * self.spacing_mm[0] {
            return Err(differs(PIXEL_SPACING, joined(&here.spacing_mm), joined(&self.spacing_mm)));
        }
        Ok(())
    }
}

const ROWS: &str = "Rows (0028,0010)";
const COLUMNS: &str = "Columns (0028,0011)";
const PIXEL_SPACING: &str = "PixelSpacing (0028,0030)";
const ORIENTATION: &str = "ImageOrientationPatient (0020,0037)";

/// The value, or a refusal that says what stands there.
pub(super) fn needed<T: Copy>(
    slice: &SliceFile,
    value: &Found<T>,
    tag: &'static str,
    expected: &str,
) -> Result<T, SeriesRefusal> {
    value.as_ref().copied().map_err(|found| bad(&slice.path, tag, found.clone(), expected))
}

fn bad(path: &Path, tag: &'static str, found: String, expected: &str) -> SeriesRefusal {
    SeriesRefusal::BadTag { path: path.to_owned(), tag, found, expected: expected.to_owned() }
}

fn joined(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join("\\")
}

/// Keeps the first of the slices at one place and returns (kept, left out).
fn take_duplicates(places: &mut Vec<Place>) -> Vec<(usize, usize)> {
    let mut duplicates = Vec::new();
    places.dedup_by(|later, kept| {
        let same = later.along_mm - kept.along_mm < SAME_PLACE_MM;
        if same {
            duplicates.push((kept.index, later.index));
        }
        same
    });
    duplicates
}

/// Refuses tilted stacks, and slices beside the line through the first and last.
fn check_line(series: &Series, places: &[Place], normal: [f64; 3]) -> Result<(), SeriesRefusal> {
    let (Some(bottom), Some(top)) = (places.first(), places.last()) else { return Ok(()) };
    let rise = top.along_mm - bottom.along_mm;
    let path = subtract(top.position, bottom.position);
    let shear = subtract(path, scale(normal, rise));
    let degrees = dot(shear, shear).sqrt().atan2(rise).to_degrees();
    if degrees > TILT_LIMIT_DEGREES {
        return Err(SeriesRefusal::GantryTilt { degrees, limit_degrees: TILT_LIMIT_DEGREES });
    }
    for place in places {
        let done = (place.along_mm - bottom.along_mm) / rise;
        let off = subtract(subtract(place.position, bottom.position), scale(path, done));
        let off_mm = dot(off, off).sqrt();
        if off_mm > OFF_LINE_LIMIT_MM {
            return Err(SeriesRefusal::ScatteredSlices {
                path: series.slices[place.index].path.clone(),
                off_mm,
                limit_mm: OFF_LINE_LIMIT_MM,
            });
        }
    }
    Ok(())
}

/// Refuses missing slices and uneven gaps.
fn check_gaps(series: &Series, places: &[Place]) -> Result<(), SeriesRefusal> {
    let gaps: Vec<f64> =
        places.windows(2).map(|pair| pair[1].along_mm - pair[0].along_mm).collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let spacing_mm = sorted[sorted.len() / 2];
    let tolerance_mm = spacing_mm * GAP_TOLERANCE + GAP_TOLERANCE_MM;
    let wrong: Vec<(usize, f64)> = gaps
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, gap)| (gap - spacing_mm).abs() > tolerance_mm)
        .collect();
    let Some(&(after, gap_mm)) = wrong.first() else { return Ok(()) };
    let after = series.slices[places[after].index].path.clone();
    // Holes are whole multiples of an otherwise even gap.
    let missing: Option<usize> = wrong
        .iter()
        .map(|(_, gap)| {
            let steps = (gap / spacing_mm).round();
            let whole = (gap - steps * spacing_mm).abs() <= tolerance_mm;
            ((2.0..1e6).contains(&steps) && whole).then_some(steps as usize - 1)
        })
        .sum();
    Err(match missing {
        Some(missing) => SeriesRefusal::MissingSlices { missing, after, gap_mm, spacing_mm },
        None => SeriesRefusal::UnevenSpacing { after, gap_mm, spacing_mm, tolerance_mm },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::testing::{TestSlice, write_series};

    fn found(slices: &[TestSlice]) -> Series {
        let folder = tempfile::tempdir().unwrap();
        write_series(folder.path(), slices);
        let mut scan = crate::dicom::scan(folder.path()).unwrap();
        assert_eq!(scan.problems, []);
        assert_eq!(scan.series.len(), 1);
        scan.series.remove(0)
    }

    fn stack_of(slices: &[TestSlice]) -> Result<Stack, SeriesRefusal> {
        stack(&found(slices))
    }

    fn axial(count: i32) -> Vec<TestSlice> {
        (0..count).map(TestSlice::axial).collect()
    }

    #[test]
    fn slices_are_ordered_by_position_and_not_by_name_or_number() {
        let mut slices = axial(6);
        for slice in &mut slices {
            slice.number = 17 - slice.number;
        }
        let series = found(&slices);
        let stack = stack(&series).unwrap();
        let z: Vec<f64> = stack
            .slices
            .iter()
            .map(|&index| series.slices[index].position_mm.clone().unwrap()[2])
            .collect();
        assert_eq!(z, [-100.0, -97.5, -95.0, -92.5, -90.0, -87.5]);
        assert_eq!(stack.geometry.spacing_mm, [2.5, 0.7, 0.8]);
        assert_eq!(stack.geometry.origin_mm, [-10.0, -20.0, -100.0]);
        assert_eq!(stack.geometry.axes, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
        assert_eq!((stack.turn, stack.flags), (Turn::NONE, vec![]));
    }

    #[test]
    fn a_missing_slice_is_counted_and_not_papered_over() {
        let mut slices = axial(9);
        slices.remove(4);
        slices.remove(4);
        let refusal = stack_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "missing-slices");
        assert!(refusal.to_string().starts_with("2 slices are missing"), "{refusal}");
        assert!(refusal.to_string().contains("is 7.500 mm where slices are 2.500 mm"));
    }

    #[test]
    fn an_uneven_gap_is_refused_with_its_size_and_rounded_positions_are_not() {
        let mut slices = axial(8);
        slices[7].position[2] += 1.0;
        let refusal = stack_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "uneven-spacing");
        assert!(refusal.to_string().contains("is 3.500 mm, expected 2.500"), "{refusal}");

        // 0.625 mm written with one decimal: gaps of 0.6 and 0.7, true spacing 0.625.
        let mut slices = axial(9);
        for slice in &mut slices {
            slice.position[2] = (f64::from(slice.number) * 6.25).round() / 10.0;
        }
        let stack = stack_of(&slices).unwrap();
        assert!((stack.geometry.spacing_mm[0] - 0.625).abs() < 1e-9);
    }

    #[test]
    fn gantry_tilt_is_refused_with_its_angle() {
        let (sin, cos) = 10_f64.to_radians().sin_cos();
        let mut slices = axial(5);
        for slice in &mut slices {
            slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, -sin];
        }
        let refusal = stack_of(&slices).unwrap_err();
        assert_eq!(refusal.to_string(), "gantry tilt of 10.0 degrees, expected at most 0.5");
    }

    #[test]
    fn slices_beside_the_line_are_refused() {
        let mut slices = axial(5);
        slices[2].position[0] += 30.0;
        assert_eq!(stack_of(&slices).unwrap_err().code(), "scattered-slices");
    }

    #[test]
    fn one_slice_is_no_volume() {
        assert_eq!(
            stack_of(&axial(1)).unwrap_err(),
            SeriesRefusal::TooFewSlices { found: 1, limit: 2 }
        );
    }

    #[test]
    fn other_modalities_and_localizers_are_named() {
        let mut slices = axial(3);
        for slice in &mut slices {
            slice.modality = "MR".to_owned();
        }
        assert_eq!(stack_of(&slices).unwrap_err().code(), "not-ct");
        let mut slices = axial(4);
        slices[3].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER".to_owned();
        slices[3].orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
        assert_eq!(stack_of(&slices).unwrap().flags, ["localizers-left-out"]);
        for slice in &mut slices {
            slice.image_type = "LOCALIZER".to_owned();
        }
        assert_eq!(stack_of(&slices).unwrap_err().code(), "localizer");
    }

    #[test]
    fn differing_slices_are_refused_with_both_values() {
        let mut slices = axial(4);
        slices[2].spacing = [0.7, 0.9];
        let refusal = stack_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "inconsistent-slices");
        assert!(
            refusal.to_string().contains("PixelSpacing (0028,0030) is 0.7\\0.9, expected 0.7\\0.8"),
            "{refusal}"
        );
    }

    #[test]
    fn impossible_orientations_are_refused() {
        let mut slices = axial(4);
        for slice in &mut slices {
            slice.orientation = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        }
        let refusal = stack_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "bad-tag");
        assert!(refusal.to_string().contains("is 1\\0\\0\\1\\0\\0, expected two perpendicular"));
    }

    #[test]
    fn oblique_stacks_are_refused() {
        let (sin, cos) = 35_f64.to_radians().sin_cos();
        let mut slices = axial(4);
        for slice in &mut slices {
            slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, sin];
            let along = 2.5 * f64::from(slice.number);
            slice.position = [0.0, -sin * along, cos * along];
        }
        assert_eq!(stack_of(&slices).unwrap_err().code(), "oblique");
    }
}
