//! All metrics of predicted risks by horizon.

use super::brier::{integrated_brier, prediction_accuracy, survival_brier};
use super::calibration::{RiskCalibration, risk_calibration};
use super::concordance::{harrell_c, uno_c};
use super::dynamic_auc::dynamic_auc;
use super::error::SurvivalError;
use super::estimate::SurvivalEstimate;
use super::follow_up_auc::{FollowUpAuc, follow_up_auc};
use super::kaplan_meier::{SurvivalPoint, kaplan_meier};
use super::outcomes::Outcomes;
use super::risk_table::RiskTable;
use serde::{Deserialize, Serialize};

/// Metrics at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonMetrics {
    /// The horizon in years.
    pub horizon_years: f64,
    /// AUC with inverse-probability-of-censoring weights.
    pub auc: SurvivalEstimate,
    /// AUC over the exams of known status, by the rule of Sybil.
    pub follow_up_auc: FollowUpAuc,
    /// Brier score with inverse-probability-of-censoring weights.
    pub brier: SurvivalEstimate,
    /// Index of prediction accuracy.
    pub prediction_accuracy: SurvivalEstimate,
    /// Observed against predicted risk.
    pub calibration: RiskCalibration,
}

/// All metrics of predicted risks by horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurvivalEvaluation {
    /// Number of exams.
    pub exams: usize,
    /// Number of patients.
    pub patients: usize,
    /// Exams with cancer, at any time.
    pub events: usize,
    /// Metrics at each horizon.
    pub horizons: Vec<HorizonMetrics>,
    /// Harrell's C; exams are ranked by their risks at the last horizon.
    pub harrell_c: SurvivalEstimate,
    /// Uno's C with the last horizon as its limit; exams are ranked by their risks at the last horizon.
    pub uno_c: SurvivalEstimate,
    /// Integrated Brier score over the horizons.
    pub integrated_brier: SurvivalEstimate,
    /// Metrics of calibrated risks; `None` without calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<RecalibratedRisks>,
    /// The Kaplan–Meier curve of all exams; empty where it is stored as a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<SurvivalPoint>,
}

/// Metrics of calibrated risks, next to those of the network's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecalibratedRisks {
    /// Method of the maps: `platt` or `isotonic`.
    pub method: String,
    /// Exams that the maps were fitted on.
    pub fitted_on: String,
    /// Metrics of the calibrated risks at each horizon.
    pub horizons: Vec<RecalibratedHorizon>,
    /// Integrated Brier score of the calibrated risks.
    pub integrated_brier: SurvivalEstimate,
}

/// Metrics that recalibration changes, at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecalibratedHorizon {
    /// The horizon in years.
    pub horizon_years: f64,
    /// Brier score.
    pub brier: SurvivalEstimate,
    /// Index of prediction accuracy.
    pub prediction_accuracy: SurvivalEstimate,
    /// Observed against calibrated risk.
    pub calibration: RiskCalibration,
}

impl RecalibratedRisks {
    /// The metrics that recalibration changes, of an evaluation of calibrated risks.
    pub fn of(evaluation: SurvivalEvaluation, method: String, fitted_on: String) -> Self {
        let horizon = |metrics: HorizonMetrics| RecalibratedHorizon {
            horizon_years: metrics.horizon_years,
            brier: metrics.brier,
            prediction_accuracy: metrics.prediction_accuracy,
            calibration: metrics.calibration,
        };
        Self {
            method,
            fitted_on,
            horizons: evaluation.horizons.into_iter().map(horizon).collect(),
            integrated_brier: evaluation.integrated_brier,
        }
    }
}

/// All metrics of predicted risks, with calibration in at most `groups` groups.
///
/// ```
/// use lungs_stats::{FollowUp, Outcomes, RiskTable, evaluate_survival};
///
/// let follow_ups = [(0.5, true), (1.5, true), (1.2, false), (3.0, false)]
///     .map(|(time_years, event)| FollowUp { time_years, event });
/// let outcomes = Outcomes::new(&follow_ups, None)?;
/// let risks = [[0.4, 0.6], [0.2, 0.5], [0.1, 0.2], [0.05, 0.1]].map(Vec::from);
/// let table = RiskTable::new(&[1.0, 2.0], &risks)?;
/// let evaluation = evaluate_survival(&outcomes, &table, 10, 0.95)?;
/// // Both cancers within two years rank above the exam that is free of cancer for two years.
/// assert_eq!(evaluation.horizons[1].auc.value, Some(1.0));
/// # Ok::<(), lungs_stats::SurvivalError>(())
/// ```
///
/// # Errors
/// Another number of rows than of exams.
///
/// # Panics
/// When `groups` is zero or `level` is not between 0 and 1.
pub fn evaluate_survival(
    outcomes: &Outcomes,
    table: &RiskTable,
    groups: usize,
    level: f64,
) -> Result<SurvivalEvaluation, SurvivalError> {
    let (what, found, expected) = ("rows of risks", table.len(), outcomes.len());
    if found != expected {
        return Err(SurvivalError::Length { what, found, expected });
    }
    let metrics = |(index, &horizon_years): (usize, &f64)| {
        let risks = table.risks(index);
        HorizonMetrics {
            horizon_years,
            auc: dynamic_auc(outcomes, risks, horizon_years, level),
            follow_up_auc: follow_up_auc(outcomes, risks, horizon_years, level),
            brier: survival_brier(outcomes, risks, horizon_years, level),
            prediction_accuracy: prediction_accuracy(outcomes, risks, horizon_years, level),
            calibration: risk_calibration(outcomes, risks, horizon_years, groups, level),
        }
    };
    let last = table.last_risks();
    Ok(SurvivalEvaluation {
        exams: outcomes.len(),
        patients: outcomes.patient_count(),
        events: outcomes.event_count(),
        horizons: table.horizons_years().iter().enumerate().map(metrics).collect(),
        harrell_c: harrell_c(outcomes, last, level),
        uno_c: uno_c(outcomes, last, table.last_horizon_years(), level),
        integrated_brier: integrated_brier(outcomes, table, level),
        recalibrated: None,
        curve: kaplan_meier(outcomes, level),
    })
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
