//! A finished run as one page: what a reader asks for first, and all that a reviewer asks for then.
//!
//! ```text
//!   evaluation.json ─┐                 headline · figures · curves · decisions · groups
//!   predictions/ ────┤
//!   cohort.csv ──────┼─► RunPage ─► report.html   who is in the study
//!   preparation.csv ─┤                 exams that were judged worst, with their pictures
//!   provenance.json ─┤                 the spec, where it came from, how to do it again
//!   plots ───────────┘
//! ```
//!
//! The page is a function of the run's files and of the preview pictures in the cache. It is one
//! file: plots and pictures are in it, and it needs no script.

mod cohort;
mod decisions;
mod figures;
mod groups;
mod identifiers;
mod record;
mod worst;

use super::folds::CrossValidation;
use super::page::{Page, counted};
use crate::evaluation::{Estimate, Evaluation};
use crate::prepare::Row;
use crate::results::{PredictionRow, Provenance};
use crate::spec::Spec;
use maud::{Markup, PreEscaped, html};
use std::collections::BTreeMap;

pub(super) use cohort::flow_of;
pub(super) use groups::forest_rows;
pub(super) use identifiers::Namer;
pub(super) use worst::{Pictures, worst_series};

const STYLE: &str = include_str!("run_page.css");

/// What the page shows.
#[derive(Debug)]
pub(super) struct RunPage<'a> {
    pub spec: &'a Spec,
    /// `experiment/stamp-hash`.
    pub name: String,
    /// Nothing of a cross-validation.
    pub selected_epoch: Option<usize>,
    /// Validation first; the last one is what is quoted.
    pub parts: Vec<JudgedPart>,
    pub folds: Option<&'a CrossValidation>,
    /// Plots as SVG, by the name of their file.
    pub plots: BTreeMap<String, String>,
    pub prepared: Vec<Row>,
    pub pictures: Pictures,
    pub provenance: Option<Provenance>,
    pub namer: Namer,
}

/// A part of the cohort that was judged.
#[derive(Debug)]
pub(super) struct JudgedPart {
    /// As `evaluation.json` calls it.
    pub key: String,
    pub figures: Evaluation,
    pub rows: Vec<PredictionRow>,
    /// The file of its predictions, inside the run folder.
    pub table: String,
}

impl JudgedPart {
    /// `validation`, `test`, `out-of-fold`.
    pub fn name(&self) -> &str {
        if self.key == "valid" { "validation" } else { &self.key }
    }

    /// The end of the names of its own plots.
    fn suffix(&self) -> &'static str {
        if self.key == "test" { "-test" } else { "" }
    }
}

/// The whole page.
pub(super) fn run_page(page: &RunPage) -> String {
    let title = &page.spec.experiment.name;
    let body = match page.parts.last() {
        Some(quoted) => html! {
            (headline(page, quoted))
            (figures::figures(page))
            (curves(page, quoted))
            (decisions::decisions(page, quoted))
            (groups::groups(page, quoted))
            (cohort::section(page))
            (worst::section(page, quoted))
            (training(page))
            (record::record(page))
        },
        None => html! { p { "No part of the cohort was judged." } (record::record(page)) },
    };
    let body = html! {
        (body)
        p.soft { "Research use only: not a medical device. Made by lungs " (version(page)) "." }
    };
    let lead = format!("Predicting lung cancer from chest CT: run {}.", page.name);
    Page { title, lead: &lead, body, style: STYLE, script: "" }.to_html()
}

fn version(page: &RunPage) -> String {
    page.provenance.as_ref().map_or(String::new(), |it| format!("{} ({})", it.version, it.commit))
}

/// What the run has shown, in a sentence and in tiles.
fn headline(page: &RunPage, quoted: &JudgedPart) -> Markup {
    let figures = &quoted.figures;
    let point = figures.operating_points.first();
    let tile = |value: String, interval: Option<String>, name: &str, place: &str| {
        html! { li { a href=(place) {
            b { (value) } (name)
            @if let Some(interval) = interval { br; span.soft { (interval) } }
        } } }
    };
    let of = |value: Option<f64>, interval: Option<crate::evaluation::Interval>| {
        let value = value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        (value, interval.map(|it| format!("{:.3}–{:.3}", it.low, it.high)))
    };
    let auc = of(figures.auc.value, figures.auc.interval);
    let at = point.map_or(String::new(), decisions::at);
    let sensitivity = point.map(|point| of(point.sensitivity.value, point.sensitivity.interval));
    let specificity = point.map(|point| of(point.specificity.value, point.specificity.interval));
    html! {
        section.finding {
            p { (sentence(page, quoted)) }
            @if let Some(caution) = caution(quoted) { p.soft { (caution) } }
        }
        nav { ul.tiles {
            (tile(auc.0, auc.1, "AUC", "#figures"))
            @if let Some(it) = sensitivity {
                (tile(it.0, it.1, &format!("sensitivity at {at}"), "#decisions"))
            }
            @if let Some(it) = specificity {
                (tile(it.0, it.1, &format!("specificity at {at}"), "#decisions"))
            }
            (tile(figures.exams.to_string(), None, &format!("{} exams", quoted.name()), "#cohort"))
            (tile(figures.positives.to_string(), None, "with cancer", "#cohort"))
        } }
        p.soft { "Intervals cover 95 %." }
        @if !figures.notes.is_empty() {
            ul.notes { @for note in &figures.notes { li { (note) } } }
        }
    }
}

/// What a paper would print.
fn sentence(page: &RunPage, quoted: &JudgedPart) -> String {
    let figures = &quoted.figures;
    let exams = format!(
        "On {} of {} ({} positive)",
        counted(
            figures.exams,
            &format!("{} exam", quoted.name()),
            &format!("{} exams", quoted.name())
        ),
        counted(figures.patients, "patient", "patients"),
        figures.positives
    );
    let trained = match (page.selected_epoch, page.folds) {
        (_, Some(folds)) => format!("{}-fold cross-validation", folds.folds.len()),
        (Some(epoch), None) => format!("the network of epoch {epoch}"),
        (None, None) => "the network".to_owned(),
    };
    match (figures.auc.value, figures.auc.interval) {
        (Some(auc), Some(interval)) => format!(
            "{exams}, {trained} reached an AUC of {auc:.3} (95 % CI {:.3} to {:.3}).",
            interval.low, interval.high
        ),
        (Some(auc), None) => format!("{exams}, {trained} reached an AUC of {auc:.3}."),
        (None, _) => format!(
            "{exams}, the AUC of {trained} is undefined: {}.",
            figures.auc.reason.as_deref().unwrap_or("no reason is known")
        ),
    }
}

fn caution(quoted: &JudgedPart) -> Option<&'static str> {
    match quoted.key.as_str() {
        "valid" => Some(
            "The epoch was selected on these validation exams, which flatters the figures. For a paper, \
             quote a test part (split.test) or cross-validation (split.folds).",
        ),
        _ => None,
    }
}

/// The plots of these names that are there.
fn plots(page: &RunPage, names: &[String]) -> Markup {
    html! {
        div.curves { @for svg in names.iter().filter_map(|name| page.plots.get(name)) {
            figure { (PreEscaped(svg)) }
            "\n"
        } }
    }
}

fn curves(page: &RunPage, quoted: &JudgedPart) -> Markup {
    let suffix = quoted.suffix();
    let own = |name: &str| format!("{name}{suffix}");
    let names = ["roc".to_owned(), own("calibration"), "precision-recall".to_owned()];
    let names = names.into_iter().chain([own("decision"), own("scores")]);
    html! {
        section #curves {
            h2 { "Curves" }
            p.soft { "Bands are 95 % intervals over resampled patients, point by point." }
            (plots(page, &names.collect::<Vec<_>>()))
        }
    }
}

fn training(page: &RunPage) -> Markup {
    let names = ["loss".to_owned(), "auc-accuracy".to_owned()];
    html! {
        @if let Some(folds) = page.folds {
            section #folds { h2 { "Folds" } (figures::folds(folds)) }
        } @else if names.iter().any(|name| page.plots.contains_key(name)) {
            section #training { h2 { "Training" } (plots(page, &names)) }
        }
    }
}

/// A figure in a cell of a table: `0.943 (0.912–0.965)`.
fn cell(estimate: &Estimate) -> String {
    match (estimate.value, estimate.interval) {
        (Some(value), Some(it)) => {
            unbroken(&format!("{value:.3} ({:.3}–{:.3})", it.low, it.high)).replace('-', "−")
        }
        (Some(value), None) => format!("{value:.3}").replace('-', "−"),
        (None, _) => format!("undefined: {}", estimate.reason.as_deref().unwrap_or("no value")),
    }
}

/// A share in a cell of a table: `0.900 (0.596–0.982) 9 of 10`.
fn share(share: &crate::evaluation::Proportion) -> String {
    let (Some(value), Some(it)) = (share.value, share.interval) else {
        return format!("undefined: {}", share.reason.as_deref().unwrap_or("no value"));
    };
    // Lines break between the share and its counts, and nowhere else.
    let interval = format!("{value:.3} ({:.3}–{:.3})", it.low, it.high);
    let counts = format!("{} of {}", share.successes, share.total);
    format!("{} {}", unbroken(&interval), unbroken(&counts))
}

/// The same without places where a line may break.
fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace('–', "\u{2060}–\u{2060}")
}

/// A table whose first column names the rows; on a phone, each cell says what it is of.
fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Markup {
    html! {
        div.wide { table {
            thead { tr { @for head in heads { th { (head) } } } }
            tbody { @for row in rows {
                tr {
                    @for (place, (cell, head)) in row.iter().zip(heads).enumerate() {
                        @if place == 0 { td { (cell) } } @else { td data-of=(head) { (cell) } }
                    }
                }
                "\n"
            } }
        } }
    }
}
