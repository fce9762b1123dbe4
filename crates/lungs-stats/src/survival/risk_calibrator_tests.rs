//! Coefficients against the binary ones, and their derivatives against differences; maps against their definition.

use super::super::risk_logistic::{SEPARATED, logistic_calibration};
use super::super::testing::{
    Cohort, assert_close, numeric_derivatives, references, weighted_censoring,
};
use super::super::{FollowUp, HorizonMetrics, RecalibratedRisks, Status, evaluate_survival};
use super::*;
use crate::calibration::recalibration;
use crate::logistic::{LogisticFit, Row, TERMS};
use proptest::prelude::*;

fn binary(risks: &[f64], labels: &[bool]) -> [f64; 2] {
    let logits: Vec<f64> = risks.iter().map(|&risk| log_odds(risk)).collect();
    let (slope, intercept) = recalibration(&logits, labels, None, 0.95).unwrap();
    [slope.value.unwrap(), intercept.value.unwrap()]
}

#[test]
fn without_censoring_the_coefficients_are_those_of_logistic_regression() {
    let reference = &references()[0];
    let exams = reference.outcomes().len();
    let follow_ups: Vec<FollowUp> = (0..exams)
        .map(|exam| FollowUp { time_years: 0.5 + (exam * 37 % 97) as f64 / 20.0, event: true })
        .collect();
    let outcomes = Outcomes::new(&follow_ups, None).unwrap();
    let risks = reference.table().risks(1).to_vec();
    let labels: Vec<bool> = follow_ups.iter().map(|it| it.time_years <= 2.0).collect();
    let expected = binary(&risks, &labels);
    let estimates = logistic_calibration(&outcomes, &risks, 2.0, 0.95);
    for (estimate, expected) in estimates.iter().zip(expected) {
        assert_close(estimate.value.unwrap(), expected, 1e-8);
        let interval = estimate.interval.unwrap();
        assert!(interval.low < expected && expected < interval.high);
    }
}

/// Slope and intercept of exams with weights, by their definition.
fn weighted_coefficients(cohort: &Cohort, horizon_years: f64, weights: &[f64]) -> [f64; 2] {
    let rows = cohort.follow_ups.iter().enumerate().filter_map(|(exam, follow_up)| {
        let (label, until) = match follow_up.status_at(horizon_years) {
            Status::Cancer => (1, follow_up.time_years),
            Status::Free => (0, horizon_years),
            Status::Unknown => return None,
        };
        let mut row = Row { terms: [0.0; TERMS], counts: [0.0; 2] };
        (row.terms[0], row.terms[1]) = (1.0, log_odds(cohort.risks()[exam]));
        row.counts[label] = weights[exam] / weighted_censoring(cohort, weights, until);
        Some(row)
    });
    let fit = LogisticFit::of(&rows.collect::<Vec<Row>>(), 2, 100).unwrap();
    [fit.coefficients[1], fit.coefficients[0]]
}

#[test]
fn derivatives_of_the_coefficients_agree_with_differences() {
    // Whole and half years, so that cancers, ends of follow-up and the horizon share times.
    let follow_up =
        |exam: usize| FollowUp { time_years: ((exam * 7) % 11) as f64 / 2.0, event: exam % 3 != 1 };
    let cohort = Cohort {
        follow_ups: (0..44).map(follow_up).collect(),
        scores: (0..44).map(|exam| ((exam * 5) % 13) as f64 / 4.0 - 2.0).collect(),
        patients: (0..44).map(|exam| exam / 2).collect(),
    };
    for horizon_years in [1.0, 2.25, 3.0] {
        let outcomes = cohort.clustered();
        let found = coefficients(&outcomes, &cohort.risks(), horizon_years).unwrap();
        let equal = weighted_coefficients(&cohort, horizon_years, &[1.0; 44]);
        let factor = (22.0_f64 / 21.0).sqrt();
        for (term, found) in found.iter().enumerate() {
            assert_close(found.value, equal[term], 1e-9);
            let expected = numeric_derivatives(44, |weights| {
                weighted_coefficients(&cohort, horizon_years, weights)[term]
            });
            for (found, expected) in found.derivatives.iter().zip(expected) {
                assert_close(*found, factor * expected, 1e-5);
            }
        }
    }
}

#[test]
fn maps_remove_the_distortion_of_risks() {
    let reference = &references()[0];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    // Risks that are too extreme and too high.
    let distorted = |risk: &f64| 1.0 / (1.0 + (-(1.0 + 2.0 * log_odds(*risk))).exp());
    let rows: Vec<Vec<f64>> = (0..table.len())
        .map(|exam| {
            (0..table.horizons_years().len()).map(|h| distorted(&table.risks(h)[exam])).collect()
        })
        .collect();
    let distorted = RiskTable::new(table.horizons_years(), &rows).unwrap();
    let calibrator = RiskCalibrator::fit(&outcomes, &distorted, RiskMapMethod::Platt).unwrap();
    let calibrated: Vec<Vec<f64>> = rows.iter().map(|row| calibrator.risks(row)).collect();
    let calibrated = RiskTable::new(table.horizons_years(), &calibrated).unwrap();
    let before = evaluate_survival(&outcomes, &distorted, 5, 0.95).unwrap();
    let after = evaluate_survival(&outcomes, &calibrated, 5, 0.95).unwrap();
    assert!(after.integrated_brier.value < before.integrated_brier.value);
    for (index, (before, after)) in before.horizons.iter().zip(&after.horizons).enumerate() {
        let slope = |metrics: &HorizonMetrics| metrics.calibration.slope.value.unwrap();
        let own = logistic_calibration(&outcomes, table.risks(index), before.horizon_years, 0.95);
        assert_close(2.0 * slope(before), own[0].value.unwrap(), 1e-6);
        let ratio = |metrics: &HorizonMetrics| {
            (metrics.calibration.observed_expected.value.unwrap() - 1.0).abs()
        };
        assert!(ratio(after) < ratio(before));
    }
    let restored = RecalibratedRisks::of(after, "platt".to_owned(), "valid".to_owned());
    let text = serde_json::to_string(&(calibrator.clone(), restored.clone())).unwrap();
    assert_eq!(serde_json::from_str::<(_, _)>(&text).unwrap(), (calibrator, restored));
}

#[test]
fn missing_fits_have_reasons() {
    let follow_ups = [(0.5, true), (0.7, true), (3.0, false), (1.5, false)]
        .map(|(time_years, event)| FollowUp { time_years, event });
    let outcomes = Outcomes::new(&follow_ups, None).unwrap();
    let reason =
        |risks: [f64; 4], horizon: f64| coefficients(&outcomes, &risks, horizon).unwrap_err();
    assert_eq!(reason([0.9, 0.8, 0.1, 0.2], 2.0), SEPARATED);
    assert_eq!(reason([0.5; 4], 2.0), "all risks are equal, so there is nothing to fit");
    assert!(reason([0.5; 4], 0.1).contains("none of them has"));
    assert!(reason([0.5; 4], 4.0).contains("no exam is followed to 4 years"));
    let table = RiskTable::new(&[1.0], &[0.1, 0.4, 0.2, 0.6].map(|risk| vec![risk])).unwrap();
    let error = RiskCalibrator::fit(&outcomes, &table, RiskMapMethod::Platt).unwrap_err();
    assert!(error.starts_with("1 year: the fitted slope is"), "{error}");
}

proptest! {
    #[test]
    fn calibrated_risks_never_fall(
        coefficients in prop::collection::vec((-5.0_f64..5.0, 0.1_f64..3.0), 3),
        risks in prop::collection::vec(0.0_f64..=1.0, 3),
    ) {
        let maps = coefficients.iter().map(|&(intercept, slope)| Calibrator::Platt { intercept, slope });
        let calibrator = RiskCalibrator { horizons_years: vec![1.0, 2.0, 3.0], maps: maps.collect() };
        let mut sorted = risks;
        sorted.sort_by(f64::total_cmp);
        let calibrated = calibrator.risks(&sorted);
        prop_assert!(RiskTable::new(&[1.0, 2.0, 3.0], &[calibrated]).is_ok());
    }

    #[test]
    fn isotonic_maps_keep_the_observed_share(horizon in 1usize..5) {
        let reference = &references()[1];
        let (outcomes, table) = (reference.outcomes(), reference.table());
        let calibrator = RiskCalibrator::fit(&outcomes, &table, RiskMapMethod::Isotonic).unwrap();
        let years = table.horizons_years()[horizon];
        let known = Known::of(&outcomes, &Censoring::of(&outcomes), years);
        let (mut calibrated, mut observed, mut weight) = (0.0, 0.0, 0.0);
        for (index, &exam) in known.exams.iter().enumerate() {
            let risk = calibrator.maps[horizon].probability(log_odds(table.risks(horizon)[exam]));
            calibrated += known.weights[index] * risk;
            observed += known.weights[index] * f64::from(u8::from(known.labels[index]));
            weight += known.weights[index];
        }
        prop_assert!((calibrated - observed).abs() < 1e-6 * weight);
    }
}
