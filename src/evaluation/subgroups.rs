//! Figures by group: scanner, sex, age band.
//!
//! Whether the AUC differs between groups is tested by Cochran's statistic over DeLong's variances,
//! `Q = Σ (AUCᵢ − mean)² / Vᵢ` with the mean weighted by `1 / Vᵢ`, chi-squared with one degree of
//! freedom less than there are groups (McClish 1987). It takes the groups as independent, so it is not
//! computed where a patient has exams in several.
//!
//! A column that is known for the exams of one class alone (size, stage or histology of a cancer) makes
//! groups of that class: each is compared with all exams of the other class.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::calibration::brier;
use super::delong::{auc_with_interval, delong};
use super::interval::{Estimate, Proportion};
use super::multiple::holm;
use super::normal::chi_squared_tail;
use super::operating::{OperatingPoint, Rule, at_threshold};
use super::{Scored, patient_numbers};

/// Fewer exams of a class than this deserve a warning.
const FEW: usize = 10;

/// How exams are told apart: a name for each exam of a part; nothing where it is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// What the groups are by.
    pub by: String,
    /// Names of groups in the order in which they are told.
    pub groups: Vec<String>,
    /// For each exam, its group as a place in `groups`.
    pub of: Vec<Option<usize>>,
}

/// Figures by the groups of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// What the groups are by.
    pub by: String,
    /// Each group that has an exam.
    pub groups: Vec<Subgroup>,
    /// Exams whose group is not known.
    pub unknown: usize,
    /// The exams of the other class that every group is compared with, where the column is known
    /// for the exams of one class alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<Common>,
    /// Whether the AUC differs between groups.
    pub heterogeneity: Heterogeneity,
}

/// Exams that all groups of a column share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// Whether they are positive.
    pub positive: bool,
    /// How many there are.
    pub exams: usize,
}

/// Figures of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// Its name.
    pub group: String,
    /// Exams.
    pub exams: usize,
    /// Positive ones.
    pub positives: usize,
    /// AUC with DeLong's interval.
    pub auc: Estimate,
    /// Sensitivity at the first operating point of the whole part.
    pub sensitivity: Proportion,
    /// Specificity there.
    pub specificity: Proportion,
    /// Mean squared difference of probability and outcome.
    pub brier: Estimate,
    /// That there are too few exams to say much, where it is so.
    pub warning: Option<String>,
}

/// A test of the hypothesis that the AUC is the same in all groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heterogeneity {
    /// Groups that take part: those whose AUC has a variance.
    pub groups: usize,
    /// Cochran's Q.
    pub statistic: Option<f64>,
    /// Degrees of freedom.
    pub degrees: Option<usize>,
    /// Probability of such a Q or a larger one where the AUCs are alike.
    pub p_value: Option<f64>,
    /// The same corrected for the number of columns that were tested, by Holm's method.
    pub p_value_holm: Option<f64>,
    /// Why there is no test, or which groups it leaves out.
    pub reason: Option<String>,
}

impl Heterogeneity {
    fn none(groups: usize, reason: String) -> Self {
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

/// Figures by each grouping; the tests are corrected for their number. `point` is where sensitivity
/// and specificity are taken. Log-odds must be finite.
pub fn subgroups(
    exams: &[Scored],
    groupings: &[Grouping],
    point: Option<&OperatingPoint>,
    level: f64,
) -> Vec<Subgroups> {
    let mut all: Vec<Subgroups> =
        groupings.iter().map(|grouping| by_one(exams, grouping, point, level)).collect();
    let p_values: Vec<f64> = all.iter().filter_map(|one| one.heterogeneity.p_value).collect();
    let mut corrected = holm(&p_values).into_iter();
    for one in all.iter_mut().filter(|one| one.heterogeneity.p_value.is_some()) {
        one.heterogeneity.p_value_holm = corrected.next();
    }
    all
}

fn by_one(
    exams: &[Scored],
    grouping: &Grouping,
    point: Option<&OperatingPoint>,
    level: f64,
) -> Subgroups {
    let common = common(exams, grouping);
    let is_common = |exam: &Scored| common.is_some_and(|common| common.positive == exam.label);
    let members = |place: usize| -> Vec<&Scored> {
        let inside = exams.iter().zip(&grouping.of);
        let inside = inside.filter(|(exam, of)| **of == Some(place) || is_common(exam));
        inside.map(|(exam, _)| exam).collect()
    };
    let has_own = |place: usize| grouping.of.contains(&Some(place));
    let named: Vec<(&String, Vec<&Scored>)> = grouping
        .groups
        .iter()
        .enumerate()
        .filter(|(place, _)| has_own(*place))
        .map(|(place, name)| (name, members(place)))
        .collect();
    Subgroups {
        by: grouping.by.clone(),
        unknown: grouping.of.iter().filter(|of| of.is_none()).count()
            - common.map_or(0, |common| common.exams),
        common,
        heterogeneity: match common {
            Some(_) => Heterogeneity::none(
                named.len(),
                "all groups are compared with the same exams, so their AUCs are not independent"
                    .to_owned(),
            ),
            None => heterogeneity(exams, grouping, &named),
        },
        groups: named.iter().map(|(name, exams)| figures(name, exams, point, level)).collect(),
    }
}

/// The exams of the other class, where the groups of all exams of one class are unknown and the
/// known ones are of the other.
fn common(exams: &[Scored], grouping: &Grouping) -> Option<Common> {
    let known = |class: bool| {
        let of = exams.iter().zip(&grouping.of).filter(|(exam, _)| exam.label == class);
        of.filter(|(_, group)| group.is_some()).count()
    };
    let positive = match (known(true), known(false)) {
        (1.., 0) => false,
        (0, 1..) => true,
        _ => return None,
    };
    let exams = exams.iter().filter(|exam| exam.label == positive).count();
    (exams > 0).then_some(Common { positive, exams })
}

fn sides(exams: &[&Scored]) -> (Vec<f64>, Vec<bool>) {
    exams.iter().map(|exam| (exam.logit, exam.label)).unzip()
}

fn figures(name: &str, exams: &[&Scored], point: Option<&OperatingPoint>, level: f64) -> Subgroup {
    let (logits, labels) = sides(exams);
    let probabilities: Vec<f64> = exams.iter().map(|exam| exam.probability).collect();
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    let here = match point.and_then(|point| Some((point.rule, point.threshold_logit?))) {
        Some((rule, threshold)) => at_threshold(&logits, &labels, rule, threshold, level),
        None => OperatingPoint::undefined(Rule::Probability(0.5), "there is no operating point"),
    };
    let few = |count: usize, class: &str| {
        (count < FEW).then(|| match count {
            0 => format!("no {class} exam"),
            1 => format!("1 {class} exam only"),
            _ => format!("{count} {class} exams only"),
        })
    };
    let warnings: Vec<String> =
        [few(positives, "positive"), few(negatives, "negative")].into_iter().flatten().collect();
    Subgroup {
        group: name.to_owned(),
        exams: exams.len(),
        positives,
        auc: auc_with_interval(&logits, &labels, level),
        sensitivity: here.sensitivity,
        specificity: here.specificity,
        brier: brier(&probabilities, &labels)
            .map_or_else(|| Estimate::undefined("there are no exams"), Estimate::plain),
        warning: (!warnings.is_empty()).then(|| warnings.join(", ")),
    }
}

fn heterogeneity(
    exams: &[Scored],
    grouping: &Grouping,
    named: &[(&String, Vec<&Scored>)],
) -> Heterogeneity {
    let shared = patients_in_several(exams, grouping);
    if shared > 0 {
        return Heterogeneity::none(
            named.len(),
            format!(
                "{} exams in several groups, which are not independent",
                if shared == 1 {
                    "1 patient has".to_owned()
                } else {
                    format!("{shared} patients have")
                }
            ),
        );
    }
    let (mut parts, mut left_out) = (Vec::new(), Vec::new());
    for (name, exams) in named {
        let (logits, labels) = sides(exams);
        match delong(&logits, &labels).and_then(|found| Some((found.auc, found.variance?))) {
            Some((auc, variance)) if variance > 1e-15 => parts.push((auc, variance)),
            Some((auc, _)) => left_out.push(format!("{name} (its AUC of {auc} has no variance)")),
            None => left_out.push(format!("{name} (too few exams of a class)")),
        }
    }
    let told = (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", ")));
    if parts.len() < 2 {
        let why = told.map_or(String::new(), |told| format!("; {told}"));
        let reason = format!("fewer than two groups have an AUC with a variance{why}");
        return Heterogeneity::none(parts.len(), reason);
    }
    let weights: f64 = parts.iter().map(|(_, variance)| 1.0 / variance).sum();
    let mean = parts.iter().map(|(auc, variance)| auc / variance).sum::<f64>() / weights;
    let statistic: f64 = parts.iter().map(|(auc, variance)| (auc - mean).powi(2) / variance).sum();
    let degrees = parts.len() - 1;
    Heterogeneity {
        groups: parts.len(),
        statistic: Some(statistic),
        degrees: Some(degrees),
        p_value: Some(chi_squared_tail(statistic, degrees)),
        p_value_holm: None,
        reason: told,
    }
}

fn patients_in_several(exams: &[Scored], grouping: &Grouping) -> usize {
    let mut seen = BTreeMap::<usize, BTreeSet<usize>>::new();
    for (patient, group) in patient_numbers(exams).into_iter().zip(&grouping.of) {
        seen.entry(patient).or_default().extend(group);
    }
    seen.values().filter(|groups| groups.len() > 1).count()
}

#[cfg(test)]
#[path = "subgroups_tests.rs"]
mod tests;
