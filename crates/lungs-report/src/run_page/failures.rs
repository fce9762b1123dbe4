//! The section on false negatives and false positives by group.

use super::{EvaluatedSplit, RunPage, table};
use crate::failures::FailureRow;
use maud::{Markup, html};

/// The section; empty without rows of the reported split.
pub(super) fn section(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let rows: Vec<&FailureRow> =
        page.failures.iter().filter(|row| row.split == reported.key).collect();
    let Some(all) = rows.first() else { return html! {} };
    let heads = ["", "group", "false negatives", "false positives"];
    let cells = rows.iter().map(|row| {
        let by = if row.by.is_empty() { "all exams".to_owned() } else { row.by.clone() };
        vec![by, row.group.clone(), false_negatives(row), false_positives(row)]
    });
    html! {
        section #failures {
            h2 { "Failures by group" }
            p.soft {
                "At " (all.threshold) ": positive exams that were predicted negative, and negative exams that were \
                 predicted positive, with 95 % intervals of the rates. The more groups there are, the more likely \
                 one of them differs by chance. Table: " code { "failures.csv" } "."
            }
            (table(&heads, cells))
        }
    }
}

fn false_negatives(row: &FailureRow) -> String {
    rate(
        [row.false_negatives, row.positives],
        row.false_negative_rate,
        row.false_negative_low.zip(row.false_negative_high),
    )
}

fn false_positives(row: &FailureRow) -> String {
    rate(
        [row.false_positives, row.negatives],
        row.false_positive_rate,
        row.false_positive_low.zip(row.false_positive_high),
    )
}

/// `3 of 12: 0.250 (0.089–0.532)`
fn rate([count, total]: [usize; 2], rate: Option<f64>, interval: Option<(f64, f64)>) -> String {
    match (rate, interval) {
        (Some(rate), Some((low, high))) => {
            format!("{count} of {total}: {rate:.3} ({low:.3}–{high:.3})")
        }
        _ => format!("{count} of {total}"),
    }
}
