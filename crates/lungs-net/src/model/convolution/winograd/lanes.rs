//! Arithmetic on sixteen numbers at a time, in a form that compiles to the widest vector instructions of
//! the processor at run time.
//!
//! Sums and products stay separate operations (no fused multiply-add), so that every processor gives
//! the same bits.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

/// Numbers per vector.
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
    fn load(values: &[f32], start: usize) -> Self {
        Self(from_fn(|lane| values[start..start + LANES][lane]))
    }

    #[inline(always)]
    fn store(self, values: &mut [f32], start: usize) {
        values[start..start + LANES].copy_from_slice(&self.0);
    }

    /// The numbers from `start` on, with zeros after the last.
    #[inline(always)]
    fn load_last(values: &[f32], start: usize) -> Self {
        let values = &values[start..];
        Self(from_fn(|lane| values.get(lane).copied().unwrap_or(0.0)))
    }
}

/// A function from the numbers at one index of `I` arrays to the numbers at that index of `O` arrays.
pub(super) trait Kernel<const I: usize, const O: usize> {
    /// Applies the function to each lane. Must be `#[inline(always)]`.
    fn apply(inputs: [Lanes; I]) -> [Lanes; O];
}

/// The first `N` items, as an array for [`map`].
pub(super) fn first<T, const N: usize>(mut items: impl Iterator<Item = T>) -> [T; N] {
    from_fn(|_| items.next().expect("callers have an array for every point, element or output"))
}

/// Applies a kernel at every index of arrays of equal length, with the processor's widest vectors.
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
            let full = count - count % LANES;
            for output in &mut outputs {
                assert_eq!(output.len(), count, "all arrays have the same length");
            }
            for start in (0..full).step_by(LANES) {
                let results = K::apply(inputs.map(|input| Lanes::load(input, start)));
                for (output, result) in outputs.iter_mut().zip(results) {
                    result.store(output, start);
                }
            }
            if full < count {
                let results = K::apply(inputs.map(|input| Lanes::load_last(input, full)));
                for (output, result) in outputs.iter_mut().zip(results) {
                    output[full..].copy_from_slice(&result.0[..count - full]);
                }
            }
        }
    }
    pulp::Arch::new().dispatch(Work { inputs, outputs, kernel: std::marker::PhantomData::<K> });
}
