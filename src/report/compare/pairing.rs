//! Paired tests of runs that scored the same exams.

use super::super::ReportError;
use super::entry::{Entry, in_words};
use super::{CompareOptions, entry};
use crate::evaluation::{PairedAucs, auc_with_interval, delong_paired, holm};
use crate::results::PredictionRow;
use crate::spec::{LossName, Part, Spec, differences};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run against one of the first group.
#[derive(Debug, Serialize)]
pub struct PairedTest {
    /// The run.
    pub run: String,
    /// What it is tested against.
    pub against: String,
    /// Exams that both scored.
    pub exams: usize,
    /// DeLong's test on them; `None` where there is none.
    pub aucs: Option<PairedAucs>,
    /// Its p-value corrected for the number of tests by Holm's method.
    pub p_value_holm: Option<f64>,
    /// The result, or why there is none, as a sentence.
    pub sentence: String,
}

/// The tests of all groups against the first.
pub(super) fn tests(
    entries: &[Entry],
    groups: &[Vec<usize>],
    specs: &[Spec],
    options: CompareOptions,
) -> Result<Vec<PairedTest>, ReportError> {
    let Some((first, others)) = groups.split_first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for &place in others.iter().flatten() {
        let own = (specs[place].experiment.seed, specs[place].split.fold);
        let same = |at: &&usize| (specs[**at].experiment.seed, specs[**at].split.fold) == own;
        let alone = groups.iter().all(|group| group.len() == 1);
        let partner = if alone { first.first() } else { first.iter().find(same) };
        match partner {
            Some(&partner) => {
                found.push((place, partner, pair(&entries[partner], &entries[place], options)?));
            }
            None => found.push((place, first[0], Pair::without_partner(&entries[place]))),
        }
    }
    let p_values: Vec<f64> = found.iter().filter_map(|(_, _, pair)| pair.p_value()).collect();
    let mut corrected = holm(&p_values).into_iter();
    let count = p_values.len();
    Ok(found
        .into_iter()
        .map(|(place, partner, pair)| {
            let p_value_holm = pair.p_value().and_then(|_| corrected.next());
            PairedTest {
                run: entries[place].name.clone(),
                against: entries[partner].name.clone(),
                exams: pair.labels.len(),
                sentence: sentence(&entries[place], &entries[partner], &pair, p_value_holm, count),
                aucs: pair.aucs,
                p_value_holm,
            }
        })
        .collect())
}

/// Two runs on the exams of both.
struct Pair {
    /// Log-odds of the run and of its partner.
    scores: [Vec<f64>; 2],
    labels: Vec<bool>,
    aucs: Option<PairedAucs>,
    /// Why there is no test.
    reason: Option<String>,
}

impl Pair {
    fn without_partner(entry: &Entry) -> Self {
        let reason = format!(
            "No paired test of {}: no run of the first group has its seed ({}) and fold.",
            entry.name, entry.spec.experiment.seed
        );
        Self { scores: Default::default(), labels: Vec::new(), aucs: None, reason: Some(reason) }
    }

    fn p_value(&self) -> Option<f64> {
        self.aucs.as_ref().and_then(|aucs| aucs.p_value)
    }
}

fn pair(first: &Entry, other: &Entry, options: CompareOptions) -> Result<Pair, ReportError> {
    let key = |row: &PredictionRow| (row.patient.clone(), row.exam.clone());
    let known: BTreeMap<_, &PredictionRow> = first.rows.iter().map(|row| (key(row), row)).collect();
    let shared: Vec<(&PredictionRow, &PredictionRow)> =
        other.rows.iter().filter_map(|row| Some((*known.get(&key(row))?, row))).collect();
    let relabelled = shared.iter().filter(|(a, b)| a.label != b.label).count();
    if relabelled > 0 {
        return Err(ReportError::OtherLabels {
            first: first.name.clone(),
            second: other.name.clone(),
            exams: relabelled,
        });
    }
    let same = shared.len() == other.rows.len() && shared.len() == first.rows.len();
    if !same && (!options.common || shared.is_empty()) {
        return Err(ReportError::OtherExams {
            first: first.name.clone(),
            second: other.name.clone(),
            first_exams: first.rows.len(),
            second_exams: other.rows.len(),
            common: shared.len(),
        });
    }
    let a: Vec<f64> = shared.iter().map(|(first, _)| first.logit).collect();
    let b: Vec<f64> = shared.iter().map(|(_, other)| other.logit).collect();
    let labels: Vec<bool> = shared.iter().map(|(first, _)| first.label == 1).collect();
    let aucs = delong_paired(&b, &a, &labels, 0.95);
    let reason = match &aucs {
        None => Some(format!(
            "No paired test of {}: the exams are all of one class, or a score is not a number.",
            other.name
        )),
        Some(aucs) => aucs.reason.as_ref().map(|reason| format!("{}: {reason}.", other.name)),
    };
    Ok(Pair { scores: [b, a], labels, aucs, reason })
}

/// What a paper would print.
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
    let (Some(interval), Some(p)) = (&aucs.interval, aucs.p_value) else {
        return "The AUCs cannot be told apart.".to_owned();
    };
    let [own, other] =
        [(&pair.scores[0], entry), (&pair.scores[1], partner)].map(|(scores, of)| {
            let found = auc_with_interval(scores, &pair.labels, 0.95);
            let interval = found.interval.map_or(String::new(), |interval| {
                format!(" (95 % CI {:.3} to {:.3})", interval.low, interval.high)
            });
            (called(of, entry, partner), found.value.unwrap_or_default(), interval)
        });
    let part = part_of(entry);
    let positives = pair.labels.iter().filter(|&&label| label).count();
    let told = |p: f64| if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") };
    let holm = match corrected.filter(|_| count > 1) {
        Some(corrected) => format!("; Holm-corrected for {count} tests, {}", told(corrected)),
        None => String::new(),
    };
    let only = if pair.labels.len() == entry.rows.len().max(partner.rows.len()) {
        ""
    } else {
        " that both have in common"
    };
    format!(
        "On the same {} {part} exams{only} ({positives} positive), {} reached an AUC of {:.3}{} and {} \
         one of {:.3}{}, a difference of {:.3} (95 % CI {:.3} to {:.3}; DeLong's paired test, {}{holm}).",
        pair.labels.len(),
        own.0,
        own.1,
        own.2,
        other.0,
        other.1,
        other.2,
        aucs.difference,
        interval.low,
        interval.high,
        told(p),
    )
    .replace("of -", "of −")
    .replace("CI -", "CI −")
    .replace("to -", "to −")
}

fn part_of(entry: &Entry) -> &'static str {
    if entry.parts.contains_key("out-of-fold") {
        return in_words(None);
    }
    let count = |part: &str| entry.parts.get(part).map(|figures| figures.exams);
    if count("test") == Some(entry.rows.len()) && count("test").is_some() {
        entry::in_words(Some(Part::Test))
    } else {
        entry::in_words(Some(Part::Valid))
    }
}

/// What a run is called beside another: by its loss or the one key in which they differ, else by
/// its name.
fn called(run: &Entry, a: &Entry, b: &Entry) -> String {
    let loss = &run.spec.loss;
    if a.spec.loss.name != b.spec.loss.name {
        return match loss.name {
            LossName::CrossEntropy => "cross-entropy".to_owned(),
            LossName::Focal => format!("focal loss (γ = {}, α = {})", loss.gamma, loss.alpha),
        };
    }
    let keys = differences(&[run.spec.clone(), a.spec.clone(), b.spec.clone()]);
    match keys.as_slice() {
        [one] => match one.values.first() {
            Some(Some(value)) => format!("{} = {value}", one.key),
            _ => run.name.clone(),
        },
        _ => run.name.clone(),
    }
}
