//! The metrics of one pass against the metrics computed one by one.

use proptest::prelude::*;

use super::super::logit::sigmoid;
use super::super::testing::{labelled_scores, normal_draws};
use super::super::{
    auc, average_precision, brier, expected_calibration_error, mean_cross_entropy,
    reliability_bins, roc,
};
use super::*;

const SETTINGS: MetricSettings = MetricSettings { bins: 10, partial: (0.0, 0.1) };

fn ranked(
    logits: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
    settings: MetricSettings,
) -> RankedExams {
    let probabilities: Vec<f64> = logits.iter().map(|&z| sigmoid(z)).collect();
    let patients: Vec<usize> = (0..logits.len()).collect();
    RankedExams::new(logits, &probabilities, labels, &patients, weights, None, settings)
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

/// Sensitivity at a false positive rate, from the curve's points; the highest at a vertical step.
fn sensitivity_at(points: &[crate::RocPoint], rate: f64) -> f64 {
    let last = points.iter().rposition(|point| point.false_positive_rate <= rate + 1e-12).unwrap();
    let current = points[last];
    match points.get(last + 1) {
        Some(next) if rate > current.false_positive_rate => {
            current.true_positive_rate
                + (next.true_positive_rate - current.true_positive_rate)
                    * (rate - current.false_positive_rate)
                    / (next.false_positive_rate - current.false_positive_rate)
        }
        _ => current.true_positive_rate,
    }
}

proptest! {
    #[test]
    fn counting_every_exam_once_gives_the_unweighted_metrics((scores, labels) in labelled_scores()) {
        let probabilities: Vec<f64> = scores.iter().map(|&z| sigmoid(z)).collect();
        let metrics = ranked(&scores, &labels, None, SETTINGS).metrics(&vec![1; scores.len()]);
        prop_assert!(close(metrics.auc.unwrap(), auc(&scores, &labels).unwrap()));
        let expected = average_precision(&scores, &labels).unwrap();
        prop_assert!(close(metrics.average_precision.unwrap(), expected));
        prop_assert!(close(metrics.brier, brier(&probabilities, &labels).unwrap()));
        prop_assert!(close(metrics.cross_entropy, mean_cross_entropy(&scores, &labels).unwrap()));
        let bins = reliability_bins(&probabilities, &labels, 10, 0.95);
        let expected = expected_calibration_error(&bins).unwrap();
        prop_assert!(close(metrics.calibration_error, expected));
        let points = roc(&scores, &labels);
        for (point, height) in metrics.band.iter().enumerate() {
            prop_assert!(close(*height, sensitivity_at(&points, rate_of(point))), "{point}");
        }
        // Precision by counting, at the highest threshold that reaches the recall.
        for (point, height) in metrics.precision_band.iter().enumerate() {
            let counts = |threshold: f64| {
                let above = scores.iter().zip(&labels).filter(|(score, _)| **score >= threshold);
                above.fold((0.0, 0.0), |(positives, all), (_, label)| {
                    (positives + f64::from(u8::from(*label)), all + 1.0)
                })
            };
            let positives = labels.iter().filter(|label| **label).count() as f64;
            let reaches = |threshold: &f64| counts(*threshold).0 / positives >= recall_of(point) - 1e-12;
            let threshold = scores.iter().copied().filter(reaches).fold(f64::MIN, f64::max);
            let (true_positives, all) = counts(threshold);
            let precision = true_positives / all;
            prop_assert!(close(*height, precision), "{point}: {height} {precision}");
        }
    }

    #[test]
    fn a_weight_of_two_equals_the_exam_twice(
        (scores, labels) in labelled_scores(), twice in prop::collection::vec(any::<bool>(), 60)
    ) {
        let weights: Vec<f64> =
            twice.iter().take(scores.len()).map(|&two| if two { 2.0 } else { 1.0 }).collect();
        let weighted = ranked(&scores, &labels, Some(&weights), SETTINGS)
            .metrics(&vec![1; scores.len()]);
        let repeat = |index: usize| std::iter::repeat_n(index, weights[index] as usize);
        let repeated: Vec<usize> = (0..scores.len()).flat_map(repeat).collect();
        let scores2: Vec<f64> = repeated.iter().map(|&index| scores[index]).collect();
        let labels2: Vec<bool> = repeated.iter().map(|&index| labels[index]).collect();
        let plain = ranked(&scores2, &labels2, None, SETTINGS).metrics(&vec![1; scores2.len()]);
        prop_assert!(close(weighted.auc.unwrap(), plain.auc.unwrap()));
        prop_assert!(close(weighted.average_precision.unwrap(), plain.average_precision.unwrap()));
        prop_assert!(close(weighted.brier, plain.brier));
        prop_assert!(close(weighted.calibration_error, plain.calibration_error));
        prop_assert!(close(weighted.partial_auc.unwrap(), plain.partial_auc.unwrap()));
    }

    #[test]
    fn the_partial_areas_add_up_to_the_area((scores, labels) in labelled_scores()) {
        let metrics_in = |partial| {
            let exams = ranked(&scores, &labels, None, MetricSettings { partial, ..SETTINGS });
            exams.metrics(&vec![1; scores.len()])
        };
        let (left, right) = (metrics_in((0.0, 0.37)), metrics_in((0.37, 1.0)));
        let sum = left.partial_auc.unwrap() + right.partial_auc.unwrap();
        prop_assert!(close(sum, left.auc.unwrap()));
    }
}

#[test]
fn a_missing_class_leaves_ranking_undefined() {
    let metrics = ranked(&[0.3, 0.7], &[true, true], None, SETTINGS).metrics(&[1, 1]);
    assert_eq!(
        (metrics.auc, metrics.partial_auc, metrics.average_precision),
        (None, None, Some(1.0))
    );
    assert!(metrics.band.is_empty() && metrics.net_benefit.len() == THRESHOLDS.count());
}

#[test]
fn noise_has_the_partial_area_of_chance() {
    let scores = normal_draws(3, "chance", 40_000);
    let labels: Vec<bool> = (0..scores.len()).map(|index| index % 3 == 0).collect();
    let metrics = ranked(&scores, &labels, None, SETTINGS).metrics(&vec![1; scores.len()]);
    assert!((metrics.partial_auc.unwrap() - 0.005).abs() < 3e-4);
}
