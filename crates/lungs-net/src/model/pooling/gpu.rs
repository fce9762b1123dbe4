//! Max pooling on a GPU, as CubeCL kernels: one unit for each element of the result.

use burn::backend::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::windows::Windows;
use super::{MaxPool, Winners, input_shape, output_shape};
use crate::model::cube;

/// Lengths and strides of pooling windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Window {
    sizes: [u32; 3],
    strides: [u32; 3],
}

/// Lengths of input and output, and the padding before the input, per axis.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Lengths {
    in_depth: u32,
    in_height: u32,
    in_width: u32,
    out_depth: u32,
    out_height: u32,
    out_width: u32,
    before_depth: u32,
    before_height: u32,
    before_width: u32,
}

/// The largest element of each window, and its row-major index within the window.
#[cube(launch_unchecked)]
fn find_largest(
    input: &[f32],
    output: &mut [f32],
    winners: &mut [u8],
    lengths: Lengths,
    #[comptime] window: Window,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let number = ABSOLUTE_POS as u32;
    let line = number / lengths.out_width;
    let first_x =
        (number % lengths.out_width * window.strides[2]) as i32 - lengths.before_width as i32;
    let sheet = line / lengths.out_height;
    let first_y =
        (line % lengths.out_height * window.strides[1]) as i32 - lengths.before_height as i32;
    let first_z =
        (sheet % lengths.out_depth * window.strides[0]) as i32 - lengths.before_depth as i32;
    let plane = sheet / lengths.out_depth;
    let start = (plane * lengths.in_depth * lengths.in_height * lengths.in_width) as usize;
    let mut best = f32::new(0.0);
    let mut winner = 255u32;
    // Of equal elements, the first along the width wins, then the first along depth and height: the
    // order of the CPU's kernel.
    for c in 0..window.sizes[2] {
        for a in 0..window.sizes[0] {
            for b in 0..window.sizes[1] {
                let z = first_z + a as i32;
                let y = first_y + b as i32;
                let x = first_x + c as i32;
                let inside = z >= 0
                    && y >= 0
                    && x >= 0
                    && z < lengths.in_depth as i32
                    && y < lengths.in_height as i32
                    && x < lengths.in_width as i32;
                if inside {
                    let index = (z * lengths.in_height as i32 + y) * lengths.in_width as i32 + x;
                    let value = input[start + index as usize];
                    if winner == 255u32 || value > best {
                        best = value;
                        winner = (a * window.sizes[1] + b) * window.sizes[2] + c;
                    }
                }
            }
        }
    }
    output[ABSOLUTE_POS] = best;
    winners[ABSOLUTE_POS] = winner as u8;
}

/// First window that holds the element at `position`.
#[cube]
fn first_window(position: u32, before: u32, #[comptime] size: u32, #[comptime] stride: u32) -> u32 {
    let end = position + before + 1;
    select(end > size, (end - min(size, end) + comptime!(stride - 1)) / stride, 0u32)
}

/// The gradient of the input: each element adds up the gradients of the windows that it won.
#[cube(launch_unchecked)]
fn add_won(
    gradient: &[f32],
    winners: &[u8],
    output: &mut [f32],
    lengths: Lengths,
    #[comptime] window: Window,
) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let number = ABSOLUTE_POS as u32;
    let line = number / lengths.in_width;
    let x = number % lengths.in_width;
    let sheet = line / lengths.in_height;
    let y = line % lengths.in_height;
    let z = sheet % lengths.in_depth;
    let start = sheet / lengths.in_depth * lengths.out_depth;
    let mut sum = f32::new(0.0);
    let last_z = min((z + lengths.before_depth) / window.strides[0] + 1, lengths.out_depth);
    let last_y = min((y + lengths.before_height) / window.strides[1] + 1, lengths.out_height);
    let last_x = min((x + lengths.before_width) / window.strides[2] + 1, lengths.out_width);
    for d in first_window(z, lengths.before_depth, window.sizes[0], window.strides[0])..last_z {
        for h in first_window(y, lengths.before_height, window.sizes[1], window.strides[1])..last_y
        {
            for w in
                first_window(x, lengths.before_width, window.sizes[2], window.strides[2])..last_x
            {
                let a = z + lengths.before_depth - d * window.strides[0];
                let b = y + lengths.before_height - h * window.strides[1];
                let c = x + lengths.before_width - w * window.strides[2];
                let index =
                    (((start + d) * lengths.out_height + h) * lengths.out_width + w) as usize;
                if winners[index] as u32 == (a * window.sizes[1] + b) * window.sizes[2] + c {
                    sum += gradient[index];
                }
            }
        }
    }
    output[ABSOLUTE_POS] = sum;
}

impl Window {
    fn new(windows: &Windows) -> Self {
        let to_u32 = |lengths: [usize; 3]| lengths.map(|length| length as u32);
        Self { sizes: to_u32(windows.sizes), strides: to_u32(windows.strides) }
    }
}

impl LengthsLaunch {
    fn of(windows: &Windows) -> Self {
        let [in_depth, in_height, in_width] = windows.input.map(|length| length as u32);
        let [out_depth, out_height, out_width] = windows.output().map(|length| length as u32);
        let [before_depth, before_height, before_width] =
            windows.padding.map(|(before, _)| before as u32);
        Self::new(
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

impl MaxPool for CubeBackend {
    fn max_pool(input: CubeTensor, windows: Windows) -> CubeTensor {
        Self::max_pool_with_winners(input, &windows).0
    }
}

impl Winners for CubeBackend {
    fn max_pool_with_winners(input: CubeTensor, windows: &Windows) -> (CubeTensor, CubeTensor) {
        let input = into_contiguous(input);
        let shape = output_shape(cube::lengths(&input), windows);
        let output = cube::empty(&input, shape, DType::F32);
        let winners = cube::empty(&input, shape, DType::U8);
        let units = cube::units(&input.client);
        // SAFETY: the kernel checks every index against the lengths that it is given, which are those
        // of the buffers.
        unsafe {
            find_largest::launch_unchecked(
                &input.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&input),
                cube::buffer(&output),
                cube::buffer(&winners),
                LengthsLaunch::of(windows),
                Window::new(windows),
            );
        }
        (output, winners)
    }

    fn max_pool_gradient(
        gradient: CubeTensor,
        winners: CubeTensor,
        windows: &Windows,
    ) -> CubeTensor {
        let gradient = into_contiguous(gradient);
        let shape = input_shape(cube::lengths(&gradient), windows);
        let output = cube::empty(&gradient, shape, DType::F32);
        let units = cube::units(&gradient.client);
        // SAFETY: as above.
        unsafe {
            add_won::launch_unchecked(
                &gradient.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&gradient),
                cube::buffer(&winners),
                cube::buffer(&output),
                LengthsLaunch::of(windows),
                Window::new(windows),
            );
        }
        output
    }
}
