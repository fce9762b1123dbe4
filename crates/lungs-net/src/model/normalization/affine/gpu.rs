//! Normalisation with scale and offset on a GPU, as CubeCL kernels. The sums over a channel are added
//! as in [`super::super::gpu`].

use burn::backend::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::super::gpu::{Channels, PART, reduce};
use super::super::passes::StatisticsSource;
use super::{EPSILON, Mode, Saved, Scale, ScaleGradients};
use crate::model::cube;

/// `(value − mean)·factor + beta`.
#[cube]
fn map(value: f32, mean: f32, factor: f32, beta: f32) -> f32 {
    (value - mean) * factor + beta
}

/// The map of each channel, with ReLU or without.
#[cube(launch_unchecked)]
fn apply(
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    statistics: &[f32],
    output: &mut [f32],
    channels: usize,
    plane: usize,
    epsilon: f32,
    #[comptime] rectifies: bool,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS / plane % channels;
    let factor = gamma[channel] / (statistics[channels + channel] + epsilon).sqrt();
    let mapped = map(input[ABSOLUTE_POS], statistics[channel], factor, beta[channel]);
    if comptime!(rectifies) {
        // A NaN stays one.
        output[ABSOLUTE_POS] = select(mapped < 0.0f32, 0.0f32, mapped);
    } else {
        output[ABSOLUTE_POS] = mapped;
    }
}

/// Per channel and part of its numbers: the sum of the gradient with respect to the output before ReLU,
/// and of its product with the normalised input. `[part, 2, channel]`.
#[cube(launch_unchecked)]
fn gradient_sums_of_parts(
    input: &[f32],
    gradient: &[f32],
    gamma: &[f32],
    beta: &[f32],
    statistics: &[f32],
    parts: &mut [f32],
    channels: usize,
    plane: usize,
    count: usize,
    part: usize,
    epsilon: f32,
    #[comptime] rectifies: bool,
    #[comptime] units: usize,
) {
    let mut levels = Shared::<[f32]>::new_slice(units);
    let mut slopes = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let channel = CUBE_POS_X as usize;
    let start = CUBE_POS_Y as usize * part;
    let end = min(start + part, count);
    let mean = statistics[channel];
    let deviation = (statistics[channels + channel] + epsilon).sqrt();
    let factor = gamma[channel] / deviation;
    let mut level = 0.0f32;
    let mut slope = 0.0f32;
    for number in range_stepped(start + unit, end, units) {
        let index = (number / plane * channels + channel) * plane + number % plane;
        let mut masked = gradient[index];
        if comptime!(rectifies) {
            let passes = map(input[index], mean, factor, beta[channel]) > 0.0f32;
            masked = select(passes, masked, 0.0f32);
        }
        level += masked;
        slope += masked * ((input[index] - mean) / deviation);
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

/// The gradient of the input, and that of gamma from the second row of `sums`. `share` is 1 / count for
/// batch statistics, through which gradients flow, and 0 for given ones.
#[cube(launch_unchecked)]
fn input_gradient(
    input: &[f32],
    gradient: &[f32],
    gamma: &[f32],
    beta: &[f32],
    statistics: &[f32],
    sums: &[f32],
    output: &mut [f32],
    of_gamma: &mut [f32],
    channels: usize,
    plane: usize,
    epsilon: f32,
    share: f32,
    #[comptime] rectifies: bool,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    if ABSOLUTE_POS < channels {
        of_gamma[ABSOLUTE_POS] = sums[channels + ABSOLUTE_POS];
    }
    let channel = ABSOLUTE_POS / plane % channels;
    let mean = statistics[channel];
    let deviation = (statistics[channels + channel] + epsilon).sqrt();
    let factor = gamma[channel] / deviation;
    let mut masked = gradient[ABSOLUTE_POS];
    if comptime!(rectifies) {
        let passes = map(input[ABSOLUTE_POS], mean, factor, beta[channel]) > 0.0f32;
        masked = select(passes, masked, 0.0f32);
    }
    let normalized = (input[ABSOLUTE_POS] - mean) / deviation;
    let level = sums[channel] * share;
    let slope = sums[channels + channel] * share;
    output[ABSOLUTE_POS] = factor * (masked - level - normalized * slope);
}

impl Scale for CubeBackend {
    fn scale(
        input: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        statistics: CubeTensor,
        mode: Mode,
    ) -> CubeTensor {
        let [input, gamma, beta, statistics] =
            [input, gamma, beta, statistics].map(into_contiguous);
        let lengths = Channels::of(&input);
        let units = cube::units(&input.client);
        let shape = cube::lengths(&input);
        let output = cube::empty(&input, shape, DType::F32);
        // SAFETY: the kernel stays within the lengths that it is given, which are those of the
        // buffers.
        unsafe {
            apply::launch_unchecked(
                &input.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&gamma),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&output),
                lengths.channels,
                lengths.plane,
                EPSILON as f32,
                mode.rectifies,
            );
        }
        output
    }
}

impl ScaleGradients for CubeBackend {
    fn gradients(saved: Saved<CubeTensor>, gradient: CubeTensor) -> [CubeTensor; 3] {
        let Saved { input, gamma, beta, statistics, mode } = saved;
        let [input, gamma, beta, statistics, gradient] =
            [input, gamma, beta, statistics, gradient].map(into_contiguous);
        let lengths = Channels::of(&input);
        let units = cube::units(&input.client);
        let shape = cube::lengths(&input);
        let parts = cube::empty(&input, [lengths.parts(), 2 * lengths.channels], DType::F32);
        let of_input = cube::empty(&input, shape, DType::F32);
        let of_gamma = cube::empty_like(&gamma);
        let share = match mode.source {
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
                cube::buffer(&gamma),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&parts),
                lengths.channels,
                lengths.plane,
                lengths.count,
                PART,
                EPSILON as f32,
                mode.rectifies,
                units as usize,
            );
        }
        let sums = cube::add_parts(parts, [2 * lengths.channels]);
        // SAFETY: as above; an image has at least as many numbers as channels.
        unsafe {
            input_gradient::launch_unchecked(
                &input.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&gradient),
                cube::buffer(&gamma),
                cube::buffer(&beta),
                cube::buffer(&statistics),
                cube::buffer(&sums),
                cube::buffer(&of_input),
                cube::buffer(&of_gamma),
                lengths.channels,
                lengths.plane,
                EPSILON as f32,
                share,
                mode.rectifies,
            );
        }
        [of_input, of_gamma, cube::first_numbers(sums, [lengths.channels])]
    }
}
