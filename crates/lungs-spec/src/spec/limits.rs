//! Limits of the numbers of single keys, for the checks and for the JSON Schema of a spec.

use super::check::Checks;
use super::{ClassWeights, Document};
use std::ops::Bound::{self, Excluded, Included, Unbounded};

/// The numbers that a key allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// Numbers between two bounds. The excluded bound infinity means every finite number.
    Between(Bound<f64>, Bound<f64>),
    /// 0, which switches something off, and numbers between two bounds.
    ZeroOr(Bound<f64>, Bound<f64>),
    /// Some numbers.
    OneOf(&'static [f64]),
}

impl Allowed {
    /// Whether `value` is allowed. NaN never is.
    pub fn contains(self, value: f64) -> bool {
        match self {
            Self::Between(lower, upper) => is_between(lower, upper, value),
            Self::ZeroOr(lower, upper) => value == 0.0 || is_between(lower, upper, value),
            Self::OneOf(values) => values.contains(&value),
        }
    }
}

fn is_between(lower: Bound<f64>, upper: Bound<f64>, value: f64) -> bool {
    use std::ops::RangeBounds;
    (lower, upper).contains(&value) && !value.is_nan()
}

/// The limits of a number of the spec, which do not depend on other keys.
pub struct Limit {
    /// Dotted key. If its value is a list, each number of the list has these limits.
    pub key: &'static str,
    /// The allowed numbers.
    pub allowed: Allowed,
    /// The allowed numbers in words, after "expected".
    expected: &'static str,
    numbers: fn(&Document) -> Numbers,
}

/// The numbers of a key, and the value as errors show it.
struct Numbers {
    values: Vec<f64>,
    shown: String,
}

impl From<f64> for Numbers {
    fn from(value: f64) -> Self {
        Self { values: vec![value], shown: format!("{value:?}") }
    }
}

impl From<usize> for Numbers {
    fn from(value: usize) -> Self {
        Self { values: vec![value as f64], shown: value.to_string() }
    }
}

impl From<&[f64]> for Numbers {
    fn from(values: &[f64]) -> Self {
        Self { values: values.to_vec(), shown: format!("{values:?}") }
    }
}

impl From<[usize; 3]> for Numbers {
    fn from(values: [usize; 3]) -> Self {
        Self {
            values: values.iter().map(|value| *value as f64).collect(),
            shown: format!("{values:?}"),
        }
    }
}

impl<N: Into<Self>> From<Option<N>> for Numbers {
    fn from(value: Option<N>) -> Self {
        value.map_or(Self { values: Vec::new(), shown: String::new() }, Into::into)
    }
}

const ZERO: Bound<f64> = Included(0.0);
const MORE_THAN_ZERO: Bound<f64> = Excluded(0.0);
const LESS_THAN_ONE: Bound<f64> = Excluded(1.0);
const FINITE: Bound<f64> = Excluded(f64::INFINITY);

const fn limit(
    key: &'static str,
    lower: Bound<f64>,
    upper: Bound<f64>,
    expected: &'static str,
    numbers: fn(&Document) -> Numbers,
) -> Limit {
    Limit { key, allowed: Allowed::Between(lower, upper), expected, numbers }
}

/// The limits of all numbers that have limits of their own. Numbers whose limits depend on other keys are checked
/// with these keys.
#[rustfmt::skip]
pub static LIMITS: &[Limit] = &[
    limit("data.phantom.patients", Included(4.0), Unbounded, "at least 4",
        |spec| spec.data.phantom.as_ref().map(|phantom| phantom.patients).into()),
    limit("data.phantom.positive_fraction", MORE_THAN_ZERO, LESS_THAN_ONE,
        "a number greater than 0 and less than 1",
        |spec| spec.data.phantom.as_ref().map(|phantom| phantom.positive_fraction).into()),
    limit("data.phantom.follow_up_years", Included(1.0), Included(20.0),
        "a number of years from 1 to 20",
        |spec| spec.data.phantom.as_ref().and_then(|phantom| phantom.follow_up_years).into()),
    limit("data.select.max_slice_spacing_mm", MORE_THAN_ZERO, Unbounded,
        "a positive number of millimetres", |spec| spec.data.select.max_slice_spacing_mm.into()),
    limit("data.select.min_slice_spacing_mm", ZERO, FINITE, "millimetres, 0 or more",
        |spec| spec.data.select.min_slice_spacing_mm.into()),
    limit("data.select.target_slice_spacing_mm", ZERO, FINITE, "millimetres, or 0 (off)",
        |spec| spec.data.select.target_slice_spacing_mm.into()),
    limit("data.select.min_coverage_mm", ZERO, FINITE, "millimetres, or 0 (off)",
        |spec| spec.data.select.min_coverage_mm.into()),
    limit("data.select.min_slices", Included(2.0), Unbounded, "2 or more",
        |spec| spec.data.select.min_slices.into()),
    limit("preprocess.spacing_mm", Included(0.3), Included(20.0), "0.3 to 20 millimetres",
        |spec| spec.preprocess.spacing_mm.into()),
    limit("preprocess.size", Included(8.0), Included(1024.0),
        "three sides (depth, height, width) of 8 to 1024 voxels",
        |spec| spec.preprocess.size.into()),
    limit("preprocess.min_lung_ml", ZERO, FINITE, "millilitres, 0 or more",
        |spec| spec.preprocess.min_lung_ml.into()),
    limit("split.train", MORE_THAN_ZERO, Included(1.0),
        "more than 0, at most 1: training needs patients", |spec| spec.split.train.into()),
    limit("split.valid", MORE_THAN_ZERO, Included(1.0),
        "more than 0, at most 1: the selection of the epoch needs patients",
        |spec| spec.split.valid.into()),
    limit("split.test", ZERO, Included(1.0), "a fraction from 0 to 1",
        |spec| spec.split.test.into()),
    Limit { key: "split.folds", allowed: Allowed::ZeroOr(Included(2.0), Included(100.0)),
        expected: "0 (off), or 2 to 100", numbers: |spec| spec.split.folds.into() },
    limit("outcome.horizons_years", MORE_THAN_ZERO, Included(100.0),
        "numbers of years more than 0 and at most 100",
        |spec| spec.outcome.horizons_years.as_slice().into()),
    limit("model.slices", Included(1.0), Unbounded, "1 or more", |spec| spec.model.slices.into()),
    limit("model.keep_prob", MORE_THAN_ZERO, Included(1.0),
        "more than 0, at most 1 (the fraction of features that is kept)",
        |spec| spec.model.keep_prob.into()),
    Limit { key: "model.channels", allowed: Allowed::OneOf(&[1.0, 3.0]), expected: "1 or 3",
        numbers: |spec| spec.model.channels.into() },
    limit("model.width", Included(0.05), Included(4.0), "0.05 to 4 (1 is the published network)",
        |spec| spec.model.width.into()),
    limit("model.batch_norm_decay", ZERO, LESS_THAN_ONE, "at least 0, less than 1",
        |spec| spec.model.batch_norm_decay.into()),
    limit("loss.gamma", ZERO, FINITE, "0 or more", |spec| spec.loss.gamma.into()),
    limit("loss.alpha", MORE_THAN_ZERO, LESS_THAN_ONE, "greater than 0 and less than 1",
        |spec| spec.loss.alpha.into()),
    limit("loss.class_weights", MORE_THAN_ZERO, FINITE,
        "two positive numbers, for exams without and with cancer",
        |spec| match &spec.loss.class_weights {
            ClassWeights::PerClass(weights) => weights.as_slice().into(),
            ClassWeights::None | ClassWeights::Balanced => None::<f64>.into(),
        }),
    limit("train.learning_rate", MORE_THAN_ZERO, Included(1.0), "more than 0, at most 1",
        |spec| spec.train.learning_rate.into()),
    limit("train.step_every", Included(1.0), Unbounded, "1 or more",
        |spec| spec.train.step_every.into()),
    limit("train.step_factor", MORE_THAN_ZERO, Included(1.0), "more than 0, at most 1",
        |spec| spec.train.step_factor.into()),
    limit("train.clip_norm", ZERO, FINITE, "a positive number, or 0 (off)",
        |spec| spec.train.clip_norm.into()),
    limit("train.weight_decay", ZERO, FINITE, "a positive number, or 0 (off)",
        |spec| spec.train.weight_decay.into()),
    limit("train.batch_size", Included(1.0), Unbounded, "1 or more",
        |spec| spec.train.batch_size.into()),
    limit("train.accumulate", Included(1.0), Unbounded, "1 or more",
        |spec| spec.train.accumulate.into()),
    limit("train.epochs", Included(1.0), Unbounded, "1 or more",
        |spec| spec.train.epochs.into()),
    limit("train.ema_decay", ZERO, LESS_THAN_ONE, "0 (off), or less than 1, for example 0.999",
        |spec| spec.train.ema_decay.into()),
    limit("train.checkpoint_minutes", ZERO, Included(1e6),
        "minutes, or 0 (at the end of each epoch only)",
        |spec| spec.train.checkpoint_minutes.into()),
    limit("train.head_rate_factor", MORE_THAN_ZERO, Included(1e4), "more than 0, at most 10000",
        |spec| spec.train.head_rate_factor.into()),
    limit("train.augment.rotate_degrees", ZERO, Included(180.0), "0 (off) to 180 degrees",
        |spec| spec.train.augment.rotate_degrees.into()),
    limit("train.augment.scale", ZERO, Included(1.0),
        "0 (off) to 1; 0.1 is up to 10 % larger or smaller",
        |spec| spec.train.augment.scale.into()),
    limit("train.augment.shift_hu", ZERO, Included(1000.0), "0 (off) to 1000 Hounsfield units",
        |spec| spec.train.augment.shift_hu.into()),
    limit("train.augment.noise_hu", ZERO, Included(1000.0), "0 (off) to 1000 Hounsfield units",
        |spec| spec.train.augment.noise_hu.into()),
    limit("evaluate.threshold", MORE_THAN_ZERO, LESS_THAN_ONE, "more than 0 and less than 1",
        |spec| spec.evaluate.threshold.into()),
    limit("evaluate.prevalence", MORE_THAN_ZERO, LESS_THAN_ONE, "more than 0 and less than 1",
        |spec| spec.evaluate.prevalence.into()),
    limit("runtime.workers", ZERO, Included(64.0), "0 to 64 threads",
        |spec| spec.runtime.workers.into()),
    limit("slurm.warning_seconds", Included(1.0), Included(65_535.0), "1 to 65535 seconds",
        |spec| spec.slurm.warning_seconds.into()),
    limit("slurm.shards", ZERO, Included(10_000.0), "at most 10000",
        |spec| spec.slurm.shards.into()),
];

impl Checks {
    /// Checks the numbers that have limits of their own.
    pub(super) fn limits(&mut self, document: &Document) {
        for limit in LIMITS {
            let numbers = (limit.numbers)(document);
            let valid = numbers.values.iter().all(|value| limit.allowed.contains(*value));
            self.need(valid, limit.key, format_args!("{}", numbers.shown), limit.expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_or_excluded_and_nan_is_never_allowed() {
        let fraction = Allowed::Between(MORE_THAN_ZERO, Included(1.0));
        assert_eq!([0.0, 0.5, 1.0, 1.1].map(|v| fraction.contains(v)), [false, true, true, false]);
        let folds = Allowed::ZeroOr(Included(2.0), Included(100.0));
        assert_eq!([0.0, 1.0, 2.0, 101.0].map(|v| folds.contains(v)), [true, false, true, false]);
        let channels = Allowed::OneOf(&[1.0, 3.0]);
        assert_eq!([1.0, 2.0, 3.0].map(|v| channels.contains(v)), [true, false, true]);
        let positive = Allowed::Between(MORE_THAN_ZERO, Unbounded);
        let finite = Allowed::Between(MORE_THAN_ZERO, FINITE);
        assert!(positive.contains(f64::INFINITY) && !finite.contains(f64::INFINITY));
        for allowed in [fraction, folds, channels, positive, finite] {
            assert!(!allowed.contains(f64::NAN), "{allowed:?}");
        }
    }

    #[test]
    fn every_key_has_one_row() {
        let mut keys: Vec<&str> = LIMITS.iter().map(|limit| limit.key).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
