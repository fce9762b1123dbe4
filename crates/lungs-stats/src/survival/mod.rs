//! Metrics of predicted risks over several years, from follow-up that may end before cancer does.
//!
//! ```text
//!   &[FollowUp] ──Outcomes::new──┐
//!   risks by horizon ─RiskTable──┴─► evaluate_survival ──► SurvivalEvaluation
//!                                  ├ per horizon: risk (Kaplan–Meier), AUC(t), Sybil's AUC, Brier, IPA, O/E
//!                                  └ Harrell's C, Uno's C, integrated Brier score, curves
//! ```
//!
//! An exam whose follow-up ends without cancer is censored. At equal times cancers come before ends of
//! follow-up: an exam that is censored at `t` years is known to be free of cancer for `t` years. Exams of
//! unknown status at a horizon are represented by those of known status, weighted by the inverse of the
//! probability of being followed so long (IPCW). That requires that the end of follow-up is unrelated to cancer
//! and prediction. Other causes of death count as ends of follow-up.
//!
//! Standard errors come from derivatives of a metric by the weights of the exams (its empirical influence
//! function, with the part of the estimated weights), summed over the exams of a patient before they are squared.

mod brier;
mod calibration;
mod censoring;
mod comparison;
mod concordance;
mod discrimination;
mod dynamic_auc;
mod error;
mod estimate;
mod evaluation;
mod fenwick;
mod follow_up_auc;
mod influence;
mod kaplan_meier;
mod outcomes;
mod risk_calibrator;
mod risk_logistic;
mod risk_table;
mod sybil_calibrators;

pub use brier::{integrated_brier, prediction_accuracy, survival_brier};
pub use calibration::{RiskCalibration, RiskGroup, risk_calibration};
pub use censoring::{CensoringPoint, censoring_curve};
pub use comparison::{
    HorizonComparison, PairedDifference, SurvivalComparison, compare_survival, paired_dynamic_auc,
    paired_harrell_c, paired_uno_c,
};
pub use concordance::{harrell_c, uno_c};
pub use dynamic_auc::dynamic_auc;
pub use error::SurvivalError;
pub use estimate::SurvivalEstimate;
pub use evaluation::{
    HorizonMetrics, RecalibratedHorizon, RecalibratedRisks, SurvivalEvaluation, evaluate_survival,
};
pub use follow_up_auc::{FollowUpAuc, follow_up_auc};
pub use kaplan_meier::{
    RiskGroupCurve, SurvivalPoint, cumulative_risk, kaplan_meier, risk_group_curves,
};
pub use lungs_base::follow_up::{FollowUp, Status};
pub use outcomes::Outcomes;
pub use risk_calibrator::{RiskCalibrator, RiskMapMethod};
pub use risk_table::RiskTable;
pub use sybil_calibrators::{CalibratorError, SybilCalibrators};

#[cfg(test)]
mod testing;
