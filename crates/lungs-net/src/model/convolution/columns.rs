//! Unrolling a volume into the columns of a matrix (im2col), and adding columns back (col2im).
//!
//! With every window of the input as a column, a convolution is a matrix product:
//!
//! ```text
//! columns[channel, kd, kh, kw | od, oh, ow] = input[channel, od·s + kd − p, oh·s + kh − p, ow·s + kw − p]
//! output [out      | od, oh, ow]            = kernel[out | channel, kd, kh, kw] · columns
//! ```
//!
//! All columns of a volume would be `kd·kh·kw` times as large as the volume. They are therefore made
//! tile by tile: a range of output rows (od, oh) whose columns fit in the processor's cache.

use std::ops::Range;

use rayon::prelude::*;

use super::super::padding::inside;
use super::{Geometry, winograd};

/// Approximate size of a tile of columns in numbers (2 MiB).
const TILE: usize = 512 * 1024;
/// Smallest tile, in numbers, that several threads fill.
const PARALLEL_FROM: usize = 64 * 1024;

/// The lengths of one convolution, per sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    /// Input channels.
    pub(super) channels: usize,
    /// Input depth, height, width.
    pub(super) input: [usize; 3],
    /// Output channels.
    pub(super) filters: usize,
    /// Kernel depth, height, width.
    pub(super) kernel: [usize; 3],
    /// Output depth, height, width.
    pub(super) output: [usize; 3],
}

impl Lengths {
    /// Lengths for the shapes `[batch, channel, d, h, w]` and `[out, channel, kd, kh, kw]`.
    pub(super) fn new(input: [usize; 5], kernel: [usize; 5], geometry: &Geometry) -> Self {
        let [_, channels, id, ih, iw] = input;
        let [filters, kernel_channels, kd, kh, kw] = kernel;
        assert_eq!(channels, kernel_channels, "the kernel must have the input's channels");
        let (input, kernel) = ([id, ih, iw], [kd, kh, kw]);
        let output = std::array::from_fn(|axis| {
            let (before, after) = geometry.padding[axis];
            (input[axis] + before + after - kernel[axis]) / geometry.strides[axis] + 1
        });
        Self { channels, input, filters, kernel, output }
    }

    /// Numbers in one channel of the input.
    pub(super) fn input_plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Numbers in one channel of the output: the columns of a sample.
    pub(super) fn output_plane(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of one kernel within one channel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Number of rows in the matrix of columns.
    pub(super) fn column_length(&self) -> usize {
        self.channels * self.taps()
    }

    /// Whether the columns are the input itself: a 1×1×1 kernel with stride 1.
    pub(super) fn is_pointwise(&self, geometry: &Geometry) -> bool {
        self.kernel == [1; 3] && geometry.strides == [1; 3] && self.input == self.output
    }

    /// The shape for [`winograd`], if that is faster.
    pub(super) fn by_tiles(&self, geometry: &Geometry) -> Option<winograd::Shape> {
        let fits =
            self.kernel == [3; 3] && geometry.strides == [1; 3] && geometry.padding == [(1, 1); 3];
        let Self { channels, filters, input: size, .. } = *self;
        let shape = winograd::Shape { channels, filters, size };
        (fits && shape.is_faster()).then_some(shape)
    }

    /// The tiles of a sample, each a range of output rows (od, oh).
    pub(super) fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.output[0] * self.output[1];
        let height = self.tile_rows();
        (0..rows).step_by(height).map(move |first| first..(first + height).min(rows))
    }

    /// Numbers in the largest tile.
    pub(super) fn tile_size(&self) -> usize {
        self.tile_rows() * self.output[2] * self.column_length()
    }

    fn tile_rows(&self) -> usize {
        let rows = self.output[0] * self.output[1];
        (TILE / (self.column_length() * self.output[2]).max(1)).clamp(1, rows.max(1))
    }
}

/// One element of a kernel, and its positions in the input.
struct Tap<'a> {
    /// Index of the kernel element along depth, height, width.
    element: [usize; 3],
    /// Range of output positions along each axis whose input is not in the padding.
    inside: [(usize, usize); 3],
    lengths: &'a Lengths,
    geometry: &'a Geometry,
}

impl<'a> Tap<'a> {
    fn new(index: usize, lengths: &'a Lengths, geometry: &'a Geometry) -> Self {
        let [_, kh, kw] = lengths.kernel;
        let element = [index / (kh * kw), index / kw % kh, index % kw];
        let inside = std::array::from_fn(|axis| {
            let (before, stride) = (geometry.padding[axis].0, geometry.strides[axis]);
            inside(lengths.input[axis], before, element[axis], stride, lengths.output[axis])
        });
        Self { element, inside, lengths, geometry }
    }

    /// The input position along `axis` of an output position in `inside`.
    fn input_position(&self, axis: usize, window: usize) -> usize {
        window * self.geometry.strides[axis] + self.element[axis] - self.geometry.padding[axis].0
    }

    /// Calls `row` for each output row of a tile that overlaps the input, with the row's index in the
    /// tile and the index in the channel of its first input element.
    #[inline(always)]
    fn for_rows(&self, rows: &Range<usize>, mut row: impl FnMut(usize, usize)) {
        let [_, height, width] = self.lengths.input;
        let rows_per_depth = self.lengths.output[1];
        let [(first_depth, last_depth), (first_row, last_row), (first, last)] = self.inside;
        if first == last || first_row == last_row {
            return;
        }
        let start = self.input_position(2, first);
        let (from, to) = (rows.start / rows_per_depth, rows.end.div_ceil(rows_per_depth));
        for depth in first_depth.max(from)..last_depth.min(to) {
            // The rows of this depth that are in the tile and not in the padding.
            let zero = depth * rows_per_depth;
            let begin = (zero + first_row).max(rows.start);
            let end = (zero + last_row).min(rows.end);
            if begin >= end {
                continue;
            }
            let plane = self.input_position(0, depth) * height;
            let mut source = (plane + self.input_position(1, begin - zero)) * width + start;
            for index in begin..end {
                row(index - rows.start, source);
                source += self.geometry.strides[1] * width;
            }
        }
    }

    /// Whether this element reaches the padding at some output position.
    fn touches_padding(&self) -> bool {
        (0..3).any(|axis| self.inside[axis] != (0, self.lengths.output[axis]))
    }

    /// Number of input elements in a row from the first to the last that is read.
    fn span(&self) -> usize {
        let (first, last) = self.inside[2];
        (last - first).saturating_sub(1) * self.geometry.strides[2] + 1
    }
}

/// Fills `columns` (`[column_length, tile width]`) with the windows of one sample's `input`.
pub(super) fn gather(
    columns: &mut [f32],
    input: &[f32],
    rows: &Range<usize>,
    lengths: &Lengths,
    geometry: &Geometry,
) {
    let width = lengths.output[2];
    let tile = rows.len() * width;
    let stride = geometry.strides[2];
    let fill = |(index, out): (usize, &mut [f32])| {
        let channel = &input[index / lengths.taps() * lengths.input_plane()..];
        let tap = Tap::new(index % lengths.taps(), lengths, geometry);
        let (first, last) = tap.inside[2];
        let span = tap.span();
        if tap.touches_padding() {
            out.fill(0.0);
        }
        tap.for_rows(rows, |row, source| {
            let out = &mut out[row * width + first..row * width + last];
            let source = &channel[source..source + span];
            match stride {
                1 => out.copy_from_slice(source),
                2 => every_second(out, source),
                _ => {
                    for (out, value) in out.iter_mut().zip(source.iter().step_by(stride)) {
                        *out = *value;
                    }
                }
            }
        });
    };
    let columns = &mut columns[..lengths.column_length() * tile];
    if columns.len() >= PARALLEL_FROM {
        columns.par_chunks_exact_mut(tile).enumerate().for_each(fill);
    } else {
        columns.chunks_exact_mut(tile).enumerate().for_each(fill);
    }
}

/// `step_by(2)` in a form that compiles to vector instructions.
fn every_second(out: &mut [f32], source: &[f32]) {
    let (pairs, last) = source.as_chunks::<2>();
    let (body, end) = out.split_at_mut(pairs.len());
    for (out, pair) in body.iter_mut().zip(pairs) {
        *out = pair[0];
    }
    if let ([out], [value]) = (end, last) {
        *out = *value;
    }
}

/// Adds `columns` (`[column_length, tile width]`) back to the positions that [`gather`] reads.
///
/// One thread processes a channel and adds its taps in order, so that the result does not depend on the
/// number of threads.
pub(super) fn scatter(
    input: &mut [f32],
    columns: &[f32],
    rows: &Range<usize>,
    lengths: &Lengths,
    geometry: &Geometry,
) {
    let width = lengths.output[2];
    let tile = rows.len() * width;
    let stride = geometry.strides[2];
    let add = |(channel, columns): (&mut [f32], &[f32])| {
        for (index, column) in columns.chunks_exact(tile).enumerate() {
            let tap = Tap::new(index, lengths, geometry);
            let (first, last) = tap.inside[2];
            let span = tap.span();
            tap.for_rows(rows, |row, target| {
                let column = &column[row * width + first..row * width + last];
                let target = &mut channel[target..target + span];
                if stride == 1 {
                    for (target, value) in target.iter_mut().zip(column) {
                        *target += value;
                    }
                } else {
                    for (target, value) in target.iter_mut().step_by(stride).zip(column) {
                        *target += value;
                    }
                }
            });
        }
    };
    let columns = &columns[..lengths.column_length() * tile];
    let (plane, taps) = (lengths.input_plane(), lengths.taps() * tile);
    if columns.len() >= PARALLEL_FROM {
        input.par_chunks_exact_mut(plane).zip(columns.par_chunks_exact(taps)).for_each(add);
    } else {
        input.chunks_exact_mut(plane).zip(columns.chunks_exact(taps)).for_each(add);
    }
}
