//! Metrics of predictions, with confidence intervals.
//!
//! Pure statistics over slices of numbers: no files, no clocks, no other module of the program. A
//! prediction is the log-odds `z = logit₁ − logit₀` of cancer. Ranking metrics use `z`, which does not
//! saturate as probabilities do; calibration uses the probability.
//!
//! ```text
//!   &[ScoredExam] ──evaluate──► Evaluation ──serde──► evaluation.json
//!                             ├ auc            mid-ranks; logit DeLong; patient bootstrap
//!                             ├ cross_entropy, accuracy
//!                             ├ calibration    Brier, ECE, slope, intercept, reliability bins
//!                             └ operating_points   Wilson intervals
//! ```
//!
//! An undefined metric (one class only, no exam, scores that are not finite) is `None` with a
//! `reason`. No metric is ever NaN, and no input makes these functions fail.
//!
//! [`evaluate_with_curves`] also returns the points of the plots: the ROC curve's band, precision and recall,
//! the decision curve. Means over exams, average precision and the bands have percentile intervals
//! over resampled patients, all from the same replicates.
//!
//! [`paired_aucs`] compares two models on the same exams.
//!
//! [`evaluate_survival`] evaluates predicted risks over several years against follow-up of unequal length;
//! [`SybilCalibrators`] are the calibrators that Sybil's weights come with.
//!
//! ```
//! use lungs_stats::auc_with_interval;
//!
//! let scores = [-2.1, -1.4, -0.9, -0.2, 0.3, 0.8, 1.1, 2.5];
//! let labels = [false, false, false, true, false, true, true, true];
//! let auc = auc_with_interval(&scores, &labels, None, 0.95);
//! // 15 of the 16 pairs of a positive and a negative exam are ranked correctly.
//! assert_eq!(auc.value, Some(15.0 / 16.0));
//! let interval = auc.interval.unwrap();
//! assert!(interval.low < 0.9375 && interval.high <= 1.0);
//! ```
//!
//! # Adding a metric
//!
//! 1. Write a function from slices over exams (`scores`, `probabilities`, `labels`) to `Option<f64>`, such as
//!    [`brier`] or [`average_precision`]; `None` means undefined.
//! 2. Add a field of type [`Estimate`] to [`Evaluation`] with `#[serde(default = "not_computed")]`, so that files
//!    of older versions can be read, and set it in [`evaluate_with_curves`] and in `withdraw_all`.
//! 3. For a bootstrap interval, compute the metric in `RankedExams::metrics` (`sweep.rs`), where exams have
//!    weights and ties, and return the estimate from a method of `ResampledMetrics` (`curves.rs`).
//! 4. Show it in `lungs-report/src/run_page/metrics.rs`, `score/metrics.rs` and `compare/cells.rs`, describe it in
//!    `docs/statistics.md`, and test it against an independent implementation.
//!
//! A metric at a threshold is a field of [`OperatingPoint`] instead, set where the point is made (`operating.rs`) and
//! shown in `lungs-report/src/run_page/decisions.rs`, `score/points.rs` and `score/page.rs`.

mod auc_interval;
mod calibration;
mod cautions;
mod cluster;
mod components;
mod curves;
mod decision;
mod delong;
mod evaluate;
mod evaluation;
mod exam;
mod failures;
mod grouping;
mod interval;
mod leading;
mod likelihood;
mod logistic;
mod logit;
mod multiple;
mod non_inferiority;
mod normal;
mod operating;
mod options;
mod paired;
mod paired_shares;
mod partial_auc;
mod permutation;
mod planning;
mod precision;
mod predictive;
mod recalibrate;
mod resampling;
mod robustness;
mod roc;
mod smooth;
mod spline;
mod standardised;
mod strata;
mod subgroups;
mod survival;
mod sweep;
mod weighted;

pub use auc_interval::{
    auc_with_interval, delong_logit_interval, delong_plain_interval, newcombe_interval,
};
pub use calibration::{
    Calibration, ReliabilityBin, brier, calibration_in_the_large, debiased_calibration_error,
    equal_count_bins, expected_calibration_error, observed_expected, recalibration,
    reliability_bins,
};
pub use cluster::{patient_indices, repeated_patients};
pub use curves::{BandPoint, Curves, PrecisionBandPoint};
pub use decision::DecisionPoint;
pub use delong::{Delong, delong};
pub use evaluate::{accuracy, evaluate, evaluate_with_curves, mean_cross_entropy};
pub use evaluation::{AucMetrics, Evaluation};
pub use exam::ScoredExam;
pub use failures::{Decisions, FailureTally, failures};
pub use grouping::Grouping;
pub use interval::{Estimate, Interval, Method, Proportion, wilson};
pub use likelihood::{LikelihoodRatios, likelihood_ratios};
pub use multiple::holm;
pub use non_inferiority::{NonInferiority, non_inferiority};
pub use operating::{ChosenOn, OperatingPoint, Rule, operating_points};
pub use options::{CalibratedProbabilities, Options};
pub use paired::{PairedAucs, paired_aucs};
pub use paired_shares::{
    PairedOperatingPoints, PairedShares, SharesTest, paired_operating_points, paired_shares,
};
pub use partial_auc::PartialAuc;
pub use permutation::{Permutation, paired_permutation};
pub use planning::{
    PairedAucPlan, PlanningError, auc_correlation, auc_standard_error, exams_for_auc_width,
    exams_for_observed_expected_width, exams_for_paired_auc_power, exams_for_share_width,
    exams_for_slope_width, paired_auc_power,
};
pub use precision::{PrecisionRecallPoint, average_precision, precision_recall};
pub use predictive::AtPrevalence;
pub use recalibrate::{CalibrationMetrics, Calibrator, RecalibrationMetrics};
pub use resampling::{Resampling, bias_corrected_interval, percentile_interval};
pub use robustness::{ChangeEffect, DecisionChange, change_effect};
pub use roc::{RocPoint, auc, roc};
pub use smooth::{CalibrationPoint, SmoothCalibration, smooth_calibration};
pub use standardised::{
    ColumnKind, StandardisedDifference, binary_difference, categorical_difference,
    continuous_difference,
};
pub use strata::{FoldExams, mean_auc_of_folds};
pub use subgroups::{Heterogeneity, SharedExams, Subgroup, Subgroups};
pub use survival::{
    CalibratorError, CensoringPoint, FollowUp, FollowUpAuc, HorizonComparison, HorizonMetrics,
    Outcomes, PairedDifference, RecalibratedHorizon, RecalibratedRisks, RiskCalibration,
    RiskCalibrator, RiskGroup, RiskGroupCurve, RiskMapMethod, RiskTable, Status,
    SurvivalComparison, SurvivalError, SurvivalEstimate, SurvivalEvaluation, SurvivalPoint,
    SybilCalibrators, censoring_curve, compare_survival, cumulative_risk, dynamic_auc,
    evaluate_survival, follow_up_auc, harrell_c, integrated_brier, kaplan_meier,
    paired_dynamic_auc, paired_harrell_c, paired_uno_c, prediction_accuracy, risk_calibration,
    risk_group_curves, survival_brier, uno_c,
};
pub use weighted::WeightedMetrics;

#[cfg(test)]
mod extreme_scores_tests;
#[cfg(test)]
mod testing;
