//! The report page of a finished run: the headline first, then everything that a reviewer needs.
//!
//! ```text
//!   evaluation.json ─┐                 headline · metrics · curves · thresholds · subgroups
//!   predictions/ ────┤
//!   cohort.csv ──────┼─► RunPage ─► report.html   study cohort
//!   preparation.csv ─┤                 worst predictions, with their pictures
//!   provenance.json ─┤                 spec, provenance, how to reproduce the run
//!   plots ───────────┘
//! ```
//!
//! The page is a function of the run's files and of the preview pictures in the cache. It is one
//! file with embedded plots and pictures, and it needs no script.

mod cohort;
mod decisions;
mod drift;
mod external;
mod failures;
mod groups;
mod guidelines;
mod identifiers;
mod methods;
mod metrics;
mod population;
mod record;
mod risks;
mod robustness;
mod study;
mod worst;

use super::checklist::Answer;
use super::digits;
use super::drift::DriftRow;
use super::evaluated::CrossValidation;
use super::external::{External, name_of_split};
use super::failures::FailureRow;
use super::page::Page;
use super::population::Population;
use super::robustness::RobustnessRow;
use lungs_base::text::{counted, noun};
use lungs_spec::results::{PredictionRow, Provenance};
use lungs_spec::spec::{Spec, horizon_words};
use lungs_stats::{AucMetrics, DecisionPoint, Estimate, Evaluation};
use lungs_study::prepare::Row;
use maud::{Markup, PreEscaped, html};
use std::collections::{BTreeMap, BTreeSet};

pub(super) use cohort::flow_of;
pub(super) use groups::{forest_rows, test_result};
pub(super) use identifiers::Namer;
pub(super) use population::all_columns;
#[cfg(test)]
pub(super) use population::split_columns;
pub(super) use worst::{Pictures, worst_series};

const STYLE: &str = include_str!("run_page.css");

/// The data of the page.
#[derive(Debug)]
pub(super) struct RunPage<'a> {
    pub spec: &'a Spec,
    /// `experiment/stamp-hash`.
    pub name: String,
    /// `None` for a cross-validation.
    pub selected_epoch: Option<usize>,
    /// Validation first; the headline reports the last one.
    pub splits: Vec<EvaluatedSplit>,
    pub folds: Option<&'a CrossValidation>,
    /// The model, for an external evaluation.
    pub external: Option<External>,
    pub failures: Vec<FailureRow>,
    pub robustness: Vec<RobustnessRow>,
    pub drift: Vec<DriftRow>,
    /// Plots as SVG, by file name without extension.
    pub plots: BTreeMap<String, String>,
    pub prepared: Vec<Row>,
    pub pictures: Pictures,
    pub provenance: Option<Provenance>,
    pub namer: Namer,
    /// `None` without a cohort table.
    pub population: Option<Population>,
    /// The items of the reporting guidelines.
    pub checklist: Vec<Answer>,
}

/// Metrics and predictions of one split.
#[derive(Debug)]
pub(super) struct EvaluatedSplit {
    /// Key in `evaluation.json`: `valid`, `test`, `out-of-fold` or `external`.
    pub key: String,
    pub metrics: Evaluation,
    pub rows: Vec<PredictionRow>,
    /// Points of the decision curve; empty in runs of older versions.
    pub decision: Vec<DecisionPoint>,
    /// Path of the table of predictions, relative to the run folder.
    pub table: String,
}

impl EvaluatedSplit {
    /// `validation`, `test`, `out-of-fold`, `external`.
    pub(crate) fn name(&self) -> &str {
        name_of_split(&self.key)
    }

    /// Suffix of the names of the split's plots.
    fn suffix(&self) -> &'static str {
        if self.key == "test" { "-test" } else { "" }
    }
}

/// The anchors of the sections of a page.
pub(super) fn sections(page: &RunPage) -> BTreeSet<&'static str> {
    let always =
        ["study", "metrics", "curves", "decisions", "cohort", "worst", "methods", "record"];
    let has_groups = page.splits.last().is_some_and(|split| !split.metrics.subgroups.is_empty());
    let sometimes = [
        ("groups", has_groups),
        ("risks", page.splits.last().is_some_and(|split| split.metrics.survival.is_some())),
        ("population", page.population.is_some()),
        ("training", page.folds.is_none() && page.plots.contains_key("loss")),
        ("folds", page.folds.is_some()),
    ];
    let sometimes = sometimes.into_iter().filter(|(_, exists)| *exists).map(|(name, _)| name);
    always.into_iter().chain(sometimes).collect()
}

/// The page as HTML.
pub(super) fn run_page(page: &RunPage) -> String {
    let title = &page.spec.experiment.name;
    let body = match page.splits.last() {
        Some(reported) => html! {
            (headline(page, reported))
            (study::section(page))
            (external::section(page, reported))
            (metrics::metrics(page))
            (curves(page, reported))
            (risks::section(page, reported))
            (decisions::decisions(page, reported))
            (groups::groups(page, reported))
            (failures::section(page, reported))
            (robustness::section(page, reported))
            (drift::section(page))
            (cohort::section(page))
            (population::section(page))
            (worst::section(page, reported))
            (training(page))
            (methods::section(page))
            (record::record(page))
            (guidelines::section(page))
        },
        None => html! { p { "No split was evaluated." } (record::record(page)) },
    };
    let body = html! {
        (body)
        p.soft { "Research use only: not a medical device. Created by lungs " (version(page)) "." }
    };
    let lead = match &page.external {
        Some(external) => format!(
            "Predicting lung cancer from chest CT: {} on other exams, {}.",
            external.description(),
            page.name
        ),
        None => format!("Predicting lung cancer from chest CT: run {}.", page.name),
    };
    Page { title, lead: &lead, body, style: STYLE, script: "" }.to_html()
}

fn version(page: &RunPage) -> String {
    page.provenance.as_ref().map_or(String::new(), |it| format!("{} ({})", it.version, it.commit))
}

/// The main result as a sentence and as tiles.
fn headline(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let metrics = &reported.metrics;
    let point = metrics.leading_point();
    let tile = |(value, interval): (String, Option<String>), name: &str, link: &str| {
        html! { li { a href=(link) {
            b { (value) } (name)
            @if let Some(interval) = interval { br; span.soft { (interval) } }
        } } }
    };
    let count = |count: usize| (count.to_string(), None);
    let none = || ("–".to_owned(), None);
    let estimate = |estimate: &Estimate| match (estimate.value, estimate.interval) {
        (Some(value), Some(interval)) => {
            let (value, range) = digits::value_and_interval(value, interval);
            (value, Some(range))
        }
        (Some(value), None) => (digits::value(value), None),
        (None, _) => none(),
    };
    let AucMetrics { value, interval, .. } = metrics.auc;
    let auc = estimate(&Estimate { value, interval, reason: None });
    let shares = point.map(|point| {
        let at = decisions::at(point);
        [("sensitivity", &point.sensitivity), ("specificity", &point.specificity)].map(
            |(name, share)| {
                let text = digits::share_and_interval(share).unwrap_or_else(none);
                (text, format!("{name} at {at}"))
            },
        )
    });
    let patients = patients_with_cancer(reported);
    let exams = format!("{} {}", reported.name(), noun(metrics.exams, "exam", "exams"));
    html! {
        section.finding {
            p { (sentence(page, reported)) }
            @if let Some(caution) = caution(reported) { p.soft { (caution) } }
        }
        nav { ul.tiles {
            (tile(auc, &auc_name(page), "#metrics"))
            @if let Some(survival) = &metrics.survival {
                (tile(estimate(&survival.harrell_c.to_estimate()), "C-index", "#risks"))
            }
            @for (text, name) in shares.into_iter().flatten() { (tile(text, &name, "#decisions")) }
            (tile(count(metrics.exams), &exams, "#cohort"))
            (tile(count(metrics.positives), noun(metrics.positives, "exam with cancer", "exams with cancer"), "#cohort"))
            (tile(count(patients), noun(patients, "patient with cancer", "patients with cancer"), "#population"))
        } }
        p.soft {
            "Intervals are 95 % confidence intervals."
            @if let Some(point) = point { (decisions::origin(point)) }
        }
        @if let Some(warning) = &metrics.warning { p.notes { "Warning: " (warning) "." } }
        @if !metrics.notes.is_empty() {
            ul.notes { @for note in &metrics.notes { li { (note) "." } } }
        }
    }
}

/// `AUC`, or `AUC, 1 year` where risks of several years are predicted.
fn auc_name(page: &RunPage) -> String {
    let horizon = page.spec.outcome.first_horizon();
    horizon.map_or("AUC".to_owned(), |years| format!("AUC, {}", horizon_words(years)))
}

fn patients_with_cancer(reported: &EvaluatedSplit) -> usize {
    let positive = reported.rows.iter().filter(|row| row.label);
    positive.map(|row| row.patient_id.as_str()).collect::<BTreeSet<_>>().len()
}

/// The main result as a sentence for a paper.
fn sentence(page: &RunPage, reported: &EvaluatedSplit) -> String {
    let metrics = &reported.metrics;
    let exams = format!(
        "On {} of {} ({} positive)",
        counted(
            metrics.exams,
            &format!("{} exam", reported.name()),
            &format!("{} exams", reported.name())
        ),
        counted(metrics.patients, "patient", "patients"),
        metrics.positives
    );
    let networks = page.external.as_ref().map_or(1, |external| external.networks.len());
    let model = match (page.selected_epoch, page.folds) {
        (_, Some(folds)) => format!("{}-fold cross-validation", folds.folds.len()),
        (Some(epoch), None) => format!("the network of epoch {epoch}"),
        (None, None) if networks > 1 => format!("the mean of {networks} networks"),
        (None, None) => "the network".to_owned(),
    };
    let horizon = page.spec.outcome.first_horizon();
    let horizon = horizon
        .map_or(String::new(), |years| format!(" for cancer within {}", horizon_words(years)));
    match (metrics.auc.value, metrics.auc.interval) {
        (Some(auc), Some(interval)) => {
            let (auc, range) = digits::value_and_interval(auc, interval);
            format!("{exams}, {model} reached an AUC of {auc} (95 % CI {range}){horizon}.")
        }
        (Some(auc), None) => {
            format!("{exams}, {model} reached an AUC of {}{horizon}.", digits::value(auc))
        }
        (None, _) => format!(
            "{exams}, the AUC of {model}{horizon} is undefined: {}.",
            metrics.auc.reason.as_deref().unwrap_or("reason unknown")
        ),
    }
}

/// A warning about selection bias, when validation metrics are reported.
fn caution(reported: &EvaluatedSplit) -> Option<&'static str> {
    match reported.key.as_str() {
        "valid" => Some(
            "The epoch was selected on these validation exams, so the metrics are biased upwards. For a paper, \
             report a test split (split.test) or cross-validation (split.folds).",
        ),
        _ => None,
    }
}

/// The plots of these names; missing plots are skipped.
fn plots(page: &RunPage, names: &[String]) -> Markup {
    html! {
        div.curves { @for svg in names.iter().filter_map(|name| page.plots.get(name)) {
            figure { (PreEscaped(svg)) }
            "\n"
        } }
    }
}

fn curves(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let suffix = reported.suffix();
    let of_split = |name: &str| format!("{name}{suffix}");
    let names = ["roc".to_owned(), of_split("calibration"), "precision-recall".to_owned()];
    let names = names.into_iter().chain([of_split("decision"), of_split("scores")]);
    html! {
        section #curves {
            h2 { "Curves" }
            p.soft { "Bands are pointwise 95 % intervals over resampled patients." }
            (plots(page, &names.collect::<Vec<_>>()))
        }
    }
}

fn training(page: &RunPage) -> Markup {
    let names = ["loss", "auc-accuracy", "c-index"].map(str::to_owned);
    html! {
        @if let Some(folds) = page.folds {
            section #folds { h2 { "Folds" } (metrics::folds(folds)) }
        } @else if names.iter().any(|name| page.plots.contains_key(name)) {
            section #training { h2 { "Training" } (plots(page, &names)) }
        }
    }
}

/// A metric in a cell of a table: `0.943 (0.912–0.965)`.
fn cell(estimate: &Estimate) -> String {
    match digits::estimate(estimate) {
        Some(text) => unbroken(&text),
        None => format!("undefined: {}", estimate.reason.as_deref().unwrap_or("no value")),
    }
}

/// A proportion in a cell of a table: `0.900 (0.596–0.982) 9 of 10`.
fn share(share: &lungs_stats::Proportion) -> String {
    let Some((value, Some(range))) = digits::share_and_interval(share) else {
        return format!("undefined: {}", share.reason.as_deref().unwrap_or("no value"));
    };
    // A line break is allowed between the share and its counts only.
    let counts = format!("{} of {}", share.successes, share.total);
    format!("{} {}", unbroken(&format!("{value} ({range})")), unbroken(&counts))
}

/// The text without allowed line breaks.
fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace('–', "\u{2060}–\u{2060}")
}

/// A table whose first column names the rows; on a phone, each cell shows its column's head.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Markup {
    html! {
        div.wide { table.many[heads.len() > 6] {
            @if heads.iter().any(|head| !head.is_empty()) {
                thead { tr { @for head in heads { th { (head) } } } }
            }
            tbody { @for row in rows {
                tr {
                    @for (column, (cell, head)) in row.iter().zip(heads).enumerate() {
                        @if column == 0 { td { (cell) } } @else { td data-of=(head) { (cell) } }
                    }
                }
                "\n"
            } }
        } }
    }
}
