//! Sharing the air between lungs and the gas beside them.
//!
//! ```text
//!   lung      wall     lumen          contested: the air around the lumen, 6 mm and less from it
//!  ▒▒▒▒▒▒▒▒▒▒▒▒▓▓▓▓░░░░░░░░░░░         level:     how light a voxel is
//!  lung → → → →|← ← ← ← airway        border:    the crest of the wall between them
//! ```
//!
//! Airways and bowel are left out with a margin when the lungs are chosen, for walls of a millimetre
//! hold them together with the lung. In the voxels of the volume that margin is air of both. It is
//! flooded from both sides, the darkest voxels first, so that the floods meet on the crest of the
//! wall, where anatomy has it and wherever the grid lies.

use ndarray::Array3;

use super::AIR_HU;
use crate::volume::mask::Mask;

/// All that is darker is of one level.
const DARKEST_HU: i16 = -1100;

/// Adds to the lungs what the flood from them reaches of the contested voxels before the flood from
/// the other gas. Lungs, gas and contested voxels are disjoint, and all are air.
pub(super) fn settle(hu: &Array3<i16>, contested: &Mask, gas: &Mask, lungs: &mut Mask) {
    let mut gas = gas.clone();
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
