//! The updates after a training step, as one kernel each on GPUs.
//!
//! Burn computes them with one operation per product and sum. On a GPU that is sixteen launches for
//! each parameter, as many as the rest of the step, with a pass over memory each. The functions return
//! `None` for tensors of other devices, for which Burn's operations are used.

use burn::tensor::Tensor;

use super::cube;

/// The numbers of one step of Adam (Kingma & Ba 2015, <https://arxiv.org/abs/1412.6980>), with
/// decoupled weight decay (Loshchilov & Hutter 2019, <https://arxiv.org/abs/1711.05101>).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// β₁ and β₂.
    pub betas: [f32; 2],
    /// ε.
    pub epsilon: f32,
    /// Weight decay: each step multiplies the weights by `1 − rate · decay`.
    pub decay: f32,
    /// Number of the step, from 1.
    pub time: usize,
}

/// The parameter and its first and second moment after a step.
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²
/// w ← (1 − rate·decay)·w − rate · m·c / (√v + ε·√(1 − β₂ᵗ)),  c = √(1 − β₂ᵗ) / (1 − β₁ᵗ)
/// ```
pub fn adam_step<const D: usize>(
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: &AdamStep,
) -> Option<[Tensor<D>; 3]> {
    if !cube::is_ours(&weights) || !cube::is_ours(&gradient) {
        return None;
    }
    on_device::adam_step(weights, gradient, moments, step)
}

/// `old + share · (new − old)`, without gradients.
pub fn blend<const D: usize>(old: &Tensor<D>, new: &Tensor<D>, share: f64) -> Option<Tensor<D>> {
    if !cube::is_ours(old) || !cube::is_ours(new) {
        return None;
    }
    on_device::blend(old.clone(), new.clone(), share)
}

/// The sums of squares of parts of all tensors, on the host. Their order is fixed.
pub fn squares_of_parts(tensors: &SquaresInput) -> Vec<f32> {
    on_device::squares_of_parts(&tensors.0)
}

/// Tensors of any rank on a GPU, for [`squares_of_parts`].
#[derive(Default)]
pub struct SquaresInput(Vec<on_device::Primitive>);

impl SquaresInput {
    /// Adds a tensor. Returns false, and adds nothing, if its device has no kernels of ours.
    pub fn add<const D: usize>(&mut self, tensor: &Tensor<D>) -> bool {
        let ours = cube::is_ours(tensor);
        if ours {
            self.0.push(tensor.clone().into_dispatch());
        }
        ours
    }
}

#[cfg(not(feature = "cubecl"))]
mod on_device {
    use super::{AdamStep, Tensor};
    use burn::backend::Dispatch;
    use burn::backend::tensor::FloatTensor;

    pub(super) type Primitive = FloatTensor<Dispatch>;

    pub(super) fn adam_step<const D: usize>(
        _weights: Tensor<D>,
        _gradient: Tensor<D>,
        _moments: [Tensor<D>; 2],
        _step: &AdamStep,
    ) -> Option<[Tensor<D>; 3]> {
        None
    }

    pub(super) fn blend<const D: usize>(
        _old: Tensor<D>,
        _new: Tensor<D>,
        _share: f64,
    ) -> Option<Tensor<D>> {
        None
    }

    pub(super) fn squares_of_parts(_tensors: &[Primitive]) -> Vec<f32> {
        vec![]
    }
}

#[cfg(feature = "cubecl")]
mod on_device {
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
            .flat_map(|(sums, count)| {
                sums.into_data().iter::<f32>().take(count).collect::<Vec<_>>()
            })
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
            let [power_1, power_2] = step.betas.map(|beta| 1.0 - beta.powi(step.time as i32));
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
                        power_2.sqrt() / power_1,
                        step.epsilon * power_2.sqrt(),
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
}

#[cfg(all(test, feature = "cubecl-cpu"))]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use lungs_base::random;

    fn numbers(seed: u64, name: &str, count: usize) -> Vec<f32> {
        let mut stream = random::stream(seed, name);
        (0..count).map(|_| (f64::from(stream.next_u32()) / 2e9 - 1.0) as f32).collect()
    }

    fn on_device(numbers: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(numbers.to_vec(), [numbers.len()]), &Device::cpu())
    }

    fn assert_close(ours: Tensor<1>, expected: impl IntoIterator<Item = f64>) {
        let ours: Vec<f32> = ours.into_data().try_into_vec().unwrap();
        for (ours, expected) in ours.into_iter().zip(expected) {
            let scale = expected.abs().max(1.0);
            assert!((f64::from(ours) - expected).abs() < 5e-6 * scale, "{ours} for {expected}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_step_of_adam_equals_its_formula(
            count in 1usize..700,
            time in 1usize..2000,
            decay in prop::sample::select(vec![0.0f32, 0.01]),
            seed in any::<u64>(),
        ) {
            let read = |name: &str| numbers(seed, name, count);
            let (w, g, m) = (read("weights"), read("gradient"), read("first"));
            let v: Vec<f32> = read("second").iter().map(|number| number.abs()).collect();
            let step =
                AdamStep { rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, decay, time };
            let moments = [on_device(&m), on_device(&v)];
            let [weights, first, second] =
                adam_step(on_device(&w), on_device(&g), moments, &step).unwrap();
            let [b1, b2] = step.betas.map(f64::from);
            let [m, v] = [m, v].map(|moment| moment.into_iter().map(f64::from));
            let m: Vec<f64> = m.zip(&g).map(|(m, g)| b1 * m + (1.0 - b1) * f64::from(*g)).collect();
            let v: Vec<f64> =
                v.zip(&g).map(|(v, g)| b2 * v + (1.0 - b2) * f64::from(*g).powi(2)).collect();
            let expected = w.iter().zip(m.iter().zip(&v)).map(|(w, (m, v))| {
                let m = m / (1.0 - b1.powi(time as i32));
                let v = v / (1.0 - b2.powi(time as i32));
                let kept = 1.0 - step.rate * f64::from(decay);
                f64::from(*w) * kept - step.rate * m / (v.sqrt() + 1e-8)
            });
            assert_close(weights, expected);
            assert_close(first, m.iter().copied());
            assert_close(second, v.iter().copied());
        }

        #[test]
        fn a_blend_lies_between_its_tensors(
            count in 1usize..700,
            share in 0.0..1.0f64,
            seed in any::<u64>(),
        ) {
            let (old, new) = (numbers(seed, "old", count), numbers(seed, "new", count));
            let blend = blend(&on_device(&old), &on_device(&new), share).unwrap();
            let pairs = old.iter().zip(&new).map(|(old, new)| (f64::from(*old), f64::from(*new)));
            assert_close(blend, pairs.map(|(old, new)| old + (new - old) * share));
        }

        #[test]
        fn squares_of_any_number_of_tensors_are_added_once(
            lengths in prop::collection::vec(1usize..40_000, 1..9),
            seed in any::<u64>(),
        ) {
            let all: Vec<Vec<f32>> = (lengths.iter().enumerate())
                .map(|(index, count)| numbers(seed, &index.to_string(), *count))
                .collect();
            let mut input = SquaresInput::default();
            prop_assert!(all.iter().all(|numbers| input.add(&on_device(numbers))));
            let ours: f64 = squares_of_parts(&input).into_iter().map(f64::from).sum();
            let expected: f64 = all.iter().flatten().map(|number| f64::from(*number).powi(2)).sum();
            prop_assert!((ours - expected).abs() < 1e-5 * expected, "{ours} for {expected}");
        }
    }

    #[test]
    fn a_tensor_of_another_device_is_left_to_burn() {
        let tensor = Tensor::<1>::from_data(TensorData::new(vec![1.0f32], [1]), &Device::flex());
        assert!(blend(&tensor, &tensor, 0.5).is_none());
        assert!(!SquaresInput::default().add(&tensor));
    }
}
