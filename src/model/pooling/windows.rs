//! 3-D max pooling of one channel at a time, on slices.

use rayon::prelude::*;

use super::super::padding::inside;

/// How a window is moved over its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Input depth, height, width.
    pub(super) input: [usize; 3],
    /// Window depth, height, width; at most 255 elements.
    pub(super) sizes: [usize; 3],
    /// Steps along depth, height, width.
    pub(super) strides: [usize; 3],
    /// Padding before and after each axis; it never wins.
    pub(super) padding: [(usize, usize); 3],
}

impl Windows {
    /// Output depth, height, width.
    pub(super) fn output(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let (before, after) = self.padding[axis];
            (self.input[axis] + before + after - self.sizes[axis]) / self.strides[axis] + 1
        })
    }

    /// The input index of window `window`'s element `element` along `axis`, unless it is padding.
    fn at(&self, axis: usize, window: usize, element: usize) -> Option<usize> {
        (window * self.strides[axis] + element)
            .checked_sub(self.padding[axis].0)
            .filter(|&at| at < self.input[axis])
    }
}

/// The largest element of each window, and which element that is: its index in row-major order
/// within the window. Of equal elements, the one that comes first along the width wins, then
/// along depth and height.
///
/// `input` holds whole channels one after another, as do both results.
pub(super) fn forward(input: &[f32], windows: &Windows) -> (Vec<f32>, Vec<u8>) {
    let [_, height, width] = windows.input;
    let [depth_out, height_out, width_out] = windows.output();
    let [kd, kh, kw] = windows.sizes;
    assert!(kd * kh * kw <= 255, "a pooling window holds at most 255 elements");
    let plane_in = windows.input.iter().product();
    let plane_out = depth_out * height_out * width_out;
    let channels = input.len() / plane_in;
    let mut values = vec![f32::NEG_INFINITY; channels * plane_out];
    let mut winners = vec![0_u8; channels * plane_out];
    let channel = |((values, winners), input): ((&mut [f32], &mut [u8]), &[f32])| {
        // First the best of each input column over the window's depth and height, in rows that
        // lie in memory as they are read; then the best of the columns.
        let mut best = vec![0.0; width];
        let mut best_row = vec![0_u32; width];
        let rows = values.chunks_exact_mut(width_out).zip(winners.chunks_exact_mut(width_out));
        for (index, (values, winners)) in rows.enumerate() {
            let (d, h) = (index / height_out, index % height_out);
            best.fill(f32::NEG_INFINITY);
            best_row.fill(0);
            for row in 0..kd * kh {
                let Some(d) = windows.at(0, d, row / kh) else { continue };
                let Some(h) = windows.at(1, h, row % kh) else { continue };
                let source = &input[(d * height + h) * width..][..width];
                for ((best, best_row), &value) in best.iter_mut().zip(&mut best_row).zip(source) {
                    let wins = value > *best;
                    *best = if wins { value } else { *best };
                    *best_row = if wins { row as u32 } else { *best_row };
                }
            }
            for element in 0..kw {
                let (before, stride) = (windows.padding[2].0, windows.strides[2]);
                let (first, last) = inside(width, before, element, stride, width_out);
                for w in first..last {
                    let at = w * stride + element - before;
                    if best[at] > values[w] {
                        values[w] = best[at];
                        winners[w] = (best_row[at] as usize * kw + element) as u8;
                    }
                }
            }
        }
    };
    values
        .par_chunks_exact_mut(plane_out)
        .zip(winners.par_chunks_exact_mut(plane_out))
        .zip(input.par_chunks_exact(plane_in))
        .for_each(channel);
    (values, winners)
}

/// Carries the output's `gradient` to the elements that won.
pub(super) fn backward(gradient: &[f32], winners: &[u8], windows: &Windows) -> Vec<f32> {
    let [_, height, width] = windows.input;
    let [depth_out, height_out, width_out] = windows.output();
    let [_, kh, kw] = windows.sizes;
    let plane_in: usize = windows.input.iter().product();
    let plane_out = depth_out * height_out * width_out;
    let mut input = vec![0.0; gradient.len() / plane_out * plane_in];
    let channel = |((input, gradient), winners): ((&mut [f32], &[f32]), &[u8])| {
        for (index, (gradient, &winner)) in gradient.iter().zip(winners).enumerate() {
            let (w, row) = (index % width_out, index / width_out);
            let (d, h) = (row / height_out, row % height_out);
            let winner = usize::from(winner);
            let (element, tap) = (winner % kw, winner / kw);
            let at =
                (windows.at(0, d, tap / kh), windows.at(1, h, tap % kh), windows.at(2, w, element));
            if let (Some(d), Some(h), Some(w)) = at {
                input[(d * height + h) * width + w] += gradient;
            }
        }
    };
    input
        .par_chunks_exact_mut(plane_in)
        .zip(gradient.par_chunks_exact(plane_out))
        .zip(winners.par_chunks_exact(plane_out))
        .for_each(channel);
    input
}
