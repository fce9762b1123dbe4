//! Standardised differences of a column between two groups: how unlike two cohorts are, in units of the column's
//! spread, whatever their sizes.
//!
//! Continuous and binary columns: Austin (Statistics in Medicine 2009, 28:3083–3107), the difference of the means or
//! shares divided by the root of the mean of both variances. Categorical columns: Yang & Dalton (SAS Global Forum
//! 2012, paper 335), `√(dᵀ S⁻¹ d)` with the differences `d` of the shares of all levels but one and the mean `S` of
//! both multinomial covariances; with two levels it is the absolute difference of a binary column. The
//! interval is `d ± z·√((n₁ + n₂) / (n₁n₂) + d² / (2(n₁ + n₂)))` (Hedges & Olkin 1985), for a categorical column at
//! least 0.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::interval::{Estimate, Interval, Method};
use super::normal::critical_value;

/// Kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Numbers.
    Continuous,
    /// Two levels.
    Binary,
    /// Any number of levels without an order.
    Categorical,
}

/// The standardised difference of one column between two groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardisedDifference {
    /// Kind of the column.
    pub kind: ColumnKind,
    /// The first group minus the second, in standard deviations; of a categorical column without a sign.
    pub difference: Estimate,
    /// Numbers of known values in the groups.
    pub known: [usize; 2],
    /// Numbers of missing values in the groups.
    pub missing: [usize; 2],
}

/// The standardised difference of the means of a continuous column, `(x̄₁ − x̄₂) / √((s₁² + s₂²) / 2)` with sample
/// variances. Values are missing where they are `None` or not finite.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn continuous_difference(groups: [&[Option<f64>]; 2], level: f64) -> StandardisedDifference {
    let known = groups.map(|values| -> Vec<f64> {
        values.iter().flatten().copied().filter(|value| value.is_finite()).collect()
    });
    // Scaled to at most 1, so that no square overflows.
    let largest = known.iter().flatten().fold(f64::MIN_POSITIVE, |max, value| max.max(value.abs()));
    let moments = known.each_ref().map(|values| {
        let n = values.len() as f64;
        let mean = values.iter().map(|value| value / largest).sum::<f64>() / n;
        let squares = values.iter().map(|value| (value / largest - mean).powi(2)).sum::<f64>();
        (mean, squares / (n - 1.0))
    });
    let counts = known.each_ref().map(Vec::len);
    let difference = if counts.iter().any(|&count| count < 2) {
        Estimate::undefined("a group has fewer than two known values")
    } else {
        let [(mean_a, variance_a), (mean_b, variance_b)] = moments;
        standardised(mean_a - mean_b, 0.5 * (variance_a + variance_b), counts, level)
    };
    StandardisedDifference::new(ColumnKind::Continuous, difference, counts, groups.map(<[_]>::len))
}

/// The standardised difference of the shares of a binary column,
/// `(p₁ − p₂) / √((p₁(1 − p₁) + p₂(1 − p₂)) / 2)`.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn binary_difference(groups: [&[Option<bool>]; 2], level: f64) -> StandardisedDifference {
    let known = groups.map(|values| values.iter().flatten().count());
    let shares = groups.map(|values| {
        let count = values.iter().flatten().filter(|&&value| value).count();
        count as f64 / values.iter().flatten().count() as f64
    });
    let difference = if known.contains(&0) {
        Estimate::undefined("a group has no known value")
    } else {
        let variance = shares.map(|share| share * (1.0 - share));
        standardised(shares[0] - shares[1], 0.5 * (variance[0] + variance[1]), known, level)
    };
    StandardisedDifference::new(ColumnKind::Binary, difference, known, groups.map(<[_]>::len))
}

/// The standardised difference of a categorical column; the levels are those of the known values.
///
/// # Panics
/// When `level` is not between 0 and 1.
pub fn categorical_difference<T: Ord>(
    groups: [&[Option<T>]; 2],
    level: f64,
) -> StandardisedDifference {
    let known = groups.map(|values| values.iter().flatten().count());
    let levels: BTreeSet<&T> = groups.iter().flat_map(|values| values.iter().flatten()).collect();
    let levels: Vec<&T> = levels.into_iter().collect();
    let difference = if known.contains(&0) {
        Estimate::undefined("a group has no known value")
    } else {
        let shares = groups.map(|values| -> Vec<f64> {
            let mut counts = vec![0usize; levels.len()];
            for value in values.iter().flatten() {
                counts[levels.partition_point(|&level| level < value)] += 1;
            }
            let total: usize = counts.iter().sum();
            counts.into_iter().map(|count| count as f64 / total as f64).collect()
        });
        match mahalanobis(&shares) {
            Some(distance) => {
                let mut estimate = with_interval(distance, known, level);
                if let Some(interval) = &mut estimate.interval {
                    interval.low = interval.low.max(0.0);
                }
                estimate
            }
            None => Estimate::undefined("the groups have no level in common"),
        }
    };
    StandardisedDifference::new(ColumnKind::Categorical, difference, known, groups.map(<[_]>::len))
}

impl StandardisedDifference {
    fn new(kind: ColumnKind, difference: Estimate, known: [usize; 2], totals: [usize; 2]) -> Self {
        let missing = [totals[0] - known[0], totals[1] - known[1]];
        Self { kind, difference, known, missing }
    }
}

fn standardised(difference: f64, variance: f64, counts: [usize; 2], level: f64) -> Estimate {
    if variance > 0.0 {
        with_interval(difference / variance.sqrt(), counts, level)
    } else if difference == 0.0 {
        let reason = Some("no interval: the values of both groups are all equal".to_owned());
        Estimate { reason, ..Estimate::plain(0.0) }
    } else {
        Estimate::undefined("the values of each group are all equal, so the difference has no unit")
    }
}

fn with_interval(d: f64, counts: [usize; 2], level: f64) -> Estimate {
    let [a, b] = counts.map(|count| count as f64);
    let spread = critical_value(level) * ((a + b) / (a * b) + d * d / (2.0 * (a + b))).sqrt();
    let interval = Interval { low: d - spread, high: d + spread, level, method: Method::Wald };
    Estimate::with_interval(d, interval)
}

/// `√(dᵀ S⁻¹ d)` over all levels but the last; `None` where the distance is infinite.
///
/// The levels that only one group has make the mean covariance no smaller, but groups without a common level
/// have a singular one: then, and only then, the distance is infinite.
fn mahalanobis(shares: &[Vec<f64>; 2]) -> Option<f64> {
    let [a, b] = shares;
    let levels = a.len() - 1;
    let covariance = |i: usize, j: usize| {
        let of = |p: &[f64]| if i == j { p[i] * (1.0 - p[i]) } else { -p[i] * p[j] };
        0.5 * (of(a) + of(b))
    };
    let mut matrix: Vec<Vec<f64>> =
        (0..levels).map(|i| (0..levels).map(|j| covariance(i, j)).collect()).collect();
    let difference: Vec<f64> = (0..levels).map(|i| a[i] - b[i]).collect();
    // Elimination on a positive definite matrix: dᵀ S⁻¹ d is the sum over pivots of (reduced d)² / pivot.
    let mut reduced = difference;
    let mut square = 0.0;
    for pivot in 0..levels {
        let diagonal = matrix[pivot][pivot];
        if diagonal <= 1e-12 {
            return None;
        }
        square += reduced[pivot] * reduced[pivot] / diagonal;
        for row in pivot + 1..levels {
            let factor = matrix[row][pivot] / diagonal;
            for column in pivot..levels {
                matrix[row][column] -= factor * matrix[pivot][column];
            }
            reduced[row] -= factor * reduced[pivot];
        }
    }
    Some(square.sqrt())
}

#[cfg(test)]
#[path = "standardised_tests.rs"]
mod tests;
