//! How far one training batch moves the averages of batch normalisation.
//!
//! The plain rule, `average ← decay · average + (1 − decay) · batch`, begins with a mean of 0 and a
//! variance of 1 and needs several times `1 / (1 − decay)` batches to leave them. The unbiased rule
//! divides by `1 − decayᵗ` after batch `t`, as Adam does for its moments (Kingma & Ba 2015,
//! section 3): the averages are weighted means of the batches alone. With a decay of 0.999 the first
//! thousand batches then have nearly equal weights, and the network of the first ones, which is far
//! from the present one, counts as much as that of the last. So the decay itself begins small: after
//! batch `t` it is `min(decay, (t − 1) / (t + 8))`, a memory of about a ninth of the training so far.
//! The first batch replaces the initial values, and the averages remain weighted means of batches.

use crate::spec::{Compat, Spec};

/// The rule of the moving averages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MovingAverages {
    decay: f64,
    unbiased: bool,
}

impl MovingAverages {
    /// Unbiased, but for weights that bring averages of their own and for the original's arithmetic.
    pub fn of(spec: &Spec) -> Self {
        Self {
            decay: spec.model.batch_norm_decay,
            unbiased: spec.model.init == "random" && spec.preprocess.compat == Compat::None,
        }
    }

    /// The share of batch number `batch`, counted from 1 over the whole training, in the averages
    /// after it.
    pub fn share(&self, batch: usize) -> f64 {
        let plain = 1.0 - self.decay;
        if self.unbiased { plain.max(9.0 / (batch as f64 + 8.0)) } else { plain }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::spec;
    use super::*;
    use proptest::prelude::*;

    fn averages(decay: f64, unbiased: bool) -> MovingAverages {
        MovingAverages { decay, unbiased }
    }

    proptest! {
        #[test]
        fn unbiased_averages_are_weighted_means_of_the_batches_alone(
            decay in 0.0..0.9999f64,
            initial in -100.0..100.0f64,
            batches in prop::collection::vec(-5.0..5.0f64, 1..60),
        ) {
            let rule = averages(decay, true);
            let (mut average, mut weights) = (initial, Vec::new());
            for (batch, value) in (1..).zip(&batches) {
                let share = rule.share(batch);
                average += (value - average) * share;
                weights.iter_mut().for_each(|weight: &mut f64| *weight *= 1.0 - share);
                weights.push(share);
            }
            let mean: f64 = weights.iter().zip(&batches).map(|(weight, value)| weight * value).sum();
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!((average - mean).abs() < 1e-9, "{average} {mean}");
        }

        #[test]
        fn a_batch_never_has_less_than_the_plain_share(decay in 0.0..0.9999f64, batch in 1usize..99_999) {
            prop_assert!(averages(decay, true).share(batch) >= averages(decay, false).share(batch));
        }
    }

    #[test]
    fn the_first_batch_replaces_the_initial_values_and_late_ones_follow_the_plain_rule() {
        let rule = averages(0.999, true);
        assert_eq!(rule.share(1), 1.0);
        assert_eq!((rule.share(2), rule.share(10)), (0.9, 0.5));
        assert!((rule.share(30_000) - 0.001).abs() < 1e-12);
    }

    #[test]
    fn a_decay_of_zero_keeps_the_last_batch_alone() {
        assert!([1, 2, 9].iter().all(|&batch| averages(0.0, true).share(batch) == 1.0));
    }

    #[test]
    fn imported_weights_and_the_originals_arithmetic_keep_the_plain_rule() {
        assert_eq!(MovingAverages::of(&spec(&[])).share(1), 1.0);
        for set in ["model.init=weights.safetensors", "preprocess.compat=lungs-0.1.5"] {
            let share = MovingAverages::of(&spec(&[set])).share(1);
            assert!((share - 0.001).abs() < 1e-12, "{set}: {share}");
        }
    }
}
