//! The risks of one split with the follow-up of its exams.

use super::curves::{calibration_rows, kaplan_meier_rows};
use lungs_spec::results::{ResultsError, RiskRow, read_risks, write_csv};
use lungs_stats::{
    Outcomes, RecalibratedRisks, RiskCalibrator, RiskMapMethod, RiskTable, SurvivalError,
    SurvivalEvaluation, evaluate_survival, repeated_patients,
};
use std::path::{Path, PathBuf};

/// Maximum number of groups of similar risk in the calibration at a horizon.
const CALIBRATION_GROUPS: usize = 10;
/// Coverage of all intervals.
const LEVEL: f64 = 0.95;

/// The risks of one split with the follow-up of its exams.
#[derive(Debug)]
pub struct SplitRisks {
    /// Rows of the table.
    pub rows: Vec<RiskRow>,
    /// Follow-up of the exams, by patient.
    pub outcomes: Outcomes,
    /// Risks at each horizon.
    pub table: RiskTable,
}

impl SplitRisks {
    /// Reads a table of risks; `None` if the file does not exist.
    ///
    /// # Errors
    /// The file cannot be read, or its risks or times are impossible.
    pub fn read(path: &Path) -> Result<Option<Self>, ResultsError> {
        if !path.is_file() {
            return Ok(None);
        }
        let (horizons, rows) = read_risks(path)?;
        let invalid = |error: SurvivalError| ResultsError::Read {
            path: path.to_owned(),
            message: error.to_string(),
        };
        Self::of(&horizons, rows).map(Some).map_err(invalid)
    }

    /// The risks of these rows.
    ///
    /// # Errors
    /// Impossible horizons, risks or times.
    pub fn of(horizons_years: &[f64], rows: Vec<RiskRow>) -> Result<Self, SurvivalError> {
        let follow_ups: Vec<_> = rows.iter().map(|row| row.follow_up).collect();
        let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
        let risks: Vec<Vec<f64>> = rows.iter().map(|row| row.risks.clone()).collect();
        let outcomes = Outcomes::new(&follow_ups, patients.as_deref())?;
        let table = RiskTable::new(horizons_years, &risks)?;
        Ok(Self { rows, outcomes, table })
    }

    /// A map to calibrated risks, fitted on these exams.
    ///
    /// # Errors
    /// The reason why there is no map.
    pub fn calibrator(&self, method: RiskMapMethod) -> Result<RiskCalibrator, String> {
        RiskCalibrator::fit(&self.outcomes, &self.table, method)
    }

    /// The calibrated risks of the exams.
    ///
    /// # Errors
    /// A map of other horizons.
    pub fn calibrated(&self, calibrator: &RiskCalibrator) -> Result<RiskTable, SurvivalError> {
        let rows: Vec<Vec<f64>> =
            self.rows.iter().map(|row| calibrator.risks(&row.risks)).collect();
        RiskTable::new(self.table.horizons_years(), &rows)
    }

    /// All metrics; with `calibrated` risks (their method, the exams that the map was fitted on, and the table), also
    /// those of the calibrated risks. The Kaplan–Meier curve is not among them: it is a table of its own.
    ///
    /// # Errors
    /// Another number of calibrated risks than of exams.
    pub fn evaluate(
        &self,
        calibrated: Option<(String, String, &RiskTable)>,
    ) -> Result<SurvivalEvaluation, SurvivalError> {
        let of = |table| evaluate_survival(&self.outcomes, table, CALIBRATION_GROUPS, LEVEL);
        let mut evaluation = of(&self.table)?;
        evaluation.curve = Vec::new();
        evaluation.recalibrated = calibrated
            .map(|(method, fitted_on, table)| {
                Ok(RecalibratedRisks::of(of(table)?, method, fitted_on))
            })
            .transpose()?;
        Ok(evaluation)
    }
}

/// Writes the curves of evaluated risks; `path` gives the file of each curve by its name.
///
/// # Errors
/// A file cannot be written.
pub fn write_evaluated_risks(
    risks: &SplitRisks,
    evaluation: &SurvivalEvaluation,
    path: impl Fn(&str) -> PathBuf,
) -> Result<(), ResultsError> {
    write_csv(&path("kaplan-meier"), &kaplan_meier_rows(&risks.outcomes, &risks.table, LEVEL))?;
    write_csv(&path("risk-calibration"), &calibration_rows(evaluation))
}

#[cfg(test)]
mod tests {
    use super::super::testing::risk_rows;
    use super::*;
    use lungs_spec::results::write_risks;

    #[test]
    fn risks_of_a_file_are_evaluated_with_and_without_calibration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("risks.csv");
        assert!(SplitRisks::read(&path).unwrap().is_none());
        let horizons = [1.0, 2.0, 3.0];
        write_risks(&path, &horizons, &risk_rows(120, &horizons)).unwrap();
        let risks = SplitRisks::read(&path).unwrap().unwrap();
        assert_eq!((risks.outcomes.len(), risks.outcomes.patient_count()), (120, 60));
        let calibrator = risks.calibrator(RiskMapMethod::Platt).unwrap();
        let table = risks.calibrated(&calibrator).unwrap();
        let calibrated = Some(("platt".to_owned(), "valid".to_owned(), &table));
        let evaluation = risks.evaluate(calibrated).unwrap();
        assert!(evaluation.harrell_c.value.unwrap() > 0.6);
        let after = &evaluation.recalibrated.as_ref().unwrap().horizons[2].calibration;
        let slope = after.slope.value.unwrap();
        assert!((slope - 1.0).abs() < 1e-6, "the slope on the exams of the fit is {slope}");
        write_evaluated_risks(&risks, &evaluation, |name| folder.path().join(name)).unwrap();
        let curve = std::fs::read_to_string(folder.path().join("kaplan-meier")).unwrap();
        assert!(curve.starts_with("group,exams,lowest_risk,highest_risk,time_years,at_risk,"));
        assert!(curve.contains("\nhigh risk,40,"), "{curve}");
    }

    #[test]
    fn impossible_risks_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("risks.csv");
        let mut rows = risk_rows(3, &[1.0, 2.0]);
        rows[1].risks = vec![0.5, 0.4];
        write_risks(&path, &[1.0, 2.0], &rows).unwrap();
        let error = SplitRisks::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("risks.csv") && error.contains("exam 2: the risk at 2 years"),
            "{error}"
        );
    }
}
