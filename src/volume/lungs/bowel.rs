//! Telling gas in stomach and colon from the lung above it.
//!
//! Diaphragm and stomach wall together are a few millimetres: in thick slices they vanish, and the
//! gas hangs together with the left lung. In a grid of about 3 mm it is a pool of bare gas in the
//! lower half with tissue beside and below it. A bulla has lung beside it.

use super::coarse::{Coarse, voxels};
use crate::volume::components::{Components, Connectivity};
use crate::volume::mask::Mask;

/// A pool's mean is below this, and that of most lung above it.
const GAS_HU: i32 = -915;

/// Smaller pools cannot stretch a box by much.
const SMALLEST_ML: f64 = 2.0;

/// A pool with more of all air than this is a lung, or a pneumothorax.
const MOST_OF_AIR: f64 = 0.12;

/// Share of tissue, 2 to 3 coarse voxels beside and below a pool, that makes it bowel.
const TISSUE_AROUND: f64 = 0.93;

/// From the pool's coarse voxels to beyond its wall.
const WALL_MM: f64 = 6.0;

/// Gas of stomach and colon among the air of the torso, with the blur of its walls.
pub(super) fn bowel_gas(coarse: &Coarse<'_>, air: &Mask) -> Mask {
    let coarse_air = coarse.sampled(air);
    let gas = coarse.darker_than(GAS_HU, air);
    let pools = Components::of(&gas, Connectivity::Faces3d);
    let all_air = coarse_air.count() as f64;
    let head_first = coarse.geometry.axes[0][2] >= 0.0;
    // Lower is smaller for an upright volume, larger for one from head to feet.
    let below = |a: f64, b: f64| if head_first { a <= b } else { a >= b };
    let middle = coarse_air.mean_depth();
    let smallest = SMALLEST_ML / super::voxel_ml(&coarse.geometry);

    let mut bowel = Mask::empty(gas.dim());
    for (label, region) in pools.regions().iter().enumerate() {
        let voxels = region.voxels as f64;
        if voxels < smallest || voxels > MOST_OF_AIR * all_air || !below(region.centroid[0], middle)
        {
            continue;
        }
        let pool = pools.select(|l| l == label);
        let mut ring = pool.dilated([3; 3]);
        ring.remove(&pool.dilated([2; 3]));
        let mut ring_air = ring.clone();
        ring_air.keep(&coarse_air);
        let lower = |mask: &Mask| -> usize {
            (0..mask.dim()[0])
                .filter(|&z| below(z as f64, region.centroid[0]))
                .map(|z| mask.count_slice(z))
                .sum()
        };
        let (around, air_around) = (lower(&ring), lower(&ring_air));
        if (around - air_around) as f64 > TISSUE_AROUND * around as f64 {
            bowel.add(&pool);
        }
    }
    let mut bowel = coarse.refined(&bowel).dilated(voxels(WALL_MM, &coarse.volume.geometry));
    bowel.keep(air);
    bowel
}
