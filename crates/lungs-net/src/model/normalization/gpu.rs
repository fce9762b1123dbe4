//! Batch normalisation with ReLU on a GPU, as CubeCL kernels.
//!
//! Sums over a channel are added in parts, one block each: the units of a block add every so many
//! numbers, then the units' sums are added in pairs, then the parts in order. The order depends on the
//! lengths alone.

use burn::backend::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{EPSILON, Gradients, Normalize, Saved, StatisticsSource};
use crate::model::cube;

/// Numbers of a channel that one block adds.
pub(super) const PART: usize = 1 << 16;

/// Adds up the pairs of all units; the result is in the first elements.
#[cube]
pub(super) fn reduce(
    first: &mut Shared<[f32]>,
    second: &mut Shared<[f32]>,
    #[comptime] units: usize,
) {
    let unit = UNIT_POS as usize;
    let mut width = comptime!(units / 2).runtime();
    while width > 0 {
        sync_cube();
        if unit < width {
            first[unit] += first[unit + width];
            second[unit] += second[unit + width];
        }
        width /= 2;
    }
    sync_cube();
}

/// Per channel and part of its numbers: the sum of the distances to the channel's first number, and of
/// their squares. `[part, 2, channel]`. For a channel in one part: its mean and population variance.
#[cube(launch_unchecked)]
fn moments_of_parts(
    input: &[f32],
    parts: &mut [f32],
    channels: usize,
    plane: usize,
    count: usize,
    part: usize,
    #[comptime] one_part: bool,
    #[comptime] units: usize,
) {
    let mut sums = Shared::<[f32]>::new_slice(units);
    let mut squares = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let channel = CUBE_POS_X as usize;
    let start = CUBE_POS_Y as usize * part;
    let end = min(start + part, count);
    let shift = input[channel * plane];
    let mut sum = 0.0f32;
    let mut square = 0.0f32;
    for number in range_stepped(start + unit, end, units) {
        let distance =
            input[(number / plane * channels + channel) * plane + number % plane] - shift;
        sum += distance;
        square += distance * distance;
    }
    sums[unit] = sum;
    squares[unit] = square;
    reduce(&mut sums, &mut squares, units);
    if unit == 0 {
        let row = 2 * CUBE_POS_Y as usize * channels + channel;
        if comptime!(one_part) {
            let n = f32::cast_from(count);
            let distance = sums[0] / n;
            parts[row] = shift + distance;
            parts[row + channels] = max(squares[0] / n - distance * distance, 0.0f32);
        } else {
            parts[row] = sums[0];
            parts[row + channels] = squares[0];
        }
    }
}

/// Mean and population variance per channel from [`moments_of_parts`], `[2, channel]`.
#[cube(launch_unchecked)]
fn moments(
    input: &[f32],
    parts: &[f32],
    statistics: &mut [f32],
    channels: usize,
    plane: usize,
    count: usize,
    number_of_parts: usize,
) {
    let channel = ABSOLUTE_POS;
    if channel >= channels {
        terminate!();
    }
    let mut sum = 0.0f32;
    let mut square = 0.0f32;
    for part in 0..number_of_parts {
        sum += parts[2 * part * channels + channel];
        square += parts[(2 * part + 1) * channels + channel];
    }
    let n = f32::cast_from(count);
    let distance = sum / n;
    statistics[channel] = input[channel * plane] + distance;
    statistics[channels + channel] = max(square / n - distance * distance, 0.0f32);
}

/// `max((input − mean) / sqrt(variance + epsilon) + beta, 0)` per channel.
#[cube(launch_unchecked)]
fn rectify(
    input: &[f32],
    beta: &[f32],
    statistics: &[f32],
    output: &mut [f32],
    channels: usize,
    plane: usize,
    epsilon: f32,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS / plane % channels;
    let scale = 1.0f32 / (statistics[channels + channel] + epsilon).sqrt();
    let shifted = (input[ABSOLUTE_POS] - statistics[channel]) * scale + beta[channel];
    // A NaN stays one.
    output[ABSOLUTE_POS] = select(shifted < 0.0f32, 0.0f32, shifted);
}

/// Per channel and part of its numbers: the sum of the gradient with respect to the ReLU's input, and
/// of its product with the normalised input. `[part, 2, channel]`.
#[cube(launch_unchecked)]
fn gradient_sums_of_parts(
    input: &[f32],
    gradient: &[f32],
    beta: &[f32],
    statistics: &[f32],
    parts: &mut [f32],
    channels: usize,
    plane: usize,
    count: usize,
    part: usize,
    epsilon: f32,
    #[comptime] units: usize,
) {
    let mut levels = Shared::<[f32]>::new_slice(units);
    let mut slopes = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let channel = CUBE_POS_X as usize;
    let start = CUBE_POS_Y as usize * part;
    let end = min(start + part, count);
    let mean = statistics[channel];
    let scale = 1.0f32 / (statistics[channels + channel] + epsilon).sqrt();
    let mut level = 0.0f32;
    let mut slope = 0.0f32;
    for number in range_stepped(start + unit, end, units) {
        let index = (number / plane * channels + channel) * plane + number % plane;
        let normalized = (input[index] - mean) * scale;
        let masked = select(normalized + beta[channel] > 0.0f32, gradient[index], 0.0f32);
        level += masked;
        slope += masked * normalized;
    }
    levels[unit] = level;
    slopes[unit] = slope;
    reduce(&mut levels, &mut slopes, units);
    if unit == 0 {
        let row = 2 * CUBE_POS_Y as usize * channels + channel;
        parts[row] = levels[0];
        parts[row + channels] = slopes[0];
    }
}

/// The gradient of the input. `share` is 1 / count for batch statistics, through which gradients flow,
/// and 0 for given ones.
#[cube(launch_unchecked)]
fn input_gradient(
    input: &[f32],
    gradient: &[f32],
    beta: &[f32],
    statistics: &[f32],
    sums: &[f32],
    output: &mut [f32],
    channels: usize,
    plane: usize,
    epsilon: f32,
    share: f32,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS / plane % channels;
    let scale = 1.0f32 / (statistics[channels + channel] + epsilon).sqrt();
    let normalized = (input[ABSOLUTE_POS] - statistics[channel]) * scale;
    let masked = select(normalized + beta[channel] > 0.0f32, gradient[ABSOLUTE_POS], 0.0f32);
    let level = sums[channel] * share;
    let slope = sums[channels + channel] * share;
    output[ABSOLUTE_POS] = (masked - level - normalized * slope) * scale;
}

/// Lengths of a `[batch, channel, …]` tensor for the passes over its channels.
pub(super) struct Channels {
    pub(super) channels: usize,
    /// Numbers in one channel of one sample.
    pub(super) plane: usize,
    /// Numbers in one channel of the batch.
    pub(super) count: usize,
}

impl Channels {
    pub(super) fn of(tensor: &CubeTensor) -> Self {
        let [batch, channels, space @ ..] = cube::lengths(tensor);
        let plane = space.iter().product();
        Self { channels, plane, count: batch * plane }
    }

    /// Number of parts of a channel.
    pub(super) fn parts(&self) -> usize {
        self.count.div_ceil(PART)
    }

    /// One block for each channel and part.
    pub(super) fn blocks(&self) -> CubeCount {
        CubeCount::Static(self.channels as u32, self.parts() as u32, 1)
    }
}

impl Normalize for CubeBackend {
    fn channel_statistics(input: CubeTensor) -> CubeTensor {
        let input = into_contiguous(input);
        let lengths = Channels::of(&input);
        let units = cube::units(&input.client);
        let parts = cube::empty(&input, [lengths.parts(), 2, lengths.channels], DType::F32);
        let one_part = lengths.parts() == 1;
        // SAFETY: the kernel stays within the lengths that it is given, which are those of the
        // buffers.
        unsafe {
            moments_of_parts::launch_unchecked(
                &input.client,
                lengths.blocks(),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&parts),
                lengths.channels,
                lengths.plane,
                lengths.count,
                PART,
                one_part,
                units as usize,
            );
        }
        if one_part {
            return cube::first_numbers(parts, [2, lengths.channels]);
        }
        let statistics = cube::empty(&input, [2, lengths.channels], DType::F32);
        // SAFETY: as above.
        unsafe {
            moments::launch_unchecked(
                &input.client,
                cube::blocks(lengths.channels, units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&parts),
                cube::buffer(&statistics),
                lengths.channels,
                lengths.plane,
                lengths.count,
                lengths.parts(),
            );
        }
        statistics
    }

    fn normalize_relu(
        input: CubeTensor,
        beta: CubeTensor,
        statistics: CubeTensor,
        _source: StatisticsSource,
    ) -> CubeTensor {
        let [input, beta, statistics] = [input, beta, statistics].map(into_contiguous);
        let lengths = Channels::of(&input);
        let units = cube::units(&input.client);
        let shape = cube::lengths(&input);
        let output = cube::empty(&input, shape, DType::F32);
        // SAFETY: as above.
        unsafe {
            rectify::launch_unchecked(
                &input.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&output),
                lengths.channels,
                lengths.plane,
                EPSILON as f32,
            );
        }
        output
    }
}

impl Gradients for CubeBackend {
    fn gradients(saved: Saved<Self>, gradient: CubeTensor) -> [CubeTensor; 2] {
        let Saved { input, beta, statistics, source } = saved;
        let [input, beta, statistics, gradient] =
            [input, beta, statistics, gradient].map(into_contiguous);
        let lengths = Channels::of(&input);
        let units = cube::units(&input.client);
        let shape = cube::lengths(&input);
        let parts = cube::empty(&input, [lengths.parts(), 2 * lengths.channels], DType::F32);
        let of_input = cube::empty(&input, shape, DType::F32);
        let share = match source {
            StatisticsSource::Batch => 1.0 / lengths.count as f32,
            StatisticsSource::Given => 0.0,
        };
        // SAFETY: as above.
        unsafe {
            gradient_sums_of_parts::launch_unchecked(
                &input.client,
                lengths.blocks(),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&gradient),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&parts),
                lengths.channels,
                lengths.plane,
                lengths.count,
                PART,
                EPSILON as f32,
                units as usize,
            );
        }
        let sums = cube::add_parts(parts, [2 * lengths.channels]);
        // SAFETY: as above.
        unsafe {
            input_gradient::launch_unchecked(
                &input.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&gradient),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&sums),
                cube::buffer(&of_input),
                lengths.channels,
                lengths.plane,
                EPSILON as f32,
                share,
            );
        }
        [of_input, cube::first_numbers(sums, [lengths.channels])]
    }
}
