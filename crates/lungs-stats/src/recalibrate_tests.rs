//! Recalibration against scikit-learn 1.9: `LogisticRegression(penalty=None)` and
//! `IsotonicRegression(out_of_bounds="clip")`.

use proptest::prelude::*;

use super::super::testing::{Y, Z, labelled_scores};
use super::super::{CalibratedProbabilities, ScoredExam, evaluate};
use super::*;

/// Log-odds at which curves are compared.
const LOGITS: [f64; 12] = [-9.0, -3.0, -1.24, -0.5, 0.0, 0.149, 0.3, 0.75, 1.5, 2.4, 3.0, 9.0];

fn labels() -> Vec<bool> {
    Y.iter().map(|&y| y == 1).collect()
}

fn assert_curve(calibrator: &Calibrator, expected: [f64; 12]) {
    for (z, expected) in LOGITS.into_iter().zip(expected) {
        let found = calibrator.probability(z);
        assert!((found - expected).abs() < 1e-12, "at {z}: found {found}, expected {expected}");
    }
}

#[test]
fn the_logistic_curve_equals_scikit_learns() {
    let fitted = Calibrator::platt(&Z, &labels()).unwrap();
    // coef_ 0.51395982, intercept_ −0.5358379, predict_proba([[0.7]])
    assert!((fitted.probability(0.7) - 0.4560968503855395).abs() < 1e-8);
    let Calibrator::Platt { intercept, slope } = fitted else { panic!("{fitted:?}") };
    assert!((slope - 0.51395982).abs() < 1e-8 && (intercept + 0.5358379).abs() < 1e-7);
}

#[test]
fn isotonic_regression_equals_scikit_learns_with_and_without_weights() {
    let fitted = Calibrator::isotonic(&Z, &labels(), None).unwrap();
    assert_curve(
        &fitted,
        [
            0.0,
            0.111111111111111,
            0.21875,
            0.25,
            0.25,
            0.5,
            0.5,
            0.591836734693878,
            0.591836734693878,
            0.636363636363636,
            0.7,
            1.0,
        ],
    );
    let weights: Vec<f64> = (0..200).map(|index| f64::from(1 + index % 5)).collect();
    let fitted = Calibrator::isotonic(&Z, &labels(), Some(&weights)).unwrap();
    assert_curve(
        &fitted,
        [
            0.0,
            0.109375,
            0.234042553191489,
            0.291390728476821,
            0.291390728476821,
            0.375,
            0.375,
            0.546296296296296,
            0.553846153846154,
            0.75,
            0.8,
            1.0,
        ],
    );
}

fn exam(index: usize) -> ScoredExam {
    ScoredExam {
        patient_id: index.to_string(),
        exam_id: index.to_string(),
        label: Y[index] == 1,
        logit: Z[index],
        probability: sigmoid(Z[index]),
    }
}

#[test]
fn other_exams_are_evaluated_before_and_after() {
    let (first, second) = (0..100, 100..200);
    let half: Vec<ScoredExam> = second.map(exam).collect();
    let evaluate_with = |calibrator: Calibrator| {
        let calibrated = Some(CalibratedProbabilities {
            method: calibrator.method().into(),
            fitted_on: "valid".into(),
            probabilities: half.iter().map(|exam| calibrator.probability(exam.logit)).collect(),
        });
        let options = Options { bootstrap_replicates: 50, calibrated, ..Options::default() };
        evaluate(&half, &options)
    };
    let labels = &labels()[first.clone()];
    // brier_score_loss of the second half
    let evaluation = evaluate_with(Calibrator::platt(&Z[first.clone()], labels).unwrap());
    let platt = evaluation.recalibrated.unwrap();
    assert!((platt.after.brier.value.unwrap() - 0.18850016360001437).abs() < 1e-8);
    assert_eq!(platt.before.brier, evaluation.calibration.brier);
    assert!(platt.after.brier.interval.is_some() && platt.after.slope.interval.is_some());
    assert_eq!((&*platt.method, &*platt.fitted_on), ("platt", "valid"));
    let isotonic = evaluate_with(Calibrator::isotonic(&Z[first], labels, None).unwrap());
    let after = isotonic.recalibrated.unwrap().after;
    assert!((after.brier.value.unwrap() - 0.19923591459388557).abs() < 1e-12);
    assert!(after.slope.reason.unwrap().contains("exactly 0 or 1"));
}

#[test]
fn a_failed_fit_has_a_reason() {
    let one = [true, true];
    assert!(Calibrator::platt(&[0.0, 1.0], &one).unwrap_err().contains("one class"));
    assert!(Calibrator::isotonic(&[0.0, 1.0], &one, None).unwrap_err().contains("one class"));
    let apart = [false, false, true];
    assert!(Calibrator::platt(&[0.0, 1.0, 2.0], &apart).unwrap_err().contains("separate"));
    let backwards: Vec<f64> = Z.iter().map(|z| -z).collect();
    assert!(Calibrator::platt(&backwards, &labels()).unwrap_err().contains("reverse the ranking"));
    let nan = Calibrator::isotonic(&[0.0, f64::NAN], &[false, true], None);
    assert!(nan.unwrap_err().contains("usable number"));
}

proptest! {
    /// Isotonic maps are monotone, within [0, 1], and their mean over the fitted exams is the share of
    /// positives.
    #[test]
    fn isotonic_maps_are_monotone_and_calibrated_in_the_large((scores, labels) in labelled_scores()) {
        let fitted = Calibrator::isotonic(&scores, &labels, None).unwrap();
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        let mapped: Vec<f64> = sorted.iter().map(|z| fitted.probability(*z)).collect();
        prop_assert!(mapped.windows(2).all(|pair| pair[0] <= pair[1] + 1e-15));
        prop_assert!(mapped.iter().all(|p| (0.0..=1.0).contains(p)));
        let positives = labels.iter().filter(|&&label| label).count() as f64;
        prop_assert!((mapped.iter().sum::<f64>() - positives).abs() < 1e-9);
        // Repeating an exam is the same as doubling its weight.
        let doubled: Vec<f64> = scores.iter().chain(&scores[..1]).copied().collect();
        let labels2: Vec<bool> = labels.iter().chain(&labels[..1]).copied().collect();
        let mut weights = vec![1.0; scores.len()];
        weights[0] = 2.0;
        let a = Calibrator::isotonic(&doubled, &labels2, None).unwrap();
        let b = Calibrator::isotonic(&scores, &labels, Some(&weights)).unwrap();
        prop_assert!(scores.iter().all(|z| (a.probability(*z) - b.probability(*z)).abs() < 1e-12));
        // Serialisation keeps the map.
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Calibrator>(&json).unwrap(), a);
    }
}
