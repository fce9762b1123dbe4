//! The gradient of a kernel: sums over positions.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;

use super::tile::{Tile, add_product, write_sums, zeros};
use super::windows::{Lengths, Window, source};

/// `partial[s, o, c·taps + tap] = Σ gradient[b, o, p] · input[b, c, source(p, tap)]`, the sum over the
/// part `s` of all positions `(b, p)`.
#[cube(launch_unchecked)]
pub(super) fn add_kernel_gradients<S: Float>(
    input: &[f32],
    gradient: &[f32],
    partial: &mut [f32],
    lengths: Lengths,
    positions: u32,
    part: u32,
    #[comptime] tile: Tile,
    #[comptime] window: Window,
    #[define(S)] _staged: ElemType,
) {
    let pitches = comptime!(tile.pitches());
    let units = comptime!(tile.count());
    let unit = UNIT_POS as usize;
    let mut left =
        Shared::<[S]>::new_aligned_slice(comptime!(tile.depth * tile.pitches()[0]), 32usize);
    let mut right =
        Shared::<[S]>::new_aligned_slice(comptime!(tile.depth * tile.pitches()[1]), 32usize);
    let mut sums = zeros(tile);
    let taps = comptime!(window.taps());
    let in_plane = lengths.in_depth * lengths.in_height * lengths.in_width;
    let out_plane = lengths.out_depth * lengths.out_height * lengths.out_width;
    let first_filter = CUBE_POS_X * comptime!(tile.rows() as u32);
    let first_element = CUBE_POS_Y * comptime!(tile.columns() as u32);
    let elements = lengths.channels * taps;
    let start = CUBE_POS_Z * part;
    let end = min(start + part, positions);

    for first in range_stepped(start, end, comptime!(tile.depth as u32)) {
        #[unroll]
        for i in 0..comptime!(tile.depth * tile.rows() / tile.count()) {
            let element = unit + i * units;
            let k = element % tile.depth;
            let row = element / tile.depth;
            let number = first + k as u32;
            let filter = first_filter + row as u32;
            let mut value = 0.0f32;
            if number < end && filter < lengths.filters {
                let batch = number / out_plane;
                let position = number % out_plane;
                value =
                    gradient[((batch * lengths.filters + filter) * out_plane + position) as usize];
            }
            left[k * pitches[0] + row] = S::cast_from(value);
        }
        #[unroll]
        for i in 0..comptime!(tile.depth * tile.columns() / tile.count()) {
            let element = unit + i * units;
            let k = element % tile.depth;
            let column = element / tile.depth;
            let number = first + k as u32;
            let of_kernel = first_element + column as u32;
            let mut value = 0.0f32;
            if number < end && of_kernel < elements {
                let batch = number / out_plane;
                let position = number % out_plane;
                let line = position / lengths.out_width;
                let width = position % lengths.out_width;
                let height = line % lengths.out_height;
                let depth = line / lengths.out_height;
                let channel = of_kernel / taps;
                let tap = of_kernel % taps;
                let tap_width = tap % window.sizes[2];
                let tap_line = tap / window.sizes[2];
                let tap_height = tap_line % window.sizes[1];
                let tap_depth = tap_line / window.sizes[1];
                let z = source(
                    depth,
                    tap_depth,
                    lengths.before_depth,
                    lengths.in_depth,
                    window.strides[0],
                    false,
                );
                let y = source(
                    height,
                    tap_height,
                    lengths.before_height,
                    lengths.in_height,
                    window.strides[1],
                    false,
                );
                let x = source(
                    width,
                    tap_width,
                    lengths.before_width,
                    lengths.in_width,
                    window.strides[2],
                    false,
                );
                if z >= 0 && y >= 0 && x >= 0 {
                    let at = (z * i32::cast_from(lengths.in_height) + y)
                        * i32::cast_from(lengths.in_width)
                        + x;
                    let plane = batch * lengths.channels + channel;
                    value = input[(plane * in_plane) as usize + at as usize];
                }
            }
            right[k * pitches[1] + column] = S::cast_from(value);
        }
        sync_cube();
        add_product::<S>(&left, &right, &mut sums, tile);
        sync_cube();
    }
    write_sums(
        &sums,
        partial,
        (CUBE_POS_Z * lengths.filters * elements) as usize,
        (lengths.filters as usize, elements as usize),
        (elements as usize, 1usize),
        (first_filter as usize, first_element as usize),
        tile,
    );
}
