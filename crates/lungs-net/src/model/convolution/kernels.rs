//! The three products of a convolution, on slices: output, gradient of the kernel, gradient of the
//! input. Samples of a batch are processed in parallel; sums over samples have a fixed order.

use rayon::prelude::*;

use super::Geometry;
use super::columns::{Lengths, gather, scatter};
use super::matrix::{Matrix, Threads, multiply};
use super::winograd;

/// The convolution of `input` (`[batch, channel, …]`) with `kernel` (`[out, channel, …]`).
pub(super) fn forward(
    input: &[f32],
    kernel: &[f32],
    batch: usize,
    lengths: &Lengths,
    geometry: &Geometry,
) -> Vec<f32> {
    if let Some(shape) = lengths.by_tiles(geometry) {
        return winograd::forward(input, kernel, shape);
    }
    let (plane, length) = (lengths.output_plane(), lengths.column_length());
    let kernel = Matrix::new(kernel, lengths.filters, length, length);
    let mut output = vec![0.0; batch * lengths.filters * plane];
    let sample = |(output, input): (&mut [f32], &[f32])| {
        if lengths.is_pointwise(geometry) {
            let columns = Matrix::new(input, length, plane, plane);
            return multiply(output, plane, false, kernel, columns, Threads::Many);
        }
        let mut columns = vec![0.0; lengths.tile_size()];
        for rows in lengths.tiles() {
            let tile = rows.len() * lengths.output[2];
            gather(&mut columns, input, &rows, lengths, geometry);
            let columns = Matrix::new(&columns, length, tile, tile);
            let start = rows.start * lengths.output[2];
            multiply(&mut output[start..], plane, false, kernel, columns, Threads::Many);
        }
    };
    output
        .par_chunks_exact_mut(lengths.filters * plane)
        .zip(input.par_chunks_exact(lengths.channels * lengths.input_plane()))
        .for_each(sample);
    output
}

/// The gradient of the kernel, given the `gradient` of the output.
pub(super) fn kernel_gradient(
    input: &[f32],
    gradient: &[f32],
    lengths: &Lengths,
    geometry: &Geometry,
) -> Vec<f32> {
    if let Some(shape) = lengths.by_tiles(geometry) {
        return winograd::kernel_gradient(input, gradient, shape);
    }
    let (plane, length, filters) =
        (lengths.output_plane(), lengths.column_length(), lengths.filters);
    // Summed as [column element, filter]: both factors need a transposition, and in this order `gemm`
    // transposes the smaller one.
    let sample = |(input, gradient): (&[f32], &[f32])| {
        let mut sum = vec![0.0; length * filters];
        if lengths.is_pointwise(geometry) {
            let gradient = Matrix::new(gradient, filters, plane, plane);
            let columns = Matrix::new(input, length, plane, plane);
            multiply(&mut sum, filters, false, columns, gradient.transposed(), Threads::Many);
            return sum;
        }
        let mut columns = vec![0.0; lengths.tile_size()];
        for rows in lengths.tiles() {
            let tile = rows.len() * lengths.output[2];
            gather(&mut columns, input, &rows, lengths, geometry);
            let columns = Matrix::new(&columns, length, tile, tile);
            let start = rows.start * lengths.output[2];
            let gradient = Matrix::new(&gradient[start..], filters, tile, plane);
            multiply(
                &mut sum,
                filters,
                rows.start > 0,
                columns,
                gradient.transposed(),
                Threads::Many,
            );
        }
        sum
    };
    let sums: Vec<Vec<f32>> = input
        .par_chunks_exact(lengths.channels * lengths.input_plane())
        .zip(gradient.par_chunks_exact(filters * plane))
        .map(sample)
        .collect();
    let mut total = vec![0.0; filters * length];
    total.par_chunks_exact_mut(length).enumerate().for_each(|(filter, total)| {
        for sum in &sums {
            for (total, row) in total.iter_mut().zip(sum.chunks_exact(filters)) {
                *total += row[filter];
            }
        }
    });
    total
}

/// The gradient of the input, given the `gradient` of the output.
pub(super) fn input_gradient(
    kernel: &[f32],
    gradient: &[f32],
    batch: usize,
    lengths: &Lengths,
    geometry: &Geometry,
) -> Vec<f32> {
    if let Some(shape) = lengths.by_tiles(geometry) {
        return winograd::input_gradient(kernel, gradient, shape);
    }
    let (plane, length) = (lengths.output_plane(), lengths.column_length());
    let kernel = Matrix::new(kernel, lengths.filters, length, length).transposed();
    let mut input = vec![0.0; batch * lengths.channels * lengths.input_plane()];
    let sample = |(input, gradient): (&mut [f32], &[f32])| {
        if lengths.is_pointwise(geometry) {
            let gradient = Matrix::new(gradient, lengths.filters, plane, plane);
            return multiply(input, plane, false, kernel, gradient, Threads::Many);
        }
        let mut columns = vec![0.0; lengths.tile_size()];
        for rows in lengths.tiles() {
            let tile = rows.len() * lengths.output[2];
            let start = rows.start * lengths.output[2];
            let gradient = Matrix::new(&gradient[start..], lengths.filters, tile, plane);
            multiply(&mut columns, tile, false, kernel, gradient, Threads::Many);
            scatter(input, &columns, &rows, lengths, geometry);
        }
    };
    input
        .par_chunks_exact_mut(lengths.channels * lengths.input_plane())
        .zip(gradient.par_chunks_exact(lengths.filters * plane))
        .for_each(sample);
    input
}
