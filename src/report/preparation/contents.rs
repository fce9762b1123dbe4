//! What is on the page, from the tables: who was refused, who is flagged, in which order.

use super::figures::spread;
use super::refusals::{Group, refusals};
use super::sheet::{SCRIPT, STYLE, sheet};
use super::{Preparation, Weight, flags, words};
use crate::cohort::CohortRow;
use crate::prepare::{Row, Status};
use crate::report::page::{Page, counted};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// The tables, sorted out.
pub(super) struct Contents<'a> {
    /// Refused series by reason.
    pub refused: Vec<Group<'a>>,
    /// Series, damaged files and labels that were left out before preparation, by reason.
    pub left_out: Vec<Group<'a>>,
    /// Files that are no image or are not looked into: a row for each kind.
    pub passed_over: Vec<&'a CohortRow>,
    /// Prepared series: those to look at first, then those with notes, then the others; by
    /// patient and series within.
    pub prepared: Vec<&'a Row>,
}

impl<'a> Contents<'a> {
    fn of(preparation: &'a Preparation) -> Self {
        let paths: BTreeMap<&str, &str> = preparation
            .seen
            .iter()
            .filter(|row| !row.series.is_empty())
            .map(|row| (row.series.as_str(), row.path.as_str()))
            .collect();
        let in_table: BTreeSet<&str> =
            preparation.rows.iter().map(|row| row.series_uid.as_str()).collect();
        let refused = preparation.rows.iter().filter(|row| row.status == Status::Refused);
        let refused = refused.map(|row| {
            let path = paths.get(row.series_uid.as_str()).copied().unwrap_or_default();
            let (patient, series) = (row.patient_id.as_str(), row.series_uid.as_str());
            (row.code.as_str(), [patient, series, path, row.reason.as_str()])
        });
        let left_out = preparation.seen.iter().filter(|row| {
            let told = !row.reason.is_empty() && !row.chosen && !row.is_passed_over();
            told && (row.series.is_empty() || !in_table.contains(row.series.as_str()))
        });
        let left_out = left_out.map(|row| {
            let (code, reason) = row.reason.split_once(':').unwrap_or((&row.reason, ""));
            (code, [row.patient.as_str(), &row.series, &row.path, reason.trim()])
        });
        let mut prepared: Vec<&Row> =
            preparation.rows.iter().filter(|row| row.status == Status::Prepared).collect();
        prepared.sort_by(|a, b| order(a).cmp(&order(b)));
        Self {
            refused: Group::by_code(refused),
            left_out: Group::by_code(left_out),
            passed_over: preparation.seen.iter().filter(|row| row.is_passed_over()).collect(),
            prepared,
        }
    }
}

/// Prepared rows in the order of the page; what differs in nothing else differs in its file.
fn order(row: &Row) -> (std::cmp::Reverse<(usize, usize)>, &str, &str, &str) {
    let weights: Vec<Weight> = flags(&row.flags).map(|flag| words(flag).weight).collect();
    let looks = weights.iter().filter(|weight| **weight == Weight::Look).count();
    let first = std::cmp::Reverse((looks, weights.len()));
    (first, &row.patient_id, &row.series_uid, &row.cache_file)
}

/// The page of a preparation. The same tables and pictures give the same bytes.
pub fn preparation_page(preparation: &Preparation) -> String {
    let contents = Contents::of(preparation);
    let title = format!("Preparation of {}", preparation.name);
    let figures = Summary::of(preparation, &contents);
    let page = Page {
        title: &title,
        lead: &figures.line(),
        body: html! {
            (figures.tiles())
            @if preparation.nameless {
                p.soft {
                    "Rows are those of preparation.csv beside this page, “cohort” those of cohort.csv; names \
                     and whole reasons are there. With " code { "report.identifiers = \"plain\"" } " they are here too."
                }
            }
            (refusals(&contents))
            @if !preparation.rows.is_empty() { (spread(&preparation.rows)) }
            (sheet(&contents.prepared, preparation))
        },
        style: STYLE,
        script: SCRIPT,
    };
    page.to_html()
}

/// The figures that everyone asks for first.
struct Summary {
    seen: usize,
    prepared: usize,
    flagged: usize,
    refused: usize,
    left_out: usize,
}

impl Summary {
    fn of(preparation: &Preparation, contents: &Contents<'_>) -> Self {
        let is_series = |row: &&CohortRow| !row.series.is_empty() && !row.path.is_empty();
        let seen = preparation.seen.iter().filter(is_series).map(|row| row.series.as_str());
        let asked_for = preparation.rows.iter().map(|row| row.series_uid.as_str());
        let total =
            |groups: &[Group<'_>]| groups.iter().map(|group| group.entries.len()).sum::<usize>();
        let flagged = |row: &&&Row| flags(&row.flags).next().is_some();
        Self {
            seen: seen.chain(asked_for).collect::<BTreeSet<_>>().len(),
            prepared: contents.prepared.len(),
            flagged: contents.prepared.iter().filter(flagged).count(),
            refused: total(&contents.refused),
            left_out: total(&contents.left_out),
        }
    }

    fn line(&self) -> String {
        let Self { seen, prepared, flagged, refused, left_out } = self;
        format!(
            "{} seen: {prepared} prepared ({flagged} flagged), {refused} refused; {} damaged or \
             left out before.",
            counted(*seen, "series", "series"),
            counted(*left_out, "series or file", "series and files")
        )
    }

    /// The line again for the eye, as links to what is counted.
    fn tiles(&self) -> Markup {
        let tile = |count: usize, name: &str, place: &str, loud: &str| {
            let class = (count > 0 && !loud.is_empty()).then_some(loud);
            html! { li class=[class] { a href=(place) { b { (count) } (name) } } }
        };
        html! {
            nav {
                ul.tiles {
                    (tile(self.seen, "seen", "#spread", ""))
                    (tile(self.prepared, "prepared", "#pictures", ""))
                    (tile(self.refused, "refused", "#refused", "bad"))
                    (tile(self.flagged, "flagged", "#pictures", "look"))
                    @if self.left_out > 0 { (tile(self.left_out, "left out", "#left-out", "")) }
                }
            }
            "\n"
        }
    }
}
