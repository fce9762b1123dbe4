//! Bodies that slices of air interrupt, as a phantom of slabs with gaps between them.

use ndarray::Axis;

use crate::volume::Volume;
use crate::volume::mask::Mask;

/// Air between two parts of a body, at most.
const LONGEST_MM: f64 = 12.0;

/// The volume with interruptions replaced by the slices next to them; none when there are none.
///
/// An interruption is a run of slices of which each has less than half the tissue of both slices
/// around the run. No part of a patient tapers that fast.
pub(super) fn bridged(volume: &Volume, air: &Mask) -> Option<Volume> {
    let [depth, height, width] = air.dim();
    let tissue: Vec<usize> = (0..depth).map(|z| height * width - air.count_slice(z)).collect();
    let most_slices = (LONGEST_MM / volume.geometry.spacing_mm[0]).ceil() as usize;
    let mut whole: Option<Volume> = None;
    let mut z = 1;
    while z + 1 < depth {
        let longest = most_slices.min(depth - 1 - z);
        let is_gap = |slices: usize| {
            let around = tissue[z - 1].min(tissue[z + slices]);
            tissue[z..z + slices].iter().all(|&tissue| 2 * tissue < around)
        };
        let Some(slices) = (1..=longest).find(|&slices| is_gap(slices)) else {
            z += 1;
            continue;
        };
        let hu = &mut whole.get_or_insert_with(|| volume.clone()).hu;
        for i in 0..slices {
            let near = if 2 * i < slices { z - 1 } else { z + slices };
            hu.index_axis_mut(Axis(0), z + i).assign(&volume.hu.index_axis(Axis(0), near));
        }
        z += slices;
    }
    whole
}
