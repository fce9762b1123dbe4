//! The AUC at a horizon over the exams of known status, without weights.

use super::outcomes::Outcomes;
use crate::auc_interval::auc_with_interval;
use crate::interval::Estimate;
use lungs_base::follow_up::Status;
use serde::{Deserialize, Serialize};

/// The AUC at a horizon over the exams of known status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FollowUpAuc {
    /// Exams with cancer within the horizon.
    pub positives: usize,
    /// Exams that are followed to the horizon without cancer, whatever happened later.
    pub negatives: usize,
    /// Exams whose follow-up ends before, without cancer; they are excluded.
    pub excluded: usize,
    /// The AUC with DeLong's or Obuchowski's interval.
    pub auc: Estimate,
}

/// The AUC by the rule of Sybil (Mikhael et al., Journal of Clinical Oncology 2023, 41:2191–2200): exams with cancer
/// within `t` years against exams that are followed for `t` years without cancer; others are excluded. Cancers after
/// `t` years are negative exams.
///
/// It is [`dynamic_auc`](super::dynamic_auc()) with equal weights. Early cancers are seen more often than late ones
/// where follow-up ends early, so it leans towards the ranking of early cancers.
///
/// # Panics
/// When there is not one score for each exam, or `level` is not between 0 and 1.
pub fn follow_up_auc(
    outcomes: &Outcomes,
    scores: &[f64],
    horizon_years: f64,
    level: f64,
) -> FollowUpAuc {
    assert_eq!(scores.len(), outcomes.len(), "one score per exam");
    let status = |exam: usize| outcomes.status(exam, horizon_years);
    let is_known = |&exam: &usize| status(exam) != Status::Unknown;
    let exams: Vec<usize> = (0..outcomes.len()).filter(is_known).collect();
    let labels: Vec<bool> = exams.iter().map(|&exam| status(exam) == Status::Cancer).collect();
    let scores: Vec<f64> = exams.iter().map(|&exam| scores[exam]).collect();
    let subset = outcomes.subset(&exams);
    let positives = labels.iter().filter(|&&label| label).count();
    FollowUpAuc {
        positives,
        negatives: labels.len() - positives,
        excluded: outcomes.len() - labels.len(),
        auc: auc_with_interval(&scores, &labels, subset.repeated_patients(), level),
    }
}

#[cfg(test)]
#[path = "follow_up_auc_tests.rs"]
mod tests;
