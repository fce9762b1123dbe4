//! Predictive values at a prevalence that is not the sample's.
//!
//! By Bayes' theorem from sensitivity and specificity, which do not depend on the prevalence:
//! `PPV = Se·π / (Se·π + (1 − Sp)(1 − π))`. The intervals are those of Mercaldo, Lau & Zhou (Statistics in
//! Medicine 2007, 26:2170–2183) on the logit, for case–control samples: the logit's variance is
//! `(1 − Se)/(Se·n₁) + Sp/((1 − Sp)·n₀)` for the PPV and `Se/((1 − Se)·n₁) + (1 − Sp)/(Sp·n₀)` for the
//! NPV. Where sensitivity or specificity is exactly 0 or 1, their adjusted form takes `x + z²/2` of
//! `n + z²` for both shares.

use serde::{Deserialize, Serialize};

use super::calibration::sigmoid;
use super::interval::{Estimate, Interval, Method, Proportion};
use super::normal::critical_value;

/// Predictive values at a stated prevalence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtPrevalence {
    /// Share of cancers that they hold at.
    pub prevalence: f64,
    /// Chance that an exam called positive is positive.
    pub positive_predictive_value: Estimate,
    /// Chance that an exam called negative is negative.
    pub negative_predictive_value: Estimate,
}

/// The predictive values of these shares at `prevalence`, between 0 and 1.
pub(super) fn at_prevalence(
    sensitivity: &Proportion,
    specificity: &Proportion,
    prevalence: f64,
    level: f64,
) -> AtPrevalence {
    let (Some(se), Some(sp)) = (sensitivity.value, specificity.value) else {
        let reason = sensitivity.reason.as_ref().or(specificity.reason.as_ref());
        let nothing = || Estimate::undefined(reason.map_or("one class only", String::as_str));
        return AtPrevalence {
            prevalence,
            positive_predictive_value: nothing(),
            negative_predictive_value: nothing(),
        };
    };
    let z = critical_value(level);
    let (mut n1, mut n0) = (sensitivity.total as f64, specificity.total as f64);
    let (mut a, mut b) = (se, sp);
    if [0.0, 1.0].contains(&se) || [0.0, 1.0].contains(&sp) {
        let share = |x: usize, n: f64| (x as f64 + z * z / 2.0) / (n + z * z);
        (a, b) = (share(sensitivity.successes, n1), share(specificity.successes, n0));
        (n1, n0) = (n1 + z * z, n0 + z * z);
    }
    let odds = prevalence / (1.0 - prevalence);
    let positive = Part {
        gain: se * odds,
        loss: 1.0 - sp,
        logit: (a * odds / (1.0 - b)).ln(),
        variance: (1.0 - a) / (a * n1) + b / ((1.0 - b) * n0),
        nobody: "nobody is called positive",
    };
    let negative = Part {
        gain: sp,
        loss: (1.0 - se) * odds,
        logit: (b / ((1.0 - a) * odds)).ln(),
        variance: a / ((1.0 - a) * n1) + (1.0 - b) / (b * n0),
        nobody: "nobody is called negative",
    };
    AtPrevalence {
        prevalence,
        positive_predictive_value: positive.estimate(z, level),
        negative_predictive_value: negative.estimate(z, level),
    }
}

/// One predictive value before it is put together.
struct Part {
    /// Those rightly called so, and those wrongly, in the same unit.
    gain: f64,
    loss: f64,
    logit: f64,
    variance: f64,
    nobody: &'static str,
}

impl Part {
    fn estimate(&self, z: f64, level: f64) -> Estimate {
        if self.gain + self.loss <= 0.0 {
            return Estimate::undefined(self.nobody);
        }
        let value = self.gain / (self.gain + self.loss);
        let spread = z * self.variance.sqrt();
        // The adjusted interval is about another centre: it is made to hold the estimate.
        let interval = Interval {
            low: sigmoid(self.logit - spread).min(value),
            high: sigmoid(self.logit + spread).max(value),
            level,
            method: Method::MercaldoLogit,
        };
        Estimate::with_interval(value, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(hits: usize, n1: usize, right: usize, n0: usize) -> (Proportion, Proportion) {
        (
            Proportion::new(hits, n1, 0.95, "positives"),
            Proportion::new(right, n0, 0.95, "negatives"),
        )
    }

    fn assert_is(found: &Estimate, expected: [f64; 3]) {
        let interval = found.interval.unwrap();
        for (found, expected) in
            [found.value.unwrap(), interval.low, interval.high].into_iter().zip(expected)
        {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn equals_the_formulas_worked_in_python() {
        // Mercaldo's formulas evaluated in Python 3 with statistics.NormalDist.
        let (sensitivity, specificity) = shares(9, 10, 8, 10);
        let found = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_is(
            &found.positive_predictive_value,
            [0.04347826086956523, 0.012770923514867773, 0.137720429697027],
        );
        assert_is(
            &found.negative_predictive_value,
            [0.9987389659520807, 0.9917522131919682, 0.9998083397088509],
        );
        let (sensitivity, specificity) = shares(10, 10, 7, 10);
        let found = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_is(
            &found.positive_predictive_value,
            [0.032573289902280124, 0.01153840338020404, 0.04879384453486171],
        );
        assert_is(&found.negative_predictive_value, [1.0, 0.9915179353799439, 1.0]);
    }

    #[test]
    fn nobody_called_positive_has_no_value_and_one_class_says_so() {
        let (sensitivity, specificity) = shares(0, 10, 10, 10);
        let found = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        let reason = found.positive_predictive_value.reason.unwrap();
        assert_eq!(reason, "nobody is called positive");
        assert!((found.negative_predictive_value.value.unwrap() - 0.99).abs() < 1e-12);
        let (sensitivity, specificity) = shares(0, 0, 7, 10);
        let found = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_eq!(found.negative_predictive_value.reason.unwrap(), "there are no positives");
    }

    proptest! {
        /// At the sample's own prevalence they are the sample's shares, and the interval holds them.
        #[test]
        fn at_the_samples_prevalence_they_are_the_samples(
            n1 in 1usize..40, n0 in 1usize..40, a in 0.0..1.0f64, b in 0.0..1.0f64
        ) {
            let (hits, right) = ((a * n1 as f64) as usize, (b * n0 as f64) as usize);
            let (sensitivity, specificity) = shares(hits, n1, right, n0);
            let prevalence = n1 as f64 / (n1 + n0) as f64;
            let found = at_prevalence(&sensitivity, &specificity, prevalence, 0.95);
            let called = hits + n0 - right;
            let ppv = found.positive_predictive_value;
            match called {
                0 => prop_assert!(ppv.value.is_none()),
                _ => {
                    let value = ppv.value.unwrap();
                    prop_assert!((value - hits as f64 / called as f64).abs() < 1e-12);
                    let interval = ppv.interval.unwrap();
                    prop_assert!(interval.low <= value && value <= interval.high);
                    prop_assert!(interval.low >= 0.0 && interval.high <= 1.0);
                }
            }
        }
    }
}
