//! Cutting slices into tiles, and joining tiles into slices.

use super::transforms::{SIDE, STEP};

/// The tiles of one slice, each with 4×4 outputs and 6×6 inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
}

impl Grid {
    /// The tiles of a slice of `height × width`, for input and output (SAME padding).
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self { height, width, rows: height.div_ceil(STEP), columns: width.div_ceil(STEP) }
    }

    /// Number of tiles in a slice.
    pub(super) fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    /// Number of elements in a slice.
    pub(super) fn slice(&self) -> usize {
        self.height * self.width
    }

    /// A buffer for one slice with zeros around it.
    pub(super) fn margin(&self) -> Margin {
        let stride = self.columns * STEP + STEP;
        Margin { grid: *self, stride, values: vec![0.0; (self.rows * STEP + 2) * stride] }
    }

    /// Writes every tile's outputs to a slice. `tiles[element][first + tile]`.
    pub(super) fn join(&self, tiles: &[Vec<f32>], first: usize, slice: &mut [f32]) {
        for (y, row) in slice.chunks_exact_mut(self.width).enumerate() {
            let tiles_of_row = first + y / STEP * self.columns;
            let element = |x: usize| {
                let tiles = &tiles[y % STEP * STEP + x];
                &tiles[tiles_of_row..tiles_of_row + self.columns]
            };
            let elements: [&[f32]; STEP] = std::array::from_fn(element);
            let (quads, rest) = row.as_chunks_mut::<STEP>();
            for (column, quad) in quads.iter_mut().enumerate() {
                *quad = elements.map(|element| element[column]);
            }
            let column = quads.len();
            for (x, value) in rest.iter_mut().enumerate() {
                *value = elements[x][column];
            }
        }
    }

    /// Cuts a slice's output gradient into tiles: `tiles[element][first + tile]`, zero outside the
    /// slice.
    pub(super) fn cut_outputs(&self, slice: &[f32], first: usize, tiles: &mut [Vec<f32>]) {
        for (element, tiles) in tiles.iter_mut().enumerate() {
            let (y, x) = (element / STEP, element % STEP);
            let tiles = tiles[first..first + self.tiles()].chunks_exact_mut(self.columns);
            for (row, tiles) in tiles.enumerate() {
                let y = row * STEP + y;
                if y >= self.height {
                    tiles.fill(0.0);
                    continue;
                }
                let source = &slice[y * self.width..][..self.width];
                for (column, tile) in tiles.iter_mut().enumerate() {
                    *tile = source.get(column * STEP + x).copied().unwrap_or(0.0);
                }
            }
        }
    }
}

/// A slice with zeros around it.
pub(super) struct Margin {
    grid: Grid,
    stride: usize,
    values: Vec<f32>,
}

impl Margin {
    /// Cuts a slice into overlapping tiles of 6×6 inputs: `tiles[element][first + tile]`.
    pub(super) fn cut_inputs(&mut self, slice: &[f32], first: usize, tiles: &mut [Vec<f32>]) {
        let Grid { width, columns, .. } = self.grid;
        for (y, row) in slice.chunks_exact(width).enumerate() {
            self.values[(y + 1) * self.stride + 1..][..width].copy_from_slice(row);
        }
        for y in 0..SIDE {
            for row in 0..self.grid.rows {
                let source = &self.values[(row * STEP + y) * self.stride..][..self.stride];
                let quads = source.as_chunks::<STEP>().0;
                let start = first + row * columns;
                for x in 0..SIDE {
                    let tiles = &mut tiles[y * SIDE + x][start..start + columns];
                    for (tile, quad) in tiles.iter_mut().zip(&quads[x / STEP..]) {
                        *tile = quad[x % STEP];
                    }
                }
            }
        }
    }
}
