//! Scores that strain floating-point numbers: neighbours one ulp apart, the largest and the smallest numbers. Ranks
//! are exact, and the order of the exams changes nothing.

use super::testing::{Y, Z, normal_draws};
use super::*;
use proptest::prelude::*;

/// Scores that are equal or differ by ulps, and the ends of the range of numbers.
fn hard_score() -> impl Strategy<Value = f64> {
    let near = |centre: f64| {
        (-2i32..3).prop_map(move |ulps| {
            let step = |z: f64| if ulps < 0 { z.next_down() } else { z.next_up() };
            (0..ulps.unsigned_abs()).fold(centre, |z, _| step(z))
        })
    };
    prop_oneof![
        near(1.0),
        near(-0.1),
        near(0.0),
        near(1e300),
        Just(f64::MAX),
        Just(f64::MAX.next_down()),
        Just(f64::MIN),
        Just(f64::MIN_POSITIVE),
        Just(-0.0),
        -3.0..3.0f64,
    ]
}

fn hard_exams() -> impl Strategy<Value = Vec<(f64, f64, bool, usize)>> {
    prop::collection::vec((hard_score(), hard_score(), any::<bool>(), 0usize..12), 2..50)
        .prop_filter("both classes", |exams| {
            exams.iter().any(|exam| exam.2) && exams.iter().any(|exam| !exam.2)
        })
}

/// The AUC by its definition over pairs, in halves of a pair.
fn pairs_won(scores: &[f64], labels: &[bool]) -> (u64, u64) {
    let of_class = |class: bool| {
        scores.iter().zip(labels).filter(move |(_, label)| **label == class).map(|(z, _)| *z)
    };
    let won = of_class(true)
        .flat_map(|positive| of_class(false).map(move |negative| (positive, negative)))
        .map(|(p, n)| 2 * u64::from(p > n) + u64::from(p == n));
    let total = 2 * (of_class(true).count() * of_class(false).count()) as u64;
    (won.sum(), total)
}

fn scored(exams: &[(f64, f64, bool, usize)]) -> Vec<ScoredExam> {
    let exam =
        |(index, &(logit, _, label, patient)): (usize, &(f64, f64, bool, usize))| ScoredExam {
            patient_id: format!("{patient:02}"),
            exam_id: index.to_string(),
            label,
            logit,
            probability: logit::sigmoid(logit),
        };
    exams.iter().enumerate().map(exam).collect()
}

/// All numbers of a tree, in order.
fn numbers(value: &serde_json::Value, found: &mut Vec<f64>) {
    match value {
        serde_json::Value::Number(number) => found.extend(number.as_f64()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| numbers(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| numbers(item, found)),
        _ => {}
    }
}

fn assert_close(a: &serde_json::Value, b: &serde_json::Value) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    numbers(a, &mut first);
    numbers(b, &mut second);
    assert_eq!(first.len(), second.len(), "{a} {b}");
    for (x, y) in first.iter().zip(&second) {
        assert!((x - y).abs() <= 1e-9 * (1.0 + x.abs()), "{x} {y}: {a} {b}");
    }
}

#[test]
fn the_order_of_exams_changes_no_metric_of_usual_scores() {
    let exams: Vec<(f64, f64, bool, usize)> =
        (0..200).map(|exam| (Z[exam], 0.0, Y[exam] == 1, exam / 2)).collect();
    let mut turned = exams.clone();
    turned.rotate_left(77);
    turned.reverse();
    let options = Options { bootstrap_replicates: 50, ..Options::default() };
    let tree = |exams| serde_json::to_value(evaluate(&scored(exams), &options)).unwrap();
    assert_close(&tree(&exams), &tree(&turned));
}

proptest! {
    // A permutation test takes thousands of exchanges.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ranks_are_exact(exams in hard_exams()) {
        let scores: Vec<f64> = exams.iter().map(|exam| exam.0).collect();
        let labels: Vec<bool> = exams.iter().map(|exam| exam.2).collect();
        let (won, total) = pairs_won(&scores, &labels);
        let area = auc(&scores, &labels).unwrap();
        prop_assert_eq!(area, won as f64 / total as f64);
        // Only the order of the scores matters: their ranks have the same results.
        let mut distinct = scores.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        let ranks: Vec<f64> = scores.iter()
            .map(|z| distinct.iter().filter(|other| *other < z).count() as f64).collect();
        prop_assert_eq!(delong(&scores, &labels, None), delong(&ranks, &labels, None));
        prop_assert_eq!(average_precision(&scores, &labels), average_precision(&ranks, &labels));
        prop_assert_eq!(
            auc_with_interval(&scores, &labels, None, 0.95), auc_with_interval(&ranks, &labels, None, 0.95)
        );
        let shape = |points: Vec<RocPoint>| -> Vec<(f64, f64)> {
            points.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect()
        };
        prop_assert_eq!(shape(roc(&scores, &labels)), shape(roc(&ranks, &labels)));
        // Thresholds of the curve fall strictly, and the first predicts no exam positive.
        let thresholds: Vec<f64> = roc(&scores, &labels).iter().map(|point| point.threshold).collect();
        prop_assert!(thresholds.windows(2).all(|pair| pair[0] > pair[1]), "{:?}", thresholds);
        let second: Vec<f64> = exams.iter().map(|exam| exam.1).collect();
        let both = [scores.as_slice(), &second];
        let of_ranks = [ranks.as_slice(), &second];
        prop_assert_eq!(
            paired_aucs(both, &labels, None, 0.95, 37), paired_aucs(of_ranks, &labels, None, 0.95, 37)
        );
        let counts = |scores: &[f64]| -> Vec<(usize, usize)> {
            let rules = [Rule::SensitivityAtSpecificity(0.8), Rule::SpecificityAtSensitivity(0.8)];
            operating_points(scores, &labels, &rules, 0.95).iter()
                .map(|point| (point.sensitivity.successes, point.specificity.successes)).collect()
        };
        if !scores.contains(&f64::MAX) {
            prop_assert_eq!(counts(&scores), counts(&ranks));
        }
    }

    #[test]
    fn every_metric_is_finite_and_does_not_depend_on_the_order(
        exams in hard_exams(), shift in 1usize..40
    ) {
        let options = Options { bootstrap_replicates: 20, ..Options::default() };
        let (evaluation, curves) = evaluate_with_curves(&scored(&exams), &options);
        let tree = serde_json::to_value(&evaluation).unwrap();
        // A number that is not finite would be null and not come back.
        let back: Evaluation = serde_json::from_value(tree).unwrap();
        prop_assert_eq!(&back, &evaluation);
        let mut turned = exams.clone();
        turned.rotate_left(shift % exams.len());
        turned.reverse();
        let (again, curves_again) = evaluate_with_curves(&scored(&turned), &options);
        // Fits of such scores are decided by rounding; all else is equal.
        let all_but_fits = |evaluation: &Evaluation| {
            let calibration = &evaluation.calibration;
            serde_json::json!([
                evaluation.auc, evaluation.partial_auc, evaluation.average_precision,
                evaluation.cross_entropy, evaluation.accuracy, evaluation.operating_points,
                calibration.brier, calibration.expected_calibration_error,
                calibration.observed_expected, calibration.bins, calibration.equal_count_bins
            ])
        };
        assert_close(&all_but_fits(&evaluation), &all_but_fits(&again));
        prop_assert_eq!(curves.precision_recall, curves_again.precision_recall);
        // The paired test, including its random exchanges.
        let paired = |exams: &[(f64, f64, bool, usize)]| {
            let [first, second]: [Vec<f64>; 2] =
                [exams.iter().map(|exam| exam.0).collect(), exams.iter().map(|exam| exam.1).collect()];
            let labels: Vec<bool> = exams.iter().map(|exam| exam.2).collect();
            let names: Vec<String> = exams.iter().map(|exam| format!("{:02}", exam.3)).collect();
            let patients = repeated_patients(names.iter().map(String::as_str));
            [None, patients].map(|patients| {
                let both = [first.as_slice(), &second];
                paired_aucs(both, &labels, patients.as_deref(), 0.95, 37).unwrap().p_value
            })
        };
        for (a, b) in paired(&exams).into_iter().zip(paired(&turned)) {
            match (a, b) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}

#[test]
fn calibration_of_the_largest_numbers_is_right() {
    // Half of the exams at each end: P(y = 1) is 0.25 and 0.75 there, by the score equations.
    let noise = normal_draws(31, "largest", 400);
    let mut logits: Vec<f64> =
        noise.iter().map(|z| if *z < 0.0 { f64::MIN } else { f64::MAX }).collect();
    let labels: Vec<bool> = (0..400).map(|exam| (exam % 4 == 0) != (logits[exam] > 0.0)).collect();
    let (slope, _) = recalibration(&logits, &labels, None, 0.95).unwrap();
    let share = |sign: f64| {
        let at_end: Vec<bool> =
            (0..400).filter(|&exam| logits[exam] * sign > 0.0).map(|exam| labels[exam]).collect();
        at_end.iter().filter(|&&label| label).count() as f64 / at_end.len() as f64
    };
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let expected = (logit(share(1.0)) - logit(share(-1.0))) / 2.0;
    assert!((slope.value.unwrap() * f64::MAX / expected - 1.0).abs() < 1e-9);
    // Bisection over the whole range of numbers ends at the root: of two exams at 0 and two at 1e300 one is positive
    // in each, so the intercept is that of the larger numbers or of the smaller ones.
    logits = [vec![0.0; 200], vec![-1e300; 200]].concat();
    let labels: Vec<bool> = (0..400).map(|exam| exam < 50 || exam == 300).collect();
    let large = calibration_in_the_large(&logits, &labels, None, 0.95).unwrap();
    // 51 of the 200 exams at 0, because the others have a probability of 0 for any such intercept.
    assert!((large.value.unwrap() - logit(51.0 / 200.0)).abs() < 1e-9, "{large:?}");
}

#[test]
fn maps_between_the_largest_numbers_stay_within_their_ends() {
    let labels = [false, true, false, true];
    let map =
        Calibrator::isotonic(&[f64::MIN, f64::MIN, f64::MAX, f64::MAX], &labels, None).unwrap();
    assert_eq!(map.probability(0.0), 0.5);
    let map =
        Calibrator::Isotonic { logits: vec![f64::MIN, f64::MAX], probabilities: vec![0.2, 0.6] };
    assert!((map.probability(0.0) - 0.4).abs() < 1e-12);
    let smallest = f64::MIN_POSITIVE * f64::EPSILON;
    let map =
        Calibrator::Isotonic { logits: vec![0.0, 2.0 * smallest], probabilities: vec![0.2, 0.6] };
    assert!((map.probability(smallest) - 0.4).abs() < 1e-12);
}
