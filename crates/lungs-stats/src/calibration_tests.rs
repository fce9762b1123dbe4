//! Calibration against R: `glm(y ~ z, binomial)` and `glm(y ~ 1, binomial, offset = z)`.

use super::super::grouping::MIN_EXAMS_IN_GROUP;
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
    let (slope, intercept) = recalibration(&Z, &labels(), None, 0.95).unwrap();
    assert_close(slope.value.unwrap(), 0.513959824120, 1e-9);
    assert_close(intercept.value.unwrap(), -0.535837894132, 1e-9);
    // (glm's standard errors are those of the last step but one)
    assert_close(standard_error(&slope), 0.0985936158567, 1e-5);
    assert_close(standard_error(&intercept), 0.1609364154624, 1e-5);
    let large = calibration_in_the_large(&Z, &labels(), None, 0.95).unwrap();
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
fn recalibration_of_recalibrated_scores_changes_nothing() {
    let (slope, intercept) = recalibration(&Z, &labels(), None, 0.95).unwrap();
    let (a, b) = (intercept.value.unwrap(), slope.value.unwrap());
    let mapped: Vec<f64> = Z.iter().map(|z| a + b * z).collect();
    let (slope, intercept) = recalibration(&mapped, &labels(), None, 0.95).unwrap();
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
    let (slope, intercept) = recalibration(&logits, &labels, None, 0.95).unwrap();
    let (a, b) = (intercept.value.unwrap(), slope.value.unwrap());
    let residual: f64 = logits
        .iter()
        .zip(&labels)
        .map(|(z, &label)| f64::from(u8::from(label)) - sigmoid(a + b * z))
        .sum();
    assert!(residual.abs() < 1e-6, "the score equation holds at the optimum: {residual}");
    assert!(
        calibration_in_the_large(&logits, &labels, None, 0.95).unwrap().value.unwrap().is_finite()
    );
}

#[test]
fn a_missing_estimate_has_a_reason() {
    let reason = |z: &[f64], y: &[bool]| recalibration(z, y, None, 0.95).unwrap_err();
    assert!(reason(&[-1.0, 1.0], &[false, true]).contains("perfectly"));
    assert!(reason(&[-1.0, 1.0], &[true, false]).contains("perfectly"));
    // Overlap only in a tie: still no finite slope.
    assert!(reason(&[-1.0, 0.0, 0.0, 1.0], &[false, false, true, true]).contains("perfectly"));
    assert!(reason(&[2.0, 2.0], &[false, true]).contains("equal"));
    assert!(reason(&[1.0, 2.0], &[true, true]).contains("one class"));
    assert!(reason(&[], &[]).contains("one class"));
}

#[test]
fn bins_contain_their_lower_edge_and_the_last_bin_contains_one() {
    let bins = reliability_bins(&[0.0, 0.1, 1.0], &[false, true, true], 10, 0.95);
    assert_eq!(
        bins.iter().map(|b| b.observed.total).collect::<Vec<_>>(),
        [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(bins[4].mean_probability, None);
    assert_eq!(bins[4].observed.reason.as_deref(), Some("there are no exams in this bin"));
    assert_eq!(expected_calibration_error(&bins), Some(0.3));
}

#[test]
fn bins_of_equal_count_have_twenty_of_two_hundred_exams_and_small_bins_merge() {
    let bins = equal_count_bins(&probabilities(), &labels(), 10, 0.95);
    // Ties move a bin's end by an exam or two.
    assert!(bins.len() == 10 && bins.iter().all(|bin| bin.observed.total.abs_diff(20) <= 2));
    assert_eq!(bins.iter().map(|bin| bin.observed.total).sum::<usize>(), 200);
    assert_eq!(bins.iter().map(|bin| bin.observed.successes).sum::<usize>(), 79);
    assert!(bins.windows(2).all(|pair| pair[0].high < pair[1].low));
    assert!(bins.iter().all(|bin| bin.observed.interval.is_some()));
    // 25 exams cannot fill ten bins of ten; 7 exams are one bin; equal probabilities are one bin.
    let few = equal_count_bins(&probabilities()[..25], &labels()[..25], 10, 0.95);
    assert!(few.len() == 2 && few.iter().all(|bin| bin.observed.total >= 10));
    assert_eq!(equal_count_bins(&probabilities()[..7], &labels()[..7], 10, 0.95).len(), 1);
    assert_eq!(equal_count_bins(&[0.3; 40], &labels()[..40], 10, 0.95).len(), 1);
    assert!(equal_count_bins(&[], &[], 10, 0.95).is_empty());
}

proptest::proptest! {
    #[test]
    fn bins_of_equal_count_split_no_ties_and_lose_no_exam(
        (scores, labels) in super::super::testing::labelled_scores(), count in 1usize..12
    ) {
        let probabilities: Vec<f64> = scores.iter().map(|&z| sigmoid(z)).collect();
        let bins = equal_count_bins(&probabilities, &labels, count, 0.95);
        let total: usize = bins.iter().map(|bin| bin.observed.total).sum();
        proptest::prop_assert_eq!(total, labels.len());
        proptest::prop_assert!(bins.len() <= count);
        proptest::prop_assert!(bins.windows(2).all(|pair| pair[0].high < pair[1].low));
        let has_min_exams = |bin: &ReliabilityBin| bin.observed.total >= MIN_EXAMS_IN_GROUP.min(labels.len());
        proptest::prop_assert!(bins.iter().all(has_min_exams));
    }
}
