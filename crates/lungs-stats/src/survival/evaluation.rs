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
    /// The Kaplan–Meier curve of all exams.
    pub curve: Vec<SurvivalPoint>,
}

/// All metrics of predicted risks, with calibration in at most `groups` groups.
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
        curve: kaplan_meier(outcomes, level),
    })
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
