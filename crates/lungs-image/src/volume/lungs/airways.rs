//! Following the trachea down to the main bronchi.
//!
//! In the working grid, whose voxels are means and so hardly noisy, the trachea is a compact spot of
//! gas near the middle of every slice, a few square centimetres in area, that lies below the spot of
//! the slice above. The longest such chain is the trachea; below its end, what continues it
//! for 4 cm without spreading into lung is main bronchi. Only the lumen is found here; the border to
//! the lung is settled in [`super::contest`].

use super::working::{PIXEL_MM2, SIDE_MM, Working};
use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity, Region};
use crate::volume::mask::Mask;

/// The lumen is darker than one of these; the first with airways of [`WHOLE_MM`] counts, else the one with
/// the longest. Most lung is lighter than the first, unless emphysema is severe; the others are for
/// tracheas of few and blurred voxels.
const LUMEN_HU: [i16; 3] = [-930, -900, -870];

/// Areas of a trachea, child's to grossly enlarged; less than its own, for only working voxels that
/// lie wholly in it are dark.
const TRACHEA_MM2: std::ops::RangeInclusive<f64> = 18.0..=700.0;

/// Where it splits, and below, it is larger; what is larger still is lung.
const MOST_BIFURCATION_MM2: f64 = 900.0;

/// More than this in a slice that is also more than [`SPREAD`] times what the slice above holds has
/// spread into lung.
const SPREAD_MM2: f64 = 400.0;

/// Bronchi that turn into the plane of the slice grow less than this from slice to slice.
const SPREAD: f64 = 2.4;

/// The size of a part of it, as a share of the part below: a single voxel of a coarse volume is one to
/// four working voxels.
const SIZE_RATIO: std::ops::RangeInclusive<f64> = 0.25..=4.0;

/// How far from the middle of the torso it may be displaced.
const OFF_MIDDLE_MM: f64 = 50.0;

/// Less than this is no trachea but a bronchus or a bubble.
const SHORTEST_MM: f64 = 30.0;

/// Working slices from one part of it to the next: noise may hide it in a slice.
const MOST_STEPS: usize = 2;

/// How far it may run sideways from one working slice to the next with a part of it.
const DRIFT_MM: f64 = 7.0;

/// How far below the trachea bronchi are followed.
const BRONCHI_MM: f64 = 40.0;

/// Trachea and main bronchi of adults that the scan holds as a whole are longer.
const WHOLE_MM: f64 = 120.0;

/// The lumen of trachea and main bronchi among the air of the torso, without the blur of its wall.
pub(super) fn large_airways(working: &Working, air: &Mask, middle_mm: [f64; 3]) -> Option<Mask> {
    let length_mm = |airways: &Mask| {
        airways
            .bounding_box()
            .map_or(0.0, |[[first, last], ..]| (last + 1 - first) as f64 * SIDE_MM)
    };
    let mut longest: Option<(f64, Mask)> = None;
    for &lumen_hu in &LUMEN_HU {
        if longest.as_ref().is_some_and(|(length_mm, _)| *length_mm >= WHOLE_MM) {
            break;
        }
        if let Some(airways) = airways_darker_than(lumen_hu, working, air, middle_mm) {
            let length_mm = length_mm(&airways);
            if longest.as_ref().is_none_or(|(longest_mm, _)| length_mm > *longest_mm) {
                longest = Some((length_mm, airways));
            }
        }
    }
    longest.map(|(_, airways)| airways)
}

fn airways_darker_than(
    lumen_hu: i16,
    working: &Working,
    air: &Mask,
    middle_mm: [f64; 3],
) -> Option<Mask> {
    let mut lumen = Mask::of(&working.volume.hu, |hu| hu < lumen_hu);
    lumen.keep(air);
    let grid = &working.volume.geometry;
    let depth = lumen.dim()[0];
    // Slices from head to feet.
    let downwards: Vec<usize> =
        if grid.axes[0][2] < 0.0 { (0..depth).collect() } else { (0..depth).rev().collect() };
    let slices: Vec<Components> = downwards
        .iter()
        .map(|&z| Components::of_slice(&lumen, z, Connectivity::Corners2d))
        .collect();
    let chain = longest_chain(&slices, grid, middle_mm)?;
    // A trachea lies above the middle of the air; below it, such a spot is bowel.
    let height = |slice: usize| downwards[slice] as f64 * grid.axes[0][2].signum();
    let middle = chain.iter().map(|&(slice, _)| height(slice)).sum::<f64>() / chain.len() as f64;
    if middle < air.mean_depth() * grid.axes[0][2].signum() {
        return None;
    }

    let mut airways = Mask::empty(lumen.dim());
    for &(slice, label) in &chain {
        slices[slice].paint(&mut airways, |l| l == label);
    }
    let &(end, label) = chain.last()?;
    let steps = (BRONCHI_MM / SIDE_MM) as usize;
    let mut above_mm2 = slices[end].regions()[label].voxels as f64 * PIXEL_MM2;
    for slice in slices.iter().skip(end + 1).take(steps) {
        let reach = airways.dilated([1, 1, 1]);
        let mut continues = vec![false; slice.regions().len()];
        slice.for_runs(|label, z, y, along| {
            continues[label] |= along.into_iter().any(|x| reach.get([z, y, x]));
        });
        let area_mm2 = |label: usize| slice.regions()[label].voxels as f64 * PIXEL_MM2;
        for (label, continues) in continues.iter_mut().enumerate() {
            *continues &= area_mm2(label) >= *TRACHEA_MM2.start();
        }
        let all_mm2: f64 =
            (0..continues.len()).filter(|&label| continues[label]).map(area_mm2).sum();
        let spreads = all_mm2 > SPREAD_MM2 && all_mm2 > SPREAD * above_mm2;
        if all_mm2 == 0.0 || all_mm2 > MOST_BIFURCATION_MM2 || spreads {
            break;
        }
        above_mm2 = all_mm2;
        slice.paint(&mut airways, |label| continues[label]);
    }

    Some(airways)
}

/// The longest run of slices with compact spots below one another: (slice, component) each.
fn longest_chain(
    slices: &[Components],
    grid: &Geometry,
    middle_mm: [f64; 3],
) -> Option<Vec<(usize, usize)>> {
    // Chains that the slice above may continue.
    let mut open: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut longest: Vec<(usize, usize)> = Vec::new();
    for (i, slice) in slices.iter().enumerate() {
        let mut continued = Vec::new();
        for (label, region) in slice.regions().iter().enumerate() {
            let area_mm2 = region.voxels as f64 * PIXEL_MM2;
            let position_mm = grid.position_mm(region.centroid);
            if !TRACHEA_MM2.contains(&area_mm2)
                || !is_compact(region)
                || (position_mm[0] - middle_mm[0]).abs() > OFF_MIDDLE_MM
            {
                continue;
            }
            let follows = |chain: &&Vec<(usize, usize)>| {
                chain.last().is_some_and(|&(slice, label)| {
                    let above = &slices[slice].regions()[label];
                    let above_mm = grid.position_mm(above.centroid);
                    let drift_mm =
                        (above_mm[0] - position_mm[0]).hypot(above_mm[1] - position_mm[1]);
                    let ratio = above.voxels as f64 / region.voxels as f64;
                    drift_mm < DRIFT_MM && SIZE_RATIO.contains(&ratio)
                })
            };
            // The longest of the chains that lead here; the first of several.
            let before = open.iter().filter(follows).rev().max_by_key(|chain| chain.len());
            let mut chain = before.cloned().unwrap_or_default();
            chain.push((i, label));
            if chain.len() > longest.len() {
                longest.clone_from(&chain);
            }
            continued.push(chain);
        }
        open.retain(|chain| chain.last().is_some_and(|&(slice, _)| i - slice < MOST_STEPS));
        open.append(&mut continued);
    }
    let (Some(&(first, _)), Some(&(last, _))) = (longest.first(), longest.last()) else {
        return None;
    };
    let length_mm = (last + 1 - first) as f64 * SIDE_MM;
    (length_mm >= SHORTEST_MM).then_some(longest)
}

/// Whether a slice's region is as compact as a trachea: between a slit and a disc.
fn is_compact(region: &Region) -> bool {
    let side = |axis: usize| {
        let [first, last] = region.bounding_box[axis];
        (last + 1 - first) as f64
    };
    let (height, width) = (side(1), side(2));
    let filled = region.voxels as f64 / (height * width);
    height.max(width) < 2.2 * height.min(width) && filled > 0.45
}
