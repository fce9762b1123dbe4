//! Sixteen numbers at a time, in a form that the compiler turns into the widest vector
//! instructions of the processor that the program runs on.
//!
//! Sums and products stay separate operations (nothing is contracted), so that every processor
//! gives the same bits.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

/// Numbers that are worked on together.
const LANES: usize = 16;

/// Sixteen numbers.
#[derive(Clone, Copy)]
pub(super) struct Lanes([f32; LANES]);

impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        Self(from_fn(|lane| self.0[lane] * factor))
    }
}

impl Lanes {
    #[inline(always)]
    fn load(values: &[f32], at: usize) -> Self {
        Self(from_fn(|lane| values[at..at + LANES][lane]))
    }

    #[inline(always)]
    fn store(self, values: &mut [f32], at: usize) {
        values[at..at + LANES].copy_from_slice(&self.0);
    }

    /// The numbers from `at` on, zeros behind the last.
    #[inline(always)]
    fn load_last(values: &[f32], at: usize) -> Self {
        let values = &values[at..];
        Self(from_fn(|lane| values.get(lane).copied().unwrap_or(0.0)))
    }
}

/// What is done to the numbers at one place of `I` arrays, giving those of `O` arrays.
pub(super) trait Kernel<const I: usize, const O: usize> {
    /// Lane by lane the same; inline it always.
    fn at(inputs: [Lanes; I]) -> [Lanes; O];
}

/// The arrays that [`map`] takes: the first `N` of some.
pub(super) fn first<T, const N: usize>(mut items: impl Iterator<Item = T>) -> [T; N] {
    from_fn(|_| items.next().expect("callers have an array for every point, element or output"))
}

/// Applies a kernel at every place of arrays of one length, by the processor's widest vectors.
pub(super) fn map<K: Kernel<I, O>, const I: usize, const O: usize>(
    inputs: [&[f32]; I],
    outputs: [&mut [f32]; O],
) {
    struct Work<'a, K, const I: usize, const O: usize> {
        inputs: [&'a [f32]; I],
        outputs: [&'a mut [f32]; O],
        kernel: std::marker::PhantomData<K>,
    }
    impl<K: Kernel<I, O>, const I: usize, const O: usize> pulp::NullaryFnOnce for Work<'_, K, I, O> {
        type Output = ();
        #[inline(always)]
        fn call(self) {
            let Self { inputs, mut outputs, .. } = self;
            let count = inputs.iter().map(|input| input.len()).min().unwrap_or(0);
            let whole = count - count % LANES;
            for output in &mut outputs {
                assert_eq!(output.len(), count, "all arrays have one length");
            }
            for at in (0..whole).step_by(LANES) {
                let results = K::at(inputs.map(|input| Lanes::load(input, at)));
                for (output, result) in outputs.iter_mut().zip(results) {
                    result.store(output, at);
                }
            }
            if whole < count {
                let results = K::at(inputs.map(|input| Lanes::load_last(input, whole)));
                for (output, result) in outputs.iter_mut().zip(results) {
                    output[whole..].copy_from_slice(&result.0[..count - whole]);
                }
            }
        }
    }
    pulp::Arch::new().dispatch(Work { inputs, outputs, kernel: std::marker::PhantomData::<K> });
}
