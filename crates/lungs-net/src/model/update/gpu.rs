//! The updates as CubeCL kernels.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DType, Dispatch, backend_extension};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{AdamStep, Tensor};
use crate::model::cube;

pub(super) type Primitive = FloatTensor<Dispatch>;

/// Blocks that add the squares of one tensor.
const PARTS: usize = 64;
/// Tensors whose squares one launch adds.
const GROUP: usize = 6;

#[backend_extension(Cube)]
trait Update: Backend {
    fn adam_step(
        weights: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn blend(old: FloatTensor<Self>, new: FloatTensor<Self>, share: f64) -> FloatTensor<Self>;

    /// `[GROUP, PARTS]`.
    fn squares(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        d: FloatTensor<Self>,
        e: FloatTensor<Self>,
        f: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

pub(super) fn adam_step<const D: usize>(
    weights: Tensor<D>,
    gradient: Tensor<D>,
    [first, second]: [Tensor<D>; 2],
    step: &AdamStep,
) -> Option<[Tensor<D>; 3]> {
    let (weights, first, second) = <Dispatch as Update>::adam_step(
        weights.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        *step,
    );
    Some([weights, first, second].map(Tensor::from_dispatch))
}

pub(super) fn blend<const D: usize>(
    old: Tensor<D>,
    new: Tensor<D>,
    share: f64,
) -> Option<Tensor<D>> {
    let (old, new) = (old.into_dispatch(), new.into_dispatch());
    Some(Tensor::from_dispatch(<Dispatch as Update>::blend(old, new, share)))
}

pub(super) fn squares_of_parts(tensors: &[Primitive]) -> Vec<f32> {
    // All launches first, so that the device does not wait for the host between them.
    let sums: Vec<_> = tensors
        .chunks(GROUP)
        .map(|group| {
            // A last, shorter group repeats its last tensor; the repeated sums are dropped below.
            let at = |index: usize| group[index.min(group.len() - 1)].clone();
            let sums = <Dispatch as Update>::squares(at(0), at(1), at(2), at(3), at(4), at(5));
            (Tensor::<2>::from_dispatch(sums), group.len() * PARTS)
        })
        .collect();
    sums.into_iter()
        .flat_map(|(sums, count)| sums.into_data().iter::<f32>().take(count).collect::<Vec<_>>())
        .collect()
}

#[cube(launch_unchecked)]
fn adam(
    weights: &[f32],
    gradient: &[f32],
    first: &[f32],
    second: &[f32],
    new_weights: &mut [f32],
    new_first: &mut [f32],
    new_second: &mut [f32],
    constants: Constants,
) {
    if ABSOLUTE_POS >= weights.len() {
        terminate!();
    }
    let g = gradient[ABSOLUTE_POS];
    let m = first[ABSOLUTE_POS] * constants.beta_1 + g * (1.0f32 - constants.beta_1);
    let v = second[ABSOLUTE_POS] * constants.beta_2 + g * g * (1.0f32 - constants.beta_2);
    let step = m * constants.factor / (v.sqrt() + constants.epsilon);
    new_weights[ABSOLUTE_POS] = weights[ABSOLUTE_POS] * constants.kept - step * constants.rate;
    new_first[ABSOLUTE_POS] = m;
    new_second[ABSOLUTE_POS] = v;
}

/// The numbers of [`AdamStep`] that the kernel needs.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Constants {
    beta_1: f32,
    beta_2: f32,
    /// `√(1 − β₂ᵗ) / (1 − β₁ᵗ)`.
    factor: f32,
    /// `ε · √(1 − β₂ᵗ)`.
    epsilon: f32,
    rate: f32,
    /// `1 − rate · decay`.
    kept: f32,
}

#[cube(launch_unchecked)]
fn blend_numbers(old: &[f32], new: &[f32], output: &mut [f32], share: f32) {
    if ABSOLUTE_POS >= output.len() {
        terminate!();
    }
    let number = old[ABSOLUTE_POS];
    output[ABSOLUTE_POS] = number + (new[ABSOLUTE_POS] - number) * share;
}

/// The sum of the squares that a unit of the grid's row adds.
#[cube]
fn sum_of_squares(numbers: &[f32], parts: u32, #[comptime] units: usize) -> f32 {
    let mut sum = 0.0f32;
    let first = CUBE_POS_X as usize * units + UNIT_POS as usize;
    for index in range_stepped(first, numbers.len(), parts as usize * units) {
        sum += numbers[index] * numbers[index];
    }
    sum
}

/// One row of blocks for each tensor, one block for each part of it.
#[cube(launch_unchecked)]
fn add_squares(
    a: &[f32],
    b: &[f32],
    c: &[f32],
    d: &[f32],
    e: &[f32],
    f: &[f32],
    sums: &mut [f32],
    parts: u32,
    #[comptime] units: usize,
) {
    let mut of_units = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let mut sum = 0.0f32;
    if CUBE_POS_Y == 0 {
        sum = sum_of_squares(a, parts, units);
    } else if CUBE_POS_Y == 1 {
        sum = sum_of_squares(b, parts, units);
    } else if CUBE_POS_Y == 2 {
        sum = sum_of_squares(c, parts, units);
    } else if CUBE_POS_Y == 3 {
        sum = sum_of_squares(d, parts, units);
    } else if CUBE_POS_Y == 4 {
        sum = sum_of_squares(e, parts, units);
    } else if CUBE_POS_Y == 5 {
        sum = sum_of_squares(f, parts, units);
    }
    of_units[unit] = sum;
    let mut width = comptime!(units / 2).runtime();
    while width > 0 {
        sync_cube();
        if unit < width {
            of_units[unit] += of_units[unit + width];
        }
        width /= 2;
    }
    sync_cube();
    if unit == 0 {
        sums[(CUBE_POS_Y * parts + CUBE_POS_X) as usize] = of_units[0];
    }
}

impl Update for CubeBackend {
    fn adam_step(
        weights: CubeTensor,
        gradient: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        step: AdamStep,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weights, gradient, first, second] =
            [weights, gradient, first, second].map(into_contiguous);
        let results = [(); 3].map(|()| cube::empty_like(&weights));
        let units = cube::units(&weights.client);
        // In double precision: 1 − β₂ has few digits in single precision.
        let [power_1, power_2] =
            step.betas.map(|beta| 1.0 - f64::from(beta).powi(step.time as i32));
        // SAFETY: all tensors have the length of the weights, within which the kernel stays.
        unsafe {
            adam::launch_unchecked(
                &weights.client,
                cube::blocks(weights.meta.num_elements(), units),
                CubeDim::new_1d(units),
                cube::buffer(&weights),
                cube::buffer(&gradient),
                cube::buffer(&first),
                cube::buffer(&second),
                cube::buffer(&results[0]),
                cube::buffer(&results[1]),
                cube::buffer(&results[2]),
                ConstantsLaunch::new(
                    step.betas[0],
                    step.betas[1],
                    (power_2.sqrt() / power_1) as f32,
                    (f64::from(step.epsilon) * power_2.sqrt()) as f32,
                    step.rate as f32,
                    (1.0 - step.rate * f64::from(step.decay)) as f32,
                ),
            );
        }
        results.into()
    }

    fn blend(old: CubeTensor, new: CubeTensor, share: f64) -> CubeTensor {
        let [old, new] = [old, new].map(into_contiguous);
        let output = cube::empty_like(&old);
        let units = cube::units(&old.client);
        // SAFETY: all tensors have the length of the output, within which the kernel stays.
        unsafe {
            blend_numbers::launch_unchecked(
                &old.client,
                cube::blocks(old.meta.num_elements(), units),
                CubeDim::new_1d(units),
                cube::buffer(&old),
                cube::buffer(&new),
                cube::buffer(&output),
                share as f32,
            );
        }
        output
    }

    fn squares(
        a: CubeTensor,
        b: CubeTensor,
        c: CubeTensor,
        d: CubeTensor,
        e: CubeTensor,
        f: CubeTensor,
    ) -> CubeTensor {
        let [a, b, c, d, e, f] = [a, b, c, d, e, f].map(into_contiguous);
        let units = cube::units(&a.client);
        let sums = cube::empty(&a, [GROUP, PARTS], DType::F32);
        // SAFETY: the kernel stays within each tensor's length, and writes one sum for each block.
        unsafe {
            add_squares::launch_unchecked(
                &a.client,
                CubeCount::Static(PARTS as u32, GROUP as u32, 1),
                CubeDim::new_1d(units),
                cube::buffer(&a),
                cube::buffer(&b),
                cube::buffer(&c),
                cube::buffer(&d),
                cube::buffer(&e),
                cube::buffer(&f),
                cube::buffer(&sums),
                PARTS as u32,
                units as usize,
            );
        }
        sums
    }
}
