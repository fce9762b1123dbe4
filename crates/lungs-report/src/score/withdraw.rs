//! Replaces metrics that the predictions of a model do not define by the reason.

use lungs_stats::{Calibration, Curves, Estimate, Evaluation, Proportion, SmoothCalibration};

fn undefined(reason: &str) -> Estimate {
    Estimate { value: None, interval: None, reason: Some(reason.to_owned()) }
}

fn undefined_curve(reason: &str) -> SmoothCalibration {
    SmoothCalibration {
        knots: None,
        integrated_calibration_index: undefined(reason),
        e50: undefined(reason),
        e90: undefined(reason),
        emax: undefined(reason),
        curve: Vec::new(),
    }
}

/// Withdraws every metric of probabilities: the model has ranking scores only.
pub(super) fn withdraw_probabilities(
    evaluation: &mut Evaluation,
    curves: &mut Curves,
    reason: &str,
) {
    evaluation.cross_entropy = undefined(reason);
    evaluation.accuracy = Proportion {
        successes: 0,
        total: 0,
        value: None,
        interval: None,
        effective_total: None,
        reason: Some(reason.to_owned()),
    };
    evaluation.calibration = Calibration {
        brier: undefined(reason),
        brier_of_prevalence: undefined(reason),
        expected_calibration_error: undefined(reason),
        expected_calibration_error_debiased: undefined(reason),
        slope: undefined(reason),
        intercept: undefined(reason),
        in_the_large: undefined(reason),
        observed_expected: undefined(reason),
        smooth: undefined_curve(reason),
        bins: Vec::new(),
        equal_count_bins: Vec::new(),
    };
    for point in &mut evaluation.operating_points {
        point.threshold_probability = None;
    }
    for group in evaluation.subgroups.iter_mut().flat_map(|column| &mut column.groups) {
        group.brier = undefined(reason);
        group.observed_expected = undefined(reason);
        group.slope = undefined(reason);
        group.smooth = undefined_curve(reason);
    }
    if let Some(weighted) = &mut evaluation.weighted {
        weighted.brier = undefined(reason);
        weighted.cross_entropy = undefined(reason);
    }
    curves.decision.clear();
}

/// Withdraws every metric of log-odds: some probabilities are exactly 0 or 1.
pub(super) fn withdraw_log_odds(evaluation: &mut Evaluation, reason: &str) {
    evaluation.cross_entropy = undefined(reason);
    let calibration = &mut evaluation.calibration;
    for estimate in
        [&mut calibration.slope, &mut calibration.intercept, &mut calibration.in_the_large]
    {
        *estimate = undefined(reason);
    }
    calibration.smooth = undefined_curve(reason);
    for group in evaluation.subgroups.iter_mut().flat_map(|column| &mut column.groups) {
        group.slope = undefined(reason);
        group.smooth = undefined_curve(reason);
    }
    if let Some(weighted) = &mut evaluation.weighted {
        weighted.cross_entropy = undefined(reason);
    }
}
