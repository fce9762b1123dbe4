//! Unrolling a volume into the columns of a matrix, and adding such columns back.
//!
//! A convolution is a matrix product once every window of the input is a column:
//!
//! ```text
//! columns[channel, kd, kh, kw | od, oh, ow] = input[channel, od·s + kd − p, oh·s + kh − p, ow·s + kw − p]
//! output [out      | od, oh, ow]            = kernel[out | channel, kd, kh, kw] · columns
//! ```
//!
//! All of a volume's columns would be `kd·kh·kw` times the volume, so that they are made a tile
//! at a time: a stretch of output rows (od, oh) whose columns fit in the processor's cache.

use std::ops::Range;

use rayon::prelude::*;

use super::super::padding::inside;
use super::Geometry;

/// About as many numbers as one tile of columns holds (2 MiB).
const TILE: usize = 512 * 1024;
/// Below this many numbers a tile is filled by one thread.
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
    /// From the shapes `[batch, channel, d, h, w]` and `[out, channel, kd, kh, kw]`.
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

    /// Numbers in one channel of the output: the columns of the whole sample.
    pub(super) fn output_plane(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of one kernel within one channel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Rows of the matrix of columns.
    pub(super) fn column_length(&self) -> usize {
        self.channels * self.taps()
    }

    /// Whether the columns are the input itself: a 1×1×1 kernel moved by one.
    pub(super) fn is_pointwise(&self, geometry: &Geometry) -> bool {
        self.kernel == [1; 3] && geometry.strides == [1; 3] && self.input == self.output
    }

    /// The tiles of a sample, each a stretch of output rows (od, oh).
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

/// Where the taps of one kernel element meet the input, for each output row of a tile.
struct Tap {
    depth: usize,
    height: usize,
    width: usize,
}

impl Tap {
    fn new(index: usize, kernel: [usize; 3]) -> Self {
        let [_, kh, kw] = kernel;
        Self { depth: index / (kh * kw), height: index / kw % kh, width: index % kw }
    }

    /// Where the input row that this tap meets at output row `row` begins within its channel, or
    /// nothing when that row is padding.
    fn input_row(&self, row: usize, lengths: &Lengths, geometry: &Geometry) -> Option<usize> {
        let [depth, height, width] = lengths.input;
        let at = |window: usize, element: usize, axis: usize, length: usize| {
            (window * geometry.strides[axis] + element)
                .checked_sub(geometry.padding[axis].0)
                .filter(|&at| at < length)
        };
        let d = at(row / lengths.output[1], self.depth, 0, depth)?;
        let h = at(row % lengths.output[1], self.height, 1, height)?;
        Some((d * height + h) * width)
    }

    /// The output columns whose input column is inside, and the input column of the first.
    fn columns(&self, lengths: &Lengths, geometry: &Geometry) -> (usize, usize, usize) {
        let (before, stride) = (geometry.padding[2].0, geometry.strides[2]);
        let (first, last) = inside(lengths.input[2], before, self.width, stride, lengths.output[2]);
        // An empty stretch may begin left of the input; nothing is read then.
        (first, last, (first * stride + self.width).saturating_sub(before))
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
        let tap = Tap::new(index % lengths.taps(), lengths.kernel);
        let (first, last, start) = tap.columns(lengths, geometry);
        for (row, out) in rows.clone().zip(out.chunks_exact_mut(width)) {
            match tap.input_row(row, lengths, geometry) {
                Some(at) if first < last => {
                    out[..first].fill(0.0);
                    out[last..].fill(0.0);
                    let source = &channel[at + start..at + lengths.input[2]];
                    let out = &mut out[first..last];
                    if stride == 1 {
                        out.copy_from_slice(&source[..out.len()]);
                    } else {
                        for (out, value) in out.iter_mut().zip(source.iter().step_by(stride)) {
                            *out = *value;
                        }
                    }
                }
                _ => out.fill(0.0),
            }
        }
    };
    let columns = &mut columns[..lengths.column_length() * tile];
    if columns.len() >= PARALLEL_FROM {
        columns.par_chunks_exact_mut(tile).enumerate().for_each(fill);
    } else {
        columns.chunks_exact_mut(tile).enumerate().for_each(fill);
    }
}

/// Adds `columns` (`[column_length, tile width]`) back to where [`gather`] takes them from.
///
/// One thread has a whole channel, and adds its taps in order: the thread count changes nothing.
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
            let tap = Tap::new(index, lengths.kernel);
            let (first, last, start) = tap.columns(lengths, geometry);
            if first == last {
                continue;
            }
            for (row, column) in rows.clone().zip(column.chunks_exact(width)) {
                let Some(at) = tap.input_row(row, lengths, geometry) else { continue };
                let target = &mut channel[at + start..at + lengths.input[2]];
                let column = &column[first..last];
                if stride == 1 {
                    for (target, value) in target.iter_mut().zip(column) {
                        *target += value;
                    }
                } else {
                    for (target, value) in target.iter_mut().step_by(stride).zip(column) {
                        *target += value;
                    }
                }
            }
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
