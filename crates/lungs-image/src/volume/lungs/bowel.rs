//! Distinguishes gas in stomach and colon from the lung above it.
//!
//! Diaphragm and stomach wall together are a few millimetres thick: in thick slices they vanish, and
//! the gas is connected with the left lung. In the working grid it is a region of bare gas in the
//! lower half, with tissue around and below it. A bulla has lung around it.

use super::working::{VOXEL_ML, Working};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::{BoundingBox, Mask};

/// Upper limit of the mean of a region of gas; that of most lung is higher.
const GAS_HU: i16 = -915;

/// Smaller regions of gas hardly extend a box.
const SMALLEST_ML: f64 = 2.0;

/// A region of gas with a larger share of all air is a lung or a pneumothorax.
const MAX_AIR_SHARE: f64 = 0.12;

/// Least share of tissue, 2 to 3 voxels around and below a region of gas, in the bowel.
const TISSUE_AROUND: f64 = 0.93;

/// Gas of stomach and colon in the air of the torso, without the blurred edge at its walls.
pub(super) fn bowel_gas(working: &Working, air: &Mask) -> Mask {
    let mut gas = Mask::of(&working.volume.hu, |hu| hu < GAS_HU);
    gas.keep(air);
    let pools = Components::of(&gas, Connectivity::Faces3d);
    let all_air = air.count() as f64;
    let head_first = working.volume.geometry.axes[0][2] >= 0.0;
    // Depth runs from feet to head, or the other way in some volumes.
    let below = |a: f64, b: f64| if head_first { a <= b } else { a >= b };
    // The lungs, without the gas of the abdomen.
    let mut lung = air.clone();
    lung.remove(&gas.dilated([1; 3]));
    let middle = if lung.is_empty() { air.mean_depth() } else { lung.mean_depth() };
    let smallest = SMALLEST_ML / VOXEL_ML;

    let mut bowel = Mask::empty(gas.dim());
    for (label, region) in pools.regions().iter().enumerate() {
        let voxels = region.voxels as f64;
        if voxels < smallest
            || voxels > MAX_AIR_SHARE * all_air
            || !below(region.centroid[0], middle)
        {
            continue;
        }
        let pool = pools.select(|l| l == label);
        let near = with_margin(region.bounding_box, 3, air.dim());
        let local_pool = pool.cropped(near);
        let mut ring = local_pool.dilated([3; 3]);
        ring.remove(&local_pool.dilated([2; 3]));
        let mut ring_air = ring.clone();
        ring_air.keep(&air.cropped(near));
        let lower = |mask: &Mask| -> usize {
            (0..mask.dim()[0])
                .filter(|&z| below((near[0][0] + z) as f64, region.centroid[0]))
                .map(|z| mask.count_slice(z))
                .sum()
        };
        let (around, air_around) = (lower(&ring), lower(&ring_air));
        if (around - air_around) as f64 > TISSUE_AROUND * around as f64 {
            bowel.add(&pool);
        }
    }
    bowel
}

/// A box widened on all sides, within a grid.
fn with_margin(inner: BoundingBox, margin: usize, dim: [usize; 3]) -> BoundingBox {
    std::array::from_fn(|axis| {
        let [first, last] = inner[axis];
        [first.saturating_sub(margin), (last + margin).min(dim[axis] - 1)]
    })
}
