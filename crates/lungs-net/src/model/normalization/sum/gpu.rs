//! The sum of two tensors with ReLU on a GPU, as CubeCL kernels: one unit for each number.

use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{AddRectified, Mask};
use crate::model::cube;

#[cube(launch_unchecked)]
fn add(left: &[f32], right: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let sum = left[ABSOLUTE_POS] + right[ABSOLUTE_POS];
    // A NaN stays one.
    output[ABSOLUTE_POS] = select(sum < 0.0f32, 0.0f32, sum);
}

#[cube(launch_unchecked)]
fn mask_by(values: &[f32], gradient: &[f32], output: &mut [f32]) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    output[ABSOLUTE_POS] = select(values[ABSOLUTE_POS] > 0.0f32, gradient[ABSOLUTE_POS], 0.0f32);
}

impl AddRectified for CubeBackend {
    fn add_rectified(left: CubeTensor, right: CubeTensor) -> CubeTensor {
        let [left, right] = [left, right].map(into_contiguous);
        let shape = cube::lengths(&left);
        assert_eq!(shape, cube::lengths(&right), "the terms of a sum must have the same shape");
        let output = cube::empty_like(&left);
        let units = cube::units(&left.client);
        // SAFETY: all three tensors have one length, within which the kernel stays.
        unsafe {
            add::launch_unchecked(
                &left.client,
                cube::blocks(shape.iter().product(), units),
                CubeDim::new_1d(units),
                cube::buffer(&left),
                cube::buffer(&right),
                cube::buffer(&output),
            );
        }
        output
    }
}

impl Mask for CubeBackend {
    fn mask(output: CubeTensor, gradient: CubeTensor) -> CubeTensor {
        let [output, gradient] = [output, gradient].map(into_contiguous);
        let masked = cube::empty_like(&output);
        let units = cube::units(&output.client);
        // SAFETY: a gradient has the length of its tensor, within which the kernel stays.
        unsafe {
            mask_by::launch_unchecked(
                &output.client,
                cube::blocks(output.meta.num_elements(), units),
                CubeDim::new_1d(units),
                cube::buffer(&output),
                cube::buffer(&gradient),
                cube::buffer(&masked),
            );
        }
        masked
    }
}
