//! Evaluation of the risks of several years of a split.

use super::PipelineError;
use super::calibrated::StoredCalibration;
use lungs_report::{SplitRisks, write_evaluated_risks};
use lungs_spec::results::ResultsError;
use lungs_stats::{Evaluation, RiskTable, SurvivalError};
use std::path::{Path, PathBuf};

/// Calibrated risks of the exams of a split, and their origin.
pub(super) struct CalibratedRisks {
    /// Name of the method in a spec.
    pub method: String,
    /// The exams that the maps were fitted on, in words.
    pub fitted_on: String,
    pub table: RiskTable,
}

impl CalibratedRisks {
    /// The risks after the map of a run; `None` without a map.
    pub(super) fn of(
        risks: &SplitRisks,
        calibration: &StoredCalibration,
        file: &Path,
    ) -> Result<Option<Self>, PipelineError> {
        let Some(calibrator) = calibration.risk_calibrator() else { return Ok(None) };
        let table = risks.calibrated(calibrator).map_err(|error| invalid(file, &error))?;
        let fitted_on = format!("the {} split", calibration.fitted_on.word());
        Ok(Some(Self { method: calibration.method.to_string(), fitted_on, table }))
    }

    /// Calibrated risks `[exam][horizon]` of the exams of `risks`.
    pub(super) fn of_rows(
        rows: &[Vec<f64>],
        risks: &SplitRisks,
        method: String,
        fitted_on: String,
        file: &Path,
    ) -> Result<Self, PipelineError> {
        let table = RiskTable::new(risks.table.horizons_years(), rows);
        Ok(Self { method, fitted_on, table: table.map_err(|error| invalid(file, &error))? })
    }
}

/// Adds the metrics of risks to those of a split, and writes the curves; `path` gives the file of each curve by its
/// name. `file` is the table of the risks.
pub(super) fn add_survival(
    metrics: &mut Evaluation,
    risks: &SplitRisks,
    calibrated: Option<CalibratedRisks>,
    file: &Path,
    path: impl Fn(&str) -> PathBuf,
) -> Result<(), PipelineError> {
    let calibrated = calibrated.as_ref();
    let calibrated = calibrated.map(|it| (it.method.clone(), it.fitted_on.clone(), &it.table));
    let evaluation = risks.evaluate(calibrated).map_err(|error| invalid(file, &error))?;
    write_evaluated_risks(risks, &evaluation, path)?;
    let unknown = evaluation.horizons.first().map_or(0, |it| it.follow_up_auc.excluded);
    if unknown > 0 {
        metrics.notes.push(format!(
            "{unknown} of {} exams are not among these: their follow-up ends before the first horizon, without cancer",
            evaluation.exams
        ));
    }
    metrics.survival = Some(Box::new(evaluation));
    Ok(())
}

fn invalid(file: &Path, error: &SurvivalError) -> PipelineError {
    ResultsError::Read { path: file.to_owned(), message: error.to_string() }.into()
}
