//! Occlusion: the decrease of the log-odds of cancer when a block of the volume is replaced by air
//! (Zeiler & Fergus 2014).
//!
//! ```text
//! weight of a block = log-odds(volume) − log-odds(volume with air in the block)
//! ```

use lungs_base::text::counted;
use std::fmt;
use std::str::FromStr;

use ndarray::{Array3, ArrayViewMut3, s};

/// A length in millimetres or voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// Millimetres: `"30mm"`.
    Millimetres(f64),
    /// Voxels of the prepared volume: `"8"`.
    Voxels(usize),
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "\"{text}\": expected millimetres such as 30mm or voxels of the prepared volume such as \
                 8, above 0 and at most 1000"
            )
        };
        match text.trim().strip_suffix("mm") {
            Some(number) => match number.trim().parse::<f64>() {
                Ok(mm) if mm > 0.0 && mm <= 1000.0 => Ok(Self::Millimetres(mm)),
                _ => Err(invalid()),
            },
            None => match text.trim().parse::<usize>() {
                Ok(voxels @ 1..=1000) => Ok(Self::Voxels(voxels)),
                _ => Err(invalid()),
            },
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millimetres(mm) => write!(out, "{mm} mm"),
            Self::Voxels(voxels) => out.write_str(&counted(*voxels, "voxel", "voxels")),
        }
    }
}

impl Length {
    /// The length in voxels of size `spacing_mm`, at least one.
    pub fn voxels(self, spacing_mm: f64) -> usize {
        match self {
            Self::Millimetres(mm) => ((mm / spacing_mm).round() as usize).max(1),
            Self::Voxels(voxels) => voxels,
        }
    }
}

/// Blocks that cover a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    /// Number of blocks along depth, height, width.
    pub count: [usize; 3],
    /// Size of a block in voxels.
    size: [usize; 3],
    /// Distance between neighbouring blocks in voxels.
    stride: [usize; 3],
    /// First voxel of the first block, which may be outside the volume.
    start: [i64; 3],
    shape: [usize; 3],
}

impl Blocks {
    /// Blocks of `size` at a distance of `stride` that cover a volume of `shape`; they extend equally beyond both
    /// ends of the volume. All lengths are in voxels.
    pub fn over(shape: [usize; 3], size: [usize; 3], stride: [usize; 3]) -> Self {
        let stride: [usize; 3] = std::array::from_fn(|axis| stride[axis].min(size[axis]).max(1));
        let count = std::array::from_fn(|axis| {
            shape[axis].saturating_sub(size[axis]).div_ceil(stride[axis]) + 1
        });
        let start = std::array::from_fn(|axis| {
            let covered = (count[axis] - 1) * stride[axis] + size[axis];
            -(covered.saturating_sub(shape[axis]) as i64 / 2)
        });
        Self { count, size, stride, start, shape }
    }

    /// Indices of all blocks along depth, height, width.
    pub fn indices(self) -> impl Iterator<Item = [usize; 3]> {
        let [depth, height, width] = self.count;
        (0..depth * height * width)
            .map(move |block| [block / (height * width), block / width % height, block % width])
    }

    /// The voxels of a block inside the volume: first and one past the last, along each axis.
    pub fn range(&self, index: [usize; 3]) -> [[usize; 2]; 3] {
        std::array::from_fn(|axis| {
            let first = self.start[axis] + (index[axis] * self.stride[axis]) as i64;
            let end = first + self.size[axis] as i64;
            [first, end].map(|voxel| voxel.clamp(0, self.shape[axis] as i64) as usize)
        })
    }

    /// Sets the voxels of a block to `value`.
    pub fn fill(&self, volume: &mut ArrayViewMut3<f32>, index: [usize; 3], value: f32) {
        let [d, h, w] = self.range(index);
        volume.slice_mut(s![d[0]..d[1], h[0]..h[1], w[0]..w[1]]).fill(value);
    }

    /// Whether all voxels of a block have `value`, so that filling it changes nothing.
    pub(crate) fn contains_only(
        &self,
        volume: &Array3<f32>,
        index: [usize; 3],
        value: f32,
    ) -> bool {
        let [d, h, w] = self.range(index);
        volume.slice(s![d[0]..d[1], h[0]..h[1], w[0]..w[1]]).iter().all(|&voxel| voxel == value)
    }

    /// Centre of the first block in voxels.
    pub fn first(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.start[axis] as f64 + (self.size[axis] as f64 - 1.0) / 2.0)
    }

    /// Distance between the centres of neighbouring blocks in voxels.
    pub fn step(&self) -> [f64; 3] {
        self.stride.map(|stride| stride as f64)
    }
}

/// The decrease of the log-odds for each block filled with `air`. `log_odds` returns one value for each of its
/// at most `batch` volumes.
///
/// # Errors
/// Those of `log_odds`.
pub(crate) fn occlude<E>(
    volume: &Array3<f32>,
    blocks: &Blocks,
    air: f32,
    batch: usize,
    mut log_odds: impl FnMut(&[Array3<f32>]) -> Result<Vec<f64>, E>,
) -> Result<Array3<f32>, E> {
    let baseline = log_odds(std::slice::from_ref(volume))?;
    let baseline = baseline.first().copied().unwrap_or(f64::NAN);
    let mut weights = Array3::zeros(blocks.count);
    // Filling a block of air changes nothing: its weight is exactly 0.
    let indices: Vec<[usize; 3]> =
        blocks.indices().filter(|&index| !blocks.contains_only(volume, index, air)).collect();
    for indices in indices.chunks(batch.max(1)) {
        let occluded: Vec<Array3<f32>> = indices
            .iter()
            .map(|&index| {
                let mut occluded = volume.clone();
                blocks.fill(&mut occluded.view_mut(), index, air);
                occluded
            })
            .collect();
        for (&index, odds) in indices.iter().zip(log_odds(&occluded)?) {
            weights[index] = (baseline - odds) as f32;
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn lengths_are_millimetres_or_voxels() {
        let parse = |text: &str| text.parse::<Length>();
        assert_eq!(parse("30mm").unwrap().voxels(1.5), 20);
        assert_eq!(parse(" 7.5 mm").unwrap().voxels(5.0), 2);
        assert_eq!(parse("1mm").unwrap().voxels(5.0), 1);
        assert_eq!(parse("8").unwrap().voxels(5.0), 8);
        for invalid in ["0", "-3", "0mm", "NaNmm", "8.5", "30 cm", "", "mm"] {
            assert!(parse(invalid).unwrap_err().contains("above 0"), "{invalid}");
        }
    }

    #[test]
    fn blocks_cover_every_voxel_and_are_centred() {
        for (shape, size, stride) in [([48, 40, 56], 8, 4), ([7, 9, 4], 4, 3), ([3, 2, 5], 9, 2)] {
            let blocks = Blocks::over(shape, [size; 3], [stride; 3]);
            let mut covered = Array3::<f32>::zeros(shape);
            for index in blocks.indices() {
                blocks.fill(&mut covered.view_mut(), index, 1.0);
            }
            assert!(covered.iter().all(|&voxel| voxel == 1.0), "{shape:?}");
            for (axis, length) in shape.into_iter().enumerate() {
                let (first, step) = (blocks.first()[axis], blocks.step()[axis]);
                let last = first + (blocks.count[axis] - 1) as f64 * step;
                let after = length as f64 - 1.0 - last;
                assert!((first - after).abs() <= 1.0, "{first} {after}");
            }
        }
    }

    /// With a weighted sum as the network, the decrease is the weighted sum over the block.
    #[test]
    fn weights_equal_the_definition() {
        let shape = [6, 5, 7];
        let volume = Array3::from_shape_fn(shape, |(d, h, w)| {
            if w < 3 { -1.0 } else { (d * 3 + h * 5 + w * 2) as f32 / 20.0 - 1.0 }
        });
        let weight =
            |(d, h, w): (usize, usize, usize)| (d as f64 - 2.0) * (h as f64 + 1.0) - w as f64;
        let odds = |volume: &Array3<f32>| -> f64 {
            volume.indexed_iter().map(|(at, &v)| weight(at) * f64::from(v)).sum()
        };
        let blocks = Blocks::over(shape, [3, 2, 3], [2, 1, 2]);
        let mut largest = 0;
        let mut volume_count = 0;
        let weights = occlude(&volume, &blocks, -1.0, 4, |volumes| {
            largest = largest.max(volumes.len());
            volume_count += volumes.len();
            Ok::<_, Infallible>(volumes.iter().map(odds).collect())
        })
        .unwrap();
        assert_eq!(largest, 4);
        // Blocks of the first three columns contain only air.
        assert!(volume_count < 1 + blocks.indices().count());
        for index in blocks.indices() {
            let [d, h, w] = blocks.range(index);
            let mut expected = 0.0;
            for at in (d[0]..d[1]).flat_map(|d| (h[0]..h[1]).map(move |h| (d, h))) {
                for w in w[0]..w[1] {
                    let at = (at.0, at.1, w);
                    expected += weight(at) * (f64::from(volume[at]) + 1.0);
                }
            }
            assert!((f64::from(weights[index]) - expected).abs() < 1e-4, "{index:?}");
        }
    }

    #[test]
    fn an_error_of_the_network_is_returned() {
        let volume = Array3::zeros([4; 3]);
        let blocks = Blocks::over([4; 3], [2; 3], [2; 3]);
        let failed = occlude(&volume, &blocks, -1.0, 2, |_| Err("no memory"));
        assert_eq!(failed, Err("no memory"));
    }
}
