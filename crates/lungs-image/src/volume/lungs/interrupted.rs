//! Bodies with interruptions by slices of air, such as phantoms of separate slabs.

use ndarray::Axis;

use crate::volume::Volume;
use crate::volume::mask::Mask;

/// Longest interruption.
const MAX_GAP_MM: f64 = 12.0;

/// The volume with interruptions replaced by the slices next to them; `None` without interruptions.
///
/// An interruption is a run of slices of which each has less than half the tissue of both slices
/// around the run. No part of a patient tapers that fast.
pub(super) fn bridged(volume: &Volume, air: &Mask) -> Option<Volume> {
    let [depth, height, width] = air.dim();
    let tissue: Vec<usize> = (0..depth).map(|z| height * width - air.count_slice(z)).collect();
    let max_slices = (MAX_GAP_MM / volume.geometry.spacing_mm[0]).ceil() as usize;
    let mut bridged_volume: Option<Volume> = None;
    let mut z = 1;
    while z + 1 < depth {
        let longest = max_slices.min(depth - 1 - z);
        let is_gap = |slices: usize| {
            let around = tissue[z - 1].min(tissue[z + slices]);
            tissue[z..z + slices].iter().all(|&tissue| 2 * tissue < around)
        };
        let Some(slices) = (1..=longest).find(|&slices| is_gap(slices)) else {
            z += 1;
            continue;
        };
        let hu = &mut bridged_volume.get_or_insert_with(|| volume.clone()).hu;
        for i in 0..slices {
            let source = if 2 * i < slices { z - 1 } else { z + slices };
            hu.index_axis_mut(Axis(0), z + i).assign(&volume.hu.index_axis(Axis(0), source));
        }
        z += slices;
    }
    bridged_volume
}
