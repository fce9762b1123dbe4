//! Who is in the study: from what was found to the parts.

use super::{RunPage, plots};
use crate::cohort::CohortRow;
use crate::prepare::{Row, Status};
use crate::report::page::counted;
use crate::report::plot::{Flow, FlowStep};
use crate::report::preparation::{Weight, words};
use crate::spec::{Part, Spec};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Reasons shown one by one; rarer ones are counted together.
const REASONS: usize = 8;

/// The flow of series and exams, from the tables of a run.
pub(in crate::report) fn flow_of(cohort: &[CohortRow], prepared: &[Row], spec: &Spec) -> Flow {
    let refused: BTreeSet<&str> = prepared
        .iter()
        .filter(|row| row.status == Status::Refused)
        .map(|row| row.series_uid.as_str())
        .collect();
    let images: Vec<&CohortRow> = cohort.iter().filter(|row| row.is_image()).collect();
    let others: Vec<&CohortRow> =
        cohort.iter().filter(|row| !row.is_image() && !row.is_passed_over()).collect();
    let here = |row: &&&CohortRow| refused.contains(row.series.as_str()) && !row.chosen;
    let before: Vec<&CohortRow> =
        images.iter().filter(|row| !row.chosen && !here(row)).copied().collect();
    let in_preparation: Vec<&CohortRow> = images.iter().filter(here).copied().collect();
    let chosen: Vec<&CohortRow> = images.iter().filter(|row| row.chosen).copied().collect();
    let taken = chosen.len() + in_preparation.len();
    let mut first = left_out("left out before preparation", &before);
    if !others.is_empty() {
        let told = reasons(&others).into_iter().map(|(name, count)| format!("{count} {name}"));
        first.push(format!("Besides, {}:", counted(others.len(), "entry", "entries")));
        first.extend(told);
    }
    first.extend(passed_over(cohort));
    Flow {
        steps: vec![
            FlowStep {
                lines: vec![
                    format!("{} found", counted(images.len(), "series", "series")),
                    format!("of {}", counted(patients(&images), "patient", "patients")),
                ],
                left_out: first,
            },
            FlowStep {
                lines: vec![
                    format!("{} chosen", counted(taken, "series", "series")),
                    "one for each exam".to_owned(),
                ],
                left_out: left_out("refused in preparation", &in_preparation),
            },
            FlowStep { lines: study(&chosen, None), left_out: Vec::new() },
        ],
        parts: parts(&chosen, spec),
    }
}

/// Files that may hold images and were not looked into, a line for each kind.
fn passed_over(cohort: &[CohortRow]) -> Vec<String> {
    let rows = cohort.iter().filter(|row| row.is_passed_over());
    let lines = rows.filter_map(|row| {
        let words = words(row.reason.split(':').next().unwrap_or_default());
        (words.weight == Weight::Look).then(|| format!("{} {}", row.slices, words.name))
    });
    let lines: Vec<String> = lines.collect();
    let head = (!lines.is_empty()).then(|| "Passed over:".to_owned());
    head.into_iter().chain(lines).collect()
}

fn parts(chosen: &[&CohortRow], spec: &Spec) -> Vec<Vec<String>> {
    if spec.is_of_all_folds() {
        let told = format!("in {}-fold cross-validation", spec.split.folds);
        return vec![vec!["Judged once each".to_owned(), told]];
    }
    let of = |part: Part, name: &str| {
        let rows: Vec<&CohortRow> =
            chosen.iter().filter(|row| row.split == Some(part)).copied().collect();
        (!rows.is_empty()).then(|| study(&rows, Some(name)))
    };
    let parts = [(Part::Train, "Training"), (Part::Valid, "Validation"), (Part::Test, "Test")];
    parts.into_iter().filter_map(|(part, name)| of(part, name)).collect()
}

fn study(rows: &[&CohortRow], name: Option<&str>) -> Vec<String> {
    let exams = counted(rows.len(), "exam", "exams");
    let positive = rows.iter().filter(|row| row.label == Some(1)).count();
    let head = match name {
        Some(name) => vec![name.to_owned(), exams],
        None => vec![format!("{exams} in the study")],
    };
    let patients = counted(patients(rows), "patient", "patients");
    [head, vec![format!("of {patients}"), format!("{positive} with cancer")]].concat()
}

fn patients(rows: &[&CohortRow]) -> usize {
    rows.iter().map(|row| row.patient.as_str()).collect::<BTreeSet<_>>().len()
}

/// The lines of a box of what is left out; none where nothing is.
fn left_out(name: &str, rows: &[&CohortRow]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = format!("{} {name}", rows.len());
    let reasons = reasons(rows);
    let told = reasons.iter().take(REASONS).map(|(name, count)| format!("{count} {name}"));
    let rest: usize = reasons.iter().skip(REASONS).map(|(_, count)| count).sum();
    let rest = (rest > 0).then(|| format!("{rest} for other reasons"));
    std::iter::once(head).chain(told).chain(rest).collect()
}

/// Reasons in words and how often each stands, the most frequent first.
fn reasons(rows: &[&CohortRow]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in rows {
        *counts.entry(row.reason.split(':').next().unwrap_or_default()).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> =
        counts.into_iter().map(|(code, count)| (words(code).name.into_owned(), count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

pub(super) fn section(page: &RunPage) -> Markup {
    let check = page.provenance.as_ref().and_then(|it| it.split_check.as_deref());
    html! {
        section #cohort {
            h2 { "Who is in the study" }
            (plots(page, &["cohort-flow".to_owned()]))
            @if let Some(check) = check { p.soft { "Checked: " (check) "." } }
            p.soft {
                "Every series, with what became of it, is in " code { "cohort.csv" } "; pictures of all of \
                 them are in " code { "preparation.html" } "."
            }
        }
    }
}
