//! Where the slices of one stack lie: their order, spacing and orientation, from
//! ImagePositionPatient and ImageOrientationPatient alone.
//!
//! With `r` the direction of increasing column and `c` of increasing row, the slice normal is
//! `n = r × c` and a slice at position `p` lies at `p · n` along the stack. A stack is accepted
//! when these places are evenly spaced, on one line, along `n` or tilted from it as a gantry tilts
//! ([`super::shear`]), and near enough to the body's axes that flips and a permutation bring it to
//! the canonical axial order of [`crate::volume`].

use crate::volume::Geometry;

use super::plane::{Plane, needed};
use super::shear::{self, Shear};
use super::turn::{Axes, Turn, dot, scale, subtract, turn_to_body};
use super::{Orientation, Series, SeriesRefusal, StackRules};

/// Slices nearer than this along the normal are at the same place.
const SAME_PLACE_MM: f64 = 0.01;
/// A gap may differ from the median by this part of it (positions are often rounded to 0.1 mm) …
const GAP_TOLERANCE: f64 = 0.1;
/// … plus this.
const GAP_TOLERANCE_MM: f64 = 0.05;
/// Largest angle between slice normal and stack direction that is not called gantry tilt.
pub(super) const TILT_LIMIT_DEGREES: f64 = 0.5;
/// Farthest a slice may lie from the line through the first and last.
const OFF_LINE_LIMIT_MM: f64 = 1.0;
/// More voxels than this (4 GiB) are no CT.
const MAX_VOXELS: usize = 1 << 31;

/// One even stack of a series.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    /// Indices into the series' slices, as stacked.
    pub slices: Vec<usize>,
    /// Pairs (kept, left out) of slices at one place.
    pub duplicates: Vec<(usize, usize)>,
    pub rows: usize,
    pub columns: usize,
    pub shear: Option<Shear>,
    pub turn: Turn,
    pub geometry: Geometry,
    /// From the first slice's centre to the last's.
    pub length_mm: f64,
    pub flags: Vec<String>,
}

/// Stacks the given slices of a series.
///
/// # Errors
/// The value found and the limit when they do not make one even stack of equal images.
pub(super) fn lay(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<Laid, SeriesRefusal> {
    let too_few = |found| SeriesRefusal::TooFewSlices { found, limit: 2 };
    let Some(&first_index) = images.first() else { return Err(too_few(0)) };
    let first = &series.slices[first_index];
    let plane = Plane::of(first)?;
    for &index in images {
        plane.check(first, &series.slices[index])?;
    }
    let mut places = places(series, images, plane.normal())?;
    let duplicates = take_duplicates(&mut places);
    let (Some(bottom), Some(top)) = (places.first(), places.last()) else {
        return Err(too_few(0));
    };
    if places.len() < 2 {
        return Err(too_few(places.len()));
    }
    let tilt_degrees = tilt_degrees(bottom, top, plane.normal());
    check_line(series, &places)?;
    check_gaps(series, &places, tilt_degrees)?;

    // Every gap is the median but for rounding: the mean is free of that rounding.
    let steps = (places.len() - 1) as f64;
    let length_mm = top.along_mm - bottom.along_mm;
    let mut stacked = Axes {
        directions: [plane.normal(), plane.along_column, plane.along_row],
        spacing_mm: [length_mm / steps, plane.spacing_mm[0], plane.spacing_mm[1]],
        lengths: [places.len(), plane.rows as usize, plane.columns as usize],
        origin_mm: bottom.position,
    };
    let step = scale(subtract(top.position, bottom.position), 1.0 / steps);
    let shear = if tilt_degrees > TILT_LIMIT_DEGREES {
        Some(shear::untilt(&mut stacked, step, tilt_degrees, rules.gantry_tilt)?)
    } else {
        None
    };
    let [slices, rows, columns] = stacked.lengths;
    let voxels = rows.checked_mul(columns).and_then(|pixels| pixels.checked_mul(slices));
    if voxels.is_none_or(|voxels| voxels > MAX_VOXELS) {
        return Err(SeriesRefusal::TooLarge { slices, rows, columns, limit: MAX_VOXELS });
    }
    let mut turn = turn_to_body(&stacked.directions)?;
    if let (Orientation::Refuse, Some(plane)) = (rules.orientation, plane_name(turn)) {
        return Err(SeriesRefusal::NotAxial { plane });
    }
    if turn.from[0] == 0 && turn.flip[0] && shear.is_none() {
        // Stack from the other end instead of turning the volume around later.
        places.reverse();
        stacked.reverse(0);
        turn.flip[0] = false;
    }
    let mut flags = Vec::new();
    let flag = |name: &str| name.to_owned();
    flags.extend((!duplicates.is_empty()).then(|| flag("duplicates-dropped")));
    flags.extend(shear.map(|_| flag("tilt-resheared")));
    match plane_name(turn) {
        Some(plane) => flags.push(format!("reformatted-from-{plane}")),
        None => flags.extend((turn != Turn::NONE).then(|| flag("reoriented"))),
    }
    for (axis, flip) in turn.from.into_iter().zip(turn.flip) {
        if flip {
            stacked.reverse(axis);
        }
    }
    Ok(Laid {
        slices: places.iter().map(|place| place.index).collect(),
        duplicates,
        rows: plane.rows as usize,
        columns: plane.columns as usize,
        shear,
        turn,
        geometry: Geometry {
            spacing_mm: turn.from.map(|axis| stacked.spacing_mm[axis]),
            origin_mm: stacked.origin_mm,
            axes: turn.from.map(|axis| stacked.directions[axis]),
        },
        length_mm,
        flags,
    })
}

/// What images are called that are not stacked along the body's length.
fn plane_name(turn: Turn) -> Option<&'static str> {
    match turn.from {
        [0, ..] => None,
        [_, 0, _] => Some("coronal"),
        _ => Some("sagittal"),
    }
}

/// How many places along their normal the slices have, whatever else is wrong with them.
pub(super) fn distinct_places(series: &Series, images: &[usize]) -> usize {
    let Some(Ok(plane)) = images.first().map(|&index| Plane::of(&series.slices[index])) else {
        return 0;
    };
    let Ok(mut places) = places(series, images, plane.normal()) else { return 0 };
    take_duplicates(&mut places);
    places.len()
}

/// How many of `others` lie between the first and the last of `chosen`, along their normal.
pub(super) fn within(series: &Series, chosen: &[usize], others: &[usize]) -> usize {
    let along = |images: &[usize]| -> Vec<f64> {
        let first = chosen.first().map(|&index| Plane::of(&series.slices[index]));
        let Some(Ok(plane)) = first else { return Vec::new() };
        let places = places(series, images, plane.normal()).unwrap_or_default();
        places.iter().map(|place| place.along_mm).collect()
    };
    let chosen = along(chosen);
    let (Some(bottom), Some(top)) = (chosen.first(), chosen.last()) else { return 0 };
    let range = bottom - SAME_PLACE_MM..=top + SAME_PLACE_MM;
    along(others).iter().filter(|place| range.contains(place)).count()
}

/// One slice's place.
struct Place {
    index: usize,
    position: [f64; 3],
    along_mm: f64,
}

/// The places of slices in the order in which they lie along the normal.
fn places(
    series: &Series,
    images: &[usize],
    normal: [f64; 3],
) -> Result<Vec<Place>, SeriesRefusal> {
    const TAG: &str = "ImagePositionPatient (0020,0032)";
    let mut places = Vec::with_capacity(images.len());
    for &index in images {
        let slice = &series.slices[index];
        let position = needed(slice, &slice.position_mm, TAG, "x\\y\\z in mm")?;
        if position.iter().any(|value| value.abs() > 1e5) {
            return Err(SeriesRefusal::BadTag {
                path: slice.path.clone(),
                tag: TAG,
                found: format!("{position:?}"),
                expected: "x\\y\\z within 100 m".to_owned(),
            });
        }
        places.push(Place { index, position, along_mm: dot(position, normal) });
    }
    places.sort_by(|a, b| {
        let slice = |place: &Place| &series.slices[place.index];
        let number = |place: &Place| (slice(place).instance_number, slice(place).frame);
        a.along_mm
            .total_cmp(&b.along_mm)
            .then_with(|| number(a).cmp(&number(b)))
            .then_with(|| slice(a).instance_uid.cmp(&slice(b).instance_uid))
            .then_with(|| a.index.cmp(&b.index))
    });
    Ok(places)
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

/// Angle between the slice normal and the line through the first and last slice.
fn tilt_degrees(bottom: &Place, top: &Place, normal: [f64; 3]) -> f64 {
    let rise = top.along_mm - bottom.along_mm;
    let path = subtract(top.position, bottom.position);
    let shear = subtract(path, scale(normal, rise));
    dot(shear, shear).sqrt().atan2(rise).to_degrees()
}

/// Refuses slices beside the line through the first and last.
fn check_line(series: &Series, places: &[Place]) -> Result<(), SeriesRefusal> {
    let (Some(bottom), Some(top)) = (places.first(), places.last()) else { return Ok(()) };
    let rise = top.along_mm - bottom.along_mm;
    let path = subtract(top.position, bottom.position);
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
fn check_gaps(series: &Series, places: &[Place], tilt_degrees: f64) -> Result<(), SeriesRefusal> {
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
            ((2.0..1e6).contains(&steps) && whole).then(|| steps as usize - 1)
        })
        .sum();
    Err(match missing {
        Some(missing) => {
            SeriesRefusal::MissingSlices { missing, after, gap_mm, spacing_mm, tilt_degrees }
        }
        None => SeriesRefusal::UnevenSpacing {
            after,
            gap_mm,
            spacing_mm,
            tolerance_mm,
            least_mm: sorted[0],
            most_mm: sorted[sorted.len() - 1],
            tilt_degrees,
        },
    })
}
