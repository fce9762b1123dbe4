//! Telling the air in the torso from the air around it, and from what was never measured.
//!
//! ```text
//!  . . .-~~~~~~-. . .      .  not measured: the same value in all slices, from the border on
//!  . .'   air    `. .
//!  . |  .-----.   | .      outside: air that touches the border or the unmeasured, and is bare gas
//!  . | ( O  |  )  | .      lung:    air that its slice encloses, within the torso …
//!  . |/O\____|___)_| .      cut:     … or that touches the border, lies between torso and torso,
//!  . .'._______.' . .               and is no bare gas (narrow field of view)
//! ```

use std::collections::BTreeMap;

use ndarray::{Array3, s};

use super::torso::Torso;
use super::{AIR_HU, GAS_HU, MOST_GAS, voxels};
use crate::volume::Volume;
use crate::volume::components::{Components, Connectivity, touches_border};
use crate::volume::mask::Mask;

/// Fewer slices than this cannot tell a constant from a measurement.
const FEWEST_SLICES: usize = 8;

/// Resampling blurs the edge of the measured circle, and lets it ring, this far.
const RINGING_MM: f64 = 6.0;

/// The farther ripples of that ringing are lower than this.
const RIPPLE_HU: u16 = 12;

/// In that edge, what is darker than this is padding.
const DARKEST_HU: i16 = -1010;

/// The body fills the field of view where it makes up this share of its edge, the cut lungs not
/// counted; a body within its field of view has none of it.
const FILLED: f64 = 0.15;

/// How far above and below a slice that share is averaged.
const BESIDE_MM: f64 = 20.0;

/// The mean of air around the body is below this, with the foam of tables and cushions in it.
const AROUND_HU: f64 = -965.0;

/// The core of a piece, a voxel and more from its outline, is free of the blur of what surrounds it,
/// and decides what the piece is. With less core than this share a piece is a gap, and no lung.
const LEAST_CORE: f64 = 0.25;

/// The columns of the volume that the scanner did not measure, as a set of one slice: padding has one
/// and the same value in all slices, whatever it is; measured air has not, for its noise. The blurred
/// edge beside it counts as unmeasured too.
pub(super) fn unmeasured(volume: &Volume) -> Mask {
    let (depth, height, width) = volume.hu.dim();
    let none = Mask::empty([1, height, width]);
    if depth < FEWEST_SLICES {
        return none;
    }
    let Some(padding_hu) = padding_at_border(volume) else { return none };
    let mut padded = vec![true; height * width];
    for slice in volume.hu.outer_iter() {
        for (padded, hu) in padded.iter_mut().zip(slice) {
            *padded &= hu.abs_diff(padding_hu) <= RIPPLE_HU;
        }
    }
    let padded = Array3::from_shape_fn((1, height, width), |(_, y, x)| padded[y * width + x]);
    let pieces = Components::of(&Mask::of(&padded, |on| on), Connectivity::Edges2d);
    let padding =
        pieces.select(|label| touches_border(&pieces.regions()[label].bounding_box, height, width));
    let [_, y, x] = voxels(RINGING_MM, &volume.geometry);
    padding.dilated([0, y, x])
}

/// The value of most of the constant columns on the border of the slices; none without any.
fn padding_at_border(volume: &Volume) -> Option<i16> {
    let (_, height, width) = volume.hu.dim();
    let mut counts = BTreeMap::<i16, usize>::new();
    for y in 0..height {
        for x in 0..width {
            if y > 0 && x > 0 && y + 1 < height && x + 1 < width {
                continue;
            }
            let column = volume.hu.slice(s![.., y, x]);
            let first = column[0];
            if column.iter().all(|hu| *hu == first) {
                *counts.entry(first).or_default() += 1;
            }
        }
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(hu, _)| hu)
}

/// Air inside the torso, and what of it may be lung cut by the field of view.
pub(super) fn air_of_torso(
    volume: &Volume,
    air: &Mask,
    unmeasured: &Mask,
    torso: &Torso,
) -> (Mask, Mask) {
    let edge = edge_of_view(unmeasured);
    let filled = filled_slices(volume, torso, &edge);
    let mut enclosed = Mask::empty(air.dim());
    let mut cut = Mask::empty(air.dim());
    let core = air.eroded([0, 1, 1]);
    for (z, body_fills) in filled.into_iter().enumerate() {
        let pieces = Components::of_slice(air, z, Connectivity::Edges2d);
        let mut at_edge = vec![false; pieces.regions().len()];
        pieces.for_runs(|label, _, y, along| {
            at_edge[label] = at_edge[label] || edge.meets_run(0, y, along.start, along.end);
        });
        pieces.paint(&mut enclosed, |label| !at_edge[label]);
        let tallies = tally(volume, &pieces, &core, &at_edge, torso);
        pieces.paint(&mut cut, |label| at_edge[label] && tallies[label].is_cut_lung(body_fills));
    }
    enclosed.keep(&torso.inside);
    enclosed.add(&cut);
    (enclosed, cut)
}

/// The outermost measured columns, as a set of one slice.
fn edge_of_view(unmeasured: &Mask) -> Mask {
    let [_, height, width] = unmeasured.dim();
    let mut edge = unmeasured.dilated([0, 1, 1]);
    for y in 0..height {
        if y == 0 || y + 1 == height {
            edge.fill_run(0, y, 0, width);
        } else {
            edge.fill_run(0, y, 0, 1);
            edge.fill_run(0, y, width - 1, width);
        }
    }
    edge.remove(unmeasured);
    edge
}

/// In which slices the body fills the field of view, judged with the slices around them.
fn filled_slices(volume: &Volume, torso: &Torso, edge: &Mask) -> Vec<bool> {
    let depth = torso.mask.dim()[0];
    let at_edge: Vec<usize> = (0..depth).map(|z| torso.mask.count_common(z, edge)).collect();
    let [around, ..] = voxels(BESIDE_MM, &volume.geometry);
    (0..depth)
        .map(|z| {
            let near = &at_edge[z.saturating_sub(around)..(z + around + 1).min(depth)];
            let all = near.len() * edge.count();
            near.iter().sum::<usize>() as f64 >= FILLED * all as f64
        })
        .collect()
}

/// Gives lungs that the field of view cuts their part of the blurred edge back, slice by slice.
pub(super) fn reclaim_edge(volume: &Volume, unmeasured: &Mask, lungs: &mut Mask) {
    let mut within = Mask::of(&volume.hu, |hu| (DARKEST_HU..=AIR_HU).contains(&hu));
    within.remove_from_slices(&unmeasured.complement());
    within.add(lungs);
    let [_, y, x] = voxels(RINGING_MM, &volume.geometry);
    for _ in 0..y.max(x) {
        *lungs = lungs.dilated([0, 1, 1]);
        lungs.keep(&within);
    }
}

/// What decides whether a piece of air at the border of its slice is lung: counts of voxels.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// The whole piece.
    voxels: usize,
    /// Its core.
    core: Share,
    /// What of the core lies between torso and torso.
    between: Share,
    /// What of the core lies in rows that cross the torso.
    beside: usize,
}

/// Some voxels of a piece.
#[derive(Clone, Copy, Default)]
struct Share {
    voxels: usize,
    gas: usize,
    sum_hu: i64,
}

impl Share {
    fn add(&mut self, hu: ndarray::ArrayView1<i16>) {
        self.voxels += hu.len();
        for &hu in hu {
            self.gas += usize::from(hu < GAS_HU);
            self.sum_hu += i64::from(hu);
        }
    }

    fn is_gas(&self) -> bool {
        self.gas as f64 > MOST_GAS * self.voxels as f64
            || (self.sum_hu as f64) < AROUND_HU * self.voxels as f64
    }
}

impl Tally {
    /// Lung has torso on two opposite sides. Where the body fills the field of view, the wall of the
    /// chest may be out of sight; then it has torso to its left or right, as no mattress has.
    fn is_cut_lung(&self, body_fills: bool) -> bool {
        let core = self.core.voxels;
        if (core as f64) < LEAST_CORE * self.voxels as f64 {
            return false;
        }
        let enclosed = 2 * self.between.voxels > core && !self.between.is_gas();
        enclosed || (body_fills && 2 * self.beside > core && !self.core.is_gas())
    }
}

/// The tallies of the pieces at the border of one slice, by label; zero for the others.
fn tally(
    volume: &Volume,
    pieces: &Components,
    core: &Mask,
    at_edge: &[bool],
    torso: &Torso,
) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); at_edge.len()];
    pieces.for_runs(|label, z, y, along| {
        if !at_edge[label] {
            return;
        }
        let tally = &mut tallies[label];
        tally.voxels += along.len();
        core.for_runs(z, y, |start, end| {
            let (start, end) = (along.start.max(start), along.end.min(end));
            if start >= end {
                return;
            }
            tally.core.add(volume.hu.slice(s![z, y, start..end]));
            tally.beside += if torso.crosses_row(z, y) { end - start } else { 0 };
            torso.spanned.for_runs(z, y, |from, to| {
                let (from, to) = (start.max(from), end.min(to));
                if from < to {
                    tally.between.add(volume.hu.slice(s![z, y, from..to]));
                }
            });
        });
    });
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    fn disc(padding_hu: i16, slices: usize) -> Volume {
        let hu = Array3::from_shape_fn((slices, 41, 41), |(z, y, x)| {
            let noise = ((z * 7 + y * 13 + x * 29) % 31) as i16;
            let off = (y as f64 - 20.0).hypot(x as f64 - 20.0);
            if off > 20.5 { padding_hu } else { -1000 + noise }
        });
        let geometry = Geometry {
            spacing_mm: [3.0, 4.0, 4.0],
            origin_mm: [0.0; 3],
            axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        };
        Volume { hu, geometry }
    }

    #[test]
    fn what_is_the_same_in_all_slices_from_the_corners_on_was_not_measured() {
        for padding_hu in [0, -1024, -3024] {
            let found = unmeasured(&disc(padding_hu, 12));
            assert!(found.get([0, 0, 0]) && found.get([0, 40, 40]), "{padding_hu}");
            assert!(!found.get([0, 20, 20]) && !found.get([0, 20, 4]), "{padding_hu}");
        }
    }

    #[test]
    fn a_few_slices_or_a_volume_without_padding_leave_everything_measured() {
        assert!(unmeasured(&disc(0, 3)).is_empty());
        let mut volume = disc(0, 12);
        volume.hu[[5, 0, 0]] = 3;
        volume.hu.iter_mut().filter(|hu| **hu == 0).for_each(|hu| *hu = -1001);
        for z in 0..12 {
            volume.hu.slice_mut(s![z, .., ..]).mapv_inplace(|hu| hu + z as i16);
        }
        assert!(unmeasured(&volume).is_empty());
    }
}
