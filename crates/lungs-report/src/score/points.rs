//! Metrics at thresholds and of subgroups.

use super::metrics::Metric;
use crate::thresholds::{name_of_rule, threshold_of_rule};
use lungs_stats::{ChosenOn, Heterogeneity, OperatingPoint, Rule, Subgroups};
use serde::Serialize;

/// A threshold with its metrics.
#[derive(Clone, Debug, Serialize)]
pub struct PointMetrics {
    /// The rule that chose the threshold.
    #[serde(flatten)]
    pub rule: Rule,
    /// The exams that the threshold was chosen on.
    pub chosen_on: ChosenOn,
    /// The threshold.
    #[serde(flatten)]
    pub threshold: Threshold,
    /// True positives of all positive exams.
    pub sensitivity: Metric,
    /// True negatives of all negative exams.
    pub specificity: Metric,
    /// True positives of all exams predicted positive.
    pub positive_predictive_value: Metric,
    /// True negatives of all exams predicted negative.
    pub negative_predictive_value: Metric,
    /// Likelihood ratio of a positive prediction.
    pub positive_likelihood_ratio: Metric,
    /// Likelihood ratio of a negative prediction.
    pub negative_likelihood_ratio: Metric,
    /// Predictive values at the stated prevalence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_prevalence: Option<PrevalenceMetrics>,
}

/// A threshold in the unit of the predictions; `None` when no threshold meets the rule.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Threshold {
    /// Of a model with probabilities.
    Probability {
        /// Exams with at least this probability are predicted positive.
        threshold_probability: Option<f64>,
    },
    /// Of a model with ranking scores.
    Score {
        /// Exams with at least this score are predicted positive.
        threshold_score: Option<f64>,
    },
}

impl Threshold {
    fn value(self) -> Option<f64> {
        match self {
            Self::Probability { threshold_probability: value }
            | Self::Score { threshold_score: value } => value,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Probability { .. } => "p",
            Self::Score { .. } => "score",
        }
    }
}

/// Predictive values at a stated prevalence.
#[derive(Clone, Debug, Serialize)]
pub struct PrevalenceMetrics {
    /// The prevalence.
    pub prevalence: f64,
    /// Positive predictive value.
    pub positive_predictive_value: Metric,
    /// Negative predictive value.
    pub negative_predictive_value: Metric,
}

impl PointMetrics {
    pub(super) fn of(point: &OperatingPoint, is_probability: bool) -> Self {
        Self {
            rule: point.rule,
            chosen_on: point.chosen_on,
            threshold: if is_probability {
                Threshold::Probability { threshold_probability: point.threshold_probability }
            } else {
                Threshold::Score { threshold_score: point.threshold_logit }
            },
            sensitivity: (&point.sensitivity).into(),
            specificity: (&point.specificity).into(),
            positive_predictive_value: (&point.positive_predictive_value).into(),
            negative_predictive_value: (&point.negative_predictive_value).into(),
            positive_likelihood_ratio: (&point.likelihood_ratios.positive).into(),
            negative_likelihood_ratio: (&point.likelihood_ratios.negative).into(),
            at_prevalence: point.at_prevalence.as_ref().map(|stated| PrevalenceMetrics {
                prevalence: stated.prevalence,
                positive_predictive_value: (&stated.positive_predictive_value).into(),
                negative_predictive_value: (&stated.negative_predictive_value).into(),
            }),
        }
    }

    /// The rule with the threshold that it chose: `specificity ≥ 0.9: p ≥ 0.312`.
    pub(super) fn threshold_text(&self) -> String {
        let (rule, sign) = (name_of_rule(self.rule), self.threshold.sign());
        match (self.rule, self.threshold.value()) {
            (Rule::Probability(_), _) => rule,
            (_, Some(threshold)) => format!("{rule}: {sign} ≥ {threshold:.3}").replace('-', "−"),
            (_, None) => format!("{rule}: no threshold"),
        }
    }

    /// The rows of this point in a table with a column for each model.
    pub(super) fn named_texts(&self) -> Vec<(String, String)> {
        let at = threshold_of_rule(self.rule);
        let mut rows = Vec::new();
        if !matches!(self.rule, Rule::Probability(_)) {
            let text = self.threshold.value();
            let text = text.map_or("–".to_owned(), |value| format!("{value:.3}"));
            let name = at.strip_prefix("the ").unwrap_or(&at);
            rows.push((name.to_owned(), text.replace('-', "−")));
        }
        rows.push((format!("sensitivity at {at}"), self.sensitivity.text()));
        rows.push((format!("specificity at {at}"), self.specificity.text()));
        if let Some(stated) = &self.at_prevalence {
            let name = |short: &str| format!("{short} at {at}, prevalence {}", stated.prevalence);
            rows.push((name("PPV"), stated.positive_predictive_value.text()));
            rows.push((name("NPV"), stated.negative_predictive_value.text()));
        }
        rows
    }
}

/// Metrics by the groups of one column.
#[derive(Clone, Debug, Serialize)]
pub struct SubgroupMetrics {
    /// The column.
    pub by: String,
    /// The groups.
    pub groups: Vec<GroupMetrics>,
    /// Number of exams without a group.
    pub unknown: usize,
    /// The test for a difference of the AUC between groups.
    pub heterogeneity: Heterogeneity,
}

/// Metrics of one group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupMetrics {
    /// Name of the group.
    pub group: String,
    /// Number of exams.
    pub exams: usize,
    /// Number of positive exams.
    pub positives: usize,
    /// AUC.
    pub auc: Metric,
    /// Sensitivity at the first threshold.
    pub sensitivity: Metric,
    /// Specificity at the first threshold.
    pub specificity: Metric,
    /// Brier score.
    pub brier: Metric,
    /// A warning about classes with few exams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl SubgroupMetrics {
    pub(super) fn of(subgroups: &Subgroups) -> Self {
        let group = |group: &lungs_stats::Subgroup| GroupMetrics {
            group: group.group.clone(),
            exams: group.exams,
            positives: group.positives,
            auc: (&group.auc).into(),
            sensitivity: (&group.sensitivity).into(),
            specificity: (&group.specificity).into(),
            brier: (&group.brier).into(),
            warning: group.warning.clone(),
        };
        Self {
            by: subgroups.by.clone(),
            groups: subgroups.groups.iter().map(group).collect(),
            unknown: subgroups.unknown,
            heterogeneity: subgroups.heterogeneity.clone(),
        }
    }
}
