//! Transformation of a kernel to the points, and of its gradient back.

use rayon::prelude::*;

use super::lanes;
use super::shape::{Shape, TAPS};
use super::transforms::{KernelPoints, POINTS, Taps};

/// Orientation of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orientation {
    /// As stored, for the forward convolution.
    Original,
    /// Flipped along all axes, with inputs and outputs exchanged, for the gradient of the input.
    Flipped,
}

/// Number of elements in one depth of a kernel.
const PLANE: usize = 9;
/// Number of elements in a kernel.
const ELEMENTS: usize = TAPS * PLANE;

/// `kernel` (`[filter, channel, 3, 3, 3]`) at the points: `[point][depth tap][filter, channel]`,
/// or `[point][depth tap][channel, filter]` if flipped.
pub(super) fn points(kernel: &[f32], shape: Shape, orientation: Orientation) -> Vec<f32> {
    let Shape { channels, filters, .. } = shape;
    let (rows, columns) = match orientation {
        Orientation::Original => (filters, channels),
        Orientation::Flipped => (channels, filters),
    };
    let mut points = vec![0.0; POINTS * TAPS * rows * columns];
    let mut by_row: Vec<Vec<&mut [f32]>> =
        (0..rows).map(|_| Vec::with_capacity(POINTS * TAPS)).collect();
    for (index, row) in points.chunks_exact_mut(columns).enumerate() {
        by_row[index % rows].push(row);
    }
    let row = |planes: &mut Vec<Vec<f32>>, (row, mut points): (usize, Vec<&mut [f32]>)| {
        for column in 0..columns {
            let (index, mirror) = match orientation {
                Orientation::Original => (row * channels + column, false),
                Orientation::Flipped => (column * channels + row, true),
            };
            let kernel = &kernel[index * ELEMENTS..][..ELEMENTS];
            for (element, plane) in planes.iter_mut().enumerate() {
                plane[column] = kernel[if mirror { ELEMENTS - 1 - element } else { element }];
            }
        }
        // The rows are ordered [point][depth tap].
        for (tap, planes) in planes.chunks_exact(PLANE).enumerate() {
            let inputs = lanes::first(planes.iter().map(Vec::as_slice));
            let outputs = points.iter_mut().skip(tap).step_by(TAPS).map(|row| &mut row[..]);
            lanes::map::<KernelPoints, _, _>(inputs, lanes::first(outputs));
        }
    };
    let buffers = || vec![vec![0.0; columns]; ELEMENTS];
    by_row.into_par_iter().enumerate().for_each_init(buffers, row);
    points
}

/// The gradient of a kernel (`[filter, channel, 3, 3, 3]`) from `[point][depth tap][filter, channel]`.
pub(super) fn gradient(points: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { channels, filters, .. } = shape;
    let mut gradient = vec![0.0; filters * channels * ELEMENTS];
    let filter = |planes: &mut Vec<Vec<f32>>, (filter, gradient): (usize, &mut [f32])| {
        for tap in 0..TAPS {
            let inputs = std::array::from_fn(|point| {
                &points[((point * TAPS + tap) * filters + filter) * channels..][..channels]
            });
            let outputs = lanes::first(planes.iter_mut().map(Vec::as_mut_slice));
            lanes::map::<Taps, _, _>(inputs, outputs);
            for (channel, kernel) in gradient.chunks_exact_mut(ELEMENTS).enumerate() {
                for (element, plane) in planes.iter().enumerate() {
                    kernel[tap * PLANE + element] = plane[channel];
                }
            }
        }
    };
    let buffers = || vec![vec![0.0; channels]; PLANE];
    gradient.par_chunks_exact_mut(channels * ELEMENTS).enumerate().for_each_init(buffers, filter);
    gradient
}
