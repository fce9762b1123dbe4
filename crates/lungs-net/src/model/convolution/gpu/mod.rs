//! The products of a convolution on a GPU, as CubeCL kernels.
//!
//! Each block computes one tile of the result. It copies the terms of its sums to shared memory, a few
//! at a time, and adds their products in registers: by its units (threads) in float32, or by tensor
//! cores in TensorFloat-32 and bfloat16. The images are never unrolled in memory. Tensors and sums are
//! float32 whatever the precision of the products.

mod kernel_gradient;
mod tile;
mod windows;

use burn::backend::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::cubecl::tf32;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use half::bf16;

use super::{Convolve, Geometry, Precision, Products};
use crate::model::cube;
use tile::Tile;
use windows::{LengthsLaunch, Window};

impl Convolve for CubeBackend {
    fn convolve(input: CubeTensor, kernel: CubeTensor, geometry: Geometry) -> CubeTensor {
        Self::forward(input, kernel, &geometry)
    }
}

impl Products for CubeBackend {
    fn forward(input: CubeTensor, kernel: CubeTensor, geometry: &Geometry) -> CubeTensor {
        let kernel_shape = cube::lengths(&kernel);
        let input = into_contiguous(input);
        let shape = cube::lengths(&input);
        let [depth, height, width] = output_lengths(shape, kernel_shape, geometry);
        let output = [shape[0], kernel_shape[0], depth, height, width];
        let window = Window::new(kernel_shape, geometry);
        sum_windows(&input, kernel, output, geometry, window, Direction::Forward)
    }

    fn kernel_gradient(
        input: CubeTensor,
        gradient: CubeTensor,
        kernel: [usize; 5],
        geometry: &Geometry,
    ) -> CubeTensor {
        let (input, gradient) = (into_contiguous(input), into_contiguous(gradient));
        let (input_shape, output_shape) = (cube::lengths(&input), cube::lengths(&gradient));
        let [filters, of_filter] = [kernel[0], kernel[1..].iter().product()];
        let tile = Tile::new(&input, of_filter, geometry.precision, 16);
        let blocks = [filters.div_ceil(tile.rows()), of_filter.div_ceil(tile.columns())];
        let positions = output_shape[0] * output_shape[2..].iter().product::<usize>();
        let (parts, part) = parts(positions, tile.depth, blocks[0] * blocks[1]);
        let partial = cube::empty(&input, [parts, filters * of_filter], DType::F32);
        // SAFETY: the kernel checks every index against the lengths that it is given, which are those
        // of the buffers.
        unsafe {
            kernel_gradient::add_kernel_gradients::launch_unchecked(
                &input.client,
                CubeCount::Static(blocks[0] as u32, blocks[1] as u32, parts as u32),
                CubeDim::new_1d(tile.count() as u32),
                cube::buffer(&input),
                cube::buffer(&gradient),
                cube::buffer(&partial),
                LengthsLaunch::between(input_shape, output_shape, geometry),
                positions as u32,
                part as u32,
                tile,
                Window::new(kernel, geometry),
                staged(tile, geometry.precision),
            );
        }
        cube::add_parts(partial, kernel)
    }

    fn input_gradient(
        kernel: CubeTensor,
        gradient: CubeTensor,
        input: [usize; 5],
        geometry: &Geometry,
    ) -> CubeTensor {
        let window = Window::new(cube::lengths(&kernel), geometry);
        let gradient = into_contiguous(gradient);
        sum_windows(&gradient, kernel, input, geometry, window, Direction::Backward)
    }
}

/// Whether a sum over windows is the convolution or the gradient of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// The number type of the factors in shared memory.
fn staged(tile: Tile, precision: Precision) -> ElemType {
    match precision {
        // Devices without tensor cores: float32 is at least as exact.
        _ if tile.core_depth == 0 => f32::elem_type_native(),
        Precision::F32 => f32::elem_type_native(),
        Precision::Tf32 => tf32::elem_type_native(),
        Precision::Bf16 => bf16::elem_type_native(),
    }
}

/// Depth, height and width of the output.
fn output_lengths(input: [usize; 5], kernel: [usize; 5], geometry: &Geometry) -> [usize; 3] {
    std::array::from_fn(|axis| {
        let (before, after) = geometry.padding[axis];
        (input[axis + 2] + before + after - kernel[axis + 2]) / geometry.strides[axis] + 1
    })
}

/// The number of parts of a sum over `positions`, and the positions of a part: enough parts to occupy a
/// large GPU with `blocks` tiles each. The numbers do not depend on the device, nor does the result.
fn parts(positions: usize, depth: usize, blocks: usize) -> (usize, usize) {
    /// Four blocks for each of 132 multiprocessors.
    const BLOCKS: usize = 528;
    let most = positions.div_ceil(16 * depth).max(1);
    let parts = BLOCKS.div_ceil(blocks).clamp(1, most);
    let part = positions.div_ceil(parts).next_multiple_of(depth);
    (positions.div_ceil(part), part)
}

/// The convolution of `input` with `kernel`, or the gradient of the convolution's input, where `input`
/// is the gradient of its output. The result has the shape `output`.
fn sum_windows(
    input: &CubeTensor,
    kernel: CubeTensor,
    output: [usize; 5],
    geometry: &Geometry,
    window: Window,
    direction: Direction,
) -> CubeTensor {
    let channels = input.meta.shape()[1];
    let tile = Tile::new(input, output[1], geometry.precision, 8);
    // With fewer channels than terms in shared memory, the terms of several taps share a tile.
    let few_channels = channels < tile.depth / 2;
    // `[term, filter]`: neighbouring units read neighbouring filters.
    let order = match (direction, few_channels) {
        (Direction::Forward, false) => [2, 3, 4, 1, 0],
        (Direction::Forward, true) => [1, 2, 3, 4, 0],
        (Direction::Backward, false) => [2, 3, 4, 0, 1],
        (Direction::Backward, true) => [0, 2, 3, 4, 1],
    };
    let matrix = if direction == Direction::Backward && window.taps() == 1 {
        into_contiguous(kernel)
    } else {
        into_contiguous(permute(kernel, &order))
    };
    let result = cube::empty(input, output, DType::F32);
    let plane: usize = output[2..].iter().product();
    let blocks = [plane.div_ceil(tile.rows()), output[1].div_ceil(tile.columns()), output[0]];
    let [x, y, z] = blocks.map(|blocks| blocks as u32);
    // SAFETY: the kernel checks every index against the lengths that it is given, which are those of
    // the buffers.
    unsafe {
        windows::add_windows::launch_unchecked(
            &input.client,
            CubeCount::Static(x, y, z),
            CubeDim::new_1d(tile.count() as u32),
            cube::buffer(input),
            cube::buffer(&matrix),
            cube::buffer(&result),
            LengthsLaunch::between(cube::lengths(input), output, geometry),
            tile,
            window,
            direction == Direction::Backward,
            few_channels,
            staged(tile, geometry.precision),
        );
    }
    result
}
