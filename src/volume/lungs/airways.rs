//! Following the trachea down to the main bronchi.
//!
//! In a grid of about 3 mm, whose voxels are means and so hardly noisy, the trachea is a compact
//! spot of gas near the middle of every slice, a few square centimetres in area, that lies below the
//! spot of the slice above. The longest such chain is the trachea; below its end, what continues it
//! for 4 cm without spreading into lung is main bronchi.

use ndarray::Array3;

use super::regions::is_compact;
use super::{pixel_mm2, voxels};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;
use crate::volume::{Geometry, Volume};

const COARSE_MM: f64 = 3.0;

/// The lumen's mean is below this; that of lung is above it, unless emphysema is severe.
const LUMEN_HU: i32 = -930;

/// Areas of a trachea, child's to grossly enlarged.
const TRACHEA_MM2: std::ops::RangeInclusive<f64> = 40.0..=700.0;

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
pub(super) fn large_airways(volume: &Volume, air: &Mask, middle_mm: [f64; 3]) -> Option<Mask> {
    let (lumen, coarse) = coarse_lumen(volume, air);
    let depth = lumen.dim()[0];
    // Coarse slices from head to feet.
    let downwards: Vec<usize> =
        if coarse.axes[0][2] < 0.0 { (0..depth).collect() } else { (0..depth).rev().collect() };
    let slices: Vec<Components> = downwards
        .iter()
        .map(|&z| Components::of_slice(&lumen, z, Connectivity::Corners2d))
        .collect();
    let chain = longest_chain(&slices, &coarse, middle_mm)?;

    let mut airways = Mask::empty(lumen.dim());
    for &(slice, label) in &chain {
        slices[slice].paint(&mut airways, |l| l == label);
    }
    let &(end, _) = chain.last()?;
    let steps = (BRONCHI_MM / coarse.spacing_mm[0]) as usize;
    for slice in slices.iter().skip(end + 1).take(steps) {
        let reach = airways.dilated([1, 1, 1]);
        let mut continues = vec![false; slice.regions().len()];
        slice.for_runs(|label, z, y, along| {
            continues[label] |= along.into_iter().any(|x| reach.get([z, y, x]));
        });
        for (region, continues) in slice.regions().iter().zip(&mut continues) {
            *continues &= region.voxels as f64 * pixel_mm2(&coarse) <= MOST_BIFURCATION_MM2;
        }
        if !continues.contains(&true) {
            break;
        }
        slice.paint(&mut airways, |label| continues[label]);
    }

    let factor = factors(&volume.geometry);
    let mut fine = Mask::empty(air.dim());
    for z in 0..air.dim()[0] {
        for y in 0..air.dim()[1] {
            let (cz, cy) = (z / factor[0], y / factor[1]);
            if cz < airways.dim()[0] && cy < airways.dim()[1] {
                airways.for_runs(cz, cy, |start, end| {
                    fine.fill_run(z, y, start * factor[2], end * factor[2]);
                });
            }
        }
    }
    let mut fine = fine.dilated(voxels(WALL_MM, &volume.geometry));
    fine.keep(air);
    Some(fine)
}

/// How many voxels make a coarse one.
fn factors(geometry: &Geometry) -> [usize; 3] {
    voxels(COARSE_MM, geometry).map(|n| n.max(1))
}

/// The coarse voxels of air whose mean is that of gas, and their geometry.
fn coarse_lumen(volume: &Volume, air: &Mask) -> (Mask, Geometry) {
    let factor = factors(&volume.geometry);
    let dim: [usize; 3] = std::array::from_fn(|axis| air.dim()[axis] / factor[axis]);
    let mut gas = Array3::from_elem(dim, false);
    let count = factor.iter().product::<usize>() as i32;
    for ((z, y, x), gas) in gas.indexed_iter_mut() {
        let [z, y, x] = [z * factor[0], y * factor[1], x * factor[2]];
        if !air.get([z + factor[0] / 2, y + factor[1] / 2, x + factor[2] / 2]) {
            continue;
        }
        let mut sum = 0;
        for dz in 0..factor[0] {
            for dy in 0..factor[1] {
                for dx in 0..factor[2] {
                    sum += i32::from(volume.hu[[z + dz, y + dy, x + dx]]);
                }
            }
        }
        *gas = sum < LUMEN_HU * count;
    }
    let old = &volume.geometry;
    let geometry = Geometry {
        spacing_mm: std::array::from_fn(|axis| old.spacing_mm[axis] * factor[axis] as f64),
        origin_mm: old.position_mm(factor.map(|n| (n as f64 - 1.0) / 2.0)),
        axes: old.axes,
    };
    (Mask::of(&gas, |gas| gas), geometry)
}

/// The longest run of slices with compact spots below one another: (slice, component) each.
fn longest_chain(
    slices: &[Components],
    coarse: &Geometry,
    middle_mm: [f64; 3],
) -> Option<Vec<(usize, usize)>> {
    // Chains that the slice above may continue.
    let mut open: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut longest: Vec<(usize, usize)> = Vec::new();
    for (i, slice) in slices.iter().enumerate() {
        let mut continued = Vec::new();
        for (label, region) in slice.regions().iter().enumerate() {
            let area_mm2 = region.voxels as f64 * pixel_mm2(coarse);
            let position_mm = coarse.position_mm(region.centroid);
            if !TRACHEA_MM2.contains(&area_mm2)
                || !is_compact(region, coarse)
                || (position_mm[0] - middle_mm[0]).abs() > OFF_MIDDLE_MM
            {
                continue;
            }
            let follows = |chain: &&Vec<(usize, usize)>| {
                chain.last().is_some_and(|&(slice, label)| {
                    let above = &slices[slice].regions()[label];
                    let above_mm = coarse.position_mm(above.centroid);
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
    let length_mm = longest.len() as f64 * coarse.spacing_mm[0];
    (length_mm >= SHORTEST_MM).then_some(longest)
}
