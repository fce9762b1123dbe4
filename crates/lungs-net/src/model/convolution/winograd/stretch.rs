//! Blocks of slices, transformed to the points of their tiles.

use std::ops::Range;

use rayon::prelude::*;

use super::super::matrix::Matrix;
use super::lanes;
use super::shape::Shape;
use super::tiles::{Grid, Margin};
use super::transforms::{InputPoints, OUTPUTS, OutputPoints, Outputs, POINTS};

/// Approximate number of tiles in a block: enough for matrix products to run at full speed, few enough
/// for their factors to stay in the cache.
const TILES: usize = 256;

/// A buffer for a block of one tensor's slices: `[point][channel, slice·tile]`.
pub(super) struct SliceBlocks {
    channels: usize,
    /// Depth, height, width of the tensor.
    size: [usize; 3],
    grid: Grid,
    /// Slices of a block.
    length: usize,
    /// Additional slices around a block, half before and half after.
    halo: usize,
    values: Vec<f32>,
}

impl SliceBlocks {
    /// A buffer for a tensor with `channels` and the shape's size.
    pub(super) fn new(channels: usize, halo: usize, shape: Shape) -> Self {
        let [depth, height, width] = shape.size;
        let grid = Grid::new(height, width);
        let length = TILES.div_ceil(grid.tiles()).min(depth);
        let values = vec![0.0; POINTS * channels * (length + halo) * grid.tiles()];
        Self { channels, size: shape.size, grid, length, halo, values }
    }

    /// The blocks of output slices of a sample.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (depth, length) = (self.size[0], self.length);
        (0..depth).step_by(length).map(move |first| first..(first + length).min(depth))
    }

    /// Number of tiles in a slice.
    pub(super) fn tiles(&self) -> usize {
        self.grid.tiles()
    }

    /// Number of elements of one channel at one point.
    fn row(&self) -> usize {
        (self.length + self.halo) * self.grid.tiles()
    }

    /// The matrix `[channel, tile]` of one point, with `tiles` tiles from slice `first` of the buffer on.
    pub(super) fn at(&self, point: usize, first: usize, tiles: usize) -> Matrix<'_> {
        let row = self.row();
        let values = &self.values[point * self.channels * row..][..self.channels * row];
        Matrix::new(&values[first * self.grid.tiles()..], self.channels, tiles, row)
    }

    /// Each point's elements, for a contiguous matrix `[channel, tile]` at the start.
    pub(super) fn points_mut(&mut self) -> rayon::slice::ChunksExactMut<'_, f32> {
        let size = self.channels * self.row();
        self.values.par_chunks_exact_mut(size)
    }

    /// The rows of each channel at all points.
    fn by_channel(&mut self) -> Vec<Vec<&mut [f32]>> {
        let row = self.row();
        let mut channels: Vec<Vec<&mut [f32]>> =
            (0..self.channels).map(|_| Vec::with_capacity(POINTS)).collect();
        for (index, row) in self.values.chunks_exact_mut(row).enumerate() {
            channels[index % self.channels].push(row);
        }
        channels
    }

    /// Transforms the input slices of a block of outputs: its own, one before and one after. Blocks of a
    /// sample are read in order, so that two slices are transformed already.
    pub(super) fn read_inputs(&mut self, sample: &[f32], slices: &Range<usize>) {
        let (grid, length, [depth, ..]) = (self.grid, self.length, self.size);
        let (tiles, volume) = (grid.tiles(), depth * grid.slice());
        // Position in the buffer = slice + 1, counted from the block's first slice.
        let reused = if slices.start == 0 { 0 } else { 2 };
        let positions = reused..slices.len() + 2;
        let channel = |(margin, cut): &mut (Margin, Vec<Vec<f32>>),
                       (mut points, channel): (Vec<&mut [f32]>, &[f32])| {
            let count = positions.len() * tiles;
            for (position, first) in positions.clone().zip((0..).step_by(tiles)) {
                match (slices.start + position).checked_sub(1).filter(|&slice| slice < depth) {
                    Some(slice) => {
                        let slice = &channel[slice * grid.slice()..][..grid.slice()];
                        margin.cut_inputs(slice, first, cut);
                    }
                    None => cut.iter_mut().for_each(|cut| cut[first..first + tiles].fill(0.0)),
                }
            }
            for row in &mut points {
                row.copy_within(length * tiles..(length + reused) * tiles, 0);
            }
            let inputs = lanes::first(cut.iter().map(|cut| &cut[..count]));
            let outputs = points.into_iter().map(|row| &mut row[reused * tiles..][..count]);
            lanes::map::<InputPoints, _, _>(inputs, lanes::first(outputs));
        };
        let buffers = || (grid.margin(), vec![vec![0.0; (length + 2) * tiles]; POINTS]);
        self.by_channel()
            .into_par_iter()
            .zip(sample.par_chunks_exact(volume))
            .for_each_init(buffers, channel);
    }

    /// Transforms the output gradient of a block of slices.
    pub(super) fn read_gradients(&mut self, sample: &[f32], slices: &Range<usize>) {
        let (grid, length, [depth, ..]) = (self.grid, self.length, self.size);
        let (tiles, volume) = (grid.tiles(), depth * grid.slice());
        let channel = |cut: &mut Vec<Vec<f32>>, (points, channel): (Vec<&mut [f32]>, &[f32])| {
            let count = slices.len() * tiles;
            for (slice, first) in slices.clone().zip((0..).step_by(tiles)) {
                let slice = &channel[slice * grid.slice()..][..grid.slice()];
                grid.cut_outputs(slice, first, cut);
            }
            let inputs = lanes::first(cut.iter().map(|cut| &cut[..count]));
            let outputs = points.into_iter().map(|row| &mut row[..count]);
            lanes::map::<OutputPoints, _, _>(inputs, lanes::first(outputs));
        };
        let buffers = || vec![vec![0.0; length * tiles]; OUTPUTS];
        self.by_channel()
            .into_par_iter()
            .zip(sample.par_chunks_exact(volume))
            .for_each_init(buffers, channel);
    }

    /// Writes a block of output slices from the products in [`SliceBlocks::points_mut`].
    pub(super) fn write_outputs(&self, sample: &mut [f32], slices: &Range<usize>) {
        let (grid, length, [depth, ..]) = (self.grid, self.length, self.size);
        let tiles = grid.tiles();
        let count = slices.len() * tiles;
        let point = self.channels * self.row();
        let channel = |joined: &mut Vec<Vec<f32>>, (channel, output): (usize, &mut [f32])| {
            let points = self.values.chunks_exact(point);
            let inputs = lanes::first(points.map(|point| &point[channel * count..][..count]));
            let outputs = lanes::first(joined.iter_mut().map(|buffer| &mut buffer[..count]));
            lanes::map::<Outputs, _, _>(inputs, outputs);
            for (slice, first) in slices.clone().zip((0..).step_by(tiles)) {
                let slice = &mut output[slice * grid.slice()..][..grid.slice()];
                grid.join(joined, first, slice);
            }
        };
        let buffers = || vec![vec![0.0; length * tiles]; OUTPUTS];
        sample
            .par_chunks_exact_mut(depth * grid.slice())
            .enumerate()
            .for_each_init(buffers, channel);
    }
}
