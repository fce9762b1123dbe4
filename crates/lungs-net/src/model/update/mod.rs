//! The updates after a training step, as one kernel each on GPUs.
//!
//! Burn computes them with one operation per product and sum. On a GPU that is sixteen launches for
//! each parameter, as many as the rest of the step, with a pass over memory each. Here [`together`]
//! joins the updates of up to 16 tensors in one launch. The functions return `None` for tensors of other
//! devices, for which Burn's operations are used.

use burn::tensor::Tensor;

use super::cube;
#[cfg(feature = "cubecl")]
use gpu as on_device;
#[cfg(not(feature = "cubecl"))]
use no_gpu as on_device;

#[cfg(feature = "cubecl")]
mod gpu;

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

/// The parameter and its first and second moment after a step; before the first step, the moments are zero.
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²
/// w ← (1 − rate·decay)·w − rate · m·c / (√v + ε·√(1 − β₂ᵗ)),  c = √(1 − β₂ᵗ) / (1 − β₁ᵗ)
/// ```
pub fn adam_step<const D: usize>(
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    step: &AdamStep,
) -> Option<[Tensor<D>; 3]> {
    if !cube::is_ours(&weights) || !cube::is_ours(&gradient) {
        return None;
    }
    let moments = moments.unwrap_or_else(|| [(); 2].map(|()| gradient.zeros_like()));
    on_device::adam_step(&weights, &gradient, &moments, step)
}

/// `old + share · (new − old)`, without gradients.
pub fn blend<const D: usize>(old: &Tensor<D>, new: &Tensor<D>, share: f64) -> Option<Tensor<D>> {
    if !cube::is_ours(old) || !cube::is_ours(new) {
        return None;
    }
    on_device::blend(old, new, 0, share)
}

/// [`blend`] of a vector with a row of `rows`, without a copy of the row.
pub(super) fn blend_row(
    old: &Tensor<1>,
    rows: &Tensor<2>,
    row: usize,
    share: f64,
) -> Option<Tensor<1>> {
    if !cube::is_ours(old) || !cube::is_ours(rows) {
        return None;
    }
    on_device::blend(old, rows, row * rows.dims()[1], share)
}

/// Runs `work`. On GPUs, its updates wait for each other, and one launch computes up to 16 of those with
/// the same numbers.
///
/// The results of the updates have undefined numbers until `work` has returned: it must not read them.
/// A further update of a result is allowed.
pub fn together<R>(work: impl FnOnce() -> R) -> R {
    on_device::together(work)
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
        let primitive = if cube::is_ours(tensor) { on_device::primitive(tensor) } else { None };
        let is_ours = primitive.is_some();
        self.0.extend(primitive);
        is_ours
    }
}

#[cfg(not(feature = "cubecl"))]
mod no_gpu {
    use super::{AdamStep, Tensor};

    /// No tensor is on a GPU.
    pub(super) enum Primitive {}

    pub(super) fn primitive<const D: usize>(_tensor: &Tensor<D>) -> Option<Primitive> {
        None
    }

    pub(super) fn adam_step<const D: usize>(
        _weights: &Tensor<D>,
        _gradient: &Tensor<D>,
        _moments: &[Tensor<D>; 2],
        _step: &AdamStep,
    ) -> Option<[Tensor<D>; 3]> {
        None
    }

    pub(super) fn blend<const D: usize, const E: usize>(
        _old: &Tensor<D>,
        _new: &Tensor<E>,
        _skip: usize,
        _share: f64,
    ) -> Option<Tensor<D>> {
        None
    }

    pub(super) fn together<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    pub(super) fn squares_of_parts(_tensors: &[Primitive]) -> Vec<f32> {
        vec![]
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
                adam_step(on_device(&w), on_device(&g), Some(moments), &step).unwrap();
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        #[test]
        fn updates_together_give_the_same_bits_as_one_by_one(
            lengths in prop::collection::vec(1usize..900, 1..40),
            decays in prop::collection::vec(prop::sample::select(vec![0.0f32, 0.01]), 40),
            seed in any::<u64>(),
        ) {
            let one_by_one = updates(&lengths, &decays, seed);
            let joined = together(|| updates(&lengths, &decays, seed));
            let numbers = |tensors: Vec<Tensor<1>>| -> Vec<Vec<u32>> {
                let bits = |tensor: Tensor<1>| {
                    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
                };
                tensors.into_iter().map(bits).collect()
            };
            prop_assert_eq!(numbers(joined), numbers(one_by_one));
        }
    }

    /// A step of Adam for tensors of these lengths, the blend of each result with the new weights, and a
    /// blend with one row of two.
    fn updates(lengths: &[usize], decays: &[f32], seed: u64) -> Vec<Tensor<1>> {
        let mut results = vec![];
        for (index, (&length, &decay)) in lengths.iter().zip(decays).enumerate() {
            let read = |name: &str| on_device(&numbers(seed, &format!("{name} {index}"), length));
            let step = AdamStep {
                rate: 0.1,
                betas: [0.9, 0.999],
                epsilon: 1e-8,
                decay,
                time: 1 + index % 2,
            };
            let moments = (index % 3 > 0).then(|| [read("first"), read("second").abs()]);
            results.extend(adam_step(read("weights"), read("gradient"), moments, &step).unwrap());
            let new_weights = &results[results.len() - 3];
            results.push(blend(&read("ema"), new_weights, 0.25).unwrap());
            let rows = Tensor::stack(vec![read("row 0"), read("row 1")], 0);
            results.push(blend_row(&read("mean"), &rows, index % 2, 0.5).unwrap());
        }
        results
    }

    #[test]
    fn a_row_is_blended_as_a_vector() {
        let [old, first, second] = ["old", "first", "second"].map(|name| numbers(7, name, 300));
        let rows = Tensor::stack(vec![on_device(&first), on_device(&second)], 0);
        for (row, new) in [first, second].iter().enumerate() {
            let ours = blend_row(&on_device(&old), &rows, row, 0.3).unwrap();
            let expected = blend(&on_device(&old), &on_device(new), 0.3).unwrap();
            let [ours, expected] = [ours, expected].map(|tensor| tensor.into_data());
            assert_eq!(ours.as_slice::<f32>().unwrap(), expected.as_slice::<f32>().unwrap());
        }
    }

    #[test]
    fn a_panic_ends_the_waiting() {
        let panicked = std::panic::catch_unwind(|| together(|| panic!("on purpose")));
        assert!(panicked.is_err());
        let blend = blend(&on_device(&[1.0]), &on_device(&[3.0]), 0.5).unwrap();
        assert_eq!(blend.into_scalar::<f32>(), 2.0);
    }

    #[test]
    fn a_tensor_of_another_device_is_left_to_burn() {
        let tensor = Tensor::<1>::from_data(TensorData::new(vec![1.0f32], [1]), &Device::flex());
        assert!(blend(&tensor, &tensor, 0.5).is_none());
        assert!(!SquaresInput::default().add(&tensor));
    }
}
