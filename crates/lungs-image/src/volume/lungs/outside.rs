//! Distinguishes the air in the torso from the air around it, and from unmeasured columns.
//!
//! ```text
//!  . . .-~~~~~~-. . .      .  unmeasured: the same value in all slices, from the border on
//!  . .'   air    `. .
//!  . |  .-----.   | .      outside: air that touches the border or unmeasured columns, and is bare gas
//!  . | ( O  |  )  | .      lung:    air that its slice encloses …
//!  . |/O\____|___)_| .      cut:     … or that touches the border within the hull of the torso,
//!  . .'._______.' . .               and is no bare gas (narrow field of view)
//! ```

use std::collections::BTreeMap;

use ndarray::{Array2, Axis, s};

use super::torso::Torso;
use super::working::{SIDE_MM, Working};
use super::{AIR_HU, GAS_HU, MOST_GAS};
use crate::volume::Volume;
use crate::volume::components::{Components, Connectivity, touches_border};
use crate::volume::mask::Mask;

/// Fewer slices cannot distinguish a constant from a measurement.
const FEWEST_SLICES: usize = 8;

/// Width of blur and ringing at the edge of the measured circle after resampling.
const RINGING: usize = (6.0 / SIDE_MM) as usize;

/// Largest amplitude of the outer ripples of that ringing.
const RIPPLE_HU: u16 = 12;

/// Lower limit of air in that edge; padding is darker.
const DARKEST_HU: i16 = -1010;

/// Upper limit of the mean of air around the body, including foam of tables and cushions.
const AROUND_HU: f64 = -965.0;

/// The core of a piece, at least a working voxel from its outline, is not blurred by its surroundings
/// and determines the class of the piece. A piece with a smaller share of core is a gap, not lung.
const LEAST_CORE: f64 = 0.25;

/// The columns of the volume that the scanner did not measure, as a set of one slice: padding has the
/// same value in all slices, while measured air has noise.
fn padding(volume: &Volume) -> Mask {
    let (depth, height, width) = volume.hu.dim();
    let none = Mask::empty([1, height, width]);
    if depth < FEWEST_SLICES {
        return none;
    }
    let Some(padding_hu) = padding_at_border(volume) else { return none };
    let mut padded = Array2::from_elem((height, width), true);
    for slice in volume.hu.outer_iter() {
        padded.zip_mut_with(&slice, |padded, hu| *padded &= hu.abs_diff(padding_hu) <= RIPPLE_HU);
    }
    let padded = padded.insert_axis(Axis(0));
    let pieces = Components::of(&Mask::of(&padded, |on| on), Connectivity::Edges2d);
    pieces.select(|label| touches_border(&pieces.regions()[label].bounding_box, height, width))
}

/// The working columns that the scanner did not measure, as a set of one slice, with the blurred
/// edge around them.
pub(super) fn unmeasured(volume: &Volume, working: &Working) -> Mask {
    working.columns(&padding(volume)).dilated([0, RINGING, RINGING])
}

/// The most frequent value of constant columns at the border of the slices; `None` without any.
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

/// Air enclosed in its slice, including that of lungs cut by the field of view; and the latter alone.
pub(super) fn air_of_torso(
    working: &Working,
    air: &Mask,
    unmeasured: &Mask,
    torso: &Torso,
) -> (Mask, Mask) {
    let edge = edge_of_view(unmeasured);
    let mut enclosed = Mask::empty(air.dim());
    let mut cut = Mask::empty(air.dim());
    let core = air.eroded([0, 1, 1]);
    for z in 0..air.dim()[0] {
        let pieces = Components::of_slice(air, z, Connectivity::Edges2d);
        let mut at_edge = vec![false; pieces.regions().len()];
        pieces.for_runs(|label, _, y, along| {
            at_edge[label] = at_edge[label] || edge.meets_run(0, y, along.start, along.end);
        });
        pieces.paint(&mut enclosed, |label| !at_edge[label]);
        let tallies = tally(&working.volume, &pieces, &core, &at_edge, torso);
        pieces.paint(&mut cut, |label| at_edge[label] && tallies[label].is_cut_lung());
    }
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

/// Restores the blurred edge of lungs that the field of view cuts, slice by slice.
pub(super) fn reclaim_edge(working: &Working, unmeasured: &Mask, lungs: &mut Mask) {
    let mut within = Mask::of(&working.volume.hu, is_at_edge);
    within.remove_from_slices(&unmeasured.complement());
    within.add(lungs);
    for _ in 0..RINGING {
        *lungs = lungs.dilated([0, 1, 1]);
        lungs.keep(&within);
    }
}

/// Whether a voxel of the blurred edge is air, not padding.
pub(super) fn is_at_edge(hu: i16) -> bool {
    (DARKEST_HU..=AIR_HU).contains(&hu)
}

/// Counts of working voxels that determine whether a piece of air at the border of its slice is lung.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// The whole piece.
    voxels: usize,
    /// Its core.
    core: usize,
    /// Voxels of the core in the hull of the torso.
    within: usize,
    /// Those of them with bare gas.
    gas: usize,
    /// Sum of the values of the core in the hull.
    sum_hu: i64,
}

impl Tally {
    /// Lung has a core, lies in the hull of the torso, and is not bare gas.
    fn is_cut_lung(&self) -> bool {
        let (core, within) = (self.core as f64, self.within as f64);
        let is_bare_gas =
            self.gas as f64 > MOST_GAS * within || (self.sum_hu as f64) < AROUND_HU * within;
        core > LEAST_CORE * self.voxels as f64 && within > 0.5 * core && !is_bare_gas
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
            tally.core += end - start;
            let within = torso.within_hull(y, start..end);
            tally.within += within.len();
            for &hu in volume.hu.slice(s![z, y, within]) {
                tally.gas += usize::from(hu < GAS_HU);
                tally.sum_hu += i64::from(hu);
            }
        });
    });
    tallies
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

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
    fn columns_with_the_same_value_in_all_slices_from_the_corners_on_are_unmeasured() {
        for padding_hu in [0, -1024, -3024] {
            let unmeasured = padding(&disc(padding_hu, 12));
            assert!(unmeasured.get([0, 0, 0]) && unmeasured.get([0, 40, 40]), "{padding_hu}");
            assert!(!unmeasured.get([0, 20, 20]) && !unmeasured.get([0, 20, 4]), "{padding_hu}");
        }
    }

    #[test]
    fn a_few_slices_or_a_volume_without_padding_leave_everything_measured() {
        assert!(padding(&disc(0, 3)).is_empty());
        let mut volume = disc(0, 12);
        volume.hu[[5, 0, 0]] = 3;
        volume.hu.iter_mut().filter(|hu| **hu == 0).for_each(|hu| *hu = -1001);
        for z in 0..12 {
            volume.hu.slice_mut(s![z, .., ..]).mapv_inplace(|hu| hu + z as i16);
        }
        assert!(padding(&volume).is_empty());
    }
}
