//! Metrics of risks of several years, for `metrics.csv`.

use super::exam::Exam;
use super::logits::ExamLogits;
use lungs_spec::results::{HorizonAuc, SurvivalMetrics};
use lungs_spec::spec::Outcome;
use lungs_stats::{Outcomes, dynamic_auc, harrell_c};

/// The C-index and the AUC at each horizon over the exams with follow-up; `None` for a binary outcome.
pub(super) fn survival_metrics(
    logits: &[ExamLogits],
    exams: &[Exam],
    outcome: &Outcome,
) -> Option<SurvivalMetrics> {
    if !outcome.is_survival() {
        return None;
    }
    let followed = logits.iter().filter(|row| exams[row.exam].follow_up.is_some());
    let followed: Vec<&ExamLogits> = followed.collect();
    let follow_ups: Vec<_> = followed.iter().filter_map(|row| exams[row.exam].follow_up).collect();
    let names = followed.iter().map(|row| exams[row.exam].patient_id.as_str());
    let patients = lungs_stats::repeated_patients(names);
    // The times of labels are checked when they are read.
    let outcomes = Outcomes::new(&follow_ups, patients.as_deref()).ok()?;
    let risks: Vec<Vec<f64>> = followed.iter().map(|row| row.logits.values().to_vec()).collect();
    let at = |index: usize| risks.iter().map(|risks| risks[index]).collect::<Vec<f64>>();
    let horizons = outcome.horizons();
    let c_index = harrell_c(&outcomes, &at(horizons.len() - 1), 0.95);
    let interval = c_index.interval.as_ref();
    let auc = |(index, &years): (usize, &f64)| HorizonAuc {
        years,
        auc: dynamic_auc(&outcomes, &at(index), years, 0.95).value,
    };
    Some(SurvivalMetrics {
        c_index: c_index.value,
        c_index_low: interval.map(|interval| interval.low),
        c_index_high: interval.map(|interval| interval.high),
        horizons: horizons.iter().enumerate().map(auc).collect(),
    })
}
