//! Selects the regions of air in the torso that are lungs.

use ndarray::s;

use super::torso::Torso;
use super::working::{VOXEL_ML, Working};
use super::{GAS_HU, LUNG_ML, MOST_GAS};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::{BoundingBox, Mask, include};

/// The opening that separates a lung from bowel gas where the wall between them is too thin to see.
const OPENING: [usize; 3] = [1; 3];

/// Dilation of an opened region that restores its outline.
const OUTLINE: [usize; 3] = [2; 3];

/// Steps by which the opened lungs grow within air that belongs to no other region: more than the
/// opening removed, for the recesses around the diaphragm, which are thinner than the opening.
const REGROWTH: usize = 10;

/// Smaller regions are ignored.
const SPECK_ML: f64 = 2.0;

/// A region is large enough for a second lung with [`LUNG_ML`], or this share of the largest lung.
const LUNG_SHARE: f64 = 0.25;

/// Least share of a region's height within the heights of the largest lung.
const HEIGHT_OVERLAP: f64 = 0.3;

/// A side filled with gas covers this share of the height of the lung on the other side; bowel under
/// the diaphragm does not.
const TALL: f64 = 0.6;

/// Least share of a lung within the hull of the torso.
const HULL_SHARE: f64 = 0.5;

/// The lungs in the air of the torso, without enclosed tissue.
pub(super) fn lungs_among(working: &Working, air: &Mask, torso: &Torso) -> Mask {
    let cores = Components::of(&air.eroded(OPENING), Connectivity::Faces3d);
    let regions = cores.regions();
    let is_gas = gas(working, &cores);
    let ml = |label: usize| regions[label].voxels as f64 * VOXEL_ML;
    let mut within = vec![0usize; regions.len()];
    cores.for_runs(|label, _, y, along| within[label] += torso.within_hull(y, along).len());
    let candidates: Vec<usize> = (0..regions.len())
        .filter(|&label| ml(label) >= SPECK_ML)
        .filter(|&label| within[label] as f64 > HULL_SHARE * regions[label].voxels as f64)
        .collect();
    let tissue = || candidates.iter().copied().filter(|&label| !is_gas[label]);
    let mut chosen = vec![false; regions.len()];
    // The largest region is a lung, and so are large regions at its height.
    let Some(largest) = tissue().max_by_key(|&label| regions[label].voxels) else {
        return Mask::empty(air.dim());
    };
    let heights = regions[largest].bounding_box[0];
    let lung_ml = LUNG_ML.min(LUNG_SHARE * ml(largest));
    for label in tissue() {
        let is_at_same_height = overlap(regions[label].bounding_box[0], heights) >= HEIGHT_OVERLAP;
        chosen[label] = label == largest || (is_at_same_height && ml(label) >= lung_ml);
    }
    // A lung may have collapsed in a side filled with gas, which then has no other lung.
    let sides = voxels_by_side(working, &cores, torso.middle_mm[0]);
    let lungs_on_side: [usize; 2] = std::array::from_fn(|side| {
        (0..regions.len()).filter(|&label| chosen[label]).map(|label| sides[label][side]).sum()
    });
    for &label in candidates.iter().filter(|&&label| is_gas[label]) {
        let side = usize::from(sides[label][1] > sides[label][0]);
        let is_only_lung = 4 * lungs_on_side[side] < regions[label].voxels;
        let is_tall = overlap(heights, regions[label].bounding_box[0]) >= TALL;
        chosen[label] = ml(label) >= lung_ml && is_only_lung && is_tall;
    }
    // Then all regions in their box.
    let mut lung_box: Option<BoundingBox> = None;
    for (region, _) in regions.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
        include(&mut lung_box, region.bounding_box);
    }
    for label in tissue() {
        let region = regions[label].bounding_box;
        let is_in_box = lung_box.is_some_and(|lung_box| {
            (0..3).all(|axis| {
                lung_box[axis][0] <= region[axis][0] && region[axis][1] <= lung_box[axis][1]
            })
        });
        chosen[label] |= is_in_box;
    }
    let mut free = air.clone();
    let lungs = cores.select(|label| chosen[label]);
    let mut others = cores.select(|label| !chosen[label] && ml(label) >= SPECK_ML).dilated(OUTLINE);
    others.remove(&lungs.dilated(OUTLINE));
    free.remove(&others);
    // Restore the outline, also where voxels of a coarse volume touch at corners; then the recesses.
    let mut outline = lungs.dilated(OUTLINE);
    outline.keep(&free);
    outline.grown_within(&free, REGROWTH)
}

/// Which components are gas without tissue.
fn gas(working: &Working, cores: &Components) -> Vec<bool> {
    let mut dark = vec![0usize; cores.regions().len()];
    cores.for_runs(|label, z, y, along| {
        let hu = working.volume.hu.slice(s![z, y, along]);
        dark[label] += hu.iter().filter(|&&hu| hu < GAS_HU).count();
    });
    dark.into_iter()
        .zip(cores.regions())
        .map(|(dark, region)| dark as f64 > MOST_GAS * region.voxels as f64)
        .collect()
}

/// Voxels of each component on the patient's right and left, by the middle of each run.
fn voxels_by_side(working: &Working, cores: &Components, middle_x_mm: f64) -> Vec<[usize; 2]> {
    let mut sides = vec![[0usize; 2]; cores.regions().len()];
    cores.for_runs(|label, z, y, along| {
        let x = (along.start + along.end - 1) as f64 / 2.0;
        let x_mm = working.volume.geometry.position_mm([z as f64, y as f64, x])[0];
        sides[label][usize::from(x_mm > middle_x_mm)] += along.len();
    });
    sides
}

/// The share of the first range that lies in the second.
fn overlap([first, last]: [usize; 2], within: [usize; 2]) -> f64 {
    let common = (last.min(within[1]) + 1).saturating_sub(first.max(within[0]));
    common as f64 / (last + 1 - first) as f64
}
