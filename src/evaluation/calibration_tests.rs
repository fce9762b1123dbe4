//! Calibration against R: `glm(y ~ z, binomial)` and `glm(y ~ 1, binomial, offset = z)`.

use super::super::testing::{Y, Z, normal_draws};
use super::*;

fn labels() -> Vec<bool> {
    Y.iter().map(|&y| y == 1).collect()
}

fn probabilities() -> Vec<f64> {
    Z.iter().map(|&z| sigmoid(z)).collect()
}

fn standard_error(estimate: &Estimate) -> f64 {
    let interval = estimate.interval.unwrap();
    (interval.high - interval.low) / 2.0 / 1.959963984540
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "found {found}, expected {expected}");
}

#[test]
fn recalibration_agrees_with_r() {
    let (slope, intercept) = recalibration(&Z, &labels(), 0.95).unwrap();
    assert_close(slope.value.unwrap(), 0.513959824120, 1e-9);
    assert_close(intercept.value.unwrap(), -0.535837894132, 1e-9);
    // (glm's standard errors are those of the last step but one)
    assert_close(standard_error(&slope), 0.0985936158567, 1e-5);
    assert_close(standard_error(&intercept), 0.1609364154624, 1e-5);
    let large = calibration_in_the_large(&Z, &labels(), 0.95).unwrap();
    assert_close(large.value.unwrap(), -0.702274956101, 1e-9);
    assert_close(standard_error(&large), 0.182365478306, 1e-5);
}

#[test]
fn brier_and_expected_calibration_error_agree_with_r() {
    assert_close(brier(&probabilities(), &labels()).unwrap(), 0.223297317026, 1e-11);
    let bins = reliability_bins(&probabilities(), &labels(), 10, 0.95);
    assert_close(expected_calibration_error(&bins).unwrap(), 0.141760327782, 1e-11);
    let loss = super::super::mean_cross_entropy(&Z, &labels()).unwrap();
    assert_close(loss, 0.670572378267, 1e-11);
}

#[test]
fn recalibrating_the_recalibrated_changes_nothing() {
    let (slope, intercept) = recalibration(&Z, &labels(), 0.95).unwrap();
    let (a, b) = (intercept.value.unwrap(), slope.value.unwrap());
    let mapped: Vec<f64> = Z.iter().map(|z| a + b * z).collect();
    let (slope, intercept) = recalibration(&mapped, &labels(), 0.95).unwrap();
    assert_close(slope.value.unwrap(), 1.0, 1e-9);
    assert_close(intercept.value.unwrap(), 0.0, 1e-9);
}

#[test]
fn scores_far_from_the_origin_still_fit() {
    // Huge logits of an overconfident network: ill-conditioned unless centred and scaled.
    let noise = normal_draws(3, "far", 400);
    let labels: Vec<bool> = noise.iter().map(|z| z > &0.3).collect();
    let other = normal_draws(4, "far", 400);
    let logits: Vec<f64> =
        noise.iter().zip(&other).map(|(a, b)| 5000.0 + 800.0 * (a + b)).collect();
    let (slope, intercept) = recalibration(&logits, &labels, 0.95).unwrap();
    let (a, b) = (intercept.value.unwrap(), slope.value.unwrap());
    let residual: f64 = logits
        .iter()
        .zip(&labels)
        .map(|(z, &label)| f64::from(u8::from(label)) - sigmoid(a + b * z))
        .sum();
    assert!(residual.abs() < 1e-6, "the score equation holds at the optimum: {residual}");
    assert!(calibration_in_the_large(&logits, &labels, 0.95).unwrap().value.unwrap().is_finite());
}

#[test]
fn no_finite_estimate_is_refused_with_the_reason() {
    let no = |z: &[f64], y: &[bool]| recalibration(z, y, 0.95).unwrap_err();
    assert!(no(&[-1.0, 1.0], &[false, true]).contains("perfectly"));
    assert!(no(&[-1.0, 1.0], &[true, false]).contains("perfectly"));
    // Overlap only in a tie: still no finite slope.
    assert!(no(&[-1.0, 0.0, 0.0, 1.0], &[false, false, true, true]).contains("perfectly"));
    assert!(no(&[2.0, 2.0], &[false, true]).contains("equal"));
    assert!(no(&[1.0, 2.0], &[true, true]).contains("one class"));
    assert!(no(&[], &[]).contains("one class"));
}

#[test]
fn bins_hold_their_edges() {
    let bins = reliability_bins(&[0.0, 0.1, 1.0], &[false, true, true], 10, 0.95);
    assert_eq!(
        bins.iter().map(|b| b.observed.total).collect::<Vec<_>>(),
        [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(bins[4].mean_probability, None);
    assert_eq!(bins[4].observed.reason.as_deref(), Some("there are no exams in this bin"));
    assert_eq!(expected_calibration_error(&bins), Some(0.3));
}
