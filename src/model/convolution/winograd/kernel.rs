//! A kernel's way to the points, and its gradient's way back.

use rayon::prelude::*;

use super::transforms::{KernelPoints, POINTS, Taps};
use super::{Shape, TAPS, lanes};

/// Whether a kernel is turned around in all axes, with inputs and outputs exchanged, as the
/// gradient of the input asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Not,
    Around,
}

/// Numbers of one depth of a kernel.
const PLANE: usize = 9;
/// Numbers of a kernel.
const ELEMENTS: usize = TAPS * PLANE;

/// `kernel` (`[filter, channel, 3, 3, 3]`) at the points: `[point][depth tap][filter, channel]`,
/// or `[point][depth tap][channel, filter]` when turned around.
pub(super) fn points(kernel: &[f32], shape: Shape, turn: Turn) -> Vec<f32> {
    let Shape { channels, filters, .. } = shape;
    let (rows, columns) = match turn {
        Turn::Not => (filters, channels),
        Turn::Around => (channels, filters),
    };
    let mut points = vec![0.0; POINTS * TAPS * rows * columns];
    let mut by_row: Vec<Vec<&mut [f32]>> =
        (0..rows).map(|_| Vec::with_capacity(POINTS * TAPS)).collect();
    for (index, row) in points.chunks_exact_mut(columns).enumerate() {
        by_row[index % rows].push(row);
    }
    let row = |planes: &mut Vec<Vec<f32>>, (row, mut points): (usize, Vec<&mut [f32]>)| {
        for column in 0..columns {
            let (index, mirror) = match turn {
                Turn::Not => (row * channels + column, false),
                Turn::Around => (column * channels + row, true),
            };
            let kernel = &kernel[index * ELEMENTS..][..ELEMENTS];
            for (element, plane) in planes.iter_mut().enumerate() {
                plane[column] = kernel[if mirror { ELEMENTS - 1 - element } else { element }];
            }
        }
        // Rows come as [point][depth tap].
        for (tap, planes) in planes.chunks_exact(PLANE).enumerate() {
            let inputs = lanes::first(planes.iter().map(Vec::as_slice));
            let outputs = points.iter_mut().skip(tap).step_by(TAPS).map(|row| &mut row[..]);
            lanes::map::<KernelPoints, _, _>(inputs, lanes::first(outputs));
        }
    };
    let room = || vec![vec![0.0; columns]; ELEMENTS];
    by_row.into_par_iter().enumerate().for_each_init(room, row);
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
    let room = || vec![vec![0.0; channels]; PLANE];
    gradient.par_chunks_exact_mut(channels * ELEMENTS).enumerate().for_each_init(room, filter);
    gradient
}
