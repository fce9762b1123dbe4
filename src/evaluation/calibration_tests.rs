//! Calibration against R: `glm(y ~ z, binomial)` and `glm(y ~ 1, binomial, offset = z)`.

use super::super::testing::normal_draws;
use super::*;

#[rustfmt::skip]
#[allow(clippy::approx_constant)] // draws that happen to look like 1/π
const Z: [f64; 200] = [
    -1.253, 0.367, -1.671, 3.191, 0.659, -1.641, 0.975, 1.477, 1.152, -0.611, 3.024, 0.78, -1.242,
    -4.429, 2.25, -0.09, -0.032, 1.888, 1.642, 1.188, 1.838, 1.564, 0.149, -3.979, 1.24, -0.112,
    -0.312, -2.942, -0.956, 0.836, 2.717, -0.206, 0.775, -0.108, -2.754, -0.83, -0.789, -0.119,
    2.2, 1.526, -0.329, -0.507, 1.394, 1.113, -1.378, -1.415, 0.729, 1.537, -0.225, 1.762, 0.796,
    -1.224, 0.682, -2.259, 2.866, 3.961, -0.734, -2.088, 1.139, -0.27, 4.803, -0.078, 1.379,
    0.056, -1.487, 0.378, -3.61, 2.931, 0.307, 4.345, 0.951, -1.42, 1.221, -1.868, -2.507, 0.583,
    -0.887, 0.002, 0.149, -1.179, -1.137, -0.27, 2.356, -3.047, 1.188, 0.666, 2.126, -0.608, 0.74,
    0.534, -1.085, 2.416, 2.321, 1.4, 3.174, 1.117, -2.553, -1.147, -2.449, -0.947, -1.241, 0.084,
    -1.822, 0.316, -1.309, 3.535, 1.433, 1.82, 0.768, 3.364, -1.271, -0.923, 2.865, -1.301,
    -0.415, -0.786, -0.64, -0.558, 0.988, -0.355, -1.012, 2.686, -0.429, -0.359, -0.2, 1.425,
    -0.147, -0.075, -1.363, -0.649, 0.12, -1.178, 1.063, -3.037, 0.613, -3.073, -0.602, -1.057,
    -1.304, -0.114, -3.829, 2.353, -3.33, -0.927, -2.232, -1.502, 4.174, 0.035, -2.573, -3.281,
    0.9, -0.037, -0.636, -1.859, -2.975, -2.15, 2.0, -1.243, -2.769, 3.739, 0.85, -0.477, 2.117,
    1.773, -1.238, 4.412, -0.51, -2.849, -0.289, 0.415, 4.616, 0.212, 0.914, -0.154, -0.668,
    -0.069, 1.575, 4.15, 2.055, 2.416, -2.463, 1.968, 0.44, -2.935, 1.042, -0.318, 2.929, -1.532,
    -0.86, -1.852, -0.354, 0.804, -1.463, 1.661, -2.416, -2.096, 2.882, -2.032, 0.824, -0.762,
];
#[rustfmt::skip]
const Y: [u8; 200] = [
    0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0,
    0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0,
    1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1,
    1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0,
    0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
    0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0,
    1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0,
];

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
