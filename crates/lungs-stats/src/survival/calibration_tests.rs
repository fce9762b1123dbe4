//! Calibration against the definition, and the standard error of O/E against the jackknife.

use super::super::testing::{assert_close, references};
use super::*;

#[test]
fn groups_partition_the_exams_and_have_their_own_curves() {
    for reference in references() {
        let (outcomes, table) = (reference.outcomes(), reference.table());
        let risks = table.risks(1);
        let calibration = risk_calibration(&outcomes, risks, 2.0, 5, 0.95);
        let exams: usize = calibration.groups.iter().map(|group| group.exams).sum();
        assert_eq!(exams, outcomes.len());
        assert!(calibration.groups.windows(2).all(|pair| pair[0].high < pair[1].low));
        let sum: f64 =
            calibration.groups.iter().map(|group| group.mean_risk * group.exams as f64).sum();
        assert_close(calibration.mean_risk.unwrap(), sum / exams as f64, 1e-12);
        // lifelines: the risk at the largest time until the horizon.
        let last = reference.curve.time_years.iter().rposition(|&time| time <= 2.0).unwrap();
        let expected = 1.0 - reference.curve.survival[last];
        assert_close(calibration.observed.value.unwrap(), expected, 1e-12);
        let ratio = calibration.observed_expected;
        assert_close(ratio.value.unwrap(), expected / calibration.mean_risk.unwrap(), 1e-12);
        // Risks of the model fall in order, and so do the observed ones of its extreme groups.
        let observed = |index: usize| calibration.groups[index].observed.value.unwrap();
        assert!(observed(0) < observed(calibration.groups.len() - 1));
    }
}

#[test]
fn the_standard_error_of_observed_to_expected_agrees_with_the_jackknife() {
    let reference = &references()[0];
    let (outcomes, table) = (reference.outcomes(), reference.table());
    let exams = outcomes.len();
    let value = |left_out: usize| {
        let others: Vec<usize> = (0..exams).filter(|&exam| exam != left_out).collect();
        let risks: Vec<f64> = others.iter().map(|&exam| table.risks(2)[exam]).collect();
        observed_expected(&outcomes.subset(&others), &risks, 3.5, 0.95).value.unwrap()
    };
    let values: Vec<f64> = (0..exams).map(value).collect();
    let mean = values.iter().sum::<f64>() / exams as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let jackknife = (squares * (exams as f64 - 1.0) / exams as f64).sqrt();
    let own = observed_expected(&outcomes, table.risks(2), 3.5, 0.95);
    assert_close(own.standard_error.unwrap() / jackknife, 1.0, 0.01);
}

#[test]
fn undefined_ratios_have_reasons() {
    let reference = &references()[0];
    let outcomes = reference.outcomes();
    let zeros = vec![0.0; outcomes.len()];
    let reason = observed_expected(&outcomes, &zeros, 2.0, 0.95).reason;
    assert_eq!(reason.as_deref(), Some("all predicted risks are 0"));
    let none = risk_calibration(&outcomes, &vec![0.1; outcomes.len()], 0.0, 5, 0.95);
    assert_eq!(none.groups.len(), 1);
    let ratio = none.observed_expected;
    assert_eq!((ratio.value, ratio.interval), (Some(0.0), None));
    let nobody = Outcomes::new(&[], None).unwrap();
    let empty = risk_calibration(&nobody, &[], 1.0, 5, 0.95);
    assert_eq!((empty.mean_risk, empty.groups.len()), (None, 0));
}
