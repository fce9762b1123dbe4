//! The updates as CubeCL kernels. A launch computes several tensors, one after another in its grid, with
//! as many blocks for each as it needs.

mod waiting;

use burn::backend::DType;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::{AdamStep, Tensor};
use crate::model::cube;
pub(super) use waiting::together;
use waiting::{Kind, Update, add};

/// Tensors of a launch.
const GROUP: usize = 16;
/// Blocks that add the squares of one tensor.
const PARTS: usize = 64;

pub(super) type Primitive = CubeTensor;

pub(super) fn primitive<const D: usize>(tensor: &Tensor<D>) -> Option<Primitive> {
    Some(into_contiguous(cube::primitive(tensor.clone())?))
}

pub(super) fn adam_step<const D: usize>(
    weights: &Tensor<D>,
    gradient: &Tensor<D>,
    [first, second]: &[Tensor<D>; 2],
    step: &AdamStep,
) -> Option<[Tensor<D>; 3]> {
    let inputs =
        vec![primitive(weights)?, primitive(gradient)?, primitive(first)?, primitive(second)?];
    let outputs = [(); 3].map(|()| cube::empty_like(&inputs[0]));
    add(Update { kind: Kind::Adam(*step), inputs, outputs: outputs.to_vec(), skip: 0 });
    Some(outputs.map(cube::tensor))
}

pub(super) fn blend<const D: usize, const E: usize>(
    old: &Tensor<D>,
    new: &Tensor<E>,
    skip: usize,
    share: f64,
) -> Option<Tensor<D>> {
    let inputs = vec![primitive(old)?, primitive(new)?];
    let output = cube::empty_like(&inputs[0]);
    add(Update { kind: Kind::Blend(share), inputs, outputs: vec![output.clone()], skip });
    Some(cube::tensor(output))
}

pub(super) fn squares_of_parts(tensors: &[Primitive]) -> Vec<f32> {
    let Some(like) = tensors.first() else { return vec![] };
    let units = cube::units(&like.client);
    let sums = cube::empty(like, [tensors.len(), PARTS], DType::F32);
    for (number, group) in tensors.chunks(GROUP).enumerate() {
        // SAFETY: the kernel stays within each tensor's length, and writes one sum for each block of
        // the group's rows.
        unsafe {
            add_squares::launch_unchecked(
                &like.client,
                CubeCount::Static(PARTS as u32, group.len() as u32, 1),
                CubeDim::new_1d(units),
                buffers(group.iter()),
                cube::buffer(&sums),
                (number * GROUP) as u32,
                PARTS as u32,
                units as usize,
            );
        }
    }
    cube::tensor::<2>(sums).into_data().iter::<f32>().collect()
}

/// Computes updates of one kind and device, at most [`GROUP`].
fn launch(updates: &[Update]) {
    let Some(Update { kind, inputs, .. }) = updates.first() else { return };
    let client = &inputs[0].client;
    let units = cube::units(client);
    let blocks_of = |update: &Update| update.inputs[0].meta.num_elements().div_ceil(units as usize);
    let blocks = updates.iter().map(blocks_of).sum::<usize>();
    let blocks = CubeCount::Static(blocks as u32, 1, 1);
    let input = |index: usize| buffers(updates.iter().map(move |update| &update.inputs[index]));
    let output = |index: usize| buffers(updates.iter().map(move |update| &update.outputs[index]));
    // SAFETY: all tensors of a step of Adam have the length of its weights; the result of a blend is as
    // long as its old tensor, and its new one has that many numbers after those that are skipped. The
    // kernels stay within these lengths.
    unsafe {
        match kind {
            Kind::Adam(step) => adam::launch_unchecked(
                client,
                blocks,
                CubeDim::new_1d(units),
                input(0),
                input(1),
                input(2),
                input(3),
                output(0),
                output(1),
                output(2),
                constants(step),
                units as usize,
            ),
            Kind::Blend(share) => blend_numbers::launch_unchecked(
                client,
                blocks,
                CubeDim::new_1d(units),
                input(0),
                input(1),
                output(0),
                (0..GROUP)
                    .map(|index| updates.get(index).map_or(0, |update| update.skip))
                    .collect(),
                *share as f32,
                units as usize,
            ),
        }
    }
}

fn constants(step: &AdamStep) -> ConstantsLaunch {
    // In double precision: 1 − β₂ has few digits in single precision.
    let [power_1, power_2] = step.betas.map(|beta| 1.0 - f64::from(beta).powi(step.time as i32));
    ConstantsLaunch::new(
        step.betas[0],
        step.betas[1],
        (power_2.sqrt() / power_1) as f32,
        (f64::from(step.epsilon) * power_2.sqrt()) as f32,
        step.rate as f32,
        (1.0 - step.rate * f64::from(step.decay)) as f32,
    )
}

/// The buffers of a group's tensors, and empty ones for the rest of [`GROUP`]: so that all groups have
/// the same kernel.
fn buffers<'a>(tensors: impl Iterator<Item = &'a CubeTensor>) -> SequenceArg<Box<[f32]>> {
    let mut arguments = SequenceArg::new();
    let mut last = None;
    for tensor in tensors {
        arguments.push(cube::buffer(tensor));
        last = Some(tensor);
    }
    if let Some(last) = last {
        while arguments.values.len() < GROUP {
            arguments.push(cube::no_numbers(last));
        }
    }
    arguments
}

/// Each tensor begins with a block.
#[cube(launch_unchecked)]
fn adam(
    weights: &Sequence<Box<[f32]>>,
    gradients: &Sequence<Box<[f32]>>,
    first: &Sequence<Box<[f32]>>,
    second: &Sequence<Box<[f32]>>,
    new_weights: &mut Sequence<Box<[f32]>>,
    new_first: &mut Sequence<Box<[f32]>>,
    new_second: &mut Sequence<Box<[f32]>>,
    constants: Constants,
    #[comptime] units: usize,
) {
    let mut start = 0usize.runtime();
    #[unroll]
    for tensor in 0..weights.len() {
        let length = weights[tensor].len();
        if ABSOLUTE_POS >= start && ABSOLUTE_POS < start + length {
            let index = ABSOLUTE_POS - start;
            let g = gradients[tensor][index];
            let m = first[tensor][index] * constants.beta_1 + g * (1.0f32 - constants.beta_1);
            let v = second[tensor][index] * constants.beta_2 + g * g * (1.0f32 - constants.beta_2);
            let step = m * constants.factor / (v.sqrt() + constants.epsilon);
            let output = new_weights.index_mut(tensor);
            output[index] = weights[tensor][index] * constants.kept - step * constants.rate;
            let output = new_first.index_mut(tensor);
            output[index] = m;
            let output = new_second.index_mut(tensor);
            output[index] = v;
        }
        start += length.div_ceil(units) * units;
    }
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

/// `old + (new − old) · share`, with the numbers of `new` after those that are skipped. Each tensor
/// begins with a block.
#[cube(launch_unchecked)]
fn blend_numbers(
    old: &Sequence<Box<[f32]>>,
    new: &Sequence<Box<[f32]>>,
    output: &mut Sequence<Box<[f32]>>,
    skips: &Sequence<usize>,
    share: f32,
    #[comptime] units: usize,
) {
    let mut start = 0usize.runtime();
    #[unroll]
    for tensor in 0..old.len() {
        let length = old[tensor].len();
        if ABSOLUTE_POS >= start && ABSOLUTE_POS < start + length {
            let index = ABSOLUTE_POS - start;
            let number = old[tensor][index];
            let result = output.index_mut(tensor);
            result[index] = number + (new[tensor][skips[tensor] + index] - number) * share;
        }
        start += length.div_ceil(units) * units;
    }
}

/// One row of blocks for each tensor, one block for each part of it. The row of the first tensor's sums
/// is `first_row`.
#[cube(launch_unchecked)]
fn add_squares(
    tensors: &Sequence<Box<[f32]>>,
    sums: &mut [f32],
    first_row: u32,
    parts: u32,
    #[comptime] units: usize,
) {
    let mut of_units = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let first = CUBE_POS_X as usize * units + unit;
    let mut sum = 0.0f32;
    #[unroll]
    for tensor in 0..tensors.len() {
        if CUBE_POS_Y as usize == tensor {
            for index in range_stepped(first, tensors[tensor].len(), parts as usize * units) {
                sum += tensors[tensor][index] * tensors[tensor][index];
            }
        }
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
        sums[((first_row + CUBE_POS_Y) * parts + CUBE_POS_X) as usize] = of_units[0];
    }
}

#[cfg(all(test, feature = "cubecl-cpu"))]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    /// The kernel for a single tensor.
    #[cube(launch_unchecked)]
    fn adam_of_one(
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

    fn adam_step_of_one(tensors: &[Tensor<1>; 4], step: &AdamStep) -> [Tensor<1>; 3] {
        let inputs = tensors.each_ref().map(|tensor| primitive(tensor).unwrap());
        let outputs = [(); 3].map(|()| cube::empty_like(&inputs[0]));
        let units = cube::units(&inputs[0].client);
        // SAFETY: all tensors have the length of the weights, within which the kernel stays.
        unsafe {
            adam_of_one::launch_unchecked(
                &inputs[0].client,
                cube::blocks(inputs[0].meta.num_elements(), units),
                CubeDim::new_1d(units),
                cube::buffer(&inputs[0]),
                cube::buffer(&inputs[1]),
                cube::buffer(&inputs[2]),
                cube::buffer(&inputs[3]),
                cube::buffer(&outputs[0]),
                cube::buffer(&outputs[1]),
                cube::buffer(&outputs[2]),
                constants(step),
            );
        }
        outputs.map(cube::tensor)
    }

    fn bits(tensor: Tensor<1>) -> Vec<u32> {
        tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn a_group_has_the_bits_of_the_kernel_for_one_tensor(
            lengths in prop::collection::vec(1usize..900, 1..40),
            decay in prop::sample::select(vec![0.0f32, 0.01]),
            time in 1usize..2000,
            seed in any::<u64>(),
        ) {
            let step = AdamStep { rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, decay, time };
            let tensors: Vec<[Tensor<1>; 4]> = (lengths.iter().enumerate())
                .map(|(index, &length)| {
                    let mut stream = random::stream(seed, &index.to_string());
                    let mut tensor = || {
                        let numbers: Vec<f32> = (0..length)
                            .map(|_| (f64::from(stream.next_u32()) / 2e9 - 1.0) as f32)
                            .collect();
                        Tensor::from_data(TensorData::new(numbers, [length]), &Device::cpu())
                    };
                    [tensor(), tensor(), tensor(), tensor().abs()]
                })
                .collect();
            let together: Vec<_> = together(|| {
                let of_one = |[weights, gradient, first, second]: &[Tensor<1>; 4]| {
                    adam_step(weights, gradient, &[first.clone(), second.clone()], &step).unwrap()
                };
                tensors.iter().map(of_one).collect()
            });
            for (ours, tensors) in together.into_iter().zip(&tensors) {
                let expected = adam_step_of_one(tensors, &step);
                prop_assert_eq!(ours.map(bits), expected.map(bits));
            }
        }
    }
}
