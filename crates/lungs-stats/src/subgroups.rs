//! Metrics by subgroup: scanner, sex, age band.
//!
//! A difference of the AUC between groups is tested by Cochran's statistic over DeLong's variances,
//! `Q = Σ (AUCᵢ − mean)² / Vᵢ` with the mean weighted by `1 / Vᵢ`, chi-squared with one degree of
//! freedom less than the number of groups (McClish 1987). It assumes independent groups, so it is not
//! computed when a patient has exams in several groups.
//!
//! A column with values for the exams of one class only (size, stage or histology of a cancer) gives
//! groups of that class: each is evaluated together with all exams of the other class.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::calibration::brier;
use super::delong::{auc_with_interval, delong};
use super::interval::{Estimate, Proportion};
use super::multiple::holm;
use super::normal::chi_squared_tail;
use super::operating::{OperatingPoint, Rule, at_threshold};
use super::{ScoredExam, patient_numbers};

/// Classes with fewer exams than this get a warning.
const FEW_EXAMS: usize = 10;

/// The groups of a column and the group of each exam.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// Name of the column.
    pub by: String,
    /// Names of the groups, in the order of the output.
    pub groups: Vec<String>,
    /// For each exam, the index of its group in `groups`; `None` when it is unknown.
    pub of: Vec<Option<usize>>,
}

/// Metrics by the groups of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// Name of the column.
    pub by: String,
    /// Groups with at least one exam.
    pub groups: Vec<Subgroup>,
    /// Number of exams whose group is unknown.
    pub unknown: usize,
    /// The exams of the other class that all groups share; `None` when the column has values for both classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<SharedExams>,
    /// Test for a difference of the AUC between groups.
    pub heterogeneity: Heterogeneity,
}

/// The exams of one class that all groups of a column share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedExams {
    /// Whether they are the positive exams.
    pub positive: bool,
    /// Number of exams.
    pub exams: usize,
}

/// Metrics of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// Name of the group.
    pub group: String,
    /// Number of exams.
    pub exams: usize,
    /// Number of positive exams.
    pub positives: usize,
    /// AUC with DeLong's interval.
    pub auc: Estimate,
    /// Sensitivity at the first operating point of all exams.
    pub sensitivity: Proportion,
    /// Specificity at the first operating point of all exams.
    pub specificity: Proportion,
    /// Mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// Warning about classes with few exams.
    pub warning: Option<String>,
}

/// A test of the null hypothesis that the AUC is the same in all groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heterogeneity {
    /// Number of groups in the test: those whose AUC has a variance.
    pub groups: usize,
    /// Cochran's Q.
    pub statistic: Option<f64>,
    /// Degrees of freedom.
    pub degrees: Option<usize>,
    /// Probability of this Q or a larger one when the AUCs are equal.
    pub p_value: Option<f64>,
    /// The p-value corrected for the number of tested columns by Holm's method.
    pub p_value_holm: Option<f64>,
    /// Why there is no test, or which groups are excluded from it.
    pub reason: Option<String>,
}

impl Heterogeneity {
    fn undefined(groups: usize, reason: String) -> Self {
        Self {
            groups,
            statistic: None,
            degrees: None,
            p_value: None,
            p_value_holm: None,
            reason: Some(reason),
        }
    }
}

/// Metrics by each grouping; the tests are corrected for their number. Sensitivity and specificity are those at
/// the threshold of `point`. Log-odds must be finite.
pub(crate) fn subgroups(
    exams: &[ScoredExam],
    groupings: &[Grouping],
    point: Option<&OperatingPoint>,
    level: f64,
) -> Vec<Subgroups> {
    let mut columns: Vec<Subgroups> = groupings
        .iter()
        .map(|grouping| subgroups_of_column(exams, grouping, point, level))
        .collect();
    let p_values: Vec<f64> =
        columns.iter().filter_map(|column| column.heterogeneity.p_value).collect();
    let mut corrected = holm(&p_values).into_iter();
    for column in columns.iter_mut().filter(|column| column.heterogeneity.p_value.is_some()) {
        column.heterogeneity.p_value_holm = corrected.next();
    }
    columns
}

fn subgroups_of_column(
    exams: &[ScoredExam],
    grouping: &Grouping,
    point: Option<&OperatingPoint>,
    level: f64,
) -> Subgroups {
    let shared = shared_exams(exams, grouping);
    let is_shared = |exam: &ScoredExam| shared.is_some_and(|shared| shared.positive == exam.label);
    let members = |index: usize| -> Vec<&ScoredExam> {
        let members = exams.iter().zip(&grouping.of);
        let members = members.filter(|(exam, group)| **group == Some(index) || is_shared(exam));
        members.map(|(exam, _)| exam).collect()
    };
    let has_exams = |index: usize| grouping.of.contains(&Some(index));
    let groups: Vec<(&String, Vec<&ScoredExam>)> = grouping
        .groups
        .iter()
        .enumerate()
        .filter(|(index, _)| has_exams(*index))
        .map(|(index, name)| (name, members(index)))
        .collect();
    Subgroups {
        by: grouping.by.clone(),
        unknown: grouping.of.iter().filter(|group| group.is_none()).count()
            - shared.map_or(0, |shared| shared.exams),
        common: shared,
        heterogeneity: match shared {
            Some(_) => Heterogeneity::undefined(
                groups.len(),
                "all groups share the exams of one class, so their AUCs are not independent"
                    .to_owned(),
            ),
            None => heterogeneity(exams, grouping, &groups),
        },
        groups: groups.iter().map(|(name, exams)| metrics(name, exams, point, level)).collect(),
    }
}

/// The exams of the class without known groups, when the exams of the other class have known groups.
fn shared_exams(exams: &[ScoredExam], grouping: &Grouping) -> Option<SharedExams> {
    let known_count = |class: bool| {
        let of_class = exams.iter().zip(&grouping.of).filter(|(exam, _)| exam.label == class);
        of_class.filter(|(_, group)| group.is_some()).count()
    };
    let positive = match (known_count(true), known_count(false)) {
        (1.., 0) => false,
        (0, 1..) => true,
        _ => return None,
    };
    let exams = exams.iter().filter(|exam| exam.label == positive).count();
    (exams > 0).then_some(SharedExams { positive, exams })
}

fn logits_and_labels(exams: &[&ScoredExam]) -> (Vec<f64>, Vec<bool>) {
    exams.iter().map(|exam| (exam.logit, exam.label)).unzip()
}

fn metrics(
    name: &str,
    exams: &[&ScoredExam],
    point: Option<&OperatingPoint>,
    level: f64,
) -> Subgroup {
    let (logits, labels) = logits_and_labels(exams);
    let probabilities: Vec<f64> = exams.iter().map(|exam| exam.probability).collect();
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let group_point = match point.and_then(|point| Some((point.rule, point.threshold_logit?))) {
        Some((rule, threshold)) => at_threshold(&logits, &labels, rule, threshold, level),
        None => OperatingPoint::undefined(Rule::Probability(0.5), "there is no operating point"),
    };
    let warning = |count: usize, class: &str| {
        (count < FEW_EXAMS).then(|| match count {
            0 => format!("no {class} exams"),
            1 => format!("only 1 {class} exam"),
            _ => format!("only {count} {class} exams"),
        })
    };
    let warnings: Vec<String> = [warning(positives, "positive"), warning(negatives, "negative")]
        .into_iter()
        .flatten()
        .collect();
    Subgroup {
        group: name.to_owned(),
        exams: exams.len(),
        positives,
        auc: auc_with_interval(&logits, &labels, level),
        sensitivity: group_point.sensitivity,
        specificity: group_point.specificity,
        brier: brier(&probabilities, &labels)
            .map_or_else(|| Estimate::undefined("there are no exams"), Estimate::plain),
        warning: (!warnings.is_empty()).then(|| warnings.join(", ")),
    }
}

fn heterogeneity(
    exams: &[ScoredExam],
    grouping: &Grouping,
    groups: &[(&String, Vec<&ScoredExam>)],
) -> Heterogeneity {
    let repeated = patients_in_several_groups(exams, grouping);
    if repeated > 0 {
        let patients = if repeated == 1 {
            "1 patient has".to_owned()
        } else {
            format!("{repeated} patients have")
        };
        let reason = format!("{patients} exams in several groups, which are not independent");
        return Heterogeneity::undefined(groups.len(), reason);
    }
    let (mut aucs, mut excluded) = (Vec::new(), Vec::new());
    for (name, exams) in groups {
        let (logits, labels) = logits_and_labels(exams);
        match delong(&logits, &labels).and_then(|delong| Some((delong.auc, delong.variance?))) {
            Some((auc, variance)) if variance > 1e-15 => aucs.push((auc, variance)),
            Some((auc, _)) => excluded.push(format!("{name} (its AUC of {auc} has no variance)")),
            None => excluded.push(format!("{name} (too few exams of a class)")),
        }
    }
    let reason = (!excluded.is_empty()).then(|| format!("excluded: {}", excluded.join(", ")));
    if aucs.len() < 2 {
        let detail = reason.map_or(String::new(), |reason| format!("; {reason}"));
        let reason = format!("fewer than two groups have an AUC with a variance{detail}");
        return Heterogeneity::undefined(aucs.len(), reason);
    }
    let weights: f64 = aucs.iter().map(|(_, variance)| 1.0 / variance).sum();
    let mean = aucs.iter().map(|(auc, variance)| auc / variance).sum::<f64>() / weights;
    let statistic: f64 = aucs.iter().map(|(auc, variance)| (auc - mean).powi(2) / variance).sum();
    let degrees = aucs.len() - 1;
    Heterogeneity {
        groups: aucs.len(),
        statistic: Some(statistic),
        degrees: Some(degrees),
        p_value: Some(chi_squared_tail(statistic, degrees)),
        p_value_holm: None,
        reason,
    }
}

fn patients_in_several_groups(exams: &[ScoredExam], grouping: &Grouping) -> usize {
    let mut groups_of_patient = BTreeMap::<usize, BTreeSet<usize>>::new();
    for (patient, group) in patient_numbers(exams).into_iter().zip(&grouping.of) {
        groups_of_patient.entry(patient).or_default().extend(group);
    }
    groups_of_patient.values().filter(|groups| groups.len() > 1).count()
}

#[cfg(test)]
#[path = "subgroups_tests.rs"]
mod tests;
