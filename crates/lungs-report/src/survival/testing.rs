//! Synthetic risks for tests.

use super::SplitRisks;
use lungs_base::follow_up::FollowUp;
use lungs_spec::results::RiskRow;
use lungs_stats::SurvivalEvaluation;

/// Rows of `count` exams, two of each patient: those with higher risk have cancer earlier, some are censored.
pub(crate) fn risk_rows(count: usize, horizons_years: &[f64]) -> Vec<RiskRow> {
    let share = |index: usize, step: f64| ((index as f64 + 1.0) * step).fract();
    let row = |index: usize| {
        // A low-discrepancy walk: seedless and reproducible.
        let score = share(index, 0.618_033_988_749_895);
        let rate = 0.05 + 0.6 * score;
        let cancer = -(1.0 - share(index, 0.414_213_562_373_095)).ln() / rate;
        let end = 0.5 + 6.0 * share(index, 0.732_050_807_568_877);
        let follow_up = FollowUp { time_years: cancer.min(end), event: cancer <= end };
        RiskRow {
            exam_id: format!("exam-{index}"),
            patient_id: format!("patient-{}", index / 2),
            series_uid: format!("1.2.{index}"),
            follow_up,
            risks: horizons_years.iter().map(|years| 1.0 - (-rate * 0.7 * years).exp()).collect(),
        }
    };
    (0..count).map(row).collect()
}

/// The metrics of [`risk_rows`].
pub(crate) fn evaluated(count: usize, horizons_years: &[f64]) -> (SplitRisks, SurvivalEvaluation) {
    let risks = SplitRisks::of(horizons_years, risk_rows(count, horizons_years)).unwrap();
    let evaluation = risks.evaluate(None).unwrap();
    (risks, evaluation)
}
