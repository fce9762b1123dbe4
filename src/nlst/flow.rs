//! The flow of persons, series and exams from the inventory to the labels file.

use super::reasons::ReasonCode;
use super::rows::Counts;
use lungs_base::text::{counted, noun};
use lungs_report::plot::{Flow, FlowStep};
use std::collections::BTreeMap;

/// Counts of reasons in words, the most frequent first.
fn reasons(counts: &BTreeMap<ReasonCode, usize>) -> Vec<(usize, &str)> {
    let mut reasons: Vec<(usize, &str)> =
        counts.iter().map(|(code, count)| (*count, code.words())).collect();
    reasons.sort_by_key(|(count, words)| (std::cmp::Reverse(*count), *words));
    reasons
}

/// The flow as rows of a table: a count and a description.
pub fn flow_table(counts: &Counts) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |depth: usize, count: usize, text: String| {
        rows.push(vec![format!("{count:>7}"), format!("{}{text}", "  ".repeat(depth))]);
    };
    row(0, counts.persons_in_table, "persons in the table".into());
    row(1, counts.persons_without_exam, "without an exam".into());
    if counts.persons_unusable > 0 {
        row(1, counts.persons_unusable, "with unreadable or contradictory rows".into());
    }
    row(0, counts.series, "CT series".into());
    for (modality, count) in &counts.series_of_other_modalities {
        row(1, *count, format!("series of modality {modality}, ignored"));
    }
    if counts.series_of_other_collections > 0 {
        let text = "series of other collections in the index, ignored";
        row(1, counts.series_of_other_collections, text.into());
    }
    for (count, reason) in reasons(&counts.series_excluded) {
        row(1, count, format!("excluded: {reason}"));
    }
    for (flag, count) in &counts.series_flagged {
        row(1, *count, format!("flagged {flag}"));
    }
    row(
        0,
        counts.exams,
        format!(
            "{} of {}",
            noun(counts.exams, "exam", "exams"),
            counted(counts.patients, "patient", "patients")
        ),
    );
    for (count, reason) in reasons(&counts.exams_excluded) {
        row(1, count, format!("excluded: {reason}"));
    }
    row(
        0,
        counts.labelled,
        format!(
            "{} labelled, {} {}",
            noun(counts.labelled, "exam", "exams"),
            counts.labelled_positive,
            positive_words(counts)
        ),
    );
    if counts.not_drawn > 0 {
        row(1, counts.not_drawn, "excluded: not drawn".into());
    }
    let text = format!(
        "{} of {} in the labels, {} {}",
        noun(counts.kept, "exam", "exams"),
        counted(counts.kept_patients, "patient", "patients"),
        counts.kept_positive,
        positive_words(counts)
    );
    row(0, counts.kept, text);
    for year in &counts.years {
        let years = counted(year.years as usize, "year", "years");
        let (cancer, free) = (year.cancer, year.free);
        let text =
            format!("censored before {years} ({cancer} with cancer by then, {free} free of it)");
        row(1, year.unknown, text);
    }
    rows
}

/// The name of positive exams: those of a survival outcome have cancer at any time.
fn positive_words(counts: &Counts) -> &'static str {
    if counts.years.is_empty() { "positive" } else { "with cancer" }
}

/// The flow as a diagram.
pub fn flow(counts: &Counts) -> Flow {
    let exclusion_lines = |counts: &BTreeMap<ReasonCode, usize>,
                           [one, many]: [&str; 2]|
     -> Vec<String> {
        let total: usize = counts.values().sum();
        if total == 0 {
            return Vec::new();
        }
        let lines = reasons(counts).into_iter().map(|(count, reason)| format!("{count} {reason}"));
        std::iter::once(format!("Excluded: {}", counted(total, one, many))).chain(lines).collect()
    };
    let mut steps = vec![
        FlowStep {
            lines: vec![format!("{} CT series", counts.series)],
            excluded: exclusion_lines(&counts.series_excluded, ["series"; 2]),
        },
        FlowStep {
            lines: vec![
                counted(counts.exams, "exam", "exams"),
                format!("of {}", counted(counts.patients, "patient", "patients")),
            ],
            excluded: exclusion_lines(&counts.exams_excluded, ["exam", "exams"]),
        },
        FlowStep {
            lines: vec![
                counted(counts.labelled, "exam labelled", "exams labelled"),
                format!("{} {}", counts.labelled_positive, positive_words(counts)),
            ],
            excluded: Vec::new(),
        },
    ];
    if counts.not_drawn > 0 {
        if let Some(last) = steps.last_mut() {
            last.excluded = vec![
                format!("Excluded: {}", counted(counts.not_drawn, "exam", "exams")),
                "not drawn".into(),
            ];
        }
        steps.push(FlowStep {
            lines: vec![
                counted(counts.kept, "exam drawn", "exams drawn"),
                format!("of {}", counted(counts.kept_patients, "patient", "patients")),
            ],
            excluded: Vec::new(),
        });
    }
    let negative = counts.kept - counts.kept_positive;
    let mut branches = vec![
        vec!["positive".into(), counted(counts.kept_positive, "exam", "exams")],
        vec!["negative".into(), counted(negative, "exam", "exams")],
    ];
    if !counts.years.is_empty() {
        branches[0][0] = "with cancer".into();
        branches[1][0] = "censored".into();
        branches[1].extend(counts.years.iter().map(|year| {
            let years = counted(year.years as usize, "year", "years");
            format!("{} before {years}", year.unknown)
        }));
    }
    Flow { steps, branches }
}
