//! Non-inferiority against R 4.2.2 with pROC 1.18.0.

use super::super::testing::{Y, Z, normal_draws};
use super::*;

/// Scores of a second model.
fn second() -> Vec<f64> {
    Z.iter().enumerate().map(|(exam, z)| z + ((exam * 7 % 5) as f64 - 2.0) * 1.5).collect()
}

#[test]
fn bound_and_p_value_equal_those_of_r() {
    let labels = Y.map(|y| y == 1);
    // t <- roc.test(roc(Y, Zb), roc(Y, Z), paired = TRUE); d <- auc(.) - auc(.); se <- d / t$statistic;
    // c(d - qnorm(.975) * se, (d + margin) / se, pnorm(-(d + margin) / se))
    for (margin, statistic, p_value, is_non_inferior) in [
        (0.05, 0.216485382074577, 0.414304709213725, false),
        (0.1, 1.67482489387928, 0.0469842965505057, false),
        (0.15, 3.13316440568398, 0.000864662742667236, true),
    ] {
        let test = non_inferiority([&second(), &Z], &labels, None, margin, 0.95, 37).unwrap();
        assert!((test.lower_bound.unwrap() + 0.109776155975775).abs() < 1e-9, "{test:?}");
        assert!((test.statistic.unwrap() - statistic).abs() < 1e-9);
        assert!((test.p_value.unwrap() - p_value).abs() < 1e-10);
        assert_eq!(test.is_non_inferior, Some(is_non_inferior));
        // The verdicts of bound and p-value agree.
        assert_eq!(test.p_value.unwrap() < 1.0 - test.one_sided_level, is_non_inferior);
        let paired = paired_aucs([&second(), &Z], &labels, None, 0.95, 37).unwrap();
        assert_eq!(test.lower_bound, paired.interval.map(|interval| interval.low));
    }
}

#[test]
fn without_delongs_test_there_is_a_reason() {
    let labels: Vec<bool> = (0..200).map(|exam| exam < 12).collect();
    let test = non_inferiority([&second(), &Z], &labels, None, 0.1, 0.95, 37).unwrap();
    assert_eq!((test.p_value, test.lower_bound, test.is_non_inferior), (None, None, None));
    let reason = test.reason.unwrap();
    assert!(reason.contains("can only test that models are equal"), "{reason}");
    let labels = Y.map(|y| y == 1);
    let equal = non_inferiority([&Z, &Z], &labels, None, 0.1, 0.95, 37).unwrap();
    assert!(equal.reason.unwrap().contains("rank these exams equally"));
    let margin = non_inferiority([&second(), &Z], &labels, None, -0.1, 0.95, 37).unwrap();
    assert!(margin.reason.unwrap().contains("margin is -0.1"));
}

#[test]
fn a_model_worse_by_the_margin_is_rarely_called_non_inferior() {
    // Both models are normal in both classes: AUCs of 0.8413 and 0.7602, worse by 0.0811.
    let mut called = 0;
    for cohort in 0..400 {
        let noise = normal_draws(cohort, "margin", 3 * 300);
        let labels: Vec<bool> = (0..300).map(|exam| exam % 3 == 0).collect();
        let score = |exam: usize, model: usize, distance: f64| {
            let shared =
                0.6f64.sqrt() * noise[exam] + 0.4f64.sqrt() * noise[(1 + model) * 300 + exam];
            shared + if labels[exam] { distance } else { 0.0 }
        };
        let new: Vec<f64> = (0..300).map(|exam| score(exam, 0, 1.0)).collect();
        let reference: Vec<f64> = (0..300).map(|exam| score(exam, 1, 2.0f64.sqrt())).collect();
        let test = non_inferiority([&new, &reference], &labels, None, 0.0811, 0.95, 37).unwrap();
        called += usize::from(test.is_non_inferior == Some(true));
    }
    // 0.025 of 400 is 10, with a standard error of 3.
    assert!((2..=20).contains(&called), "{called}");
}
