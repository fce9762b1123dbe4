//! Occlusion: how much the log-odds of cancer fall when a block of the volume becomes air
//! (Zeiler & Fergus 2014).
//!
//! ```text
//! weight of a block = log-odds(volume) − log-odds(volume with air in the block)
//! ```

use std::fmt;
use std::str::FromStr;

use ndarray::{Array3, ArrayViewMut3, s};

/// A length, as asked for.
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
        let wrong = || {
            format!(
                "\"{text}\": expected millimetres as in 30mm, or prepared voxels as in 8, above 0"
            )
        };
        match text.trim().strip_suffix("mm") {
            Some(number) => match number.trim().parse::<f64>() {
                Ok(mm) if mm > 0.0 && mm <= 1000.0 => Ok(Self::Millimetres(mm)),
                _ => Err(wrong()),
            },
            None => match text.trim().parse::<usize>() {
                Ok(voxels @ 1..=1000) => Ok(Self::Voxels(voxels)),
                _ => Err(wrong()),
            },
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Millimetres(mm) => write!(out, "{mm} mm"),
            Self::Voxels(voxels) => write!(out, "{voxels} voxels"),
        }
    }
}

impl Length {
    /// In voxels of `spacing_mm`, at least one.
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
    /// Blocks along depth, height, width.
    pub count: [usize; 3],
    /// Voxels of a block.
    size: [usize; 3],
    stride: [usize; 3],
    /// First voxel of the first block, which may lie outside the volume.
    start: [i64; 3],
    shape: [usize; 3],
}

impl Blocks {
    /// Blocks of `size`, `stride` apart, over a volume of `shape`: as many as cover it, what they
    /// reach over it shared by both ends.
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

    /// All blocks, as their places along depth, height, width.
    pub fn places(self) -> impl Iterator<Item = [usize; 3]> {
        let [depth, height, width] = self.count;
        (0..depth * height * width)
            .map(move |at| [at / (height * width), at / width % height, at % width])
    }

    /// The voxels of a block within the volume: first and one past the last, along each axis.
    pub fn range(&self, place: [usize; 3]) -> [[usize; 2]; 3] {
        std::array::from_fn(|axis| {
            let first = self.start[axis] + (place[axis] * self.stride[axis]) as i64;
            let end = first + self.size[axis] as i64;
            [first, end].map(|at| at.clamp(0, self.shape[axis] as i64) as usize)
        })
    }

    /// Puts `value` in a block's voxels.
    pub fn fill(&self, volume: &mut ArrayViewMut3<f32>, place: [usize; 3], value: f32) {
        let [d, h, w] = self.range(place);
        volume.slice_mut(s![d[0]..d[1], h[0]..h[1], w[0]..w[1]]).fill(value);
    }

    /// Whether a block holds nothing but `value`, so that filling it changes nothing.
    pub fn holds_only(&self, volume: &Array3<f32>, place: [usize; 3], value: f32) -> bool {
        let [d, h, w] = self.range(place);
        volume.slice(s![d[0]..d[1], h[0]..h[1], w[0]..w[1]]).iter().all(|&voxel| voxel == value)
    }

    /// Voxel at the centre of the first block.
    pub fn first(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.start[axis] as f64 + (self.size[axis] as f64 - 1.0) / 2.0)
    }

    /// Voxels from one block's centre to the next.
    pub fn step(&self) -> [f64; 3] {
        self.stride.map(|stride| stride as f64)
    }
}

/// The fall of the log-odds for each block: `log_odds` answers for as many volumes as it is given,
/// at most `batch` at a time. `air` is what a block is filled with.
///
/// # Errors
/// Those of `log_odds`.
pub fn occlude<E>(
    volume: &Array3<f32>,
    blocks: &Blocks,
    air: f32,
    batch: usize,
    mut log_odds: impl FnMut(&[Array3<f32>]) -> Result<Vec<f64>, E>,
) -> Result<Array3<f32>, E> {
    let whole = log_odds(std::slice::from_ref(volume))?;
    let whole = whole.first().copied().unwrap_or(f64::NAN);
    let mut weights = Array3::zeros(blocks.count);
    // A block of air becomes air: the difference is exactly 0.
    let places: Vec<[usize; 3]> =
        blocks.places().filter(|&place| !blocks.holds_only(volume, place, air)).collect();
    for places in places.chunks(batch.max(1)) {
        let occluded: Vec<Array3<f32>> = places
            .iter()
            .map(|&place| {
                let mut occluded = volume.clone();
                blocks.fill(&mut occluded.view_mut(), place, air);
                occluded
            })
            .collect();
        for (&place, odds) in places.iter().zip(log_odds(&occluded)?) {
            weights[place] = (whole - odds) as f32;
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
        let parsed = |text: &str| text.parse::<Length>();
        assert_eq!(parsed("30mm").unwrap().voxels(1.5), 20);
        assert_eq!(parsed(" 7.5 mm").unwrap().voxels(5.0), 2);
        assert_eq!(parsed("1mm").unwrap().voxels(5.0), 1);
        assert_eq!(parsed("8").unwrap().voxels(5.0), 8);
        for wrong in ["0", "-3", "0mm", "NaNmm", "8.5", "30 cm", "", "mm"] {
            assert!(parsed(wrong).unwrap_err().contains("above 0"), "{wrong}");
        }
    }

    #[test]
    fn blocks_cover_every_voxel_and_lie_evenly() {
        for (shape, size, stride) in [([48, 40, 56], 8, 4), ([7, 9, 4], 4, 3), ([3, 2, 5], 9, 2)] {
            let blocks = Blocks::over(shape, [size; 3], [stride; 3]);
            let mut seen = Array3::<f32>::zeros(shape);
            for place in blocks.places() {
                blocks.fill(&mut seen.view_mut(), place, 1.0);
            }
            assert!(seen.iter().all(|&seen| seen == 1.0), "{shape:?}");
            for (axis, length) in shape.into_iter().enumerate() {
                let (first, step) = (blocks.first()[axis], blocks.step()[axis]);
                let last = first + (blocks.count[axis] - 1) as f64 * step;
                let after = length as f64 - 1.0 - last;
                assert!((first - after).abs() <= 1.0, "{first} {after}");
            }
        }
    }

    /// A network that is a weighted sum: the fall is the sum over the block of what it weighs.
    #[test]
    fn the_map_is_its_definition() {
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
        let mut answered = 0;
        let weights = occlude(&volume, &blocks, -1.0, 4, |volumes| {
            largest = largest.max(volumes.len());
            answered += volumes.len();
            Ok::<_, Infallible>(volumes.iter().map(odds).collect())
        })
        .unwrap();
        assert_eq!(largest, 4);
        // Blocks of the first three columns are air already.
        assert!(answered < 1 + blocks.places().count());
        for place in blocks.places() {
            let [d, h, w] = blocks.range(place);
            let mut expected = 0.0;
            for at in (d[0]..d[1]).flat_map(|d| (h[0]..h[1]).map(move |h| (d, h))) {
                for w in w[0]..w[1] {
                    let at = (at.0, at.1, w);
                    expected += weight(at) * (f64::from(volume[at]) + 1.0);
                }
            }
            assert!((f64::from(weights[place]) - expected).abs() < 1e-4, "{place:?}");
        }
    }

    #[test]
    fn a_failure_of_the_network_is_passed_on() {
        let volume = Array3::zeros([4; 3]);
        let blocks = Blocks::over([4; 3], [2; 3], [2; 3]);
        let failed = occlude(&volume, &blocks, -1.0, 2, |_| Err("no memory"));
        assert_eq!(failed, Err("no memory"));
    }
}
