//! Image noise: white noise, filtered by the reconstruction kernel.

use rand::Rng;

use super::exam::{ExamPlan, Kernel};
use lungs_base::random::stream;

/// Correlated noise of one slice: white noise after the kernel's 3×3 blur.
pub(super) fn slice_noise(exam: &ExamPlan, index: usize) -> Vec<f32> {
    let grid = &exam.grid;
    let (rows, columns) = (grid.shape[1], grid.shape[2]);
    let mut random = stream(exam.exam_seed, &format!("noise/{index}"));
    let white: Vec<f32> =
        (0..rows * columns).map(|_| approximate_normal(random.next_u64())).collect();
    let (middle, side) = match exam.kernel {
        Kernel::Soft => (0.5f32, 0.25f32),
        Kernel::Sharp => (0.75, 0.125),
    };
    let norm = middle * middle + 2.0 * side * side;
    let gain = exam.noise_hu as f32 / norm;
    let blur = |values: &[f32], stride: usize, index: usize, position: usize, count: usize| {
        let before = values[if position > 0 { index - stride } else { index }];
        let after = values[if position + 1 < count { index + stride } else { index }];
        middle * values[index] + side * (before + after)
    };
    let by_column: Vec<f32> =
        (0..white.len()).map(|i| blur(&white, 1, i, i % columns, columns)).collect();
    (0..white.len()).map(|i| gain * blur(&by_column, columns, i, i / columns, rows)).collect()
}

/// An approximately normal number with unit variance: the sum of four uniform 16-bit numbers.
fn approximate_normal(bits: u64) -> f32 {
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    (sum as f32 - 131_070.0) / 37_837.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_zero_mean_and_unit_variance() {
        let mut random = stream(1, "bell");
        let draws: Vec<f64> =
            (0..20_000).map(|_| f64::from(approximate_normal(random.next_u64()))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
