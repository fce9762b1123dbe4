//! The metrics of one pass against the metrics computed one by one.

use proptest::prelude::*;

use super::super::logit::sigmoid;
use super::super::testing::{labelled_scores, normal_draws};
use super::super::{auc, average_precision, brier, mean_cross_entropy, roc};
use super::*;

const PARTIAL: (f64, f64) = (0.0, 0.1);

fn ranked(
    logits: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
    partial: (f64, f64),
) -> RankedExams {
    let probabilities: Vec<f64> = logits.iter().map(|&z| sigmoid(z)).collect();
    let patients: Vec<usize> = (0..logits.len()).collect();
    RankedExams::new(logits, &probabilities, labels, &patients, weights, partial)
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
        let metrics = ranked(&scores, &labels, None, PARTIAL).metrics(&vec![1; scores.len()]);
        prop_assert!(close(metrics.auc.unwrap(), auc(&scores, &labels).unwrap()));
        let expected = average_precision(&scores, &labels).unwrap();
        prop_assert!(close(metrics.average_precision.unwrap(), expected));
        prop_assert!(close(metrics.brier, brier(&probabilities, &labels).unwrap()));
        prop_assert!(close(metrics.cross_entropy, mean_cross_entropy(&scores, &labels).unwrap()));
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
        let weighted = ranked(&scores, &labels, Some(&weights), PARTIAL)
            .metrics(&vec![1; scores.len()]);
        let repeat = |index: usize| std::iter::repeat_n(index, weights[index] as usize);
        let repeated: Vec<usize> = (0..scores.len()).flat_map(repeat).collect();
        let scores2: Vec<f64> = repeated.iter().map(|&index| scores[index]).collect();
        let labels2: Vec<bool> = repeated.iter().map(|&index| labels[index]).collect();
        let plain = ranked(&scores2, &labels2, None, PARTIAL).metrics(&vec![1; scores2.len()]);
        prop_assert!(close(weighted.auc.unwrap(), plain.auc.unwrap()));
        prop_assert!(close(weighted.average_precision.unwrap(), plain.average_precision.unwrap()));
        prop_assert!(close(weighted.brier, plain.brier));
        prop_assert!(close(weighted.partial_auc.unwrap(), plain.partial_auc.unwrap()));
    }

    /// Runs of negative exams are counted as one; drawn exams are counted one by one.
    #[test]
    fn drawing_exams_equals_repeating_them(
        (scores, labels) in labelled_scores(),
        draws in prop::collection::vec(0u32..4, 60),
        patients in prop::collection::vec(0usize..30, 60),
        levels in prop::collection::vec(0u8..3, 60),
        partial in (0.0..0.5f64, 0.5..1.0f64),
    ) {
        // Probabilities that do not follow the scores split the runs.
        let probabilities: Vec<f64> = levels.iter().map(|level| f64::from(*level) / 10.0).collect();
        let probabilities = &probabilities[..scores.len()];
        let patients = &patients[..scores.len()];
        let drawn = RankedExams::new(&scores, probabilities, &labels, patients, None, partial)
            .metrics(&draws);
        let repeated: Vec<usize> = (0..scores.len())
            .flat_map(|exam| std::iter::repeat_n(exam, draws[patients[exam]] as usize))
            .collect();
        prop_assume!(!repeated.is_empty());
        let scores2: Vec<f64> = repeated.iter().map(|&exam| scores[exam]).collect();
        let probabilities2: Vec<f64> = repeated.iter().map(|&exam| probabilities[exam]).collect();
        let labels2: Vec<bool> = repeated.iter().map(|&exam| labels[exam]).collect();
        let own: Vec<usize> = (0..repeated.len()).collect();
        // Weights of 1 give every exam a run.
        let weights = vec![1.0; repeated.len()];
        let expected = RankedExams::new(
            &scores2, &probabilities2, &labels2, &own, Some(&weights), partial,
        ).metrics(&vec![1; repeated.len()]);
        prop_assert_eq!(drawn.auc, auc(&scores2, &labels2));
        let options = |of: &CohortMetrics| [of.auc, of.average_precision, of.partial_auc];
        for (found, expected) in options(&drawn).into_iter().zip(options(&expected)) {
            prop_assert!(found.is_some() == expected.is_some());
            prop_assert!(close(found.unwrap_or(0.0), expected.unwrap_or(0.0)));
        }
        let lists = |of: &CohortMetrics| {
            let scalars = [of.brier, of.cross_entropy, of.prevalence];
            [&scalars[..], &of.band, &of.precision_band, &of.net_benefit].concat()
        };
        let (found, expected) = (lists(&drawn), lists(&expected));
        prop_assert_eq!(found.len(), expected.len());
        prop_assert!(found.iter().zip(&expected).all(|(a, b)| close(*a, *b)));
    }

    #[test]
    fn the_partial_areas_add_up_to_the_area((scores, labels) in labelled_scores()) {
        let metrics_in = |partial| {
            ranked(&scores, &labels, None, partial).metrics(&vec![1; scores.len()])
        };
        let (left, right) = (metrics_in((0.0, 0.37)), metrics_in((0.37, 1.0)));
        let sum = left.partial_auc.unwrap() + right.partial_auc.unwrap();
        prop_assert!(close(sum, left.auc.unwrap()));
    }
}

#[test]
fn a_missing_class_leaves_ranking_undefined() {
    let metrics = ranked(&[0.3, 0.7], &[true, true], None, PARTIAL).metrics(&[1, 1]);
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
    let metrics = ranked(&scores, &labels, None, PARTIAL).metrics(&vec![1; scores.len()]);
    assert!((metrics.partial_auc.unwrap() - 0.005).abs() < 3e-4);
}
