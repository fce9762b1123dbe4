//! 3-D max pooling on slices, one channel at a time.

use rayon::prelude::*;

/// Geometry of pooling windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Input depth, height, width.
    pub(super) input: [usize; 3],
    /// Window depth, height, width; at most 255 elements.
    pub(super) sizes: [usize; 3],
    /// Steps along depth, height, width.
    pub(super) strides: [usize; 3],
    /// Padding before and after each axis; it is never the largest element.
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

    /// Number of elements in a window.
    fn elements(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Number of elements in one channel of the input.
    fn plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Number of channels in `input`.
    fn channels(&self, input: &[f32]) -> usize {
        input.len() / self.plane()
    }
}

/// The largest element of each window.
///
/// `input` and the result are sequences of channels.
pub(super) fn forward(input: &[f32], windows: &Windows) -> Vec<f32> {
    let plane: usize = windows.output().iter().product();
    let mut values = vec![0.0; windows.channels(input) * plane];
    let channel = |workspace: &mut Workspace, (values, input): (&mut [f32], &[f32])| {
        pulp::Arch::new().dispatch(Channel { input, values, winners: None, workspace, windows });
    };
    values
        .par_chunks_exact_mut(plane)
        .zip(input.par_chunks_exact(windows.plane()))
        .for_each_init(|| Workspace::new(windows), channel);
    values
}

/// The largest element of each window, and its row-major index within the window. Of equal elements,
/// the first along the width is taken, then the first along depth and height.
pub(super) fn forward_with_winners(input: &[f32], windows: &Windows) -> (Vec<f32>, Vec<u8>) {
    assert!(windows.elements() <= 255, "a pooling window has at most 255 elements");
    let plane: usize = windows.output().iter().product();
    let mut values = vec![0.0; windows.channels(input) * plane];
    let mut winners = vec![0_u8; values.len()];
    let channel =
        |workspace: &mut Workspace,
         ((values, winners), input): ((&mut [f32], &mut [u8]), &[f32])| {
            let winners = Some(winners);
            pulp::Arch::new().dispatch(Channel { input, values, winners, workspace, windows });
        };
    values
        .par_chunks_exact_mut(plane)
        .zip(winners.par_chunks_exact_mut(plane))
        .zip(input.par_chunks_exact(windows.plane()))
        .for_each_init(|| Workspace::new(windows), channel);
    (values, winners)
}

/// Buffers for one row of windows.
struct Workspace {
    /// Maximum of each input column over the window's depth and height, with padding on both sides.
    best: Vec<f32>,
    /// Row of the window that contains it.
    best_row: Vec<u32>,
    /// Maximum of each window so far.
    window: Vec<f32>,
    /// Its index in the window.
    winner: Vec<u32>,
}

impl Workspace {
    fn new(windows: &Windows) -> Self {
        let [_, _, width] = windows.output();
        let columns = (width.saturating_sub(1) * windows.strides[2] + windows.sizes[2])
            .max(windows.padding[2].0 + windows.input[2]);
        Self {
            best: vec![f32::NEG_INFINITY; columns],
            best_row: vec![0; columns],
            window: vec![0.0; width],
            winner: vec![0; width],
        }
    }
}

/// The pooling of one channel, with the processor's widest vectors.
struct Channel<'a> {
    input: &'a [f32],
    values: &'a mut [f32],
    winners: Option<&'a mut [u8]>,
    workspace: &'a mut Workspace,
    windows: &'a Windows,
}

impl pulp::NullaryFnOnce for Channel<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { input, values, winners, workspace, windows } = self;
        let [_, height_out, width_out] = windows.output();
        let rows = values.chunks_exact_mut(width_out).enumerate();
        match winners {
            None => {
                for (index, values) in rows {
                    let row = [index / height_out, index % height_out];
                    workspace.columns::<false>(input, windows, row);
                    workspace.windows::<false>(windows);
                    values.copy_from_slice(&workspace.window);
                }
            }
            Some(winners) => {
                for ((index, values), winners) in rows.zip(winners.chunks_exact_mut(width_out)) {
                    let row = [index / height_out, index % height_out];
                    workspace.columns::<true>(input, windows, row);
                    workspace.windows::<true>(windows);
                    values.copy_from_slice(&workspace.window);
                    for (winner, &index) in winners.iter_mut().zip(&workspace.winner) {
                        *winner = index as u8;
                    }
                }
            }
        }
    }
}

impl Workspace {
    /// The maximum of each column over the windows at output position `[depth, height]`. Rows are
    /// compared in memory order.
    #[inline(always)]
    fn columns<const WINNERS: bool>(
        &mut self,
        input: &[f32],
        windows: &Windows,
        position: [usize; 2],
    ) {
        let [depth, height, width] = windows.input;
        let [kd, kh, _] = windows.sizes;
        let before = windows.padding[2].0;
        let best = &mut self.best[before..before + width];
        let best_row = &mut self.best_row[before..before + width];
        best.fill(f32::NEG_INFINITY);
        best_row.fill(0);
        for row in 0..kd * kh {
            let inside = |axis: usize, element: usize, length: usize| {
                (position[axis] * windows.strides[axis] + element)
                    .checked_sub(windows.padding[axis].0)
                    .filter(|&index| index < length)
            };
            let Some(d) = inside(0, row / kh, depth) else { continue };
            let Some(h) = inside(1, row % kh, height) else { continue };
            let source = &input[(d * height + h) * width..][..width];
            for ((best, best_row), &value) in best.iter_mut().zip(&mut *best_row).zip(source) {
                if WINNERS {
                    let wins = value > *best;
                    *best = if wins { value } else { *best };
                    *best_row = if wins { row as u32 } else { *best_row };
                } else {
                    *best = best.max(value);
                }
            }
        }
    }

    /// The maximum over the columns of each window.
    #[inline(always)]
    fn windows<const WINNERS: bool>(&mut self, windows: &Windows) {
        let (stride, kw) = (windows.strides[2], windows.sizes[2]);
        let Self { best, best_row, window, winner } = self;
        window.fill(f32::NEG_INFINITY);
        winner.fill(0);
        for element in 0..kw {
            let compare = |window: &mut f32, winner: &mut u32, best: f32, row: u32| {
                if WINNERS {
                    let wins = best > *window;
                    let index = row * kw as u32 + element as u32;
                    *window = if wins { best } else { *window };
                    *winner = if wins { index } else { *winner };
                } else {
                    *window = window.max(best);
                }
            };
            let windows = window.iter_mut().zip(&mut *winner);
            let (best, best_row) = (&best[element..], &best_row[element..]);
            // The strides of the network, each in a form that compiles to vector instructions.
            match stride {
                1 => {
                    for ((window, winner), (best, row)) in windows.zip(best.iter().zip(best_row)) {
                        compare(window, winner, *best, *row);
                    }
                }
                2 => {
                    let last = (best.last().copied(), best_row.last().copied());
                    let (best, best_row) = (best.as_chunks::<2>().0, best_row.as_chunks::<2>().0);
                    let pairs = best.iter().zip(best_row);
                    let pair_count = best.len();
                    for ((window, winner), (best, row)) in windows.zip(pairs) {
                        compare(window, winner, best[0], row[0]);
                    }
                    // The last window, whose column has no right neighbour.
                    if let (Some(window), (Some(best), Some(row))) =
                        (window.get_mut(pair_count), last)
                    {
                        compare(window, &mut winner[pair_count], best, row);
                    }
                }
                _ => {
                    let columns = best.iter().zip(best_row).step_by(stride);
                    for ((window, winner), (best, row)) in windows.zip(columns) {
                        compare(window, winner, *best, *row);
                    }
                }
            }
        }
    }
}

/// Adds the output's `gradient` to the elements at the recorded indices.
pub(super) fn backward(gradient: &[f32], winners: &[u8], windows: &Windows) -> Vec<f32> {
    let [_, height, width] = windows.input;
    let [depth_out, height_out, width_out] = windows.output();
    let [_, kh, kw] = windows.sizes;
    let plane_out = depth_out * height_out * width_out;
    // Offset of each element from the window's first element, which may be in the padding.
    let offset = |[d, h, w]: [usize; 3]| (d * height + h) * width + w;
    let offsets: Vec<usize> = (0..windows.elements())
        .map(|element| offset([element / (kh * kw), element / kw % kh, element % kw]))
        .collect();
    let padding = offset(windows.padding.map(|(before, _)| before));
    let mut input = vec![0.0; gradient.len() / plane_out * windows.plane()];
    let channel = |((input, gradient), winners): ((&mut [f32], &[f32]), &[u8])| {
        let rows = gradient.chunks_exact(width_out).zip(winners.chunks_exact(width_out));
        for (index, (gradient, winners)) in rows.enumerate() {
            let (d, h) = (index / height_out, index % height_out);
            let first = offset([d * windows.strides[0], h * windows.strides[1], 0]);
            for (w, (gradient, &winner)) in gradient.iter().zip(winners).enumerate() {
                // The element is not in the padding, so the difference is not negative.
                let index = first + w * windows.strides[2] + offsets[usize::from(winner)] - padding;
                input[index] += gradient;
            }
        }
    };
    input
        .par_chunks_exact_mut(windows.plane())
        .zip(gradient.par_chunks_exact(plane_out))
        .zip(winners.par_chunks_exact(plane_out))
        .for_each(channel);
    input
}
