//! Metrics by subgroup: scanner, sex, age band.
//!
//! A difference of the AUC between groups is tested by Cochran's statistic over DeLong's (or Obuchowski's)
//! variances, `Q = Σ (AUCᵢ − mean)² / Vᵢ` with the mean weighted by `1 / Vᵢ`, chi-squared with one degree of
//! freedom less than the number of groups (McClish 1987). Where a group is small, the variances are pooled
//! over groups, and the smallest groups are excluded. The test assumes independent groups, so it is not
//! computed when a patient has exams in several groups.
//!
//! A column with values for the exams of one class only (size, stage or histology of a cancer) gives
//! groups of that class: each is evaluated together with all exams of the other class.

use lungs_base::text::{counted, noun};
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::auc_interval::auc_with_interval;
use super::calibration::{brier, observed_expected, recalibration};
use super::cautions::FEW_EXAMS;
use super::cluster::{class_counts, patient_indices, repeated_patients};
use super::delong::delong;
use super::exam::ScoredExam;
use super::grouping::Grouping;
use super::interval::{Estimate, Proportion, not_computed};
use super::multiple::holm;
use super::operating::{OperatingPoint, Rule, at_threshold};
use super::smooth::{SmoothCalibration, smooth_calibration};
use super::strata::{Stratum, cochran, pooled_variances};

/// Patients of a class that a group needs to enter the test of heterogeneity.
const MIN_PATIENTS: usize = 5;
/// Patients of a class from which a group's own variance is used in that test; where patients have several exams,
/// one patient weighs more in it than another, and it takes more of them.
const OWN_VARIANCE: [usize; 2] = [20, 50];

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
    /// Observed number of positive exams divided by the expected one.
    #[serde(default = "not_computed")]
    pub observed_expected: Estimate,
    /// Slope of the logistic recalibration; 1 is ideal.
    #[serde(default = "not_computed")]
    pub slope: Estimate,
    /// The smooth calibration curve of the group and its errors, without intervals of the errors.
    #[serde(default)]
    pub smooth: SmoothCalibration,
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
        groups: groups
            .iter()
            .map(|(name, exams)| metrics(name, exams, point, shared.is_some(), level))
            .collect(),
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

/// O/E, slope and smooth curve of a group; undefined where the exams of one class are `shared` with other groups.
fn group_calibration(
    (logits, probabilities, labels): (&[f64], &[f64], &[bool]),
    patients: Option<&[usize]>,
    shared: bool,
    level: f64,
) -> (Estimate, Estimate, SmoothCalibration) {
    if shared {
        let reason = "the group shares the exams of one class with other groups, which changes its prevalence";
        return (
            Estimate::undefined(reason),
            Estimate::undefined(reason),
            SmoothCalibration::undefined(reason),
        );
    }
    (
        observed_expected(probabilities, labels, patients, level),
        recalibration(logits, labels, patients, level)
            .map_or_else(Estimate::undefined, |(slope, _)| slope),
        smooth_calibration(logits, labels, patients, level),
    )
}

fn metrics(
    name: &str,
    exams: &[&ScoredExam],
    point: Option<&OperatingPoint>,
    shared: bool,
    level: f64,
) -> Subgroup {
    let (logits, labels) = logits_and_labels(exams);
    let probabilities: Vec<f64> = exams.iter().map(|exam| exam.probability).collect();
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let patients = repeated_patients(exams.iter().map(|exam| exam.patient_id.as_str()));
    let group_point = match point.and_then(|point| Some((point.rule, point.threshold_logit?))) {
        Some((rule, threshold)) => at_threshold(&logits, &labels, rule, threshold, level)
            .for_patients(&logits, &labels, patients.as_deref(), level),
        None => OperatingPoint::undefined(Rule::Probability(0.5), "there is no operating point"),
    };
    let warning = |count: usize, class: &str| {
        (count < FEW_EXAMS).then(|| match count {
            0 => format!("no {class} exams"),
            _ => format!("only {count} {class} {}", noun(count, "exam", "exams")),
        })
    };
    let warnings: Vec<String> = [warning(positives, "positive"), warning(negatives, "negative")]
        .into_iter()
        .flatten()
        .collect();
    let columns = (logits.as_slice(), probabilities.as_slice(), labels.as_slice());
    let (observed_expected, slope, smooth) =
        group_calibration(columns, patients.as_deref(), shared, level);
    Subgroup {
        group: name.to_owned(),
        exams: exams.len(),
        positives,
        auc: auc_with_interval(&logits, &labels, patients.as_deref(), level),
        sensitivity: group_point.sensitivity,
        specificity: group_point.specificity,
        brier: brier(&probabilities, &labels)
            .map_or_else(|| Estimate::undefined("there are no exams"), Estimate::plain),
        observed_expected,
        slope,
        smooth,
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
        let patients = counted(repeated, "patient has", "patients have");
        let reason = format!("{patients} exams in several groups, which are not independent");
        return Heterogeneity::undefined(groups.len(), reason);
    }
    let (mut strata, mut own_variances, mut excluded) = (Vec::new(), Vec::new(), Vec::new());
    for (name, exams) in groups {
        let (logits, labels) = logits_and_labels(exams);
        let patients = repeated_patients(exams.iter().map(|exam| exam.patient_id.as_str()));
        let smaller = class_counts(&labels, patients.as_deref()).into_iter().min().unwrap_or(0);
        let enough = OWN_VARIANCE[usize::from(patients.is_some())];
        match Stratum::of(&logits, &labels, patients.as_deref()) {
            Some(stratum) if smaller >= MIN_PATIENTS => {
                let variance = delong(&logits, &labels, patients.as_deref())
                    .and_then(|delong| delong.variance)
                    .filter(|&variance| smaller >= enough && variance > 1e-15);
                own_variances.push(variance);
                strata.push(stratum);
            }
            _ => excluded.push(format!("{name} (fewer than {MIN_PATIENTS} patients of a class)")),
        }
    }
    let mut reasons = Vec::new();
    if !excluded.is_empty() {
        reasons.push(format!("excluded: {}", excluded.join(", ")));
    }
    let own: Option<Vec<f64>> = own_variances.into_iter().collect();
    if own.is_none() && strata.len() > 1 {
        let reason = "variances pooled over groups, because a group has few exams of a class";
        reasons.push(reason.to_owned());
    }
    let variances = own.or_else(|| pooled_variances(&strata)).unwrap_or_default();
    let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    if strata.len() < 2 || variances.iter().any(|&variance| variance <= 1e-15) {
        let detail = reason.map_or(String::new(), |reason| format!("; {reason}"));
        let reason = format!("fewer than two groups have an AUC with a variance{detail}");
        return Heterogeneity::undefined(strata.len(), reason);
    }
    let aucs: Vec<(f64, f64)> =
        strata.iter().zip(variances).map(|(group, variance)| (group.auc, variance)).collect();
    let (statistic, degrees, p_value) = cochran(&aucs);
    Heterogeneity {
        groups: aucs.len(),
        statistic: Some(statistic),
        degrees: Some(degrees),
        p_value: Some(p_value),
        p_value_holm: None,
        reason,
    }
}

fn patients_in_several_groups(exams: &[ScoredExam], grouping: &Grouping) -> usize {
    let mut groups_of_patient = BTreeMap::<usize, BTreeSet<usize>>::new();
    let patients = patient_indices(exams.iter().map(|exam| exam.patient_id.as_str()));
    for (patient, group) in patients.into_iter().zip(&grouping.of) {
        groups_of_patient.entry(patient).or_default().extend(group);
    }
    groups_of_patient.values().filter(|groups| groups.len() > 1).count()
}

#[cfg(test)]
#[path = "subgroups_tests.rs"]
mod tests;
