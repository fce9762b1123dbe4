//! The study cohort: the flow of series from the data folder to the splits.

use super::{RunPage, plots};
use crate::plot::{Flow, FlowStep};
use lungs_base::text::counted;
use lungs_image::codes::{ExclusionCode, Weight};
use lungs_spec::spec::{Spec, SplitName};
use lungs_study::cohort::CohortRow;
use lungs_study::prepare::{Row, Status};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Number of reasons with a line of their own; rarer reasons share one line.
const MAX_REASONS: usize = 8;

/// The flow of series and exams, from the tables of a run.
pub(crate) fn flow_of(cohort: &[CohortRow], prepared: &[Row], spec: &Spec) -> Flow {
    let refused: BTreeSet<&str> = prepared
        .iter()
        .filter(|row| row.status == Status::Refused)
        .map(|row| row.series_uid.as_str())
        .collect();
    let images: Vec<&CohortRow> = cohort.iter().filter(|row| row.is_image()).collect();
    let other_entries: Vec<&CohortRow> =
        cohort.iter().filter(|row| !row.is_image() && !row.is_skipped_file()).collect();
    let failed_preparation =
        |row: &&&CohortRow| refused.contains(row.series_uid.as_str()) && !row.chosen;
    let before: Vec<&CohortRow> =
        images.iter().filter(|row| !row.chosen && !failed_preparation(row)).copied().collect();
    let in_preparation: Vec<&CohortRow> =
        images.iter().filter(failed_preparation).copied().collect();
    let chosen: Vec<&CohortRow> = images.iter().filter(|row| row.chosen).copied().collect();
    let selected = chosen.len() + in_preparation.len();
    let mut excluded_before = excluded("excluded before preparation", &before);
    if !other_entries.is_empty() {
        let count = counted(other_entries.len(), "other entry", "other entries");
        excluded_before.push(format!("{count} excluded:"));
        let reasons = reasons(&other_entries).into_iter();
        excluded_before.extend(reasons.map(|(name, count)| format!("{count} {name}")));
    }
    excluded_before.extend(files_not_read(cohort));
    Flow {
        steps: vec![
            FlowStep {
                lines: vec![
                    format!("{} found", counted(images.len(), "series", "series")),
                    format!("of {}", counted(patients(&images), "patient", "patients")),
                ],
                excluded: excluded_before,
            },
            FlowStep {
                lines: vec![
                    format!("{} selected", counted(selected, "series", "series")),
                    "one per exam".to_owned(),
                ],
                excluded: excluded("excluded in preparation", &in_preparation),
            },
            FlowStep { lines: exam_counts(&chosen, None), excluded: Vec::new() },
        ],
        branches: splits(&chosen, spec),
    }
}

/// Files that may contain images but were not read, a line for each kind.
fn files_not_read(cohort: &[CohortRow]) -> Vec<String> {
    let rows = cohort.iter().filter(|row| row.is_skipped_file());
    let lines = rows.filter_map(|row| {
        let words = row.code.as_ref()?.words();
        (words.weight == Weight::Look).then(|| format!("{} {}", row.slices, words.name))
    });
    let lines: Vec<String> = lines.collect();
    let head = (!lines.is_empty()).then(|| "Files not read:".to_owned());
    head.into_iter().chain(lines).collect()
}

fn splits(chosen: &[&CohortRow], spec: &Spec) -> Vec<Vec<String>> {
    if spec.is_of_all_folds() {
        let folds = format!("in {}-fold cross-validation", spec.split.folds);
        return vec![vec!["Each tested once".to_owned(), folds]];
    }
    let box_lines = |split: SplitName, name: &str| {
        let rows: Vec<&CohortRow> =
            chosen.iter().filter(|row| row.split == Some(split)).copied().collect();
        (!rows.is_empty()).then(|| exam_counts(&rows, Some(name)))
    };
    let splits = [
        (SplitName::Train, "Training"),
        (SplitName::Valid, "Validation"),
        (SplitName::Test, "Test"),
        (SplitName::External, "External"),
    ];
    splits.into_iter().filter_map(|(split, name)| box_lines(split, name)).collect()
}

/// Lines with the numbers of exams, patients and cancers; `name` is the name of the split.
fn exam_counts(rows: &[&CohortRow], name: Option<&str>) -> Vec<String> {
    let exams = counted(rows.len(), "exam", "exams");
    let positive = rows.iter().filter(|row| row.label == Some(true)).count();
    let head = match name {
        Some(name) => vec![name.to_owned(), exams],
        None => vec![format!("{exams} included")],
    };
    let patients = counted(patients(rows), "patient", "patients");
    [head, vec![format!("of {patients}"), format!("{positive} with cancer")]].concat()
}

fn patients(rows: &[&CohortRow]) -> usize {
    rows.iter().map(|row| row.patient_id.as_str()).collect::<BTreeSet<_>>().len()
}

/// The lines of a box of excluded series; none when no series is excluded.
fn excluded(name: &str, rows: &[&CohortRow]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = format!("{} {name}", rows.len());
    let reasons = reasons(rows);
    let lines = reasons.iter().take(MAX_REASONS).map(|(name, count)| format!("{count} {name}"));
    let rest: usize = reasons.iter().skip(MAX_REASONS).map(|(_, count)| count).sum();
    let rest = (rest > 0).then(|| format!("{rest} for other reasons"));
    std::iter::once(head).chain(lines).chain(rest).collect()
}

/// Reasons in words with their number of rows, the most frequent first.
fn reasons(rows: &[&CohortRow]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<&ExclusionCode, usize>::new();
    for code in rows.iter().filter_map(|row| row.code.as_ref()) {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> =
        counts.into_iter().map(|(code, count)| (code.words().name.into_owned(), count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

pub(super) fn section(page: &RunPage) -> Markup {
    let check = page.provenance.as_ref().and_then(|it| it.split_check.as_deref());
    html! {
        section #cohort {
            h2 { "Study cohort" }
            (plots(page, &["cohort-flow".to_owned()]))
            @if let Some(check) = check { p.soft { "Split check: " (check) "." } }
            p.soft {
                code { "cohort.csv" } " lists every series with its split or the reason of its exclusion; "
                code { "preparation.html" } " has a picture of every prepared series."
            }
        }
    }
}
