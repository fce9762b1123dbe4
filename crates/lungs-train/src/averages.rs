//! The update of batch normalisation's running statistics by a training batch.
//!
//! The plain rule, `running ← decay · running + (1 − decay) · batch`, starts with a mean of 0 and a
//! variance of 1, whose influence lasts several times `1 / (1 − decay)` batches. Dividing by
//! `1 − decayᵗ` after batch `t`, as Adam does for its moments (Kingma & Ba 2015, section 3), makes the
//! running statistics weighted means of the batches alone. But with a decay of 0.999 the first thousand
//! batches then have nearly equal weights, although the network changed much since the first of them.
//! The unbiased rule therefore starts with a small decay: `min(decay, (t − 1) / (t + 8))` after batch
//! `t`, a memory of about a ninth of the training so far. The first batch replaces the initial values,
//! and the running statistics are weighted means of batches.

use lungs_spec::spec::{Compat, Spec};

/// The update rule of the running statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RunningStatisticsRule {
    decay: f64,
    unbiased: bool,
}

impl RunningStatisticsRule {
    /// The spec's rule: unbiased, except for initial weights with their own running statistics and
    /// for compatibility with the original.
    pub(crate) fn of(spec: &Spec) -> Self {
        Self {
            decay: spec.model.batch_norm_decay,
            unbiased: spec.model.init == "random" && spec.preprocess.compat == Compat::None,
        }
    }

    /// The weight of batch `batch` (from 1 over the whole training) in the running statistics after
    /// it.
    pub(crate) fn share(&self, batch: usize) -> f64 {
        let plain = 1.0 - self.decay;
        if self.unbiased { plain.max(9.0 / (batch as f64 + 8.0)) } else { plain }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::spec;
    use super::*;
    use proptest::prelude::*;

    fn rule(decay: f64, unbiased: bool) -> RunningStatisticsRule {
        RunningStatisticsRule { decay, unbiased }
    }

    proptest! {
        #[test]
        fn unbiased_statistics_are_weighted_means_of_the_batches_alone(
            decay in 0.0..0.9999f64,
            initial in -100.0..100.0f64,
            batches in prop::collection::vec(-5.0..5.0f64, 1..60),
        ) {
            let rule = rule(decay, true);
            let (mut running, mut weights) = (initial, Vec::new());
            for (batch, value) in (1..).zip(&batches) {
                let share = rule.share(batch);
                running += (value - running) * share;
                weights.iter_mut().for_each(|weight: &mut f64| *weight *= 1.0 - share);
                weights.push(share);
            }
            let mean: f64 = weights.iter().zip(&batches).map(|(weight, value)| weight * value).sum();
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!((running - mean).abs() < 1e-9, "{running} {mean}");
        }

        #[test]
        fn a_batch_has_at_least_the_share_of_the_plain_rule(decay in 0.0..0.9999f64, batch in 1usize..99_999) {
            prop_assert!(rule(decay, true).share(batch) >= rule(decay, false).share(batch));
        }
    }

    #[test]
    fn the_first_batch_replaces_the_initial_values_and_late_batches_follow_the_plain_rule() {
        let rule = rule(0.999, true);
        assert_eq!(rule.share(1), 1.0);
        assert_eq!((rule.share(2), rule.share(10)), (0.9, 0.5));
        assert!((rule.share(30_000) - 0.001).abs() < 1e-12);
    }

    #[test]
    fn a_decay_of_zero_keeps_the_last_batch_alone() {
        assert!([1, 2, 9].iter().all(|&batch| rule(0.0, true).share(batch) == 1.0));
    }

    #[test]
    fn imported_weights_and_compatibility_use_the_plain_rule() {
        assert_eq!(RunningStatisticsRule::of(&spec(&[])).share(1), 1.0);
        for set in ["model.init=weights.safetensors", "preprocess.compat=lungs-0.1.5"] {
            let share = RunningStatisticsRule::of(&spec(&[set])).share(1);
            assert!((share - 0.001).abs() < 1e-12, "{set}: {share}");
        }
    }
}
