//! Convolution with 3×3×3 kernels by Winograd's minimal filtering, with a quarter of the
//! multiplications.
//!
//! Five sixths of the network's arithmetic is in such kernels. A tile of 4×4 outputs in a slice is a
//! sum over 36 points of independent products (Winograd, *Arithmetic Complexity of Computations*, SIAM
//! 1980; Lavin & Gray, CVPR 2016, <https://arxiv.org/abs/1509.09308>). Each point is a matrix product
//! over channels and tiles. Depth is convolved directly: three products, shifted by a slice.
//!
//! ```text
//! input slices ──cut, points──▶ V[point][channel, slice·tile]
//! kernel       ──────points──▶ U[point][depth tap][filter, channel]
//! M[point][filter, slice·tile] = Σ over depth taps of U[point][tap] · V[point][.., shifted by tap]
//! M ──outputs, join──▶ output slices
//! ```
//!
//! A block of slices is processed at a time, so that V and M stay in the processor's cache. The gradient
//! of the kernel is the transposed map; the gradient of the input is a convolution with the flipped
//! kernel. Threads share the work by channel, point and filter, and every sum has a fixed order.

mod kernel;
mod lanes;
mod shape;
mod stretch;
#[cfg(test)]
mod tests;
mod tiles;
mod transforms;

use rayon::prelude::*;

use super::matrix::{Matrix, Threads, multiply};
use kernel::Orientation;
pub(super) use shape::Shape;
use shape::TAPS;
use stretch::SliceBlocks;
use transforms::POINTS;

/// The convolution of `input` (`[batch, channel, depth, height, width]`) with `kernel`
/// (`[filter, channel, 3, 3, 3]`): `[batch, filter, depth, height, width]`.
pub(super) fn forward(input: &[f32], kernel: &[f32], shape: Shape) -> Vec<f32> {
    convolve(input, &kernel::points(kernel, shape, Orientation::Original), shape)
}

/// The gradient of the input, given the `gradient` of the output.
pub(super) fn input_gradient(kernel: &[f32], gradient: &[f32], shape: Shape) -> Vec<f32> {
    convolve(gradient, &kernel::points(kernel, shape, Orientation::Flipped), shape.reversed())
}

/// The gradient of the kernel, given the `gradient` of the output.
pub(super) fn kernel_gradient(input: &[f32], gradient: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { channels, filters, .. } = shape;
    let mut inputs = SliceBlocks::new(channels, TAPS - 1, shape);
    let mut gradients = SliceBlocks::new(filters, 0, shape);
    // [point][depth tap][filter, channel]
    let mut sums = vec![0.0; POINTS * TAPS * filters * channels];
    let samples = input.chunks_exact(channels * shape.volume());
    for (input, gradient) in samples.zip(gradient.chunks_exact(filters * shape.volume())) {
        for slices in inputs.blocks() {
            inputs.read_inputs(input, &slices);
            gradients.read_gradients(gradient, &slices);
            let tiles = slices.len() * inputs.tiles();
            let point = |(point, sums): (usize, &mut [f32])| {
                let gradient = gradients.at(point, 0, tiles);
                for (tap, sums) in sums.chunks_exact_mut(filters * channels).enumerate() {
                    let input = inputs.at(point, tap, tiles);
                    multiply(sums, channels, true, gradient, input.transposed(), Threads::One);
                }
            };
            sums.par_chunks_exact_mut(TAPS * filters * channels).enumerate().for_each(point);
        }
    }
    kernel::gradient(&sums, shape)
}

/// The convolution with a transformed kernel.
fn convolve(input: &[f32], kernel: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { channels, filters, .. } = shape;
    let volume = shape.volume();
    let batch = input.len() / (channels * volume);
    let mut output = vec![0.0; batch * filters * volume];
    let mut inputs = SliceBlocks::new(channels, TAPS - 1, shape);
    let mut products = SliceBlocks::new(filters, 0, shape);
    let samples = input.chunks_exact(channels * volume);
    for (input, output) in samples.zip(output.chunks_exact_mut(filters * volume)) {
        for slices in inputs.blocks() {
            inputs.read_inputs(input, &slices);
            let tiles = slices.len() * inputs.tiles();
            let point = |(point, (products, kernel)): (usize, (&mut [f32], &[f32]))| {
                for (tap, kernel) in kernel.chunks_exact(filters * channels).enumerate() {
                    let kernel = Matrix::new(kernel, filters, channels, channels);
                    let input = inputs.at(point, tap, tiles);
                    multiply(products, tiles, tap > 0, kernel, input, Threads::One);
                }
            };
            products
                .points_mut()
                .zip(kernel.par_chunks_exact(TAPS * filters * channels))
                .enumerate()
                .for_each(point);
            products.write_outputs(output, &slices);
        }
    }
    output
}
