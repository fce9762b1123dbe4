//! Paired tests of runs that scored the same exams.

use super::super::ReportError;
use super::CompareOptions;
use super::entry::{Entry, split_name};
use lungs_spec::results::PredictionRow;
use lungs_spec::spec::{LossName, Spec, SplitName, differences};
use lungs_stats::{PairedAucs, auc_with_interval, holm, paired_aucs, repeated_patients};
use serde::Serialize;
use std::collections::BTreeMap;

/// The paired test of a run against a run of the first group.
#[derive(Debug, Serialize)]
pub struct PairedTest {
    /// Name of the run.
    pub run: String,
    /// Name of the run that it is tested against.
    pub against: String,
    /// Number of exams that both runs scored.
    pub exams: usize,
    /// Result of the test; `None` when it is undefined.
    pub aucs: Option<PairedAucs>,
    /// The p-value corrected for the number of tests by Holm's method.
    pub p_value_holm: Option<f64>,
    /// The result as a sentence, or the reason why there is none.
    pub sentence: String,
}

/// The tests of all later groups against the first group.
pub(super) fn tests(
    entries: &[Entry],
    groups: &[Vec<usize>],
    specs: &[Spec],
    options: CompareOptions,
) -> Result<Vec<PairedTest>, ReportError> {
    let Some((first, others)) = groups.split_first() else { return Ok(Vec::new()) };
    let mut pairs = Vec::new();
    for &run in others.iter().flatten() {
        let seed_and_fold = |run: usize| (specs[run].experiment.seed, specs[run].split.fold);
        let matches = |other: &&usize| seed_and_fold(**other) == seed_and_fold(run);
        let single_runs = groups.iter().all(|group| group.len() == 1);
        let partner = if single_runs { first.first() } else { first.iter().find(matches) };
        match partner {
            Some(&partner) => {
                pairs.push((run, partner, pair(&entries[partner], &entries[run], options)?));
            }
            None => pairs.push((run, first[0], Pair::without_partner(&entries[run]))),
        }
    }
    let p_values: Vec<f64> = pairs.iter().filter_map(|(_, _, pair)| pair.p_value()).collect();
    let mut corrected = holm(&p_values).into_iter();
    let count = p_values.len();
    Ok(pairs
        .into_iter()
        .map(|(run, partner, pair)| {
            let p_value_holm = pair.p_value().and_then(|_| corrected.next());
            PairedTest {
                run: entries[run].name.clone(),
                against: entries[partner].name.clone(),
                exams: pair.labels.len(),
                sentence: sentence(&entries[run], &entries[partner], &pair, p_value_holm, count),
                aucs: pair.aucs,
                p_value_holm,
            }
        })
        .collect())
}

/// Predictions of two runs on their common exams.
struct Pair {
    /// Log-odds of the run and of its partner, each `[exam]`.
    scores: [Vec<f64>; 2],
    labels: Vec<bool>,
    /// The index of each exam's patient, where patients have several exams.
    patients: Option<Vec<usize>>,
    aucs: Option<PairedAucs>,
    /// Why the test is undefined.
    reason: Option<String>,
}

impl Pair {
    fn without_partner(entry: &Entry) -> Self {
        let reason = format!(
            "No paired test for {}: no run of the first group has the same seed ({}) and fold.",
            entry.name, entry.spec.experiment.seed
        );
        Self {
            scores: Default::default(),
            labels: Vec::new(),
            patients: None,
            aucs: None,
            reason: Some(reason),
        }
    }

    fn p_value(&self) -> Option<f64> {
        self.aucs.as_ref().and_then(|aucs| aucs.p_value)
    }
}

fn pair(first: &Entry, other: &Entry, options: CompareOptions) -> Result<Pair, ReportError> {
    let key = |row: &PredictionRow| (row.patient_id.clone(), row.exam_id.clone());
    let first_rows: BTreeMap<_, &PredictionRow> =
        first.rows.iter().map(|row| (key(row), row)).collect();
    let shared: Vec<(&PredictionRow, &PredictionRow)> =
        other.rows.iter().filter_map(|row| Some((*first_rows.get(&key(row))?, row))).collect();
    let relabelled = shared.iter().filter(|(a, b)| a.label != b.label).count();
    if relabelled > 0 {
        return Err(ReportError::DifferentLabels {
            first: first.name.clone(),
            second: other.name.clone(),
            exams: relabelled,
        });
    }
    let same_exams = shared.len() == other.rows.len() && shared.len() == first.rows.len();
    if !same_exams && (!options.common || shared.is_empty()) {
        return Err(ReportError::DifferentExams {
            first: first.name.clone(),
            second: other.name.clone(),
            first_exams: first.rows.len(),
            second_exams: other.rows.len(),
            common: shared.len(),
        });
    }
    let a: Vec<f64> = shared.iter().map(|(first, _)| first.logit).collect();
    let b: Vec<f64> = shared.iter().map(|(_, other)| other.logit).collect();
    let labels: Vec<bool> = shared.iter().map(|(first, _)| first.label).collect();
    let patients = repeated_patients(shared.iter().map(|(row, _)| row.patient_id.as_str()));
    let seed = first.spec.experiment.seed;
    let aucs = paired_aucs([&b, &a], &labels, patients.as_deref(), 0.95, seed);
    let reason = match &aucs {
        None => Some(format!(
            "No paired test for {}: all exams have the same class, or a prediction is not a number.",
            other.name
        )),
        Some(aucs) if aucs.p_value.is_some() => None,
        Some(aucs) => aucs.reason.as_ref().map(|reason| format!("{}: {reason}.", other.name)),
    };
    Ok(Pair { scores: [b, a], labels, patients, aucs, reason })
}

/// The result of a test as a sentence for a paper.
fn sentence(
    entry: &Entry,
    partner: &Entry,
    pair: &Pair,
    corrected: Option<f64>,
    count: usize,
) -> String {
    if let Some(reason) = &pair.reason {
        return reason.clone();
    }
    let Some(aucs) = &pair.aucs else { return String::new() };
    let Some(p) = aucs.p_value else {
        return "The paired test of the AUCs is undefined.".to_owned();
    };
    let test = match (&aucs.permutation, &aucs.interval) {
        (Some(permutation), _) if permutation.exact => {
            format!("exact permutation test, {} exchanges", permutation.exchanges)
        }
        (Some(permutation), _) => {
            format!("permutation test, {} random exchanges", permutation.exchanges)
        }
        (None, Some(it)) => {
            let name = if pair.patients.is_some() {
                "DeLong's paired test with Obuchowski's variance for repeated patients"
            } else {
                "DeLong's paired test"
            };
            format!("95 % CI {:.3} to {:.3}; {name}", it.low, it.high)
        }
        (None, None) => String::new(),
    };
    let remark = match (&aucs.permutation, &aucs.reason) {
        (Some(_), Some(reason)) => format!(" There is {reason}."),
        _ => String::new(),
    };
    let [own, other] =
        [(&pair.scores[0], entry), (&pair.scores[1], partner)].map(|(scores, run)| {
            let auc = auc_with_interval(scores, &pair.labels, pair.patients.as_deref(), 0.95);
            let interval = auc.interval.map_or(String::new(), |interval| {
                format!(" (95 % CI {:.3} to {:.3})", interval.low, interval.high)
            });
            (short_name(run, entry, partner), auc.value.unwrap_or_default(), interval)
        });
    let split = compared_split(entry);
    let positives = pair.labels.iter().filter(|&&label| label).count();
    let format_p = |p: f64| if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") };
    let holm = match corrected.filter(|_| count > 1) {
        Some(corrected) => format!("; Holm-corrected for {count} tests, {}", format_p(corrected)),
        None => String::new(),
    };
    let common = if pair.labels.len() == entry.rows.len().max(partner.rows.len()) {
        ""
    } else {
        " common to both runs"
    };
    format!(
        "On the same {} {split} exams{common} ({positives} positive), {} reached an AUC of {:.3}{} and {} \
         an AUC of {:.3}{}, a difference of {:.3} ({test}, {}{holm}).{remark}",
        pair.labels.len(),
        own.0,
        own.1,
        own.2,
        other.0,
        other.1,
        other.2,
        aucs.difference,
        format_p(p),
    )
    .replace("of -", "of −")
    .replace("CI -", "CI −")
    .replace("to -", "to −")
}

fn compared_split(entry: &Entry) -> &'static str {
    if entry.splits.contains_key("out-of-fold") {
        return split_name(None);
    }
    if entry.splits.contains_key("external") {
        return split_name(Some(SplitName::External));
    }
    let count = |split: &str| entry.splits.get(split).map(|metrics| metrics.exams);
    if count("test") == Some(entry.rows.len()) && count("test").is_some() {
        split_name(Some(SplitName::Test))
    } else {
        split_name(Some(SplitName::Valid))
    }
}

/// The name of `run` in the comparison of `a` and `b`: its loss or the one key in which they differ, else the
/// name of the run.
fn short_name(run: &Entry, a: &Entry, b: &Entry) -> String {
    let loss = &run.spec.loss;
    if a.spec.loss.name != b.spec.loss.name {
        return match loss.name {
            LossName::CrossEntropy => "cross-entropy".to_owned(),
            LossName::Focal => format!("focal loss (γ = {}, α = {})", loss.gamma, loss.alpha),
        };
    }
    let keys = differences(&[run.spec.clone(), a.spec.clone(), b.spec.clone()]);
    match keys.as_slice() {
        [key] => match key.values.first() {
            Some(Some(value)) => format!("{} = {value}", key.key),
            _ => run.name.clone(),
        },
        _ => run.name.clone(),
    }
}
