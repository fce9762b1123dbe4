//! Sharing the air between lungs and the gas next to them.
//!
//! ```text
//!    lung      wall    lumen
//!  ░░░░░░░░░░░▒▒▓▓▒▒░░░░░░░░░░░     contested: the air around the middle of the lumen, to 6 mm
//!  lung → → → → →|← ← ← ← core                 beyond it
//! ```
//!
//! Airways and bowel are left out with a margin when the lungs are chosen, for walls of a millimetre
//! let them hang together with the lung. That margin holds air of both. It is flooded from both
//! sides in the voxels of the volume, air first and then wall, the darker the sooner, so that the
//! floods meet on the crest of the wall, or midway where there is none: no edge is that of a box.

use ndarray::Array3;

use super::working::Working;
use super::{AIR_HU, WALL};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// What is darker is no wall, and all of one level: there the nearer side along air has it. Noise and
/// the dark rims of sharp kernels decide nothing.
const DARKEST_HU: i16 = -700;

/// The gas next to lungs and the air around it, in the voxels of the volume.
pub(super) struct Contest {
    /// The middle of airways and bowel.
    gas: Mask,
    /// The air around it that may be of either.
    contested: Mask,
}

impl Contest {
    /// What is contested around gas: its air within [`WALL`] and outside the lungs that were chosen.
    pub(super) fn new(
        working: &Working,
        fine_air: &Mask,
        gas: &Mask,
        lungs: &Mask,
        unmeasured: &Mask,
    ) -> Self {
        let core = core(gas);
        let mut around = gas.dilated(WALL);
        around.remove(&core);
        around.remove(lungs);
        around.remove_from_slices(unmeasured);
        let [gas, contested] = [core, around].map(|working_voxels| {
            let mut fine = working.refined(&working_voxels);
            fine.keep(fine_air);
            fine
        });
        Self { gas, contested }
    }

    /// Adds to the lungs what the flood from them reaches before the flood from the gas.
    pub(crate) fn settle(self, hu: &Array3<i16>, lungs: &mut Mask) {
        let Self { mut gas, contested } = self;
        gas.remove(lungs);
        let mut queue = Queue::new();
        let [depth, height, _] = contested.dim();
        for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
            contested.for_runs(z, y, |start, end| {
                for at in (start..end).map(|x| [z, y, x]) {
                    for side in neighbours(at).filter_map(|next| side_of(next, lungs, &gas)) {
                        queue.push(level_of(hu[at]), at, side);
                    }
                }
            });
        }
        while let Some((level, at, side)) = queue.pop() {
            if side_of(at, lungs, &gas).is_some() {
                continue;
            }
            let [z, y, x] = at;
            let own = match side {
                Side::Lung => &mut *lungs,
                Side::Gas => &mut gas,
            };
            own.fill_run(z, y, x, x + 1);
            for next in neighbours(at) {
                if contested.get(next) && side_of(next, lungs, &gas).is_none() {
                    queue.push(level.max(level_of(hu[next])), next, side);
                }
            }
        }
    }
}

/// The middle of gas in its slices, a working voxel and more from its outline, which may lie beyond a
/// thin wall; all of what is too thin to have a middle.
fn core(gas: &Mask) -> Mask {
    let mut core = gas.eroded([0, 1, 1]);
    let pieces = Components::of(gas, Connectivity::Edges2d);
    let mut has_core = vec![false; pieces.regions().len()];
    pieces.for_runs(|label, z, y, along| {
        has_core[label] = has_core[label] || core.meets_run(z, y, along.start, along.end);
    });
    pieces.paint(&mut core, |label| !has_core[label]);
    core
}

/// Whose a voxel is.
#[derive(Clone, Copy)]
enum Side {
    Lung,
    Gas,
}

fn side_of(at: [usize; 3], lungs: &Mask, gas: &Mask) -> Option<Side> {
    if lungs.get(at) {
        return Some(Side::Lung);
    }
    gas.get(at).then_some(Side::Gas)
}

/// The six neighbours; those beyond the first voxels wrap to indices of no grid.
fn neighbours(at: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..6).map(move |i| {
        let mut next = at;
        next[i / 2] = if i % 2 == 0 { at[i / 2].wrapping_sub(1) } else { at[i / 2] + 1 };
        next
    })
}

/// The level of a voxel of air, from 0.
fn level_of(hu: i16) -> usize {
    usize::from(hu.clamp(DARKEST_HU, AIR_HU).abs_diff(DARKEST_HU))
}

/// Voxels to reach, by level, and at each level in the order of their coming. Nothing comes below
/// the level that is being taken.
struct Queue {
    waiting: Vec<Vec<([usize; 3], Side)>>,
    level: usize,
    taken: usize,
}

impl Queue {
    fn new() -> Self {
        Self { waiting: vec![Vec::new(); level_of(AIR_HU) + 1], level: 0, taken: 0 }
    }

    fn push(&mut self, level: usize, at: [usize; 3], side: Side) {
        self.waiting[level].push((at, side));
    }

    fn pop(&mut self) -> Option<(usize, [usize; 3], Side)> {
        while self.level < self.waiting.len() {
            if let Some(&(at, side)) = self.waiting[self.level].get(self.taken) {
                self.taken += 1;
                return Some((self.level, at, side));
            }
            self.waiting[self.level] = Vec::new();
            (self.level, self.taken) = (self.level + 1, 0);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The voxels of one row that are lung after the contest between its first voxel, lung, and its
    /// last, gas.
    fn lung_of_row(hu: &[i16]) -> Vec<usize> {
        let last = hu.len() - 1;
        let hu = Array3::from_shape_vec((1, 1, hu.len()), hu.to_vec()).unwrap();
        let [mut lungs, mut gas, mut contested] = [(); 3].map(|()| Mask::empty(hu.dim().into()));
        lungs.fill_run(0, 0, 0, 1);
        gas.fill_run(0, 0, last, last + 1);
        contested.fill_run(0, 0, 1, last);
        Contest { gas, contested }.settle(&hu, &mut lungs);
        (0..=last).filter(|&x| lungs.get([0, 0, x])).collect()
    }

    #[test]
    fn the_floods_meet_on_the_crest_of_a_wall_however_near_it_is_to_either() {
        // The crest, -400 HU, is second to the gas in the first row and to the lung in the second.
        let near_gas = [-850, -850, -850, -850, -850, -550, -400, -1000];
        assert_eq!(lung_of_row(&near_gas), [0, 1, 2, 3, 4, 5]);
        let near_lung = [-850, -550, -400, -600, -1000, -1000, -1000, -1000];
        assert_eq!(lung_of_row(&near_lung), [0, 1]);
    }

    #[test]
    fn without_a_wall_the_nearer_side_has_the_air_whatever_its_noise() {
        let row = [-850, -1050, -720, -980, -790, -1000];
        assert_eq!(lung_of_row(&row), [0, 1, 2]);
    }

    #[test]
    fn a_large_lumen_keeps_its_middle_and_a_small_one_all() {
        let mut gas = Mask::empty([1, 9, 12]);
        for y in 1..6 {
            gas.fill_run(0, y, 1, 6);
        }
        gas.fill_run(0, 7, 8, 10);
        let mut middle = Mask::empty([1, 9, 12]);
        for y in 2..5 {
            middle.fill_run(0, y, 2, 5);
        }
        middle.fill_run(0, 7, 8, 10);
        assert_eq!(core(&gas), middle);
    }
}
