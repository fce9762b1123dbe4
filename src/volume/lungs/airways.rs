//! Following the trachea down to the main bronchi.
//!
//! In a grid of about 3 mm, whose voxels are means and so hardly noisy, the trachea is a compact
//! spot of gas near the middle of every slice, a few square centimetres in area, that lies below the
//! spot of the slice above. The longest such chain is the trachea; below its end, what continues it
//! for 4 cm without spreading into lung is main bronchi.

use super::coarse::Coarse;
use super::{pixel_mm2, voxels};
use crate::volume::Geometry;
use crate::volume::components::{Components, Connectivity, Region};
use crate::volume::mask::Mask;

/// The lumen's mean is below this; that of lung is above it, unless emphysema is severe.
const LUMEN_HU: i32 = -930;

/// Areas of a trachea, child's to grossly enlarged; less than its own, for only coarse voxels that
/// lie wholly in it are dark.
const TRACHEA_MM2: std::ops::RangeInclusive<f64> = 18.0..=700.0;

/// Where it splits it is larger.
const MOST_BIFURCATION_MM2: f64 = 900.0;

/// How far from the middle of the torso it may be displaced.
const OFF_MIDDLE_MM: f64 = 50.0;

/// Less than this is no trachea but a bronchus or a bubble.
const SHORTEST_MM: f64 = 30.0;

/// How far it may run sideways from one coarse slice to the next.
const DRIFT_MM: f64 = 7.0;

/// How far below the trachea bronchi are followed.
const BRONCHI_MM: f64 = 40.0;

/// From the lumen's coarse voxels to beyond the wall.
const WALL_MM: f64 = 4.5;

/// Trachea and main bronchi among the air of the torso, with the blur of their walls.
pub(super) fn large_airways(coarse: &Coarse<'_>, air: &Mask, middle_mm: [f64; 3]) -> Option<Mask> {
    let lumen = coarse.darker_than(LUMEN_HU, air);
    let grid = &coarse.geometry;
    let depth = lumen.dim()[0];
    // Coarse slices from head to feet.
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
    if middle < coarse.sampled(air).mean_depth() * grid.axes[0][2].signum() {
        return None;
    }

    let mut airways = Mask::empty(lumen.dim());
    for &(slice, label) in &chain {
        slices[slice].paint(&mut airways, |l| l == label);
    }
    let &(end, _) = chain.last()?;
    let steps = (BRONCHI_MM / grid.spacing_mm[0]) as usize;
    for slice in slices.iter().skip(end + 1).take(steps) {
        let reach = airways.dilated([1, 1, 1]);
        let mut continues = vec![false; slice.regions().len()];
        slice.for_runs(|label, z, y, along| {
            continues[label] |= along.into_iter().any(|x| reach.get([z, y, x]));
        });
        for (region, continues) in slice.regions().iter().zip(&mut continues) {
            *continues &= region.voxels as f64 * pixel_mm2(grid) <= MOST_BIFURCATION_MM2;
        }
        if !continues.contains(&true) {
            break;
        }
        slice.paint(&mut airways, |label| continues[label]);
    }

    let mut airways = coarse.refined(&airways).dilated(voxels(WALL_MM, &coarse.volume.geometry));
    airways.keep(air);
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
            let area_mm2 = region.voxels as f64 * pixel_mm2(grid);
            let position_mm = grid.position_mm(region.centroid);
            if !TRACHEA_MM2.contains(&area_mm2)
                || !is_compact(region, grid)
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
                    drift_mm < DRIFT_MM && (0.4..2.5).contains(&ratio)
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
        open = continued;
    }
    let length_mm = longest.len() as f64 * grid.spacing_mm[0];
    (length_mm >= SHORTEST_MM).then_some(longest)
}

/// Whether a slice's region is as compact as a trachea: between a slit and a disc.
fn is_compact(region: &Region, geometry: &Geometry) -> bool {
    let side = |axis: usize| {
        let [first, last] = region.bounding_box[axis];
        (last + 1 - first) as f64 * geometry.spacing_mm[axis]
    };
    let (height_mm, width_mm) = (side(1), side(2));
    let filled = region.voxels as f64 * pixel_mm2(geometry) / (height_mm * width_mm);
    height_mm.max(width_mm) < 2.2 * height_mm.min(width_mm) && filled > 0.45
}
