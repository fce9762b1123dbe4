//! The passes over memory of batch normalisation with ReLU, on slices of `[batch, channel, …]`.

use rayon::prelude::*;

use super::EPSILON;

/// The source of mean and variance. Batch statistics depend on the input, so that gradients flow
/// through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatisticsSource {
    Batch,
    Given,
}

/// Per channel: the subtracted mean, and the scale.
#[derive(Debug, Clone)]
pub(super) struct Constants {
    pub(super) mean: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) source: StatisticsSource,
}

impl Constants {
    /// From mean and population variance of each channel, `[2, channel]`.
    pub(super) fn new(statistics: &[f32], source: StatisticsSource) -> Self {
        Self::with_epsilon(statistics, EPSILON, source)
    }

    /// [`Constants::new`] with another number added to the variances.
    pub(super) fn with_epsilon(statistics: &[f32], epsilon: f64, source: StatisticsSource) -> Self {
        let (mean, variance) = statistics.split_at(statistics.len() / 2);
        let scale = |variance: &f32| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32;
        Self { mean: mean.to_vec(), scale: variance.iter().map(scale).collect(), source }
    }
}

/// `max((input − mean)·scale + beta, 0)` per channel.
pub(super) fn rectify(
    input: &[f32],
    beta: &[f32],
    constants: &Constants,
    shape: [usize; 5],
) -> Vec<f32> {
    let plane = plane(shape);
    let mut output = vec![0.0; input.len()];
    let channel = |(index, (output, input)): (usize, (&mut [f32], &[f32]))| {
        let channel = index % shape[1];
        let (scale, mean) = (constants.scale[channel], constants.mean[channel]);
        let beta = beta[channel];
        pulp::Arch::new().dispatch(Rectify { output, input, mean, scale, beta });
    };
    output
        .par_chunks_exact_mut(plane)
        .zip(input.par_chunks_exact(plane))
        .enumerate()
        .for_each(channel);
    output
}

/// [`rectify`] in place.
pub(super) fn rectify_in_place(
    values: &mut [f32],
    beta: &[f32],
    constants: &Constants,
    shape: [usize; 5],
) {
    let channel = |(index, values): (usize, &mut [f32])| {
        let channel = index % shape[1];
        let (scale, mean) = (constants.scale[channel], constants.mean[channel]);
        let beta = beta[channel];
        pulp::Arch::new().dispatch(RectifyInPlace { values, mean, scale, beta });
    };
    values.par_chunks_exact_mut(plane(shape)).enumerate().for_each(channel);
}

/// Sums over one channel of the gradient with respect to the ReLU's input.
pub(super) struct Sums {
    pub(super) gradient: f64,
    /// Gradient times normalised input.
    gradient_normalized: f64,
}

/// Inputs of the backward pass.
pub(super) struct Pass<'a> {
    pub(super) values: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) shape: [usize; 5],
}

impl Pass<'_> {
    /// The sums over every channel.
    pub(super) fn sums(&self, beta: &[f32], constants: &Constants) -> Vec<Sums> {
        let [_, channels, ..] = self.shape;
        (0..channels)
            .into_par_iter()
            .map(|channel| {
                let (scale, mean) = (constants.scale[channel], constants.mean[channel]);
                let mut sums = Sums { gradient: 0.0, gradient_normalized: 0.0 };
                let values = planes(self.values, self.shape, channel);
                for (values, gradient) in values.zip(planes(self.gradient, self.shape, channel)) {
                    let beta = beta[channel];
                    let (first, second) = sum_in_lanes(values, gradient, |value, gradient| {
                        let normalized = (value - mean) * scale;
                        let masked = if normalized + beta > 0.0 { gradient } else { 0.0 };
                        (masked, masked * normalized)
                    });
                    sums.gradient += first;
                    sums.gradient_normalized += second;
                }
                sums
            })
            .collect()
    }

    /// The gradient of the input.
    pub(super) fn input_gradient(
        &self,
        beta: &[f32],
        constants: &Constants,
        sums: &[Sums],
    ) -> Vec<f32> {
        let [batch, channels, ..] = self.shape;
        let plane = plane(self.shape);
        // Gradients through mean and variance subtract the gradient's mean and its projection on the
        // normalised input.
        let inverse_count = match constants.source {
            StatisticsSource::Batch => 1.0 / (batch * plane) as f64,
            StatisticsSource::Given => 0.0,
        };
        let mut output = vec![0.0; self.values.len()];
        let fill = |(index, output): (usize, &mut [f32])| {
            let channel = index % channels;
            let (scale, mean) = (constants.scale[channel], constants.mean[channel]);
            let level = (sums[channel].gradient * inverse_count) as f32;
            let slope = (sums[channel].gradient_normalized * inverse_count) as f32;
            let values = &self.values[index * plane..][..plane];
            let gradient = &self.gradient[index * plane..][..plane];
            let beta = beta[channel];
            pulp::Arch::new().dispatch(Derive {
                output,
                values,
                gradient,
                mean,
                scale,
                beta,
                level,
                slope,
            });
        };
        output.par_chunks_exact_mut(plane).enumerate().for_each(fill);
        output
    }
}

/// Means, then population variances, of every channel.
pub(super) fn channel_statistics(input: &[f32], shape: [usize; 5]) -> Vec<f32> {
    let count = (shape[0] * plane(shape)) as f64;
    let channel = |channel: usize| {
        let sum: f64 = planes(input, shape, channel)
            .map(|values| sum_in_lanes(values, values, |value, _| (value, 0.0)).0)
            .sum();
        let mean = (sum / count) as f32;
        let (shift, square) = planes(input, shape, channel)
            .map(|values| {
                sum_in_lanes(values, values, |value, _| (value - mean, (value - mean).powi(2)))
            })
            .fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        // The shift corrects for the rounding of the mean to f32.
        let shift = shift / count;
        (mean, (square / count - shift * shift).max(0.0) as f32)
    };
    let channel_statistics: Vec<(f32, f32)> = (0..shape[1]).into_par_iter().map(channel).collect();
    let (mut means, variances): (Vec<f32>, Vec<f32>) = channel_statistics.into_iter().unzip();
    means.extend(variances);
    means
}

/// Numbers in one channel of one sample.
pub(super) fn plane(shape: [usize; 5]) -> usize {
    shape[2] * shape[3] * shape[4]
}

/// Numbers of one channel, sample by sample.
pub(super) fn planes(
    values: &[f32],
    shape: [usize; 5],
    channel: usize,
) -> impl Iterator<Item = &[f32]> {
    let plane = plane(shape);
    (0..shape[0]).map(move |sample| &values[(sample * shape[1] + channel) * plane..][..plane])
}

/// `max((input − mean)·scale + beta, 0)`.
struct Rectify<'a> {
    output: &'a mut [f32],
    input: &'a [f32],
    mean: f32,
    scale: f32,
    beta: f32,
}

impl pulp::NullaryFnOnce for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { output, input, mean, scale, beta } = self;
        for (output, &value) in output.iter_mut().zip(input) {
            *output = rectified(value, mean, scale, beta);
        }
    }
}

/// [`Rectify`] in place.
struct RectifyInPlace<'a> {
    values: &'a mut [f32],
    mean: f32,
    scale: f32,
    beta: f32,
}

impl pulp::NullaryFnOnce for RectifyInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { values, mean, scale, beta } = self;
        for value in values {
            *value = rectified(*value, mean, scale, beta);
        }
    }
}

/// Normalisation and ReLU of one number.
#[inline(always)]
fn rectified(value: f32, mean: f32, scale: f32, beta: f32) -> f32 {
    let shifted = (value - mean) * scale + beta;
    // `max` would hide a NaN.
    if shifted < 0.0 { 0.0 } else { shifted }
}

/// The gradient of the input: `scale·(masked − level − normalised·slope)`, where `masked` is the
/// gradient with respect to the ReLU's input.
struct Derive<'a> {
    output: &'a mut [f32],
    values: &'a [f32],
    gradient: &'a [f32],
    mean: f32,
    scale: f32,
    beta: f32,
    level: f32,
    slope: f32,
}

impl pulp::NullaryFnOnce for Derive<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { output, values, gradient, mean, scale, beta, level, slope } = self;
        for ((output, &value), &gradient) in output.iter_mut().zip(values).zip(gradient) {
            let normalized = (value - mean) * scale;
            let masked = if normalized + beta > 0.0 { gradient } else { 0.0 };
            *output = scale * (masked - level - normalized * slope);
        }
    }
}

/// Two sums over pairs of numbers: short runs in sixteen f32 lanes, which the processor adds in
/// parallel, and the totals of the runs in f64. The order depends on the length alone.
pub(super) fn sum_in_lanes(
    left: &[f32],
    right: &[f32],
    term: impl Fn(f32, f32) -> (f32, f32),
) -> (f64, f64) {
    pulp::Arch::new().dispatch(SumInLanes { left, right, term })
}

struct SumInLanes<'a, T> {
    left: &'a [f32],
    right: &'a [f32],
    term: T,
}

impl<T: Fn(f32, f32) -> (f32, f32)> pulp::NullaryFnOnce for SumInLanes<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        const LANES: usize = 16;
        const RUN: usize = 64 * LANES;
        let Self { left, right, term } = self;
        let mut total = (0.0, 0.0);
        for (left, right) in left.chunks(RUN).zip(right.chunks(RUN)) {
            let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            let mut add = |left: &[f32], right: &[f32], lanes: usize| {
                for lane in 0..lanes {
                    let (a, b) = term(left[lane], right[lane]);
                    first[lane] += a;
                    second[lane] += b;
                }
            };
            let (full, rest) = left.as_chunks::<LANES>();
            let (full_right, rest_right) = right.as_chunks::<LANES>();
            for (left, right) in full.iter().zip(full_right) {
                add(left, right, LANES);
            }
            add(rest, rest_right, rest.len());
            total.0 += first.iter().map(|&value| f64::from(value)).sum::<f64>();
            total.1 += second.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
        total
    }
}
