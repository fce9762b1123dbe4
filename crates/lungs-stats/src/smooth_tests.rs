//! The smooth calibration curve against R 4.2.2 with rms 6.5.0, and where it does not exist.

use super::super::testing::{Y, Z, normal_draws};
use super::super::{
    Options, ScoredExam, calibration_in_the_large, evaluate, observed_expected, recalibration,
};
use super::*;

fn labels() -> Vec<bool> {
    Y.iter().map(|&y| y == 1).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "found {found}, expected {expected}");
}

/// A fit of [`Z`] and [`Y`] with any number of knots.
fn with_knots(knots: usize) -> (Spline, LogisticFit) {
    let mut sorted = Z.to_vec();
    sorted.sort_by(f64::total_cmp);
    let spline = Spline::of(&sorted, knots).unwrap();
    let rows = rows(&spline, &Z, &labels());
    let fit = LogisticFit::of(&rows, spline.terms(), ITERATIONS).unwrap();
    (spline, fit)
}

#[test]
fn errors_equal_those_of_r() {
    // b <- rcspline.eval(Z, knots = quantile(Z, q), inclx = TRUE); g <- glm(Y ~ b, binomial);
    // e <- abs(fitted(g) - plogis(Z)); c(mean(e), median(e), quantile(e, .9), max(e)), and glm(Y ~ Z)
    for (knots, expected) in [
        (5, [0.135120631980284, 0.157775584431018, 0.222025177197009, 0.235396237373552]),
        (4, [0.129582797992767, 0.121348822027017, 0.2391035582524, 0.245280834615852]),
        (3, [0.129073078711895, 0.111003561967877, 0.255871001328117, 0.262689497308512]),
        (2, [0.131952186753625, 0.117506257271314, 0.256215818028381, 0.262064084457588]),
    ] {
        let (spline, fit) = with_knots(knots);
        let error =
            |z: &f64| (sigmoid(dot(&spline.basis(*z), &fit.coefficients)) - sigmoid(*z)).abs();
        let errors = errors_of(Z.iter().map(error).collect());
        errors.into_iter().zip(expected).for_each(|(found, expected)| close(found, expected));
    }
    // 79 positive exams allow five knots.
    let smooth = smooth_calibration(&Z, &labels(), None, 0.95);
    assert_eq!(smooth.knots, Some(5));
    close(smooth.integrated_calibration_index.value.unwrap(), 0.135120631980284);
    close(smooth.emax.value.unwrap(), 0.235396237373552);
    // loess(Y ~ plogis(Z), span = .75, degree = 2) gives 0.137 and 0.290.
}

#[test]
fn curve_and_intervals_equal_those_of_r() {
    // f <- lrm(Y ~ rcs(Z, 5)); predict(f, se.fit = TRUE) at the smallest and the largest score; the same of
    // robcov(f, rep(1:100, each = 2)), which is not corrected for the number of patients.
    let ends = |patients: Option<&[usize]>| {
        let curve = smooth_calibration(&Z, &labels(), patients, 0.95).curve;
        [curve[0], curve[POINTS - 1]]
    };
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let pairs: Vec<usize> = (0..200).map(|exam| exam / 2).collect();
    let correction = (100.0f64 / 99.0).sqrt();
    for (patients, errors) in [
        (None, [1.533692035091871, 0.866398467843452]),
        (Some(pairs.as_slice()), [1.476896645109418 * correction, 0.79053060881153 * correction]),
    ] {
        let fitted = [-3.13750132763105, 1.236895388727002];
        for ((point, error), fitted) in ends(patients).into_iter().zip(errors).zip(fitted) {
            assert!((logit(point.observed) - fitted).abs() < 1e-6, "{point:?}");
            let width = logit(point.high) - logit(point.low);
            assert!((width / (2.0 * 1.959963984540) - error).abs() < 1e-5, "{point:?} {error}");
        }
    }
    let [low, high] = ends(None);
    close(logit(low.probability), -4.429);
    close(logit(high.probability), 4.803);
}

#[test]
fn slope_intercept_and_ratio_of_patients_equal_those_of_r() {
    let pairs: Vec<usize> = (0..200).map(|exam| exam / 2).collect();
    let error = |estimate: &Estimate| {
        let interval = estimate.interval.unwrap();
        (interval.high - interval.low) / (2.0 * 1.959963984540)
    };
    // sqrt(diag(vcov(robcov(lrm(Y ~ Z), rep(1:100, each = 2)))))
    let (slope, intercept) = recalibration(&Z, &labels(), Some(&pairs), 0.95).unwrap();
    let correction = (100.0f64 / 99.0).sqrt();
    assert!((error(&intercept) - 0.147562408668209 * correction).abs() < 1e-6);
    assert!((error(&slope) - 0.102288366347199 * correction).abs() < 1e-6);
    // Patients of one exam: the sum over exams, not the information.
    let own: Vec<usize> = (0..200).collect();
    let large = calibration_in_the_large(&Z, &labels(), Some(&own), 0.95).unwrap();
    let a = large.value.unwrap();
    let (mut scores, mut information) = (0.0, 0.0);
    for (z, y) in Z.iter().zip(Y) {
        let p = 1.0 / (1.0 + (-a - z).exp());
        scores += (f64::from(y) - p).powi(2);
        information += p * (1.0 - p);
    }
    close(error(&large), (scores * 200.0 / 199.0).sqrt() / information);
    // O <- sum(Y); O / sum(plogis(Z)); exp(log(.) + c(-1, 1) * qnorm(.975) * sqrt((1 - mean(Y)) / O))
    let probabilities: Vec<f64> = Z.iter().map(|&z| sigmoid(z)).collect();
    let ratio = observed_expected(&probabilities, &labels(), None, 0.95);
    let interval = ratio.interval.unwrap();
    close(ratio.value.unwrap(), 0.783490029207356);
    close(interval.low, 0.659999671334799);
    close(interval.high, 0.930086259930806);
    // Four equal exams of every patient: the interval of the patients, Student's instead of the normal quantile.
    let four = |values: &[f64]| -> Vec<f64> { (0..800).map(|i| values[i / 4]).collect() };
    let labels4: Vec<bool> = (0..800).map(|i| Y[i / 4] == 1).collect();
    let patients4: Vec<usize> = (0..800).map(|i| i / 4).collect();
    let repeated = observed_expected(&four(&probabilities), &labels4, Some(&patients4), 0.95);
    let width = |estimate: &Estimate| {
        let interval = estimate.interval.unwrap();
        (interval.high / interval.low).ln()
    };
    assert!((width(&repeated) / width(&ratio) - 1.0).abs() < 0.02);
}

#[test]
fn true_probabilities_have_a_small_index_and_wrong_ones_a_large_one() {
    let noise = normal_draws(29, "truth", 40_000);
    let uniform = |z: f64| super::super::normal::cdf(z);
    let logits: Vec<f64> = noise[..20_000].iter().map(|z| 1.5 * z - 2.0).collect();
    let labels: Vec<bool> =
        (0..20_000).map(|i| uniform(noise[20_000 + i]) < sigmoid(logits[i])).collect();
    let index = |logits: &[f64]| {
        let smooth = smooth_calibration(logits, &labels, None, 0.95);
        smooth.integrated_calibration_index.value.unwrap()
    };
    let (truth, wrong): (f64, Vec<f64>) =
        (index(&logits), logits.iter().map(|z| z + 1.0).collect());
    assert!(truth < 0.006, "{truth}");
    // The mean distance of the two probabilities.
    let distance = logits.iter().map(|z| sigmoid(z + 1.0) - sigmoid(*z)).sum::<f64>() / 20_000.0;
    assert!((index(&wrong) - distance).abs() < 0.006, "{} {distance}", index(&wrong));
    // The curve of true probabilities is the diagonal, nearly everywhere within its interval.
    let curve = smooth_calibration(&logits, &labels, None, 0.95).curve;
    let within = curve.iter().filter(|p| p.low <= p.probability && p.probability <= p.high);
    assert!(within.count() >= 45, "{curve:?}");
}

#[test]
fn errors_have_no_intervals_and_missing_curves_have_reasons() {
    let exam = |index: usize| ScoredExam {
        patient_id: index.to_string(),
        exam_id: index.to_string(),
        label: Y[index] == 1,
        logit: Z[index],
        probability: sigmoid(Z[index]),
    };
    let options = Options { bootstrap_replicates: 100, ..Options::default() };
    let exams: Vec<ScoredExam> = (0..200).map(exam).collect();
    let smooth = evaluate(&exams, &options).calibration.smooth;
    for estimate in [&smooth.integrated_calibration_index, &smooth.e50, &smooth.e90, &smooth.emax] {
        assert!(estimate.value.is_some() && estimate.interval.is_none());
        assert!(estimate.reason.as_ref().unwrap().starts_with("no interval: "), "{estimate:?}");
    }
    assert_eq!(smooth.curve.len(), POINTS);
    let reason = |labels: &[bool], z: &[f64]| {
        smooth_calibration(z, labels, None, 0.95).integrated_calibration_index.reason.unwrap()
    };
    let few: Vec<bool> = (0..200).map(|index| index < 9).collect();
    assert!(reason(&few, &Z).contains("smaller class has 9 exams, fewer than 10"));
    assert!(reason(&[true; 200], &Z).contains("one class"));
    assert!(reason(&[], &[]).contains("no exams"));
    assert!(reason(&labels(), &[0.5; 200]).contains("equal"));
    let apart: Vec<bool> = Z.iter().map(|&z| z > 0.0).collect();
    assert!(reason(&apart, &Z).contains("separated"));
    assert!(reason(&labels(), &[f64::INFINITY; 200]).contains("no finite log-odds"));
    let ratio = observed_expected(&[0.0; 3], &[true, false, true], None, 0.95);
    assert!(ratio.reason.unwrap().contains("all 0"));
    let none = observed_expected(&[0.5; 3], &[false; 3], None, 0.95);
    assert_eq!((none.value, none.interval), (Some(0.0), None));
}
