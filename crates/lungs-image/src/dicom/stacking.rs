//! Order, spacing and orientation of the slices of one stack, from ImagePositionPatient and
//! ImageOrientationPatient alone.
//!
//! With `r` the direction of increasing column and `c` of increasing row, the slice normal is
//! `n = r × c` and a slice at position `p` lies at `p · n` along the stack. A stack is accepted if
//! these positions are evenly spaced on one line, along `n` or tilted by the gantry
//! ([`super::shear`]), and close enough to the body's axes for flips and a permutation to give the
//! canonical axial order of [`crate::volume`].

use crate::codes::Flag;
use crate::volume::Geometry;

use super::error::TILT_LIMIT_DEGREES;
use super::plane::{Plane, require};
use super::shear::{self, Shear};
use super::turn::{Axes, Turn, dot, scale, subtract, turn_to_body};
use super::{Orientation, Series, SeriesRefusal, StackRules};

/// Slices nearer than this along the normal are at the same position.
const SAME_POSITION_MM: f64 = 0.01;
/// Largest distance of a slice from its position on the even grid, as a share of a gap (positions
/// are often rounded to 0.1 mm) …
const GRID_TOLERANCE: f64 = 0.1;
/// … plus this.
const GRID_TOLERANCE_MM: f64 = 0.05;
/// Farthest a slice may lie from the line through the first and last.
const OFF_LINE_LIMIT_MM: f64 = 1.0;
/// Most voxels of a stack (4 GiB).
const MAX_VOXELS: usize = 1 << 31;

/// One even stack of a series.
#[derive(Clone, Debug)]
pub(super) struct EvenStack {
    /// Indices into the series' slices, in stacking order.
    pub slices: Vec<usize>,
    /// Pairs (kept, excluded) of slices at one position.
    pub duplicates: Vec<(usize, usize)>,
    pub rows: usize,
    pub columns: usize,
    pub shear: Option<Shear>,
    pub turn: Turn,
    pub geometry: Geometry,
    /// From the first slice's centre to the last's.
    pub length_mm: f64,
    pub flags: Vec<Flag>,
}

/// Stacks slices of a series.
///
/// # Errors
/// The slices are not one even stack of equal images: the value found and the limit.
pub(super) fn even_stack(
    series: &Series,
    images: &[usize],
    rules: StackRules,
) -> Result<EvenStack, SeriesRefusal> {
    let (plane, mut positions, duplicates) = distinct_slices(series, images)?;
    let (bottom, top) = (&positions[0], &positions[positions.len() - 1]);
    let tilt_degrees = tilt_degrees(bottom, top, plane.normal());
    check_line(series, &positions)?;
    check_grid(series, &positions, tilt_degrees)?;

    let steps = (positions.len() - 1) as f64;
    let length_mm = top.along_mm - bottom.along_mm;
    let mut stacked = Axes {
        directions: [plane.normal(), plane.along_column, plane.along_row],
        spacing_mm: [length_mm / steps, plane.spacing_mm[0], plane.spacing_mm[1]],
        lengths: [positions.len(), plane.rows as usize, plane.columns as usize],
        origin_mm: bottom.position,
    };
    let step = scale(subtract(top.position, bottom.position), 1.0 / steps);
    let shear = if tilt_degrees > TILT_LIMIT_DEGREES {
        Some(shear::untilt(&mut stacked, step, tilt_degrees, rules.gantry_tilt)?)
    } else {
        None
    };
    check_size(stacked.lengths)?;
    let mut turn = turn_to_body(&stacked.directions)?;
    let reformatted = reformatted_plane(turn);
    if let (Orientation::Refuse, Some((plane, _))) = (rules.orientation, &reformatted) {
        return Err(SeriesRefusal::NotAxial { plane });
    }
    if turn.from[0] == 0 && turn.flip[0] && shear.is_none() {
        // Stack from the other end instead of flipping the volume later.
        positions.reverse();
        stacked.reverse(0);
        turn.flip[0] = false;
    }
    let reoriented = match reformatted {
        Some((_, flag)) => Some(flag),
        None => (turn != Turn::NONE).then_some(Flag::Reoriented),
    };
    let duplicate = (!duplicates.is_empty()).then_some(Flag::DuplicatesDropped);
    let tilted = shear.map(|_| Flag::TiltResheared);
    for (axis, flip) in turn.from.into_iter().zip(turn.flip) {
        if flip {
            stacked.reverse(axis);
        }
    }
    Ok(EvenStack {
        slices: positions.iter().map(|position| position.index).collect(),
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
        flags: [duplicate, tilted, reoriented].into_iter().flatten().collect(),
    })
}

/// The common plane of the slices, their positions along the normal (at least two), and pairs (kept,
/// excluded) of slices at one position.
fn distinct_slices(series: &Series, images: &[usize]) -> Result<DistinctSlices, SeriesRefusal> {
    let too_few = |found| SeriesRefusal::TooFewSlices { found, limit: 2 };
    let Some(&first_index) = images.first() else { return Err(too_few(0)) };
    let first = &series.slices[first_index];
    let plane = Plane::of(first)?;
    for &index in images {
        plane.check(first, &series.slices[index])?;
    }
    let mut positions = sorted_positions(series, images, plane.normal())?;
    let duplicates = take_duplicates(&mut positions);
    match &positions[..] {
        [only] if images.len() > 1 => {
            let (images, position_mm) = (images.len(), only.along_mm);
            Err(SeriesRefusal::OnePosition { images, position_mm })
        }
        [] | [_] => Err(too_few(positions.len())),
        _ => Ok((plane, positions, duplicates)),
    }
}

type DistinctSlices = (Plane, Vec<SlicePosition>, Vec<(usize, usize)>);

/// Refuses volumes that are too large.
fn check_size([slices, rows, columns]: [usize; 3]) -> Result<(), SeriesRefusal> {
    let voxels = rows.checked_mul(columns).and_then(|pixels| pixels.checked_mul(slices));
    if voxels.is_none_or(|voxels| voxels > MAX_VOXELS) {
        return Err(SeriesRefusal::TooLarge { slices, rows, columns, limit: MAX_VOXELS });
    }
    Ok(())
}

/// The name of the plane of images that are not stacked along the body axis, and the flag of their series.
fn reformatted_plane(turn: Turn) -> Option<(&'static str, Flag)> {
    match turn.from {
        [0, ..] => None,
        [_, 0, _] => Some(("coronal", Flag::ReformattedFromCoronal)),
        _ => Some(("sagittal", Flag::ReformattedFromSagittal)),
    }
}

/// Number of positions of the slices along their normal, regardless of other errors.
pub(super) fn distinct_positions(series: &Series, images: &[usize]) -> usize {
    let Some(Ok(plane)) = images.first().map(|&index| Plane::of(&series.slices[index])) else {
        return 0;
    };
    let Ok(mut positions) = sorted_positions(series, images, plane.normal()) else { return 0 };
    take_duplicates(&mut positions);
    positions.len()
}

/// Number of `others` between the first and the last of `chosen`, along their normal, and number of
/// `others` with a position.
pub(super) fn count_within(series: &Series, chosen: &[usize], others: &[usize]) -> (usize, usize) {
    let Some((bottom, top)) = end_positions_mm(series, chosen) else { return (0, others.len()) };
    let others = centres_mm(series, chosen, others);
    let range = bottom - SAME_POSITION_MM..=top + SAME_POSITION_MM;
    (others.iter().filter(|position| range.contains(position)).count(), others.len())
}

/// Length covered by `others` before the first and after the last of `chosen`, in total.
pub(super) fn length_beyond_mm(series: &Series, chosen: &[usize], others: &[usize]) -> f64 {
    let Some((bottom, top)) = end_positions_mm(series, chosen) else { return f64::INFINITY };
    let others = centres_mm(series, chosen, others);
    let length = |positions: Vec<f64>| {
        let least = positions.iter().copied().fold(f64::INFINITY, f64::min);
        positions.iter().map(|position| position - least).fold(0.0, f64::max)
    };
    let side = |is_beyond: &dyn Fn(f64) -> bool| {
        length(others.iter().copied().filter(|&position| is_beyond(position)).collect())
    };
    side(&|position| position < bottom - SAME_POSITION_MM)
        + side(&|position| position > top + SAME_POSITION_MM)
}

/// Those of `others` that are parallel to `chosen` within a small angle, regardless of their pixels.
pub(super) fn select_parallel(series: &Series, chosen: &[usize], others: &[usize]) -> Vec<usize> {
    let normal = |index: &usize| Plane::of(&series.slices[*index]).ok().map(|plane| plane.normal());
    let Some(along) = chosen.first().and_then(normal) else { return Vec::new() };
    let is_parallel = |index: &usize| {
        normal(index).is_some_and(|normal| dot(normal, along).abs() >= PARALLEL_COSINE)
    };
    others.iter().copied().filter(is_parallel).collect()
}

/// Least cosine between the normals of parallel slices: 25°, more than the tilts of two gantries
/// differ.
const PARALLEL_COSINE: f64 = 0.906;

/// The positions of the first and the last of `chosen` along their normal.
fn end_positions_mm(series: &Series, chosen: &[usize]) -> Option<(f64, f64)> {
    let positions = centres_mm(series, chosen, chosen);
    let least = positions.iter().copied().reduce(f64::min)?;
    Some((least, positions.iter().copied().reduce(f64::max)?))
}

/// The positions of slice centres along the normal of `chosen`; slices without one are omitted.
fn centres_mm(series: &Series, chosen: &[usize], slices: &[usize]) -> Vec<f64> {
    let first = chosen.first().map(|&index| Plane::of(&series.slices[index]));
    let Some(Ok(plane)) = first else { return Vec::new() };
    let normal = plane.normal();
    let centre_mm = |&index: &usize| {
        let slice = &series.slices[index];
        let corner = slice.position_mm.as_ref().ok()?;
        let plane_of_slice = Plane::of(slice).ok()?;
        let half =
            |pixels: u32, spacing_mm: f64| f64::from(pixels.saturating_sub(1)) / 2.0 * spacing_mm;
        let right = scale(
            plane_of_slice.along_row,
            half(plane_of_slice.columns, plane_of_slice.spacing_mm[1]),
        );
        let down = scale(
            plane_of_slice.along_column,
            half(plane_of_slice.rows, plane_of_slice.spacing_mm[0]),
        );
        Some(dot(*corner, normal) + dot(right, normal) + dot(down, normal))
    };
    slices.iter().filter_map(centre_mm).collect()
}

/// The position of one slice: `position` in the patient and `along_mm` along the normal.
struct SlicePosition {
    index: usize,
    position: [f64; 3],
    along_mm: f64,
}

/// The positions of slices, sorted along the normal.
fn sorted_positions(
    series: &Series,
    images: &[usize],
    normal: [f64; 3],
) -> Result<Vec<SlicePosition>, SeriesRefusal> {
    const TAG: &str = "ImagePositionPatient (0020,0032)";
    let mut positions = Vec::with_capacity(images.len());
    for &index in images {
        let slice = &series.slices[index];
        let position = require(slice, &slice.position_mm, TAG, "x\\y\\z in mm")?;
        if position.iter().any(|value| value.abs() > 1e5) {
            return Err(SeriesRefusal::BadTag {
                path: slice.path.clone(),
                tag: TAG,
                found: format!("{position:?}"),
                expected: "x\\y\\z within 100 m".to_owned(),
            });
        }
        positions.push(SlicePosition { index, position, along_mm: dot(position, normal) });
    }
    positions.sort_by(|a, b| {
        let slice = |slice_position: &SlicePosition| &series.slices[slice_position.index];
        let number = |slice_position: &SlicePosition| {
            (slice(slice_position).instance_number, slice(slice_position).frame)
        };
        a.along_mm
            .total_cmp(&b.along_mm)
            .then_with(|| number(a).cmp(&number(b)))
            .then_with(|| slice(a).instance_uid.cmp(&slice(b).instance_uid))
            .then_with(|| a.index.cmp(&b.index))
    });
    Ok(positions)
}

/// Removes all but the first of the slices at one position; returns pairs (kept, excluded).
fn take_duplicates(positions: &mut Vec<SlicePosition>) -> Vec<(usize, usize)> {
    let mut duplicates = Vec::new();
    positions.dedup_by(|later, kept| {
        let same = later.along_mm - kept.along_mm < SAME_POSITION_MM;
        if same {
            duplicates.push((kept.index, later.index));
        }
        same
    });
    duplicates
}

/// Angle between the slice normal and the line through the first and last slice.
fn tilt_degrees(bottom: &SlicePosition, top: &SlicePosition, normal: [f64; 3]) -> f64 {
    let rise = top.along_mm - bottom.along_mm;
    let path = subtract(top.position, bottom.position);
    let shear = subtract(path, scale(normal, rise));
    dot(shear, shear).sqrt().atan2(rise).to_degrees()
}

/// Refuses slices off the line through the first and last.
fn check_line(series: &Series, positions: &[SlicePosition]) -> Result<(), SeriesRefusal> {
    let (Some(bottom), Some(top)) = (positions.first(), positions.last()) else { return Ok(()) };
    let rise = top.along_mm - bottom.along_mm;
    let path = subtract(top.position, bottom.position);
    for slice in positions {
        let share = (slice.along_mm - bottom.along_mm) / rise;
        let off = subtract(subtract(slice.position, bottom.position), scale(path, share));
        let off_mm = dot(off, off).sqrt();
        if off_mm > OFF_LINE_LIMIT_MM {
            return Err(SeriesRefusal::ScatteredSlices {
                path: series.slices[slice.index].path.clone(),
                off_mm,
                limit_mm: OFF_LINE_LIMIT_MM,
            });
        }
    }
    Ok(())
}

/// Refuses stacks with slices off the even grid between the first and the last: missing slices,
/// uneven gaps, and gaps that change gradually.
fn check_grid(
    series: &Series,
    positions: &[SlicePosition],
    tilt_degrees: f64,
) -> Result<(), SeriesRefusal> {
    let (Some(bottom), Some(top)) = (positions.first(), positions.last()) else { return Ok(()) };
    let steps = positions.len().saturating_sub(1).max(1) as f64;
    let even_mm = (top.along_mm - bottom.along_mm) / steps;
    let off_mm = |(step, slice): (usize, &SlicePosition)| {
        (slice.along_mm - bottom.along_mm - step as f64 * even_mm).abs()
    };
    let farthest = positions.iter().enumerate().map(off_mm).enumerate();
    let farthest = farthest.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let Some((farthest, off_mm)) = farthest else { return Ok(()) };
    let limit_mm = even_mm * GRID_TOLERANCE + GRID_TOLERANCE_MM;
    if off_mm <= limit_mm {
        return Ok(());
    }
    let gaps: Vec<f64> =
        positions.windows(2).map(|pair| pair[1].along_mm - pair[0].along_mm).collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let (least_mm, most_mm) = (sorted[0], sorted[sorted.len() - 1]);
    let spacing_mm = sorted[sorted.len() / 2];
    let tolerance_mm = spacing_mm * GRID_TOLERANCE + GRID_TOLERANCE_MM;
    let wrong: Vec<(usize, f64)> = gaps
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, gap)| (gap - spacing_mm).abs() > tolerance_mm)
        .collect();
    let Some(&(after, gap_mm)) = wrong.first() else {
        let path = series.slices[positions[farthest].index].path.clone();
        return Err(SeriesRefusal::DriftingSpacing {
            path,
            off_mm,
            limit_mm,
            even_mm,
            least_mm,
            most_mm,
            tilt_degrees,
        });
    };
    let after = series.slices[positions[after].index].path.clone();
    let missing = missing_slices(&wrong, spacing_mm, tolerance_mm);
    Err(match missing {
        Some(missing) => {
            SeriesRefusal::MissingSlices { missing, after, gap_mm, spacing_mm, tilt_degrees }
        }
        None => SeriesRefusal::UnevenSpacing {
            after,
            gap_mm,
            spacing_mm,
            tolerance_mm,
            least_mm,
            most_mm,
            tilt_degrees,
        },
    })
}

/// Number of slices that are missing in wide gaps, `None` if the gaps are not whole multiples of the usual gap.
fn missing_slices(gaps: &[(usize, f64)], spacing_mm: f64, tolerance_mm: f64) -> Option<usize> {
    let missing = |(_, gap): &(usize, f64)| {
        let steps = (gap / spacing_mm).round();
        let is_multiple = (gap - steps * spacing_mm).abs() <= tolerance_mm;
        ((2.0..1e6).contains(&steps) && is_multiple).then(|| steps as usize - 1)
    };
    gaps.iter().map(missing).sum()
}
