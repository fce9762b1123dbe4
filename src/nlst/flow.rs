//! The counts as a flow: from the inventory to the labels file.

use super::rows::Counts;
use crate::report::plot::{Flow, FlowStep};
use std::collections::BTreeMap;

/// Reasons in plain words.
const WORDS: [(&str, &str); 25] = [
    ("localizer", "localizers"),
    ("derived", "derived copies"),
    ("repeated-row", "listed twice"),
    ("series-of-several-exams", "listed in several exams"),
    ("unreadable-row", "whose row of the index cannot be read"),
    ("exam-of-several-patients", "that lie under several patients"),
    ("unreadable-person", "of persons with a row that cannot be read"),
    ("contradictory-person", "of persons with rows that contradict one another"),
    ("too-thick", "thicker than the limit"),
    ("unknown-person", "of nobody in the table of persons"),
    ("xray-arm", "of the radiography arm"),
    ("no-series", "without a usable series"),
    ("no-study-year", "of no known study year"),
    ("conflicting-years", "of conflicting study years"),
    ("wrong-screen", "where the wrong exam was made"),
    ("no-screen-date", "without a day of the screening"),
    ("after-diagnosis", "after the diagnosis"),
    ("cancer-without-date", "with a cancer of unknown date"),
    ("later-cancer", "with cancer after the horizon"),
    ("short-follow-up", "with too short a follow-up"),
    ("no-follow-up", "without follow-up"),
    ("no-later-screen", "without a later screening"),
    ("second-exam", "second exams of a study year"),
    ("not-drawn", "not drawn"),
    ("no-slices", "without slices"),
];

fn words(code: &str) -> &str {
    WORDS.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| words)
}

/// Reasons with their counts, the most frequent first.
fn reasons(counts: &BTreeMap<String, usize>) -> Vec<(usize, &str)> {
    let mut reasons: Vec<(usize, &str)> =
        counts.iter().map(|(code, count)| (*count, words(code))).collect();
    reasons.sort_by_key(|(count, words)| (std::cmp::Reverse(*count), *words));
    reasons
}

/// The flow as rows of a table: a count and what it counts.
pub fn flow_table(counts: &Counts) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |depth: usize, count: usize, told: String| {
        rows.push(vec![format!("{count:>7}"), format!("{}{told}", "  ".repeat(depth))]);
    };
    row(0, counts.persons_in_table, "persons in the table".into());
    row(1, counts.persons_without_exam, "without an exam here".into());
    if counts.persons_unusable > 0 {
        let why = "with rows that cannot be read or contradict one another";
        row(1, counts.persons_unusable, why.into());
    }
    row(0, counts.series, "CT series here".into());
    for (modality, count) in &counts.series_of_other_modalities {
        row(1, *count, format!("more of modality {modality}, passed over"));
    }
    if counts.series_of_other_collections > 0 {
        let told = "more of other collections in the index, passed over";
        row(1, counts.series_of_other_collections, told.into());
    }
    for (count, why) in reasons(&counts.series_left_out) {
        row(1, count, format!("left out: {why}"));
    }
    for (flag, count) in &counts.series_flagged {
        row(1, *count, format!("flagged {flag}"));
    }
    row(0, counts.exams, format!("exams of {} patients", counts.patients));
    for (count, why) in reasons(&counts.exams_left_out) {
        row(1, count, format!("left out: {why}"));
    }
    row(0, counts.labelled, format!("exams labelled, {} positive", counts.labelled_positive));
    if counts.not_drawn > 0 {
        row(1, counts.not_drawn, "left out: not drawn".into());
    }
    let told = format!(
        "exams of {} patients in the labels, {} positive",
        counts.kept_patients, counts.kept_positive
    );
    row(0, counts.kept, told);
    rows
}

/// The flow as a diagram.
pub fn flow(counts: &Counts) -> Flow {
    let beside = |total: usize, what: &str, reasons: Vec<(usize, &str)>| -> Vec<String> {
        let lines = reasons.into_iter().map(|(count, why)| format!("{count} {why}"));
        let head = format!("Left out: {total} {what}");
        if total == 0 { Vec::new() } else { std::iter::once(head).chain(lines).collect() }
    };
    let total = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
    let left_series =
        beside(total(&counts.series_left_out), "series", reasons(&counts.series_left_out));
    let left_exams =
        beside(total(&counts.exams_left_out), "exams", reasons(&counts.exams_left_out));
    let mut steps = vec![
        FlowStep { lines: vec![format!("{} CT series", counts.series)], excluded: left_series },
        FlowStep {
            lines: vec![
                format!("{} exams", counts.exams),
                format!("of {} patients", counts.patients),
            ],
            excluded: left_exams,
        },
        FlowStep {
            lines: vec![
                format!("{} exams labelled", counts.labelled),
                format!("{} positive", counts.labelled_positive),
            ],
            excluded: Vec::new(),
        },
    ];
    if counts.not_drawn > 0 {
        if let Some(last) = steps.last_mut() {
            last.excluded =
                vec![format!("Left out: {} exams", counts.not_drawn), "not drawn".into()];
        }
        steps.push(FlowStep {
            lines: vec![
                format!("{} exams drawn", counts.kept),
                format!("of {} patients", counts.kept_patients),
            ],
            excluded: Vec::new(),
        });
    }
    let negative = counts.kept - counts.kept_positive;
    let branches = vec![
        vec!["positive".into(), format!("{} exams", counts.kept_positive)],
        vec!["negative".into(), format!("{negative} exams")],
    ];
    Flow { steps, branches }
}
