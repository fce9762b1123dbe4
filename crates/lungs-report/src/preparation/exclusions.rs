//! The sections on excluded series and unused files, by reason.

use crate::page::short_uid;
use lungs_image::codes::{ExclusionCode, Weight};
use lungs_study::cohort::CohortRow;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Details to inspect are open initially when they have at most this many rows; more would hide the rest of
/// the page.
const MAX_OPEN_ROWS: usize = 12;

/// Maximum number of rows of one reason.
const MAX_ROWS: usize = 500;

/// Patient, series, path, and the reason as a sentence; unknown values are empty.
pub(super) type Entry<'a> = [&'a str; 4];

/// All entries with one reason.
pub(super) struct Group<'a> {
    /// The reason code of the tables.
    pub code: &'a ExclusionCode,
    /// Sorted by patient, series and path.
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Group<'a> {
    /// Groups entries by code: reasons to inspect first, then the largest groups.
    pub(crate) fn by_code(
        entries: impl Iterator<Item = (&'a ExclusionCode, Entry<'a>)>,
    ) -> Vec<Self> {
        let mut groups = BTreeMap::<&ExclusionCode, Vec<Entry<'_>>>::new();
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
            let first = std::cmp::Reverse((group.code.words().weight, group.entries.len()));
            (first, group.code)
        });
        groups
    }
}

/// The sections on series excluded in and before preparation and on unused files.
pub(super) fn exclusions(
    excluded: &[Group<'_>],
    excluded_before: &[Group<'_>],
    unused: &[&CohortRow],
) -> Markup {
    html! {
        section #excluded {
            h2 { "Excluded in preparation" }
            @if excluded.is_empty() { p.soft { "No series was excluded in preparation." } }
            (tables(excluded))
        }
        "\n"
        @if !excluded_before.is_empty() {
            section #excluded-before {
                h2 { "Excluded before preparation" }
                (tables(excluded_before))
            }
            "\n"
        }
        @if !unused.is_empty() { (unused_files(unused)) "\n" }
    }
}

/// The table of files that are not used, by kind.
fn unused_files(rows: &[&CohortRow]) -> Markup {
    html! {
        section #unused-files {
            h2 { "Files not used" }
            table.reasons {
                thead { tr { th { "Files" } th { "Kind" } th { "First file" } th { "Note" } } }
                tbody { @for row in rows {
                    tr {
                        td { (row.slices) }
                        td { (row.code.as_ref().map(|code| code.words().name).unwrap_or_default()) }
                        td.path { (row.path) }
                        td { (row.reason.split_once(';').map_or("", |(_, remedy)| remedy.trim())) }
                    }
                    "\n"
                } }
            }
        }
    }
}

fn tables(groups: &[Group<'_>]) -> Markup {
    let to_inspect = groups.iter().filter(|group| group.code.words().weight == Weight::Look);
    let open = to_inspect.map(|group| group.entries.len()).sum::<usize>() <= MAX_OPEN_ROWS;
    html! { @for group in groups { (table(group, open)) } }
}

fn table(group: &Group<'_>, open: bool) -> Markup {
    let words = group.code.words();
    let inspect = words.weight == Weight::Look;
    html! {
        details class=[inspect.then_some("bad")] open[inspect && open] {
            summary {
                span.count { (group.entries.len()) } " "
                h3 { (words.name) }
                @if !words.meaning.is_empty() { span.soft { " – " (words.meaning) } }
                " " code { (group.code) }
            }
            table.reasons {
                thead { tr { th { "Patient" } th { "Series" } th { "Path" } th { "Reason" } } }
                tbody {
                    @for [patient, series, path, reason] in group.entries.iter().take(MAX_ROWS) {
                        tr {
                            td { (patient) }
                            td { (short_uid(series)) }
                            td.path { (path) }
                            td { (reason) }
                        }
                        "\n"
                    }
                    @if group.entries.len() > MAX_ROWS {
                        tr { td colspan="4" { "and " (group.entries.len() - MAX_ROWS) " more in the tables" } }
                    }
                }
            }
        }
        "\n"
    }
}
