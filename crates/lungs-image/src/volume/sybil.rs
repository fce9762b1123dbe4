//! The preprocessing of Sybil (Mikhael et al., J Clin Oncol 2023), for weights that were trained with it.
//!
//! ```text
//! HU ─window −1350…149─▶ 256 grey levels ─linear─▶ 256 × 256 ─(x − 128.1722) / 87.1849─▶ z
//! z, spaced as the *original* matrix and the slice *thickness* ─linear─▶ 2.5 × 0.703125 × 0.703125 "mm"
//!   ─crop or pad with 0─▶ 200 × 256 × 256
//! ```
//!
//! The arithmetic is that of the libraries that Sybil calls: OpenCV's linear resize (weights in single precision, no
//! antialiasing) and ITK's linear resampling through TorchIO (spacings that passed through single precision, a number
//! of voxels rounded up, 0 where a voxel centre is outside of the outermost voxels). Three of its properties are
//! errors that the weights depend on; see `docs/migrating.md`.

use ndarray::{Array3, ArrayView2, Axis};

use super::sybil_levels::{SYBIL_UNITS, grey_level};
use super::{Volume, Window};

/// Depth, height and width of Sybil's input.
pub const SYBIL_SIZE: [usize; 3] = [200, 256, 256];
/// Spacing that Sybil resamples to, along depth, height and width; true distances differ.
pub const SYBIL_SPACING_MM: [f64; 3] = [2.5, 0.703_125, 0.703_125];
/// Largest SliceThickness that Sybil accepts.
pub const SYBIL_MAX_THICKNESS_MM: f64 = 5.0;
/// The window that shows what Sybil distinguishes.
pub const SYBIL_WINDOW: Window = Window { lower_hu: -1350.0, upper_hu: 149.0, amplitude: 1.0 };

/// Rows and columns after the resize.
const MATRIX: usize = 256;
/// Mean and standard deviation of the grey levels.
const MEAN: f32 = 128.172_2;
const DEVIATION: f32 = 87.184_9;

/// Sybil's input from a volume of Hounsfield units whose SliceThickness is `thickness_mm`, of `size` voxels
/// ([`SYBIL_SIZE`] for its weights): [`SYBIL_UNITS`] times the network's input, rounded.
///
/// The geometry of the result is where its voxels really are.
pub fn sybil_input(volume: &Volume, thickness_mm: f64, size: [usize; 3]) -> Volume {
    let (slices, rows, columns) = volume.hu.dim();
    let [slice_spacing_mm, row_spacing_mm, column_spacing_mm] = volume.geometry.spacing_mm;
    // The spacings of the original matrix are given to the resized one.
    let stated_mm = [thickness_mm, row_spacing_mm, column_spacing_mm];
    let counts = [slices, MATRIX, MATRIX];
    let axes: [Resampling; 3] = std::array::from_fn(|axis| {
        Resampling::new(counts[axis], stated_mm[axis], SYBIL_SPACING_MM[axis], size[axis])
    });
    let mut resized = Resized::new(volume);
    let mut output = Array3::from_elem(size, 0_i16);
    for (mut out, tap) in output.axis_iter_mut(Axis(0)).zip(&axes[0].taps) {
        let Some(tap) = tap else { continue };
        let plane = resized.between(tap);
        for (mut row, tap) in out.rows_mut().into_iter().zip(&axes[1].taps) {
            let Some(down) = tap else { continue };
            for (value, tap) in row.iter_mut().zip(&axes[2].taps) {
                let Some(across) = tap else { continue };
                let at = |row: usize| across.mix(|column| plane[row * MATRIX + column]);
                *value = (f64::from(down.mix(at)) * SYBIL_UNITS).round() as i16;
            }
        }
    }
    let mut geometry = volume.geometry;
    let originals_per_resized = [1.0, rows as f64 / MATRIX as f64, columns as f64 / MATRIX as f64];
    let original_mm = [slice_spacing_mm, row_spacing_mm, column_spacing_mm];
    geometry.origin_mm = volume.geometry.position_mm(std::array::from_fn(|axis| {
        (axes[axis].index_of(0) + 0.5) * originals_per_resized[axis] - 0.5
    }));
    geometry.spacing_mm = std::array::from_fn(|axis| {
        axes[axis].step() * originals_per_resized[axis] * original_mm[axis]
    });
    Volume { hu: output, geometry }
}

/// Two neighbours and the weight of the second one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    lower: usize,
    upper: usize,
    weight: f32,
}

impl Tap {
    #[inline(always)]
    fn mix(&self, value: impl Fn(usize) -> f32) -> f32 {
        let lower = value(self.lower);
        lower + (value(self.upper) - lower) * self.weight
    }
}

/// Resampling of one axis to another spacing, then cropping or padding.
struct Resampling {
    spacing_mm: f64,
    target_mm: f64,
    /// Index of the first voxel of the result among the resampled voxels; negative with padding.
    first: i64,
    /// The neighbours of each voxel of the result; `None` is 0.
    taps: Vec<Option<Tap>>,
}

impl Resampling {
    /// `count` voxels of `spacing_mm` to `length` voxels of `target_mm`.
    fn new(count: usize, spacing_mm: f64, target_mm: f64, length: usize) -> Self {
        // Sybil's spacings are a tensor of single precision.
        let spacing_mm = f64::from(spacing_mm as f32);
        let resampled = match count {
            1 => 1,
            _ => (count as f64 * spacing_mm / target_mm).ceil() as i64,
        };
        let excess = resampled - length as i64;
        // Rounded up on the side of the first voxel, for crops and for padding.
        let first = if excess > 0 { (excess + 1) / 2 } else { -((1 - excess) / 2) };
        let mut axis = Self { spacing_mm, target_mm, first, taps: Vec::with_capacity(length) };
        for index in first..first + length as i64 {
            let position = axis.source(index);
            // The outermost voxels reach half a voxel beyond their centres; beyond that is 0.
            let inside = (0..resampled).contains(&index)
                && position >= -0.5
                && position < count as f64 - 0.5;
            axis.taps.push(inside.then(|| {
                let lower = position.max(0.0) as usize;
                Tap {
                    lower,
                    upper: (lower + 1).min(count - 1),
                    weight: (position - lower as f64).max(0.0) as f32,
                }
            }));
        }
        axis
    }

    /// The position of a resampled voxel among the `count` voxels: by way of millimetres, as ITK computes it.
    fn source(&self, resampled: i64) -> f64 {
        let start_mm = 0.5 * (self.target_mm / self.spacing_mm - 1.0) * self.spacing_mm;
        (start_mm + resampled as f64 * self.target_mm) * (1.0 / self.spacing_mm)
    }

    /// The position of a voxel of the result.
    fn index_of(&self, index: i64) -> f64 {
        self.source(self.first + index)
    }

    /// Distance between voxels of the result, in voxels of the source.
    fn step(&self) -> f64 {
        self.target_mm / self.spacing_mm
    }
}

/// The slices of a volume as normalised images of 256 × 256, of which the two in use are held.
struct Resized<'a> {
    volume: &'a Volume,
    rows: Vec<Tap>,
    columns: Vec<Tap>,
    /// The grey level of each 16-bit value, from −32768.
    levels: Vec<f64>,
    held: Vec<(usize, Vec<f32>)>,
}

impl<'a> Resized<'a> {
    fn new(volume: &'a Volume) -> Self {
        let (_, rows, columns) = volume.hu.dim();
        Self {
            volume,
            rows: resize_taps(rows),
            columns: resize_taps(columns),
            levels: (i16::MIN..=i16::MAX).map(|hu| grey_level(f64::from(hu))).collect(),
            held: Vec::new(),
        }
    }

    /// The image between two slices, rows one after another.
    fn between(&mut self, tap: &Tap) -> Vec<f32> {
        self.held.retain(|(slice, _)| [tap.lower, tap.upper].contains(slice));
        for slice in [tap.lower, tap.upper] {
            if !self.held.iter().any(|(held, _)| *held == slice) {
                let image = self.image(self.volume.hu.index_axis(Axis(0), slice));
                self.held.push((slice, image));
            }
        }
        let image = |slice: usize| self.held.iter().find(|(held, _)| *held == slice);
        match (image(tap.lower), image(tap.upper)) {
            (Some((_, lower)), Some((_, upper))) => {
                let pairs = lower.iter().zip(upper);
                pairs.map(|(lower, upper)| lower + (upper - lower) * tap.weight).collect()
            }
            _ => vec![0.0; MATRIX * MATRIX],
        }
    }

    /// A slice, resized and normalised.
    fn image(&self, hu: ArrayView2<i16>) -> Vec<f32> {
        let level = |row: usize, column: usize| {
            self.levels[(i32::from(hu[[row, column]]) - i32::from(i16::MIN)) as usize]
        };
        let across =
            |row: usize, tap: &Tap| weighted(level(row, tap.lower), level(row, tap.upper), tap);
        let mut image = Vec::with_capacity(MATRIX * MATRIX);
        for down in &self.rows {
            for tap in &self.columns {
                let grey = weighted(across(down.lower, tap), across(down.upper, tap), down);
                image.push((grey as f32 - MEAN) / DEVIATION);
            }
        }
        image
    }
}

/// A weighted sum as OpenCV computes it: weights in single, the sum in double precision.
fn weighted(lower: f64, upper: f64, tap: &Tap) -> f64 {
    lower * f64::from(1.0 - tap.weight) + upper * f64::from(tap.weight)
}

/// OpenCV's linear resize of `count` pixels to 256: centres on half pixels, no antialiasing.
fn resize_taps(count: usize) -> Vec<Tap> {
    let scale = 1.0 / (MATRIX as f64 / count as f64);
    let last = count - 1;
    let taps = (0..MATRIX).map(|pixel| {
        let position = ((pixel as f64 + 0.5) * scale - 0.5) as f32;
        let lower = position.floor();
        if lower < 0.0 {
            Tap { lower: 0, upper: 0, weight: 0.0 }
        } else if lower as usize >= last {
            Tap { lower: last, upper: last, weight: 0.0 }
        } else {
            Tap { lower: lower as usize, upper: lower as usize + 1, weight: position - lower }
        }
    });
    taps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;
    use proptest::prelude::*;

    fn volume(dim: [usize; 3], spacing_mm: [f64; 3], hu: impl Fn([usize; 3]) -> i16) -> Volume {
        Volume {
            hu: Array3::from_shape_fn(dim, |(z, y, x)| hu([z, y, x])),
            geometry: Geometry {
                spacing_mm,
                origin_mm: [-100.0, -90.0, -500.0],
                axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
            },
        }
    }

    #[test]
    fn padding_is_exactly_zero_and_air_and_tissue_are_at_the_ends() {
        let hu = |[_, y, _]: [usize; 3]| if y < 8 { -3000 } else { 500 };
        let input =
            sybil_input(&volume([4, 16, 16], [2.5, 0.703_125, 0.703_125], hu), 2.5, SYBIL_SIZE);
        assert_eq!(input.hu.dim(), (200, 256, 256));
        let value = |at: [usize; 3]| Window::SYBIL.value(input.hu[at]);
        assert_eq!(value([97, 5, 5]), 0.0); // grey
        assert!((value([98, 5, 5]) + 128.172_2 / 87.184_9).abs() < 3e-5);
        assert!((value([98, 250, 5]) - (255.0 - 128.172_2) / 87.184_9).abs() < 3e-5);
        assert_eq!((value([101, 5, 5]) < -1.0, value([102, 5, 5])), (true, 0.0));
    }

    /// 5 slices of 1.25 mm are 2.5 voxels, rounded up to 3: the centre of the third one is on the edge of the volume,
    /// which counts as outside.
    #[test]
    fn a_last_voxel_beyond_the_volume_is_grey() {
        let axis = Resampling::new(5, 1.25, 2.5, 3);
        let lower: Vec<Option<usize>> =
            axis.taps.iter().map(|tap| tap.map(|tap| tap.lower)).collect();
        assert_eq!(lower, [Some(0), Some(2), None]);
        // In single precision, 25 slices of 1.2 mm are more than 30 mm.
        assert_eq!(Resampling::new(25, 1.2, 2.5, 12).first, 1);
        assert_eq!(Resampling::new(1, 1.0, 2.5, 1).taps.len(), 1);
    }

    #[test]
    fn the_geometry_is_where_the_voxels_are() {
        // A bright block in a matrix of 512 of 0.75 mm, 2.5 mm slices that are 2 mm apart.
        let (centre, reach) = ([6, 200, 340], [1, 4, 4]);
        let is_bright =
            |at: [usize; 3]| (0..3).all(|axis| at[axis].abs_diff(centre[axis]) <= reach[axis]);
        let scan =
            volume([12, 512, 512], [2.0, 0.75, 0.75], |at| if is_bright(at) { 100 } else { -1400 });
        let input = sybil_input(&scan, 2.5, SYBIL_SIZE);
        // Padding is 0.
        let bright: Vec<[f64; 3]> = input
            .hu
            .indexed_iter()
            .filter(|(_, value)| **value > 0)
            .map(|((z, y, x), _)| [z as f64, y as f64, x as f64])
            .collect();
        let middle = std::array::from_fn(|axis| {
            bright.iter().map(|at| at[axis]).sum::<f64>() / bright.len() as f64
        });
        let (found, truth) = (
            input.geometry.position_mm(middle),
            scan.geometry.position_mm(centre.map(|i| i as f64)),
        );
        for axis in 0..3 {
            assert!((found[axis] - truth[axis]).abs() < 0.8, "{found:?}, {truth:?}");
        }
        // The spacing is false: 0.703125 "mm" of pixels that are called 0.75 mm wide and are 1.5 mm wide.
        assert!((input.geometry.spacing_mm[1] - 2.0 * 0.703_125).abs() < 1e-6);
        assert!((input.geometry.spacing_mm[0] - 2.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_centre_of_a_long_axis_stays_in_the_centre(
            count in 2usize..400, spacing in 0.3..5.0f64, length in 1usize..300,
        ) {
            let axis = Resampling::new(count, spacing, 2.5, length);
            prop_assert_eq!(axis.taps.len(), length);
            // A crop or a padding by an odd number is off by half a voxel, a length rounded up by less than half.
            let middle = (axis.index_of(0) + axis.index_of(length as i64 - 1)) / 2.0;
            prop_assert!((middle - (count as f64 - 1.0) / 2.0).abs() <= axis.step() + 1e-6);
        }
    }
}
