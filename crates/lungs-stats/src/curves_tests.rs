//! Curves and intervals against scikit-learn 1.9, and against each other.

use super::super::logit::sigmoid;
use super::super::testing::{Y, Z, normal_draws, resampled_aucs};
use super::super::{Evaluation, Options, ScoredExam, evaluate_with_curves};
use super::Curves;

fn evaluate_curves(exams: &[(f64, bool)], replicates: usize) -> (Evaluation, Curves) {
    let scored: Vec<ScoredExam> = exams
        .iter()
        .enumerate()
        .map(|(index, &(logit, label))| ScoredExam {
            patient_id: format!("{index:04}"),
            exam_id: format!("{index:04}"),
            label,
            logit,
            probability: sigmoid(logit),
        })
        .collect();
    let options = Options { bootstrap_replicates: replicates, ..Options::default() };
    evaluate_with_curves(&scored, &options)
}

/// 60 exams with ties, from a formula that is easy to reproduce.
fn sixty() -> Vec<(f64, bool)> {
    (0..60)
        .map(|i| {
            let label = i % 3 == 0;
            let z = f64::from(i * 37 % 101) / 20.0 - 2.5 + if label { 1.2 } else { 0.0 };
            ((z * 10.0).round_ties_even() / 10.0, label)
        })
        .collect()
}

fn simulated(count: usize) -> Vec<(f64, bool)> {
    let noise = normal_draws(5, "curves", count);
    let exam = |(index, z): (usize, f64)| {
        let label = index.is_multiple_of(4);
        (z + if label { 1.5 } else { 0.0 }, label)
    };
    noise.into_iter().enumerate().map(exam).collect()
}

#[test]
fn areas_equal_those_of_scikit_learn() {
    let (metrics, curves) = evaluate_curves(&sixty(), 0);
    // roc_auc_score(y, z), roc_auc_score(y, z, max_fpr=0.1), average_precision_score(y, z)
    assert!((metrics.auc.value.unwrap() - 0.70375).abs() < 1e-12);
    let partial = &metrics.partial_auc;
    assert!((partial.standardised.value.unwrap() - 0.618421052631579).abs() < 1e-12);
    // numpy.trapezoid over roc_curve up to a false positive rate of 0.1.
    assert!((partial.area.value.unwrap() - 0.0275).abs() < 1e-12);
    assert!((metrics.average_precision.value.unwrap() - 0.6048160131592298).abs() < 1e-12);
    // precision_recall_curve(y, z), from the strictest threshold, without the inner points of steps of
    // equal recall.
    let first = [
        (3.7, 0.05, 1.0),
        (3.2, 0.15, 1.0),
        (2.7, 0.25, 1.0),
        (2.3, 0.25, 5.0 / 7.0),
        (2.2, 0.35, 7.0 / 11.0),
        (1.8, 0.35, 7.0 / 13.0),
    ];
    for (point, (threshold, recall, precision)) in curves.precision_recall.iter().zip(first) {
        assert!((point.threshold - threshold).abs() < 1e-9, "{point:?}");
        assert!((point.recall - recall).abs() < 1e-12, "{point:?}");
        assert!((point.precision - precision).abs() < 1e-12, "{point:?}");
    }
    let last = curves.precision_recall.last().unwrap();
    assert!((last.recall - 1.0).abs() < 1e-12 && (last.precision - 20.0 / 60.0).abs() < 1e-12);
    // Without replicates there are no bands.
    assert!(curves.roc_band.is_empty() && metrics.average_precision.interval.is_none());
    assert!(curves.decision.iter().all(|point| point.low.is_none()));
}

#[test]
fn raw_and_standardised_partial_areas_equal_those_of_proc() {
    // R 4.2.2, pROC 1.18.0: auc(roc(Y, Z), partial.auc = c(1, .9)), and with partial.auc.correct = TRUE
    let exams: Vec<(f64, bool)> = Z.into_iter().zip(Y).map(|(z, y)| (z, y == 1)).collect();
    let partial = evaluate_curves(&exams, 0).0.partial_auc;
    assert!((partial.area.value.unwrap() - 0.019154723297416).abs() < 1e-12);
    assert!((partial.standardised.value.unwrap() - 0.574498543670611).abs() < 1e-12);
}

#[test]
fn intervals_contain_their_metric_and_narrow_with_the_number_of_exams() {
    let width = |count: usize| {
        let (metrics, curves) = evaluate_curves(&simulated(count), 400);
        let calibration = &metrics.calibration;
        let estimates = [
            &metrics.average_precision,
            &metrics.partial_auc.area,
            &metrics.partial_auc.standardised,
            &metrics.cross_entropy,
            &calibration.brier,
        ];
        let widths = estimates.map(|estimate| {
            let (value, interval) = (estimate.value.unwrap(), estimate.interval.unwrap());
            assert!(interval.low < value && value < interval.high, "{estimate:?}");
            interval.high - interval.low
        });
        for point in &curves.roc_band {
            let within = point.low..=point.high;
            // The curve's ends have no width.
            assert!(within.contains(&point.true_positive_rate), "{point:?}");
        }
        assert_eq!((curves.roc_band.len(), curves.decision.len()), (101, 144));
        let prevalence = metrics.positives as f64 / metrics.exams as f64;
        for point in &curves.decision {
            let standardised = point.standardised.unwrap();
            assert!((standardised * prevalence - point.net_benefit).abs() < 1e-9);
            let [low, high] = [point.standardised_low, point.standardised_high].map(Option::unwrap);
            assert!(low <= standardised && standardised <= high, "{point:?}");
            let [low, value, high] = [
                point.interventions_avoided_low,
                point.interventions_avoided,
                point.interventions_avoided_high,
            ]
            .map(Option::unwrap);
            assert!(low <= value && value <= high && value <= 100.0, "{point:?}");
        }
        widths
    };
    for (few, many) in width(200).into_iter().zip(width(3200)) {
        // Four times narrower in theory.
        assert!(many < few / 2.5, "{few} {many}");
    }
}

#[test]
fn the_bootstrap_interval_of_the_brier_score_agrees_with_its_standard_error() {
    let exams = simulated(2000);
    let (metrics, _) = evaluate_curves(&exams, 1000);
    let terms: Vec<f64> =
        exams.iter().map(|&(z, label)| (sigmoid(z) - f64::from(u8::from(label))).powi(2)).collect();
    let mean = terms.iter().sum::<f64>() / terms.len() as f64;
    let squares: f64 = terms.iter().map(|term| (term - mean).powi(2)).sum();
    let error = squares.sqrt() / terms.len() as f64;
    let interval = metrics.calibration.brier.interval.unwrap();
    let ratio = (interval.high - interval.low) / (2.0 * 1.96 * error);
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn exams_of_one_patient_are_not_new_patients() {
    // Every patient has four exams with the same score: an interval over exams would be half as wide.
    let once = normal_draws(5, "clusters", 120);
    let labels: Vec<bool> = (0..120).map(|i: usize| i.is_multiple_of(2)).collect();
    let patients: Vec<usize> = (0..120).collect();
    let patients4: Vec<usize> = (0..480).map(|i| i / 4).collect();
    let scores4: Vec<f64> = patients4.iter().map(|&patient| once[patient]).collect();
    let labels4: Vec<bool> = patients4.iter().map(|&patient| labels[patient]).collect();
    let a = resampled_aucs(&once, &labels, &patients, [200, 1]);
    let b = resampled_aucs(&scores4, &labels4, &patients4, [200, 1]);
    assert_eq!((a.len(), b.len()), (200, 200));
    a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
    assert_ne!(a, resampled_aucs(&once, &labels, &patients, [200, 2]));
}

#[test]
fn results_do_not_depend_on_the_thread_count() {
    let exams = simulated(300);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| evaluate_curves(&exams, 100))
    };
    let (evaluation, curves) = with_threads(1);
    assert!(evaluation.average_precision.interval.is_some() && curves.roc_band.len() == 101);
    assert_eq!((evaluation, curves), with_threads(3));
}

#[test]
fn one_class_and_unusable_predictions_have_no_curves() {
    let (metrics, curves) = evaluate_curves(&[(0.3, true), (0.7, true)], 20);
    assert_eq!(metrics.partial_auc.area.reason.as_deref(), Some("one class only"));
    assert_eq!(metrics.average_precision.value, Some(1.0));
    assert!(curves.roc_band.is_empty() && curves.decision.is_empty());
    assert_eq!(curves.precision_recall.len(), 2);
    let (metrics, _) = evaluate_curves(&[(0.3, false)], 20);
    let reason = metrics.average_precision.reason;
    assert_eq!(reason.as_deref(), Some("there are no positive exams"));
    let (metrics, curves) = evaluate_curves(&[(f64::NAN, true), (0.7, false)], 20);
    assert!(metrics.average_precision.reason.unwrap().contains("unusable"));
    assert_eq!(curves, Curves::default());
    let (metrics, curves) = evaluate_curves(&[], 20);
    assert_eq!(metrics.average_precision.reason.as_deref(), Some("there are no exams"));
    assert_eq!(curves, Curves::default());
}
