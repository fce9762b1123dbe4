//! Changes of prepared volumes that a scanner could make, for measuring the robustness of a network.
//!
//! A change is a function of the volume, the seed and the exam. Padding, the voxels of the fill value, is not scanned:
//! noise and shifts leave it.

use super::augment::normal;
use lungs_base::random;
use ndarray::{Array1, Array3, Axis};
use rand::Rng;

/// A change that a scanner could make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScannerChange {
    /// Approximately normal noise, independent in every voxel.
    Noise {
        /// Standard deviation.
        sd_hu: i16,
    },
    /// A shift of all Hounsfield units, as from a calibration that has drifted.
    Shift {
        /// The shift.
        hu: i16,
    },
    /// Thicker slices: means over this many slices, interpolated linearly back to the grid.
    Slices {
        /// Number of slices in a mean.
        thickness: usize,
    },
    /// A smoother reconstruction kernel: a Gaussian in the axial plane.
    Smoother,
    /// A sharper reconstruction kernel: the difference from the smoother volume is added.
    Sharper,
}

/// Standard deviation of the Gaussian of the kernels, in voxels.
const KERNEL_SD: f32 = 0.75;
/// Voxels on each side of the Gaussian's centre.
const KERNEL_REACH: usize = 2;

impl ScannerChange {
    /// The changes of the robustness table, in its order.
    pub const ALL: [Self; 8] = [
        Self::Noise { sd_hu: 15 },
        Self::Noise { sd_hu: 30 },
        Self::Shift { hu: -20 },
        Self::Shift { hu: 20 },
        Self::Slices { thickness: 2 },
        Self::Slices { thickness: 3 },
        Self::Smoother,
        Self::Sharper,
    ];

    /// Name in file names and random streams.
    pub fn name(self) -> String {
        match self {
            Self::Noise { sd_hu } => format!("noise-{sd_hu}-hu"),
            Self::Shift { hu } if hu < 0 => format!("shift-minus-{}-hu", -hu),
            Self::Shift { hu } => format!("shift-plus-{hu}-hu"),
            Self::Slices { thickness } => format!("slices-of-{thickness}"),
            Self::Smoother => "kernel-smoother".to_owned(),
            Self::Sharper => "kernel-sharper".to_owned(),
        }
    }

    /// Description in tables; `spacing_mm` is the voxel size of the prepared volume.
    pub fn description(self, spacing_mm: f64) -> String {
        match self {
            Self::Noise { sd_hu } => format!("noise, sd {sd_hu} HU"),
            Self::Shift { hu } if hu < 0 => format!("shift by −{} HU", -hu),
            Self::Shift { hu } => format!("shift by {hu} HU"),
            Self::Slices { thickness } => format!("slices of {} mm", thickness as f64 * spacing_mm),
            Self::Smoother => "smoother kernel".to_owned(),
            Self::Sharper => "sharper kernel".to_owned(),
        }
    }

    /// The change of a volume whose numbers are this many to a Hounsfield unit.
    pub(super) fn in_units(self, units_per_hu: f64) -> Self {
        let scaled = |hu: i16| (f64::from(hu) * units_per_hu).round() as i16;
        match self {
            Self::Noise { sd_hu } => Self::Noise { sd_hu: scaled(sd_hu) },
            Self::Shift { hu } => Self::Shift { hu: scaled(hu) },
            Self::Slices { .. } | Self::Smoother | Self::Sharper => self,
        }
    }

    /// Changes a volume `[depth, height, width]` of `exam`; `fill_hu` is the value of padding.
    pub(super) fn apply(
        self,
        mut crop: Array3<i16>,
        seed: u64,
        exam: &str,
        fill_hu: i16,
    ) -> Array3<i16> {
        match self {
            Self::Noise { sd_hu } => {
                let stream = format!("robustness/{}/exam-{exam}", self.name());
                let mut random = random::stream(seed, &stream);
                for hu in &mut crop {
                    let noise = f64::from(sd_hu) * normal(random.next_u64());
                    if *hu != fill_hu {
                        *hu = to_hu((f64::from(*hu) + noise) as f32);
                    }
                }
                crop
            }
            Self::Shift { hu: shift } => {
                crop.mapv_inplace(|hu| if hu == fill_hu { hu } else { hu.saturating_add(shift) });
                crop
            }
            Self::Slices { thickness } => thicker_slices(&crop, thickness),
            Self::Smoother => smooth(&crop).mapv(to_hu),
            Self::Sharper => {
                let smooth = smooth(&crop);
                crop.zip_mut_with(&smooth, |hu, smooth| *hu = to_hu(2.0 * f32::from(*hu) - smooth));
                crop
            }
        }
    }
}

/// The nearest Hounsfield unit; `as` saturates at the ends of the range.
fn to_hu(value: f32) -> i16 {
    value.round() as i16
}

/// Means over `thickness` slices, interpolated linearly between the centres of the means. The last slice repeats
/// beyond the end.
fn thicker_slices(crop: &Array3<i16>, thickness: usize) -> Array3<i16> {
    let (depth, height, width) = crop.dim();
    let last = depth.saturating_sub(1);
    let means =
        Array3::from_shape_fn((depth.div_ceil(thickness), height, width), |(mean, y, x)| {
            let slices =
                (mean * thickness..(mean + 1) * thickness).map(|z| crop[[z.min(last), y, x]]);
            slices.map(f32::from).sum::<f32>() / thickness as f32
        });
    let last_mean = means.len_of(Axis(0)).saturating_sub(1);
    Array3::from_shape_fn(crop.dim(), |(z, y, x)| {
        let centre = (thickness as f32 - 1.0) / 2.0;
        let position = ((z as f32 - centre) / thickness as f32).clamp(0.0, last_mean as f32);
        let below = position as usize;
        let fraction = position - below as f32;
        let above = (below + 1).min(last_mean);
        to_hu((1.0 - fraction) * means[[below, y, x]] + fraction * means[[above, y, x]])
    })
}

/// The volume after a Gaussian in each axial slice; voxels at the border repeat beyond it.
fn smooth(crop: &Array3<i16>) -> Array3<f32> {
    let reach = KERNEL_REACH as i32;
    let weights: Vec<f32> =
        (-reach..=reach).map(|k| (-0.5 * (k as f32 / KERNEL_SD).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let mut volume = crop.mapv(f32::from);
    for axis in [1, 2] {
        for mut line in volume.lanes_mut(Axis(axis)) {
            let before: Array1<f32> = line.to_owned();
            let last = before.len() - 1;
            for (index, value) in line.iter_mut().enumerate() {
                let at = |k: usize| before[(index + k).saturating_sub(KERNEL_REACH).min(last)];
                let total: f32 = weights.iter().enumerate().map(|(k, weight)| weight * at(k)).sum();
                *value = total / sum;
            }
        }
    }
    volume
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(change: ScannerChange, crop: &Array3<i16>) -> Array3<i16> {
        change.apply(crop.clone(), 7, "E1", -1000)
    }

    fn mean_and_sd(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, square.sqrt())
    }

    #[test]
    fn noise_has_its_deviation_and_leaves_padding() {
        let mut crop = Array3::from_elem((10, 60, 60), 40);
        crop.index_axis_mut(Axis(0), 3).fill(-1000);
        let change = ScannerChange::Noise { sd_hu: 30 };
        let noisy = apply(change, &crop);
        assert!(noisy.index_axis(Axis(0), 3).iter().all(|hu| *hu == -1000));
        let values: Vec<f64> =
            noisy.iter().filter(|hu| **hu != -1000).map(|&hu| hu.into()).collect();
        let (mean, sd) = mean_and_sd(&values);
        // 32,400 draws: the standard errors are 0.17 and 0.12 HU.
        assert!((mean - 40.0).abs() < 0.7 && (sd - 30.0).abs() < 0.6, "{mean} {sd}");
        assert_eq!(noisy, apply(change, &crop));
        assert_ne!(noisy, change.apply(crop.clone(), 7, "E2", -1000));
        assert_ne!(noisy, change.apply(crop, 8, "E1", -1000));
    }

    #[test]
    fn a_shift_moves_every_scanned_voxel() {
        let crop = Array3::from_shape_vec((1, 1, 4), vec![-1000, -990, 0, i16::MAX]).unwrap();
        let moved = apply(ScannerChange::Shift { hu: 20 }, &crop);
        assert_eq!(moved.into_raw_vec_and_offset().0, [-1000, -970, 20, i16::MAX]);
    }

    /// Means of two slices are at 0.5, 2.5 and 4.5; a ramp is unchanged between the first and the last of them.
    #[test]
    fn thicker_slices_keep_a_ramp_and_spread_a_single_slice() {
        let change = ScannerChange::Slices { thickness: 2 };
        let column = |values: &[i16]| Array3::from_shape_vec((6, 1, 1), values.to_vec()).unwrap();
        let changed = |values| apply(change, &column(values)).into_raw_vec_and_offset().0;
        assert_eq!(changed(&[0, 40, 80, 120, 160, 200]), [20, 40, 80, 120, 160, 180]);
        // The mean 50 at 2.5 falls to 0 at 0.5 and 4.5: by a quarter of it at 2 and 3, by three at 1 and 4.
        assert_eq!(changed(&[0, 0, 100, 0, 0, 0]), [0, 13, 38, 38, 13, 0]);
    }

    #[test]
    fn kernels_keep_the_mean_and_change_the_contrast_in_the_plane_only() {
        let crop =
            Array3::from_shape_fn(
                (2, 20, 20),
                |(z, y, x)| {
                    if z == 0 && (y, x) == (10, 10) { 1000 } else { 0 }
                },
            );
        let (smooth, sharp) =
            (apply(ScannerChange::Smoother, &crop), apply(ScannerChange::Sharper, &crop));
        // The centre of the Gaussian: Python 3.12, (1 / sum(exp(-k * k / 1.125) for k in range(-2, 3))) ** 2
        assert_eq!((smooth[[0, 10, 10]], sharp[[0, 10, 10]]), (283, 2000 - 283));
        let sum = |volume: &Array3<i16>| volume.iter().map(|&hu| i64::from(hu)).sum::<i64>();
        assert!((sum(&smooth) - 1000).abs() < 10 && (sum(&sharp) - 1000).abs() < 10);
        assert!(smooth.index_axis(Axis(0), 1).iter().all(|hu| *hu == 0));
        let flat = Array3::from_elem((2, 5, 5), -800);
        assert_eq!(apply(ScannerChange::Sharper, &flat), flat);
    }
}
