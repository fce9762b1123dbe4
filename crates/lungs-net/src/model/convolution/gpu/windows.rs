//! The convolution, and the gradient of its input: sums over windows.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;

use super::super::Geometry;
use super::tile::{Tile, add_product, write_sums, zeros};

/// Lengths and strides of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    pub(super) sizes: [u32; 3],
    pub(super) strides: [u32; 3],
}

impl Window {
    pub(super) fn new(kernel: [usize; 5], geometry: &Geometry) -> Self {
        let [_, _, sizes @ ..] = kernel.map(|length| length as u32);
        Self { sizes, strides: geometry.strides.map(|stride| stride as u32) }
    }

    pub(super) fn taps(&self) -> u32 {
        self.sizes.iter().product()
    }
}

/// Channels of what a kernel reads and writes, lengths of both, and the zeros before the image.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Lengths {
    pub(super) channels: u32,
    pub(super) filters: u32,
    pub(super) in_depth: u32,
    pub(super) in_height: u32,
    pub(super) in_width: u32,
    pub(super) out_depth: u32,
    pub(super) out_height: u32,
    pub(super) out_width: u32,
    pub(super) before_depth: u32,
    pub(super) before_height: u32,
    pub(super) before_width: u32,
}

impl LengthsLaunch {
    /// `input` is what a kernel reads at the windows, `output` what has one element for each window.
    pub(super) fn between(input: [usize; 5], output: [usize; 5], geometry: &Geometry) -> Self {
        let [_, channels, in_depth, in_height, in_width] = input.map(|length| length as u32);
        let [_, filters, out_depth, out_height, out_width] = output.map(|length| length as u32);
        let [before_depth, before_height, before_width] =
            geometry.padding.map(|(before, _)| before as u32);
        Self::new(
            channels,
            filters,
            in_depth,
            in_height,
            in_width,
            out_depth,
            out_height,
            out_width,
            before_depth,
            before_height,
            before_width,
        )
    }
}

/// Index of the element that `tap` of the window at `position` reads, or -1 outside of `length`.
#[cube]
pub(super) fn source(
    position: u32,
    tap: u32,
    before: u32,
    length: u32,
    #[comptime] stride: u32,
    #[comptime] transposed: bool,
) -> i32 {
    if comptime!(transposed) {
        let distance = i32::cast_from(position + before) - i32::cast_from(tap);
        let index = distance / i32::cast_from(stride);
        let exact = distance >= 0 && index * i32::cast_from(stride) == distance;
        select(exact && index < i32::cast_from(length), index, -1i32)
    } else {
        let index = i32::cast_from(position * stride + tap) - i32::cast_from(before);
        select(index >= 0 && index < i32::cast_from(length), index, -1i32)
    }
}

/// The coordinates of the positions that a unit reads.
#[derive(CubeType)]
struct Held {
    exist: Array<bool>,
    depths: Array<u32>,
    heights: Array<u32>,
    widths: Array<u32>,
}

#[cube]
fn hold(lengths: &Lengths, #[comptime] tile: Tile) -> Held {
    let rows = comptime!(tile.rows());
    let count = comptime!((tile.rows() / tile.count()).max(1));
    let mut exist = Array::<bool>::new(count);
    let mut depths = Array::<u32>::new(count);
    let mut heights = Array::<u32>::new(count);
    let mut widths = Array::<u32>::new(count);
    let plane = lengths.out_depth * lengths.out_height * lengths.out_width;
    #[unroll]
    for i in 0..count {
        let row = UNIT_POS % comptime!(tile.rows() as u32) + comptime!((i * tile.count()) as u32);
        let position = CUBE_POS_X * (rows as u32) + row;
        exist[i] = position < plane;
        let line = position / lengths.out_width;
        widths[i] = position % lengths.out_width;
        heights[i] = line % lengths.out_height;
        depths[i] = line / lengths.out_height;
    }
    Held { exist, depths, heights, widths }
}

/// Offset within a channel of the element that the window of a held position reads at a tap, or -1.
#[cube]
fn offset(
    held: &Held,
    #[comptime] index: usize,
    taps: (u32, u32, u32),
    lengths: &Lengths,
    #[comptime] window: Window,
    #[comptime] transposed: bool,
) -> i32 {
    let z = source(
        held.depths[index],
        taps.0,
        lengths.before_depth,
        lengths.in_depth,
        window.strides[0],
        transposed,
    );
    let y = source(
        held.heights[index],
        taps.1,
        lengths.before_height,
        lengths.in_height,
        window.strides[1],
        transposed,
    );
    let x = source(
        held.widths[index],
        taps.2,
        lengths.before_width,
        lengths.in_width,
        window.strides[2],
        transposed,
    );
    let inside = held.exist[index] && z >= 0 && y >= 0 && x >= 0;
    let offset = (z * i32::cast_from(lengths.in_height) + y) * i32::cast_from(lengths.in_width) + x;
    select(inside, offset, -1i32)
}

/// Copies the rows `first..first + depth` of `matrix`, those below `end`, from the column
/// `first_column` on.
#[cube]
fn stage_matrix<S: Float>(
    right: &mut Shared<[S]>,
    matrix: &[f32],
    first: usize,
    end: usize,
    first_column: usize,
    filters: usize,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns());
    let pitch = comptime!(tile.pitches()[1]);
    #[unroll]
    for i in 0..comptime!(tile.depth * tile.columns() / tile.count()) {
        let element = UNIT_POS as usize + i * comptime!(tile.count());
        let k = element / columns;
        let column = element % columns;
        let mut value = 0.0f32;
        if first + k < end && first_column + column < filters {
            value = matrix[(first + k) * filters + first_column + column];
        }
        right[k * pitch + column] = S::cast_from(value);
    }
}

/// `output[b, o, p] = Σ input[b, c, source(p, tap)] · matrix[term, o]`. The terms are `[tap, channel]`,
/// or with `few_channels` `[channel, tap]`: then a tile's terms are of several taps.
#[cube(launch_unchecked)]
pub(super) fn add_windows<S: Float>(
    input: &[f32],
    matrix: &[f32],
    output: &mut [f32],
    lengths: Lengths,
    #[comptime] tile: Tile,
    #[comptime] window: Window,
    #[comptime] transposed: bool,
    #[comptime] few_channels: bool,
    #[define(S)] _staged: ElemType,
) {
    let rows = comptime!(tile.rows());
    let pitch = comptime!(tile.pitches()[0]);
    let unit = UNIT_POS as usize;
    let mut left =
        Shared::<[S]>::new_aligned_slice(comptime!(tile.depth * tile.pitches()[0]), 32usize);
    let mut right =
        Shared::<[S]>::new_aligned_slice(comptime!(tile.depth * tile.pitches()[1]), 32usize);
    let mut sums = zeros(tile);
    let in_plane = (lengths.in_depth * lengths.in_height * lengths.in_width) as usize;
    let out_plane = (lengths.out_depth * lengths.out_height * lengths.out_width) as usize;
    let batch = CUBE_POS_Z as usize;
    let channels = lengths.channels as usize;
    let filters = lengths.filters as usize;
    let first_filter = CUBE_POS_Y as usize * comptime!(tile.columns());
    let input_start = batch * channels * in_plane;
    // Each unit reads the same positions at every tap: their coordinates are computed once.
    let held = hold(&lengths, tile);
    let count = comptime!((tile.rows() / tile.count()).max(1));
    let spread = comptime!((tile.count() / tile.rows()).max(1));
    if comptime!(few_channels) {
        let terms = channels * comptime!(window.taps() as usize);
        for first in range_stepped(0usize, terms, tile.depth) {
            #[unroll]
            for i in 0..count {
                #[unroll]
                for step in 0..comptime!(tile.depth / spread) {
                    let k = unit / rows + step * spread;
                    let term = (first + k) as u32;
                    let channel = term / comptime!(window.taps());
                    let tap = term % comptime!(window.taps());
                    let line = tap / window.sizes[2];
                    let taps =
                        (line / window.sizes[1], line % window.sizes[1], tap % window.sizes[2]);
                    let at = offset(&held, i, taps, &lengths, window, transposed);
                    let mut value = 0.0f32;
                    if at >= 0 && first + k < terms {
                        value = input[input_start + channel as usize * in_plane + at as usize];
                    }
                    left[k * pitch + unit % rows + i * comptime!(tile.count())] =
                        S::cast_from(value);
                }
            }
            stage_matrix::<S>(&mut right, matrix, first, terms, first_filter, filters, tile);
            sync_cube();
            add_product::<S>(&left, &right, &mut sums, tile);
            sync_cube();
        }
    } else {
        for tap_depth in 0..window.sizes[0] {
            for tap_height in 0..window.sizes[1] {
                for tap_width in 0..window.sizes[2] {
                    let tap =
                        (tap_depth * window.sizes[1] + tap_height) * window.sizes[2] + tap_width;
                    let first_term = tap as usize * channels;
                    let mut offsets = Array::<i32>::new(count);
                    #[unroll]
                    for i in 0..count {
                        offsets[i] = offset(
                            &held,
                            i,
                            (tap_depth, tap_height, tap_width),
                            &lengths,
                            window,
                            transposed,
                        );
                    }
                    for first in range_stepped(0usize, channels, tile.depth) {
                        #[unroll]
                        for i in 0..count {
                            #[unroll]
                            for step in 0..comptime!(tile.depth / spread) {
                                let k = unit / rows + step * spread;
                                let channel = first + k;
                                let mut value = 0.0f32;
                                if offsets[i] >= 0 && channel < channels {
                                    value = input
                                        [input_start + channel * in_plane + offsets[i] as usize];
                                }
                                left[k * pitch + unit % rows + i * comptime!(tile.count())] =
                                    S::cast_from(value);
                            }
                        }
                        stage_matrix::<S>(
                            &mut right,
                            matrix,
                            first_term + first,
                            first_term + channels,
                            first_filter,
                            filters,
                            tile,
                        );
                        sync_cube();
                        add_product::<S>(&left, &right, &mut sums, tile);
                        sync_cube();
                    }
                }
            }
        }
    }
    write_sums(
        &sums,
        output,
        batch * filters * out_plane,
        (out_plane, filters),
        (1usize, out_plane),
        (CUBE_POS_X as usize * rows, first_filter),
        tile,
    );
}
