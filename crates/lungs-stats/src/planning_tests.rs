//! Sample sizes against pmvalsampsize 0.2.1 (the authors' program for Riley et al. 2021), against SciPy 1.17, and
//! against simulated studies.

use super::super::testing::normal_draws;
use super::super::{paired_aucs, wilson};
use super::*;

/// Quantiles of a normal distribution: its mean over these is its integral.
fn normal_logits(mean: f64, deviation: f64) -> Vec<f64> {
    let quantile = |i: usize| super::super::normal::quantile((i as f64 + 0.5) / 20_000.0);
    (0..20_000).map(|i| mean + deviation * quantile(i)).collect()
}

#[test]
fn validation_sizes_equal_pmvalsampsize() {
    // pmvalsampsize(type="b", prevalence=.018, cstatistic=.8, lpnormal=(-5, 2.5), oeciwidth=1): 905, 4529, 4252; its
    // O/E stops at a standard error with four digits, its slope is simulated.
    let ratio = exams_for_observed_expected_width(0.018, 1.0, 0.95).unwrap();
    assert!(ratio.abs_diff(905) <= 1, "{ratio}");
    assert_eq!(exams_for_auc_width(0.8, 0.018, 0.1, 0.95).unwrap(), 4252);
    let slope = exams_for_slope_width(&normal_logits(-5.0, 2.5), 0.2, 0.95).unwrap();
    assert!((slope as f64 / 4529.0 - 1.0).abs() < 0.015, "{slope}");
    // The same with prevalence=.43, lpnormal=(-.5, 1.2), oeciwidth=.4, csciwidth=.1: 129, 9041, 308.
    let ratio = exams_for_observed_expected_width(0.43, 0.4, 0.95).unwrap();
    assert!(ratio.abs_diff(129) <= 1, "{ratio}");
    assert_eq!(exams_for_auc_width(0.8, 0.43, 0.1, 0.95).unwrap(), 308);
    let slope = exams_for_slope_width(&normal_logits(-0.5, 1.2), 0.1, 0.95).unwrap();
    assert!((slope as f64 / 9041.0 - 1.0).abs() < 0.015, "{slope}");
}

#[test]
fn sizes_equal_scipy() {
    // The formulas with scipy.integrate.quad and optimize.brentq: SE of 0.051 and 0.1 of the slope, a width of 0.4.
    let width = |error: f64| 2.0 * 1.959963984540054 * error;
    let slope = exams_for_slope_width(&normal_logits(-5.0, 2.5), width(0.051), 0.95).unwrap();
    assert!(slope.abs_diff(4558) <= 5, "{slope}");
    let slope = exams_for_slope_width(&normal_logits(-0.5, 1.2), width(0.1), 0.95).unwrap();
    assert!(slope.abs_diff(588) <= 1, "{slope}");
    let slope = exams_for_slope_width(&[-3.0, -2.0, -1.0, 0.0, 1.5], width(0.15), 0.95).unwrap();
    assert_eq!(slope, 182);
    assert_eq!(exams_for_observed_expected_width(0.013, 0.4, 0.95).unwrap(), 7388);
    for (auc, prevalence, error, exams) in
        [(0.8, 0.43, 0.0255, 309), (0.8, 0.018, 0.0255, 4255), (0.75, 0.013, 0.02, 11483)]
    {
        assert_eq!(exams_for_auc_width(auc, prevalence, width(error), 0.95).unwrap(), exams);
    }
    // statsmodels 0.15.0: the smallest n with proportion_confint(p * n, n, method="wilson") this narrow.
    for (p, width, exams) in
        [(0.9, 0.1, 141), (0.8, 0.2, 60), (0.95, 0.02, 1838), (1.0, 0.1, 35), (0.5, 0.05, 1533)]
    {
        assert_eq!(exams_for_share_width(p, width, 0.95).unwrap(), exams, "{p} {width}");
    }
    let interval = wilson(30, 60, 0.95).unwrap();
    let width = interval.high - interval.low;
    assert!(exams_for_share_width(0.5, width + 1e-9, 0.95).unwrap() == 60);
}

#[test]
fn power_equals_scipy_and_its_inverse() {
    // scipy.stats.norm: cdf(d / se - z) + cdf(-d / se - z)
    for (aucs, correlation, positives, negatives, power) in [
        ([0.85, 0.8], 0.5, 100.0, 300.0, 0.5438178424961855),
        ([0.9, 0.85], 0.3, 87.0, 6629.0, 0.5937129240381358),
        ([0.8, 0.75], 0.6, 200.0, 200.0, 0.6686783411681937),
    ] {
        let plan = PairedAucPlan { aucs, correlation };
        let found = paired_auc_power(plan, positives, negatives, 0.95).unwrap();
        assert!((found - power).abs() < 1e-10, "{found} {power}");
        let prevalence = positives / (positives + negatives);
        let exams = exams_for_paired_auc_power(plan, prevalence, power, 0.95).unwrap();
        assert!((exams as f64 - positives - negatives).abs() <= 1.0, "{exams}");
    }
}

/// Scores of two models, half of the exams positive: exponential in both classes, the model of Hanley & McNeil's
/// variance, and correlated by 0.5 before that transformation.
fn study(number: u64, exams: usize) -> ([Vec<f64>; 2], Vec<bool>) {
    let noise = normal_draws(number, "planning", 3 * exams);
    let labels: Vec<bool> = (0..exams).map(|exam| exam % 2 == 0).collect();
    // The AUC is the positive exams' scale over the sum of the scales.
    let scores = [(0, 0.85), (1, 0.78)].map(|(model, auc): (usize, f64)| {
        let score = |exam: usize| {
            let normal = 0.5f64.sqrt() * (noise[exam] + noise[(1 + model) * exams + exam]);
            -cdf(-normal).ln() * if labels[exam] { auc / (1.0 - auc) } else { 1.0 }
        };
        (0..exams).map(score).collect()
    });
    (scores, labels)
}

#[test]
fn simulated_studies_have_the_planned_power_and_width() {
    let ([a, b], labels) = study(1000, 10_000);
    let correlation = auc_correlation([&a, &b], &labels, None).unwrap();
    assert!(correlation > 0.35 && correlation < 0.55, "{correlation}");
    let plan = PairedAucPlan { aucs: [0.85, 0.78], correlation };
    let planned = paired_auc_power(plan, 120.0, 120.0, 0.95).unwrap();
    let planned_error = auc_standard_error(0.78, 120.0, 120.0).unwrap();
    let (mut rejected, mut sums) = (0, [0.0; 2]);
    for number in 0..400 {
        let ([a, b], labels) = study(number, 240);
        let paired = paired_aucs([&a, &b], &labels, None, 0.95, 37).unwrap();
        rejected += u32::from(paired.p_value.unwrap() < 0.05);
        sums = [sums[0] + paired.auc_b, sums[1] + paired.auc_b * paired.auc_b];
    }
    let power = f64::from(rejected) / 400.0;
    // Three standard errors are 0.07; those of the standard error are 0.11 of it.
    assert!(planned > 0.4 && planned < 0.9, "{planned}");
    assert!((power - planned).abs() < 0.08, "{power} {planned}");
    let [mean, square] = sums.map(|sum| sum / 400.0);
    let error = (square - mean * mean).sqrt();
    assert!((error / planned_error - 1.0).abs() < 0.11, "{error} {planned_error}");
}

#[test]
fn impossible_aims_have_errors_that_name_the_number() {
    let text = |error: PlanningError| error.to_string();
    let error = text(exams_for_auc_width(1.2, 0.1, 0.1, 0.95).unwrap_err());
    assert_eq!(error, "the AUC is 1.2, expected a number greater than 0 and less than 1");
    let error = text(exams_for_share_width(0.9, 0.0, 0.95).unwrap_err());
    assert_eq!(error, "the width is 0, expected a number greater than 0");
    let error = text(exams_for_auc_width(0.8, f64::NAN, 0.1, 0.95).unwrap_err());
    assert!(error.starts_with("the prevalence is NaN"), "{error}");
    let equal = PairedAucPlan { aucs: [0.8, 0.8], correlation: 0.5 };
    let error = text(exams_for_paired_auc_power(equal, 0.3, 0.8, 0.95).unwrap_err());
    assert!(error.starts_with("no number of exams reaches the power"), "{error}");
    assert_eq!(exams_for_slope_width(&[1.0; 9], 0.2, 0.95), Err(PlanningError::EqualLogits));
    assert_eq!(exams_for_slope_width(&[f64::NAN, 1.0], 0.2, 0.95), Err(PlanningError::EqualLogits));
    assert!(paired_auc_power(equal, 0.0, 10.0, 0.95).is_err());
    let one = PairedAucPlan { aucs: [0.9, 0.8], correlation: 1.0 };
    assert!(text(paired_auc_power(one, 50.0, 50.0, 0.95).unwrap_err()).contains("correlation"));
}
