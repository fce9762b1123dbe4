//! Standardised differences against the formulas evaluated with NumPy 2.4.

use super::super::testing::{Y, Z};
use super::*;
use proptest::prelude::*;

fn assert_estimate(estimate: &Estimate, expected: [f64; 3]) {
    let interval = estimate.interval.unwrap();
    let found = [estimate.value.unwrap(), interval.low, interval.high];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-10, "found {found}, expected {expected}");
    }
}

fn repeated<T: Copy>(counts: &[(T, usize)]) -> Vec<Option<T>> {
    counts.iter().flat_map(|&(value, count)| std::iter::repeat_n(Some(value), count)).collect()
}

#[test]
fn continuous_columns_equal_numpy_and_count_missing_values() {
    let of_class = |class: u8| -> Vec<Option<f64>> {
        Z.iter().zip(Y).filter(|(_, y)| *y == class).map(|(&z, _)| Some(z)).collect()
    };
    let (mut a, b) = (of_class(1), of_class(0));
    let expected = [0.8836805669026183, 0.5872466629079548, 1.1801144708972817];
    assert_estimate(&continuous_difference([&a, &b], 0.95).difference, expected);
    a.extend([None, Some(f64::NAN), Some(f64::INFINITY)]);
    let found = continuous_difference([&a, &b], 0.95);
    assert_estimate(&found.difference, expected);
    assert_eq!((found.known, found.missing), ([79, 121], [3, 0]));
    // Squares of these overflow.
    let scale = |values: &[Option<f64>]| -> Vec<Option<f64>> {
        values.iter().map(|value| value.map(|value| value * 1e305)).collect()
    };
    let huge = continuous_difference([&scale(&a), &scale(&b)], 0.95).difference.value.unwrap();
    assert!((huge - expected[0]).abs() < 1e-10);
}

#[test]
fn binary_and_categorical_columns_equal_numpy() {
    let a = repeated(&[(true, 12), (false, 28)]);
    let b = repeated(&[(true, 30), (false, 130)]);
    let expected = [0.26430606743567536, -0.08313670024735947, 0.6117488351187101];
    let binary = binary_difference([&a, &b], 0.95);
    assert_estimate(&binary.difference, expected);
    // A categorical column of two levels is the binary one without its sign.
    let categorical = categorical_difference([&a, &b], 0.95);
    assert_estimate(&categorical.difference, [expected[0], 0.0, expected[2]]);
    let a = repeated(&[("ex", 10), ("now", 20), ("never", 30), ("other", 5)]);
    let b = repeated(&[("ex", 40), ("now", 20), ("never", 25), ("other", 15)]);
    let expected = [0.700730202721971, 0.37943618568954385, 1.022024219754398];
    assert_estimate(&categorical_difference([&a, &b], 0.95).difference, expected);
    // Levels that one group does not have.
    let a = repeated(&[(1, 10), (3, 5)]);
    let mut b = repeated(&[(1, 4), (2, 6)]);
    b.push(None);
    let found = categorical_difference([&a, &b], 0.95);
    assert_estimate(&found.difference, [2.0, 1.026573144793157, 2.973426855206843]);
    assert_eq!((found.known, found.missing), ([15, 10], [0, 1]));
}

#[test]
fn a_missing_difference_has_a_reason() {
    let reason = |it: StandardisedDifference| it.difference.reason.unwrap();
    assert!(reason(continuous_difference([&[Some(1.0)], &[]], 0.95)).contains("fewer than two"));
    let (one, two) = ([Some(1.0); 3], [Some(2.0); 3]);
    assert!(reason(continuous_difference([&one, &two], 0.95)).contains("no unit"));
    let equal = continuous_difference([&one, &one], 0.95).difference;
    assert!(equal.value == Some(0.0) && equal.interval.is_none() && equal.reason.is_some());
    assert!(reason(binary_difference([&[None], &[Some(true)]], 0.95)).contains("no known value"));
    let none: [Option<u8>; 2] = [None; 2];
    assert!(reason(categorical_difference([&none, &[Some(1)]], 0.95)).contains("no known value"));
    let apart = categorical_difference([&[Some(1), Some(2)], &[Some(3), Some(4)]], 0.95);
    assert!(reason(apart).contains("no level in common"));
}

proptest! {
    #[test]
    fn the_sign_changes_with_the_order_and_units_do_not_matter(
        a in prop::collection::vec(-5.0..5.0f64, 3..20), b in prop::collection::vec(-5.0..5.0f64, 3..20),
        scale in 0.01..100.0f64
    ) {
        let column = |values: &[f64], scale: f64| -> Vec<Option<f64>> {
            values.iter().map(|value| Some(value * scale + 3.0 * scale)).collect()
        };
        let value = |a: &[Option<f64>], b: &[Option<f64>]| {
            continuous_difference([a, b], 0.95).difference.value.unwrap()
        };
        let plain = value(&column(&a, 1.0), &column(&b, 1.0));
        prop_assert!((plain + value(&column(&b, 1.0), &column(&a, 1.0))).abs() < 1e-9);
        prop_assert!((plain - value(&column(&a, scale), &column(&b, scale))).abs() < 1e-9);
    }

    #[test]
    fn the_names_of_levels_do_not_matter(
        a in prop::collection::vec(0usize..4, 1..30), b in prop::collection::vec(0usize..4, 1..30)
    ) {
        let with_names = |names: [&'static str; 4]| {
            let column = |values: &[usize]| -> Vec<Option<&str>> {
                values.iter().map(|&value| Some(names[value])).collect()
            };
            categorical_difference([&column(&a), &column(&b)], 0.95).difference
        };
        let (plain, renamed) = (with_names(["a", "b", "c", "d"]), with_names(["z", "b", "y", "a"]));
        match (plain.value, renamed.value) {
            (Some(plain), Some(renamed)) => prop_assert!((plain - renamed).abs() < 1e-9),
            (plain, renamed) => prop_assert_eq!(plain, renamed),
        }
    }
}
