//! The arithmetic of resampling: cubic B-splines, one axis at a time, in strips.
//!
//! An axis of n samples becomes the coefficients c of the B-spline through them by two first-order
//! recursions (Unser, Aldroubi & Eden 1993), with z = √3 − 2:
//!
//! ```text
//! c⁺[i] = 6·x[i] + z·c⁺[i−1]          forward
//! c[i]  = z·(c[i+1] − c⁺[i])          backward
//! ```
//!
//! with initial values for constant continuation beyond the ends; a new sample is a weighted sum of
//! four coefficients. A recursion cannot be vectorised along its own axis, so every pass runs along rows:
//! [`STRIP`] neighbouring lines are processed together, few enough for the cache. Each slice is
//! resampled along height and transposed, then along width and transposed back; then follows depth,
//! whose rows are whole slices. Depth is last because the in-plane axes shrink.

use ndarray::{Array3, ArrayView3, Axis};
use serde::{Deserialize, Serialize};

/// The interpolation between voxel centres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The interpolating cubic B-spline (Unser 1999), as in `scipy.ndimage.zoom(order=3)`.
    #[default]
    Cubic,
    /// Linear interpolation between neighbours.
    Linear,
}

/// Lines processed together: four cache lines of f32; 512 rows take 128 kB.
const STRIP: usize = 64;

/// One value of each line of a strip.
type Row = [f32; STRIP];

/// New samples that are transposed together.
const BLOCK: usize = 16;

/// The pole of the cubic B-spline filter, √3 − 2.
const POLE: f32 = -0.267_949_2;

/// The plan for resampling one axis.
pub(super) struct AxisPlan {
    old_len: usize,
    /// Whether samples are converted to spline coefficients first.
    prefilter: bool,
    /// Per new sample, the first of its four rows in the padded strip (row r is old sample r − 1),
    /// and their weights.
    taps: Vec<(usize, [f32; 4])>,
}

impl AxisPlan {
    /// Reads an axis of `old_len` ≥ 1 samples at `positions`, each within `0 ..= old_len − 1`.
    pub(super) fn new(
        old_len: usize,
        positions: impl Iterator<Item = f64>,
        interpolation: Interpolation,
    ) -> Self {
        let positions: Vec<f64> = positions.collect();
        let unchanged = positions.len() == old_len
            && positions.iter().enumerate().all(|(i, p)| (p - i as f64).abs() < 1e-6);
        let prefilter = interpolation == Interpolation::Cubic && old_len > 1 && !unchanged;
        let tap = |(i, position): (usize, f64)| {
            if unchanged {
                return (i, [0.0, 1.0, 0.0, 0.0]);
            }
            // The last sample is the right end of the last interval, so that nothing is read beyond it.
            let left = (position as usize).min(old_len.saturating_sub(2));
            let f = position - left as f64;
            let g = 1.0 - f;
            let weights = if prefilter {
                [
                    g * g * g / 6.0,
                    (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0,
                    (4.0 - 6.0 * g * g + 3.0 * g * g * g) / 6.0,
                    f * f * f / 6.0,
                ]
            } else {
                [0.0, g, f, 0.0]
            };
            (left, weights.map(|w| w as f32))
        };
        let taps = positions.into_iter().enumerate().map(tap).collect();
        Self { old_len, prefilter, taps }
    }

    /// Number of new samples.
    fn new_len(&self) -> usize {
        self.taps.len()
    }

    /// Rows of a padded strip: one before the samples, two after (a lone sample's taps reach there).
    fn rows(&self) -> usize {
        self.old_len + 3
    }
}

/// Rounds half away from zero and saturates, as SciPy stores into int16.
#[inline(always)]
pub(super) fn to_hu(value: f32) -> i16 {
    (value + 0.5f32.copysign(value)).clamp(-32768.0, 32767.0) as i32 as i16
}

/// Resamples all three axes; `plans` are those of depth, height and width.
pub(super) fn resample_separable(hu: ArrayView3<'_, i16>, plans: &[AxisPlan; 3]) -> Array3<i16> {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was just detected; the function has no other requirement.
        return unsafe { resample_avx2(hu, plans) };
    }
    resample_rows(hu, plans)
}

/// The same arithmetic in the same order, with equal bits, in wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn resample_avx2(hu: ArrayView3<'_, i16>, plans: &[AxisPlan; 3]) -> Array3<i16> {
    resample_rows(hu, plans)
}

#[inline(always)]
fn resample_rows(hu: ArrayView3<'_, i16>, plans: &[AxisPlan; 3]) -> Array3<i16> {
    let [plan_z, plan_y, plan_x] = plans;
    let (depth, _, width) = hu.dim();
    let (new_depth, new_height, new_width) = (plan_z.new_len(), plan_y.new_len(), plan_x.new_len());
    let new_plane = new_height * new_width;
    let rows = plans.iter().map(AxisPlan::rows).max().unwrap_or(0);
    let mut strip: Vec<Row> = vec![[0.0; STRIP]; rows];
    let mut transposed = vec![0.0f32; width * new_height];
    let mut planes = vec![0.0f32; depth * new_plane];
    for (slice, plane) in hu.axis_iter(Axis(0)).zip(planes.chunks_exact_mut(new_plane)) {
        let slice = slice.as_standard_layout();
        // Standard layout is contiguous, so `as_slice` succeeds.
        let Some(slice) = slice.as_slice() else { continue };
        resample_transposed(slice, width, plan_y, &mut strip, &mut transposed);
        resample_transposed(&transposed, new_height, plan_x, &mut strip, plane);
    }
    let mut new = Array3::zeros((new_depth, new_height, new_width));
    if let Some(new) = new.as_slice_mut() {
        resample_depth(&planes, new_plane, plan_z, &mut strip, new);
    }
    new
}

/// `[old, lines]` → `[lines, new]`.
#[inline(always)]
fn resample_transposed<T: Copy + Into<f32>>(
    old: &[T],
    lines: usize,
    plan: &AxisPlan,
    strip: &mut [Row],
    new: &mut [f32],
) {
    let new_len = plan.new_len();
    let mut block: [Row; BLOCK] = [[0.0; STRIP]; BLOCK];
    for start in (0..lines).step_by(STRIP) {
        load(old, lines, start, plan, strip);
        let new = &mut new[start * new_len..];
        for (at, taps) in plan.taps.chunks(BLOCK).enumerate() {
            for (row, tap) in block.iter_mut().zip(taps) {
                *row = sample(strip, tap);
            }
            for (line, samples) in new.chunks_exact_mut(new_len).take(STRIP).enumerate() {
                let samples = &mut samples[at * BLOCK..][..taps.len()];
                for (sample, row) in samples.iter_mut().zip(&block) {
                    *sample = row[line];
                }
            }
        }
    }
}

/// `[old, lines]` → `[new, lines]`, rounded to Hounsfield units.
#[inline(always)]
fn resample_depth(old: &[f32], lines: usize, plan: &AxisPlan, strip: &mut [Row], new: &mut [i16]) {
    for start in (0..lines).step_by(STRIP) {
        let count = STRIP.min(lines - start);
        load(old, lines, start, plan, strip);
        for (tap, new) in plan.taps.iter().zip(new.chunks_exact_mut(lines)) {
            let row = sample(strip, tap);
            for (new, value) in new[start..start + count].iter_mut().zip(row) {
                *new = to_hu(value);
            }
        }
    }
}

/// Fills the strip with the samples, or the spline coefficients, of lines `start..start + STRIP`.
#[inline(always)]
fn load<T: Copy + Into<f32>>(
    old: &[T],
    lines: usize,
    start: usize,
    plan: &AxisPlan,
    strip: &mut [Row],
) {
    let count = STRIP.min(lines - start);
    let n = plan.old_len;
    let samples = old.chunks_exact(lines).map(|row| to_row(&row[start..start + count]));
    let strip = &mut strip[..plan.rows()];
    if !plan.prefilter {
        for (row, samples) in strip[1..].iter_mut().zip(samples) {
            *row = samples;
        }
        // The second tap of a single sample has weight zero, and must not be NaN from another strip.
        strip[n + 1] = [0.0; STRIP];
        return;
    }
    const SETTLED: f32 = 1.0 / (1.0 - POLE);
    let mut last = to_row(&old[start..start + count]);
    let mut state = last.map(|x| 6.0 * SETTLED * x);
    strip[0] = state;
    for (row, samples) in strip[1..=n].iter_mut().zip(samples) {
        for ((state, row), x) in state.iter_mut().zip(row).zip(samples) {
            *state = 6.0 * x + POLE * *state;
            *row = *state;
        }
        last = samples;
    }
    // One sample beyond the end, where the rest of the sum of the backward recursion is that of a
    // constant and a decaying exponential.
    for (state, x) in state.iter_mut().zip(last) {
        let settled = 6.0 * SETTLED * x;
        let beyond = 6.0 * x + POLE * *state;
        *state = -POLE * (SETTLED * settled + (beyond - settled) / (1.0 - POLE * POLE));
    }
    strip[n + 1] = state;
    for row in strip[..=n].iter_mut().rev() {
        for (state, row) in state.iter_mut().zip(row) {
            *state = POLE * (*state - *row);
            *row = *state;
        }
    }
}

/// A row of samples as f32, with zeros beyond its end.
#[inline(always)]
fn to_row<T: Copy + Into<f32>>(samples: &[T]) -> Row {
    let mut row = [0.0; STRIP];
    if let Ok(full) = <&[T; STRIP]>::try_from(samples) {
        // The usual case, with a length known at compile time.
        for (row, &x) in row.iter_mut().zip(full) {
            *row = x.into();
        }
    } else {
        for (row, &x) in row.iter_mut().zip(samples) {
            *row = x.into();
        }
    }
    row
}

/// One new sample of every line.
#[inline(always)]
fn sample(strip: &[Row], (first, weights): &(usize, [f32; 4])) -> Row {
    let mut new = [0.0; STRIP];
    let [w0, w1, w2, w3] = *weights;
    if let [a, b, c, d] = &strip[*first..*first + 4] {
        for i in 0..STRIP {
            new[i] = (w0 * a[i] + w1 * b[i]) + (w2 * c[i] + w3 * d[i]);
        }
    }
    new
}
