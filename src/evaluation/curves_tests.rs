//! Curves and intervals against scikit-learn 1.9, and against each other.

use super::super::calibration::sigmoid;
use super::super::testing::normal_draws;
use super::super::{Evaluation, Options, Scored, evaluate_with_curves};
use super::Curves;

fn found(exams: &[(f64, bool)], replicates: usize) -> (Evaluation, Curves) {
    let scored: Vec<Scored> = exams
        .iter()
        .enumerate()
        .map(|(index, &(logit, label))| Scored {
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

/// 60 exams with ties, that any program can make.
fn sixty() -> Vec<(f64, bool)> {
    (0..60)
        .map(|i| {
            let label = i % 3 == 0;
            let z = f64::from(i * 37 % 101) / 20.0 - 2.5 + if label { 1.2 } else { 0.0 };
            ((z * 10.0).round_ties_even() / 10.0, label)
        })
        .collect()
}

fn drawn(count: usize) -> Vec<(f64, bool)> {
    let noise = normal_draws(5, "curves", count);
    let exam = |(index, z): (usize, f64)| {
        let label = index.is_multiple_of(4);
        (z + if label { 1.5 } else { 0.0 }, label)
    };
    noise.into_iter().enumerate().map(exam).collect()
}

#[test]
fn areas_are_those_of_scikit_learn() {
    let (figures, curves) = found(&sixty(), 0);
    // roc_auc_score(y, z), roc_auc_score(y, z, max_fpr=0.1), average_precision_score(y, z)
    assert!((figures.auc.value.unwrap() - 0.70375).abs() < 1e-12);
    let partial = &figures.partial_auc;
    assert!((partial.standardised.value.unwrap() - 0.618421052631579).abs() < 1e-12);
    // numpy.trapezoid over roc_curve up to a false positive rate of 0.1.
    assert!((partial.area.value.unwrap() - 0.0275).abs() < 1e-12);
    assert!((figures.average_precision.value.unwrap() - 0.6048160131592298).abs() < 1e-12);
    // precision_recall_curve(y, z), from the strictest threshold: what lies between steps of the
    // same recall is left out.
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
    assert!(curves.roc_band.is_empty() && figures.average_precision.interval.is_none());
    assert!(curves.decision.iter().all(|point| point.low.is_none()));
}

#[test]
fn intervals_hold_their_figure_and_narrow_with_the_number_of_exams() {
    let width = |count: usize| {
        let (figures, curves) = found(&drawn(count), 400);
        let calibration = &figures.calibration;
        let estimates = [
            &figures.average_precision,
            &figures.partial_auc.area,
            &figures.partial_auc.standardised,
            &figures.cross_entropy,
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
        assert_eq!((curves.roc_band.len(), curves.decision.len()), (101, 99));
        widths
    };
    for (few, many) in width(200).into_iter().zip(width(3200)) {
        // Four times narrower in theory.
        assert!(many < few / 2.5, "{few} {many}");
    }
}

#[test]
fn the_bootstrap_of_the_brier_score_is_as_wide_as_its_standard_error() {
    let exams = drawn(2000);
    let (figures, _) = found(&exams, 1000);
    let terms: Vec<f64> =
        exams.iter().map(|&(z, label)| (sigmoid(z) - f64::from(u8::from(label))).powi(2)).collect();
    // Of each class apart, as patients are drawn.
    let variance_of = |class: bool| {
        let of_class = terms.iter().zip(&exams).filter(|(_, exam)| exam.1 == class);
        let of_class: Vec<f64> = of_class.map(|(term, _)| *term).collect();
        let mean = of_class.iter().sum::<f64>() / of_class.len() as f64;
        of_class.iter().map(|term| (term - mean).powi(2)).sum::<f64>()
    };
    let error = (variance_of(false) + variance_of(true)).sqrt() / terms.len() as f64;
    let interval = figures.calibration.brier.interval.unwrap();
    let ratio = (interval.high - interval.low) / (2.0 * 1.96 * error);
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn one_class_and_unusable_predictions_have_no_curves() {
    let (figures, curves) = found(&[(0.3, true), (0.7, true)], 20);
    assert_eq!(figures.partial_auc.area.reason.as_deref(), Some("one class only"));
    assert_eq!(figures.average_precision.value, Some(1.0));
    assert!(curves.roc_band.is_empty() && curves.decision.is_empty());
    assert_eq!(curves.precision_recall.len(), 2);
    let (figures, _) = found(&[(0.3, false)], 20);
    let why = figures.average_precision.reason;
    assert_eq!(why.as_deref(), Some("there are no positive exams"));
    let (figures, curves) = found(&[(f64::NAN, true), (0.7, false)], 20);
    assert!(figures.average_precision.reason.unwrap().contains("unusable"));
    assert_eq!(curves, Curves::default());
    let (figures, curves) = found(&[], 20);
    assert_eq!(figures.average_precision.reason.as_deref(), Some("there are no exams"));
    assert_eq!(curves, Curves::default());
}
