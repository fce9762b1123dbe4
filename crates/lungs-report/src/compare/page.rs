//! The comparison as one page, with the curves of all runs over each other.

use super::super::page::{Page, number};
use super::super::plot::{Drawing, overlaid_calibration, overlaid_losses, roc_curves};
use super::super::roc_of;
use super::Comparison;
use lungs_base::text::counted;
use lungs_spec::spec::SplitName;
use lungs_stats::equal_count_bins;
use maud::{Markup, PreEscaped, html};

const STYLE: &str = include_str!("compare.css");

/// Maximum number of runs whose curves are drawn: colours and dashes of more cannot be distinguished.
const MAX_CURVES: usize = 12;

/// The whole page.
pub fn comparison_page(comparison: &Comparison) -> String {
    let labels = comparison.labels();
    let body = html! {
        section.finding {
            @if let Some(best) = &comparison.best { p { (best) } }
            @for sentence in comparison.tests.iter().flat_map(|test| test.sentences()) {
                p { (sentence) }
            }
            @if comparison.tests.is_empty() {
                p { "The runs differ only in seed or fold, so there is nothing to test." }
            }
            @for warning in &comparison.warnings { p.soft { "Warning: " (warning) } }
            @for note in &comparison.notes { p.soft { "Note: " (note) } }
        }
        h2 { "Spec differences" }
        @if comparison.differences.is_empty() { p.soft { "No spec key that affects the results differs." } }
        @else { (differences(comparison, &labels)) }
        @if !comparison.groups.is_empty() {
            h2 { "Mean over seeds and folds" }
            p.soft { "Mean ± standard deviation over the runs of each group." }
            (groups(comparison))
        }
        h2 { "Metrics" }
        p.soft { "With 95 % intervals where available." }
        (metrics(comparison, &labels))
        h2 { "Curves" }
        @if comparison.runs.len() > MAX_CURVES {
            p.soft { "The plots show the first " (MAX_CURVES) " of " (comparison.runs.len()) " runs." }
        }
        div.curves {
            @for drawing in [overlaid_roc(comparison), calibration(comparison), losses(comparison)] {
                figure { (PreEscaped(drawing.svg)) }
            }
        }
        h2 { "Runs" }
        ul { @for (run, label) in comparison.runs.iter().zip(&labels) {
            li { b { (label) } " " span.path { (run) } }
        } }
        p.soft { "Research use only: not a medical device." }
    };
    Page { title: "Comparison of runs", lead: &comparison.lead(), body, style: STYLE, script: "" }
        .to_html()
}

/// A table with a column for each label; on a phone, each cell shows its column's label.
fn table<'a>(labels: &[String], rows: impl Iterator<Item = (&'a str, Vec<String>)>) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "" } @for label in labels { th { (label) } } } }
            tbody { @for (name, cells) in rows {
                tr {
                    td { (name) }
                    @for (cell, label) in cells.iter().zip(labels) { td data-of=(label) { (cell) } }
                }
            } }
        } }
    }
}

fn differences(comparison: &Comparison, labels: &[String]) -> Markup {
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let rows = comparison.differences.iter();
    table(labels, rows.map(|row| (row.key.as_str(), row.values.iter().map(cell).collect())))
}

fn metrics(comparison: &Comparison, labels: &[String]) -> Markup {
    let rows = comparison.metrics.iter();
    table(
        labels,
        rows.map(|row| {
            (row.name.as_str(), row.cells.iter().map(|cell| cell.text.clone()).collect())
        }),
    )
}

fn groups(comparison: &Comparison) -> Markup {
    let labels: Vec<String> = comparison
        .groups
        .iter()
        .map(|group| format!("{} ({})", group.name, counted(group.runs.len(), "run", "runs")))
        .collect();
    let rows = comparison.metrics.iter().filter_map(|metric| {
        let cell = |group: &super::Group| {
            let spread = group.spread.iter().find(|spread| spread.name == metric.name);
            spread.map_or("–".to_owned(), super::Spread::text)
        };
        let cells: Vec<String> = comparison.groups.iter().map(cell).collect();
        cells.iter().any(|cell| cell != "–").then_some((metric.name.as_str(), cells))
    });
    table(&labels, rows)
}

impl super::Spread {
    /// `0.843 ± 0.012`
    pub fn text(&self) -> String {
        let is_whole = |value: f64| value.fract() == 0.0;
        let format = |value: f64| match self.mean.abs() {
            _ if is_whole(self.mean) && self.sd.is_none_or(is_whole) => number(value, 0),
            mean if mean < 10.0 => format!("{value:.3}").replace('-', "−"),
            _ => format!("{value:.1}"),
        };
        let mean = format(self.mean);
        self.sd.map_or(mean.clone(), |sd| format!("{mean} ± {}", format(sd)))
    }
}

/// `ROC, test exams`
fn title(name: &str, comparison: &Comparison) -> String {
    if comparison.split.is_empty() {
        name.to_owned()
    } else {
        format!("{name}, {} exams", comparison.split)
    }
}

/// ROC curves on the split that is compared.
pub(super) fn overlaid_roc(comparison: &Comparison) -> Drawing {
    let entries = comparison.entries.iter().zip(comparison.labels()).take(MAX_CURVES);
    let curves: Vec<_> = entries
        .map(|(entry, label)| {
            let epoch = entry.selected_epoch.map_or(String::new(), |e| format!(", epoch {e}"));
            roc_of(&format!("{label}{epoch}"), &entry.rows)
        })
        .collect();
    roc_curves(&title("ROC", comparison), &curves)
}

fn calibration(comparison: &Comparison) -> Drawing {
    let entries = comparison.entries.iter().zip(comparison.labels()).take(MAX_CURVES);
    let runs: Vec<_> = entries
        .map(|(entry, label)| {
            let probabilities: Vec<f64> = entry.rows.iter().map(|row| row.probability).collect();
            let labels: Vec<bool> = entry.rows.iter().map(|row| row.label).collect();
            let usable =
                entry.has_probabilities && probabilities.iter().all(|p| (0.0..=1.0).contains(p));
            let bins = if usable {
                equal_count_bins(&probabilities, &labels, 10, 0.95)
            } else {
                Vec::new()
            };
            (label, bins)
        })
        .collect();
    overlaid_calibration(&title("Calibration", comparison), &runs)
}

fn losses(comparison: &Comparison) -> Drawing {
    let entries = comparison.entries.iter().zip(comparison.labels()).take(MAX_CURVES);
    let runs: Vec<_> = entries
        .map(|(entry, label)| {
            let valid = entry.metrics.iter().filter(|row| row.split == SplitName::Valid);
            let epoch = |epoch: usize| u32::try_from(epoch).unwrap_or(u32::MAX);
            (label, valid.map(|row| (epoch(row.epoch), row.loss)).collect())
        })
        .collect();
    let losses_differ = comparison.differences.iter().any(|row| row.key.starts_with("loss."));
    // Values of different loss functions are not comparable.
    let title = if losses_differ {
        "Validation loss by epoch (loss functions differ)"
    } else {
        "Validation loss by epoch"
    };
    overlaid_losses(title, "Validation loss", &runs)
}
