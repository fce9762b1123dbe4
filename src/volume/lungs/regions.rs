//! Telling lungs from everything else that is dark: outside air, table, clothes, bowel.

use super::{pixel_mm2, voxel_ml, voxels};
use crate::volume::components::{Components, Connectivity, Region, touches_border};
use crate::volume::mask::{BoundingBox, Mask, include};
use crate::volume::{Geometry, Volume};

/// Peeled off tissue on all sides to find the torso: shells of tables are thinner than twice this,
/// torsos are not.
const PEEL_MM: f64 = 4.5;

/// The opening that parts a lung from bowel gas where the wall between them is too thin to see.
const OPENING_MM: f64 = 1.5;

/// How far the opened lungs are grown again within the air: further than the opening took off, for
/// the tips of the recesses beside the diaphragm, which are thinner than it and up to this long.
const REGROWTH_MM: f64 = 9.0;

/// Gas without lung tissue is darker than this (air is −1000, inflated lung about −850).
const GAS_HU: i16 = -950;

/// A region with more gas than this is bowel, or air between arm and chest. Even in severe
/// emphysema half of the lung stays lighter than [`GAS_HU`].
const MOST_GAS: f64 = 0.7;

/// A region of this volume is a lung, or a large part of one, by itself.
const LUNG_ML: f64 = 150.0;

/// Smaller regions than this are not looked at.
const SPECK_ML: f64 = 2.0;

/// Air that touches the border of its slice is lung cut by the field of view only above this mean.
const LUNG_AT_BORDER_HU: f64 = -930.0;

/// The torso of the patient.
pub(super) struct Torso {
    /// Per slice, the voxels between the outermost torso voxels of both their row and column.
    pub inside: Mask,
    /// Per slice, the voxels between the outermost torso voxels of their row or of their column.
    pub spanned: Mask,
    /// Its centre of mass.
    pub middle_mm: [f64; 3],
}

/// The largest piece of tissue, without the table.
pub(super) fn torso(tissue: &Mask, geometry: &Geometry) -> Option<Torso> {
    let peel = voxels(PEEL_MM, geometry);
    let cores = Components::of(&tissue.eroded(peel), Connectivity::Faces3d);
    let largest = cores.largest()?;
    let mut torso = cores.select(|label| label == largest).dilated(peel);
    torso.keep(tissue);
    let middle_mm = geometry.position_mm(cores.regions()[largest].centroid);
    let (inside, spanned) = between(&torso);
    Some(Torso { inside, spanned, middle_mm })
}

/// The voxels between the outermost torso voxels of their row and column, and of their row or
/// column, slice by slice.
fn between(torso: &Mask) -> (Mask, Mask) {
    let [depth, height, _] = torso.dim();
    let mut rows = Mask::empty(torso.dim());
    for z in 0..depth {
        for y in 0..height {
            let mut span: Option<(usize, usize)> = None;
            torso.for_runs(z, y, |start, end| {
                span = Some((span.map_or(start, |(first, _)| first), end));
            });
            if let Some((start, end)) = span {
                rows.fill_run(z, y, start, end);
            }
        }
    }
    let mut columns = torso.clone();
    columns.fill_columns();
    let mut either = rows.clone();
    either.add(&columns);
    rows.keep(&columns);
    (rows, either)
}

/// Air inside the torso that its slice encloses, and whether some of it is lung cut by the field of
/// view: air at the border of the slice that is as dense as lung and as large.
pub(super) fn enclosed_air(volume: &Volume, tissue: &Mask, torso: &Torso) -> (Mask, bool) {
    let [depth, height, width] = tissue.dim();
    let air = tissue.complement();
    let mut enclosed = Mask::empty(air.dim());
    let mut cut = Mask::empty(air.dim());
    for z in 0..depth {
        let pieces = Components::of_slice(&air, z, Connectivity::Edges2d);
        let at_border: Vec<bool> = pieces
            .regions()
            .iter()
            .map(|region| touches_border(&region.bounding_box, height, width))
            .collect();
        pieces.paint(&mut enclosed, |label| !at_border[label]);
        // Most of a cut lung has torso on two opposite sides, and it is not gas.
        let mut sums = vec![(0usize, 0i64); at_border.len()];
        pieces.for_runs(|label, z, y, along| {
            if at_border[label] {
                let (count, sum) = &mut sums[label];
                torso.spanned.for_runs(z, y, |start, end| {
                    for x in along.start.max(start)..along.end.min(end) {
                        *count += 1;
                        *sum += i64::from(volume.hu[[z, y, x]]);
                    }
                });
            }
        });
        pieces.paint(&mut cut, |label| {
            let (count, sum) = sums[label];
            at_border[label]
                && 2 * count > pieces.regions()[label].voxels
                && sum as f64 > LUNG_AT_BORDER_HU * count as f64
        });
    }
    enclosed.keep(&torso.inside);
    cut.keep(&torso.spanned);
    let cut_ml = cut.count() as f64 * voxel_ml(&volume.geometry);
    let is_cut = cut_ml > LUNG_ML / 3.0;
    if is_cut {
        enclosed.add(&cut);
    }
    (enclosed, is_cut)
}

/// The lungs in the air of the torso, without what they enclose.
pub(super) fn lungs_among(volume: &Volume, air: &Mask) -> Mask {
    let geometry = &volume.geometry;
    let opening = voxels(OPENING_MM, geometry);
    let cores = Components::of(&air.eroded(opening), Connectivity::Faces3d);
    let is_gas = gas(volume, &cores);
    let ml = |region: &Region| region.voxels as f64 * voxel_ml(geometry);
    let candidates: Vec<usize> = (0..cores.regions().len())
        .filter(|&label| !is_gas[label] && ml(&cores.regions()[label]) >= SPECK_ML)
        .collect();
    let mut chosen = vec![false; cores.regions().len()];
    // The largest is a lung; so is what is large and at its height. Then, what lies in their box.
    let largest = candidates.iter().copied().max_by_key(|&label| cores.regions()[label].voxels);
    let Some(largest) = largest else { return Mask::empty(air.dim()) };
    let heights = cores.regions()[largest].bounding_box[0];
    let mut lung_box: Option<BoundingBox> = None;
    for &label in &candidates {
        let region = &cores.regions()[label];
        let beside = overlap(region.bounding_box[0], heights) >= 0.3;
        if label == largest || (beside && ml(region) >= LUNG_ML) {
            chosen[label] = true;
            include(&mut lung_box, region.bounding_box);
        }
    }
    for &label in &candidates {
        let region = cores.regions()[label].bounding_box;
        let between = lung_box.is_some_and(|lung_box| {
            (0..3).all(|axis| {
                lung_box[axis][0] <= region[axis][0] && region[axis][1] <= lung_box[axis][1]
            })
        });
        chosen[label] |= between;
    }
    let finest_mm = geometry.spacing_mm.into_iter().fold(f64::INFINITY, f64::min);
    let steps = (REGROWTH_MM / finest_mm).round() as usize;
    cores.select(|label| chosen[label]).grown_within(air, steps)
}

/// Which components are gas without tissue.
fn gas(volume: &Volume, cores: &Components) -> Vec<bool> {
    let mut dark = vec![0usize; cores.regions().len()];
    cores.for_runs(|label, z, y, along| {
        dark[label] += along.filter(|&x| volume.hu[[z, y, x]] < GAS_HU).count();
    });
    let share = |(dark, region): (usize, &Region)| dark as f64 / region.voxels as f64;
    dark.into_iter().zip(cores.regions()).map(|pair| share(pair) > MOST_GAS).collect()
}

/// The share of the first range that lies in the second.
fn overlap([first, last]: [usize; 2], within: [usize; 2]) -> f64 {
    let common = (last.min(within[1]) + 1).saturating_sub(first.max(within[0]));
    common as f64 / (last + 1 - first) as f64
}

/// Whether a slice's region is as compact as a trachea: between a slit and a disc.
pub(super) fn is_compact(region: &Region, geometry: &Geometry) -> bool {
    let side = |axis: usize| {
        let [first, last] = region.bounding_box[axis];
        (last + 1 - first) as f64 * geometry.spacing_mm[axis]
    };
    let (height_mm, width_mm) = (side(1), side(2));
    let filled = region.voxels as f64 * pixel_mm2(geometry) / (height_mm * width_mm);
    height_mm.max(width_mm) < 2.2 * height_mm.min(width_mm) && filled > 0.45
}
