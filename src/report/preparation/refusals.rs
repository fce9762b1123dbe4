//! What is not used, by reason.

use super::contents::Contents;
use super::{Weight, words};
use crate::cohort::CohortRow;
use crate::report::page::short_uid;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Up to so many rows that ask for a look are open from the start; more would hide the rest of the
/// page, and counts by reason say more.
const OPEN: usize = 12;

/// So many rows of one reason at most.
const MOST: usize = 500;

/// Patient, series, path, and the reason as a sentence; empty where not known.
pub(super) type Entry<'a> = [&'a str; 4];

/// Everything with one reason.
pub(super) struct Group<'a> {
    /// The short stable word of the tables.
    pub code: &'a str,
    /// Whom it struck; by patient, series and path.
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Group<'a> {
    /// Groups entries by code: what asks for a look first, then the largest group.
    pub fn by_code(entries: impl Iterator<Item = (&'a str, Entry<'a>)>) -> Vec<Self> {
        let mut groups = BTreeMap::<&str, Vec<Entry<'_>>>::new();
        for (code, entry) in entries {
            groups.entry(code).or_default().push(entry);
        }
        let mut groups: Vec<Self> = groups
            .into_iter()
            .map(|(code, mut entries)| {
                entries.sort_unstable();
                Self { code, entries }
            })
            .collect();
        groups.sort_by_key(|group| {
            let first = std::cmp::Reverse((words(group.code).weight, group.entries.len()));
            (first, group.code)
        });
        groups
    }
}

/// The sections of refused series and of what was left out before preparation.
pub(super) fn refusals(contents: &Contents<'_>) -> Markup {
    html! {
        section #refused {
            h2 { "Refused" }
            @if contents.refused.is_empty() { p.soft { "No series was refused." } }
            (tables(&contents.refused))
        }
        "\n"
        @if !contents.left_out.is_empty() {
            section #left-out {
                h2 { "Damaged or left out before preparation" }
                (tables(&contents.left_out))
            }
            "\n"
        }
        @if !contents.passed_over.is_empty() { (passed_over(&contents.passed_over)) "\n" }
    }
}

/// Files that are no image or are not looked into, by kind.
fn passed_over(rows: &[&CohortRow]) -> Markup {
    html! {
        section #passed-over {
            h2 { "Files passed over" }
            table.reasons {
                thead { tr { th { "Files" } th { "Kind" } th { "The first" } th { "Note" } } }
                tbody { @for row in rows {
                    @let (code, reason) = row.reason.split_once(':').unwrap_or((&row.reason, ""));
                    tr {
                        td { (row.slices) }
                        td { (words(code).name) }
                        td.path { (row.path) }
                        td { (reason.split_once(';').map_or("", |(_, remedy)| remedy.trim())) }
                    }
                    "\n"
                } }
            }
        }
    }
}

fn tables(groups: &[Group<'_>]) -> Markup {
    let looks = groups.iter().filter(|group| words(group.code).weight == Weight::Look);
    let open = looks.map(|group| group.entries.len()).sum::<usize>() <= OPEN;
    html! { @for group in groups { (table(group, open)) } }
}

fn table(group: &Group<'_>, open: bool) -> Markup {
    let words = words(group.code);
    let look = words.weight == Weight::Look;
    html! {
        details class=[look.then_some("bad")] open[look && open] {
            summary {
                span.count { (group.entries.len()) } " "
                h3 { (words.name) }
                @if !words.meaning.is_empty() { span.soft { " – " (words.meaning) } }
                " " code { (group.code) }
            }
            table.reasons {
                thead { tr { th { "Patient" } th { "Series" } th { "Path" } th { "Reason" } } }
                tbody {
                    @for [patient, series, path, reason] in group.entries.iter().take(MOST) {
                        tr {
                            td { (patient) }
                            td { (short_uid(series)) }
                            td.path { (path) }
                            td { (reason) }
                        }
                        "\n"
                    }
                    @if group.entries.len() > MOST {
                        tr { td colspan="4" { "and " (group.entries.len() - MOST) " more in the tables" } }
                    }
                }
            }
        }
        "\n"
    }
}
