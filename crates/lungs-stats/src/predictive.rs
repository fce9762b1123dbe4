//! Predictive values at a given prevalence, which may differ from the sample's.
//!
//! They follow by Bayes' theorem from sensitivity and specificity, which do not depend on the prevalence:
//! `PPV = Se·π / (Se·π + (1 − Sp)(1 − π))`. The intervals are those of Mercaldo, Lau & Zhou (Statistics in
//! Medicine 2007, 26:2170–2183) on the logit scale, for case–control samples: the logit's variance is
//! `(1 − Se)/(Se·n₁) + Sp/((1 − Sp)·n₀)` for the PPV and `Se/((1 − Se)·n₁) + (1 − Sp)/(Sp·n₀)` for the
//! NPV. Where sensitivity or specificity is exactly 0 or 1, their adjusted form uses `x + z²/2` of
//! `n + z²` for both proportions.

use serde::{Deserialize, Serialize};

use super::interval::{Estimate, Interval, Method, Proportion};
use super::logit::sigmoid;
use super::normal::critical_value;

/// Predictive values at a given prevalence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtPrevalence {
    /// The prevalence.
    pub prevalence: f64,
    /// Probability that an exam predicted positive is positive.
    pub positive_predictive_value: Estimate,
    /// Probability that an exam predicted negative is negative.
    pub negative_predictive_value: Estimate,
}

/// The predictive values at `prevalence`, between 0 and 1.
pub(super) fn at_prevalence(
    sensitivity: &Proportion,
    specificity: &Proportion,
    prevalence: f64,
    level: f64,
) -> AtPrevalence {
    let (Some(se), Some(sp)) = (sensitivity.value, specificity.value) else {
        let reason = sensitivity.reason.as_ref().or(specificity.reason.as_ref());
        let undefined = || Estimate::undefined(reason.map_or("one class only", String::as_str));
        return AtPrevalence {
            prevalence,
            positive_predictive_value: undefined(),
            negative_predictive_value: undefined(),
        };
    };
    let z = critical_value(level);
    // Where patients have several exams, the effective numbers of exams.
    let size = |share: &Proportion| share.effective_total.unwrap_or(share.total as f64);
    let (mut n1, mut n0) = (size(sensitivity), size(specificity));
    let (mut a, mut b) = (se, sp);
    if [0.0, 1.0].contains(&se) || [0.0, 1.0].contains(&sp) {
        let share = |share: f64, n: f64| (share * n + z * z / 2.0) / (n + z * z);
        (a, b) = (share(se, n1), share(sp, n0));
        (n1, n0) = (n1 + z * z, n0 + z * z);
    }
    let odds = prevalence / (1.0 - prevalence);
    let positive = PredictiveValue {
        correct: se * odds,
        incorrect: 1.0 - sp,
        logit: (a * odds / (1.0 - b)).ln(),
        variance: (1.0 - a) / (a * n1) + b / ((1.0 - b) * n0),
        undefined_reason: "no exam is predicted positive",
    };
    let negative = PredictiveValue {
        correct: sp,
        incorrect: (1.0 - se) * odds,
        logit: (b / ((1.0 - a) * odds)).ln(),
        variance: a / ((1.0 - a) * n1) + (1.0 - b) / (b * n0),
        undefined_reason: "no exam is predicted negative",
    };
    AtPrevalence {
        prevalence,
        positive_predictive_value: positive.estimate(z, level),
        negative_predictive_value: negative.estimate(z, level),
    }
}

/// The terms of one predictive value.
struct PredictiveValue {
    /// Frequency of correct predictions of this class.
    correct: f64,
    /// Frequency of incorrect predictions of this class, in the same unit.
    incorrect: f64,
    /// Logit of the value, the centre of the interval.
    logit: f64,
    /// Variance of the logit.
    variance: f64,
    /// Reason when no exam is predicted to be of this class.
    undefined_reason: &'static str,
}

impl PredictiveValue {
    fn estimate(&self, z: f64, level: f64) -> Estimate {
        if self.correct + self.incorrect <= 0.0 {
            return Estimate::undefined(self.undefined_reason);
        }
        let value = self.correct / (self.correct + self.incorrect);
        let spread = z * self.variance.sqrt();
        // The adjusted interval has another centre; it is extended to contain the estimate.
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

    fn shares(
        true_positives: usize,
        n1: usize,
        true_negatives: usize,
        n0: usize,
    ) -> (Proportion, Proportion) {
        (
            Proportion::new(true_positives, n1, 0.95, "positives"),
            Proportion::new(true_negatives, n0, 0.95, "negatives"),
        )
    }

    fn assert_estimate(estimate: &Estimate, expected: [f64; 3]) {
        let interval = estimate.interval.unwrap();
        for (found, expected) in
            [estimate.value.unwrap(), interval.low, interval.high].into_iter().zip(expected)
        {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn equals_the_formulas_worked_in_python() {
        // Mercaldo's formulas evaluated in Python 3 with statistics.NormalDist.
        let (sensitivity, specificity) = shares(9, 10, 8, 10);
        let values = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_estimate(
            &values.positive_predictive_value,
            [0.04347826086956523, 0.012770923514867773, 0.137720429697027],
        );
        assert_estimate(
            &values.negative_predictive_value,
            [0.9987389659520807, 0.9917522131919682, 0.9998083397088509],
        );
        let (sensitivity, specificity) = shares(10, 10, 7, 10);
        let values = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_estimate(
            &values.positive_predictive_value,
            [0.032573289902280124, 0.01153840338020404, 0.04879384453486171],
        );
        assert_estimate(&values.negative_predictive_value, [1.0, 0.9915179353799439, 1.0]);
    }

    #[test]
    fn a_value_without_predictions_of_its_class_is_undefined_with_a_reason() {
        let (sensitivity, specificity) = shares(0, 10, 10, 10);
        let values = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        let reason = values.positive_predictive_value.reason.unwrap();
        assert_eq!(reason, "no exam is predicted positive");
        assert!((values.negative_predictive_value.value.unwrap() - 0.99).abs() < 1e-12);
        let (sensitivity, specificity) = shares(0, 0, 7, 10);
        let values = at_prevalence(&sensitivity, &specificity, 0.01, 0.95);
        assert_eq!(values.negative_predictive_value.reason.unwrap(), "there are no positives");
    }

    proptest! {
        /// At the sample's own prevalence the value is the sample's proportion, inside the interval.
        #[test]
        fn at_the_samples_prevalence_values_equal_the_samples_proportions(
            n1 in 1usize..40, n0 in 1usize..40, a in 0.0..1.0f64, b in 0.0..1.0f64
        ) {
            let (true_positives, true_negatives) =
                ((a * n1 as f64) as usize, (b * n0 as f64) as usize);
            let (sensitivity, specificity) = shares(true_positives, n1, true_negatives, n0);
            let prevalence = n1 as f64 / (n1 + n0) as f64;
            let values = at_prevalence(&sensitivity, &specificity, prevalence, 0.95);
            let predicted_positive = true_positives + n0 - true_negatives;
            let ppv = values.positive_predictive_value;
            match predicted_positive {
                0 => prop_assert!(ppv.value.is_none()),
                _ => {
                    let value = ppv.value.unwrap();
                    let expected = true_positives as f64 / predicted_positive as f64;
                    prop_assert!((value - expected).abs() < 1e-12);
                    let interval = ppv.interval.unwrap();
                    prop_assert!(interval.low <= value && value <= interval.high);
                    prop_assert!(interval.low >= 0.0 && interval.high <= 1.0);
                }
            }
        }
    }
}
