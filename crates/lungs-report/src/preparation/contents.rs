//! Content and order of the preparation page: excluded series by reason, prepared series by flags.

use super::Preparation;
use super::exclusions::{Group, exclusions};
use super::histograms::distributions;
use super::sheet::{SCRIPT, STYLE, sheet};
use crate::page::Page;
use lungs_base::text::counted;
use lungs_image::codes::Weight;
use lungs_study::cohort::CohortRow;
use lungs_study::prepare::{Row, Status};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// The rows of both tables by section of the page.
pub(super) struct Contents<'a> {
    /// Series excluded in preparation, by reason.
    pub excluded: Vec<Group<'a>>,
    /// Series, damaged files and labels excluded before preparation, by reason.
    pub excluded_before: Vec<Group<'a>>,
    /// Files that are not used, such as tables and archives: a row for each kind.
    pub unused_files: Vec<&'a CohortRow>,
    /// Prepared series: first those with flags to inspect, then those with notes, then the others; within
    /// each by patient and series.
    pub prepared: Vec<&'a Row>,
}

impl<'a> Contents<'a> {
    fn of(preparation: &'a Preparation) -> Self {
        let paths: BTreeMap<&str, &str> = preparation
            .cohort
            .iter()
            .filter(|row| !row.series_uid.is_empty())
            .map(|row| (row.series_uid.as_str(), row.path.as_str()))
            .collect();
        let preparation_uids: BTreeSet<&str> =
            preparation.rows.iter().map(|row| row.series_uid.as_str()).collect();
        let excluded = preparation.rows.iter().filter(|row| row.status == Status::Refused);
        let excluded = excluded.filter_map(|row| {
            let path = paths.get(row.series_uid.as_str()).copied().unwrap_or_default();
            let (patient, series) = (row.patient_id.as_str(), row.series_uid.as_str());
            Some((row.code.as_ref()?, [patient, series, path, row.reason.as_str()]))
        });
        let excluded_before = preparation.cohort.iter().filter(|row| {
            let is_excluded = !row.chosen && !row.is_skipped_file();
            is_excluded
                && (row.series_uid.is_empty()
                    || !preparation_uids.contains(row.series_uid.as_str()))
        });
        let excluded_before = excluded_before.filter_map(|row| {
            let entry = [row.patient_id.as_str(), &row.series_uid, &row.path, &row.reason];
            Some((row.code.as_ref()?, entry))
        });
        let mut prepared: Vec<&Row> =
            preparation.rows.iter().filter(|row| row.status == Status::Prepared).collect();
        prepared.sort_by(|a, b| order(a).cmp(&order(b)));
        Self {
            excluded: Group::by_code(excluded),
            excluded_before: Group::by_code(excluded_before),
            unused_files: preparation.cohort.iter().filter(|row| row.is_skipped_file()).collect(),
            prepared,
        }
    }
}

/// Sort key of prepared rows; the file name makes it unique.
fn order(row: &Row) -> (std::cmp::Reverse<(usize, usize)>, &str, &str, &str) {
    let weights: Vec<Weight> = row.flags.iter().map(|flag| flag.words().weight).collect();
    let inspect = weights.iter().filter(|weight| **weight == Weight::Look).count();
    let first = std::cmp::Reverse((inspect, weights.len()));
    (first, &row.patient_id, &row.series_uid, &row.cache_file)
}

/// The preparation page as HTML. Equal tables and pictures give equal bytes.
pub fn preparation_page(preparation: &Preparation) -> String {
    let contents = Contents::of(preparation);
    let title = format!("Preparation of {}", preparation.name);
    let summary = Summary::of(preparation, &contents);
    let page = Page {
        title: &title,
        lead: &summary.line(),
        body: html! {
            (summary.tiles())
            @if preparation.anonymous {
                p.soft {
                    "“row” numbers refer to preparation.csv in the folder of this page, “cohort” numbers to \
                     cohort.csv; both tables have the names and the full reasons. Set "
                    code { "report.identifiers = \"plain\"" } " to show them on this page."
                }
            }
            (exclusions(&contents.excluded, &contents.excluded_before, &contents.unused_files))
            @if !preparation.rows.is_empty() { (distributions(&preparation.rows)) }
            (sheet(&contents.prepared, preparation))
        },
        style: STYLE,
        script: SCRIPT,
    };
    page.to_html()
}

/// Counts at the top of the page.
struct Summary {
    /// Series in either table.
    found: usize,
    prepared: usize,
    flagged: usize,
    /// Series excluded in preparation.
    excluded: usize,
    /// Series, files and labels excluded before preparation.
    excluded_before: usize,
}

impl Summary {
    fn of(preparation: &Preparation, contents: &Contents<'_>) -> Self {
        let is_series = |row: &&CohortRow| !row.series_uid.is_empty() && !row.path.is_empty();
        let in_cohort =
            preparation.cohort.iter().filter(is_series).map(|row| row.series_uid.as_str());
        let in_preparation = preparation.rows.iter().map(|row| row.series_uid.as_str());
        let total =
            |groups: &[Group<'_>]| groups.iter().map(|group| group.entries.len()).sum::<usize>();
        let is_flagged = |row: &&&Row| !row.flags.is_empty();
        Self {
            found: in_cohort.chain(in_preparation).collect::<BTreeSet<_>>().len(),
            prepared: contents.prepared.len(),
            flagged: contents.prepared.iter().filter(is_flagged).count(),
            excluded: total(&contents.excluded),
            excluded_before: total(&contents.excluded_before),
        }
    }

    fn line(&self) -> String {
        let Self { found, prepared, flagged, excluded, excluded_before } = self;
        format!(
            "{} found: {prepared} prepared ({flagged} flagged), {excluded} excluded in preparation; {} \
             excluded before preparation.",
            counted(*found, "series", "series"),
            counted(*excluded_before, "series or file", "series or files")
        )
    }

    /// The counts as tiles that link to the sections.
    fn tiles(&self) -> Markup {
        let tile = |count: usize, name: &str, link: &str, class: &str| {
            let class = (count > 0 && !class.is_empty()).then_some(class);
            html! { li class=[class] { a href=(link) { b { (count) } (name) } } }
        };
        html! {
            nav {
                ul.tiles {
                    (tile(self.found, "found", "#distributions", ""))
                    (tile(self.prepared, "prepared", "#pictures", ""))
                    (tile(self.excluded, "excluded in preparation", "#excluded", "bad"))
                    (tile(self.flagged, "flagged", "#pictures", "look"))
                    @if self.excluded_before > 0 {
                        (tile(self.excluded_before, "excluded before", "#excluded-before", ""))
                    }
                }
            }
            "\n"
        }
    }
}
