//! Telling gas in stomach and colon from the lung above it.
//!
//! Diaphragm and stomach wall together are a few millimetres: in thick slices they vanish, and the
//! gas hangs together with the left lung. In the working grid it is a pool of bare gas in the lower
//! half with tissue beside and below it. A bulla has lung beside it.

use super::working::{VOXEL_ML, Working};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::{BoundingBox, Mask};

/// A pool's mean is below this, and that of most lung above it.
const GAS_HU: i16 = -915;

/// Smaller pools cannot stretch a box by much.
const SMALLEST_ML: f64 = 2.0;

/// A pool with more of all air than this is a lung, or a pneumothorax.
const MOST_OF_AIR: f64 = 0.12;

/// Share of tissue, 2 to 3 voxels beside and below a pool, that makes it bowel.
const TISSUE_AROUND: f64 = 0.93;

/// Gas of stomach and colon among the air of the torso, without the blur of its walls.
pub(super) fn bowel_gas(working: &Working, air: &Mask) -> Mask {
    let mut gas = Mask::of(&working.volume.hu, |hu| hu < GAS_HU);
    gas.keep(air);
    let pools = Components::of(&gas, Connectivity::Faces3d);
    let all_air = air.count() as f64;
    let head_first = working.volume.geometry.axes[0][2] >= 0.0;
    // Lower is smaller for an upright volume, larger for one from head to feet.
    let below = |a: f64, b: f64| if head_first { a <= b } else { a >= b };
    // Where the lungs are, whatever gas the abdomen holds.
    let mut lung = air.clone();
    lung.remove(&gas.dilated([1; 3]));
    let middle = if lung.is_empty() { air.mean_depth() } else { lung.mean_depth() };
    let smallest = SMALLEST_ML / VOXEL_ML;

    let mut bowel = Mask::empty(gas.dim());
    for (label, region) in pools.regions().iter().enumerate() {
        let voxels = region.voxels as f64;
        if voxels < smallest || voxels > MOST_OF_AIR * all_air || !below(region.centroid[0], middle)
        {
            continue;
        }
        let pool = pools.select(|l| l == label);
        let near = with_margin(region.bounding_box, 3, air.dim());
        let here = pool.cropped(near);
        let mut ring = here.dilated([3; 3]);
        ring.remove(&here.dilated([2; 3]));
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
