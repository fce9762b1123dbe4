//! The page of predictions: result, metrics, comparisons, curves, thresholds, subgroups, method.

use super::metrics::Metrics;
use super::plots::{MAX_CURVES, plot_name};
use super::points::{PointMetrics, SubgroupMetrics};
use super::{ScoreReport, ScoredModel};
use crate::page::{Page, number};
use crate::plot::Drawing;
use crate::run_page::table;
use lungs_base::text::counted;
use maud::{Markup, PreEscaped, html};

const STYLE: &str = include_str!("../run_page/run_page.css");

/// The page as HTML, with all plots.
pub(super) fn score_page(report: &ScoreReport, plots: &[(String, Drawing)]) -> String {
    let models = &report.models.0;
    let body = html! {
        (result(report))
        section #metrics {
            h2 { "Metrics" }
            (table(&heads(report), report.rows_of(|model| &model.metrics)))
            @if models.iter().any(|model| model.weighted.is_some()) { (weighted(report)) }
        }
        @if !report.comparisons.is_empty() { (comparisons(report)) }
        (curves(report, plots))
        (thresholds(report))
        @for (index, model) in models.iter().enumerate() {
            @if !model.subgroups.is_empty() {
                @let name = plot_name("subgroups", index, models.len());
                (subgroups(report, model, plots.iter().filter(|(plot, _)| *plot == name)))
            }
        }
        (method(report))
        p.soft { "Research use only: not a medical device." }
    };
    let lead = format!("{}: {}.", report.file, report.exams_text());
    Page { title: &report.title(), lead: &lead, body, style: STYLE, script: "" }.to_html()
}

/// The name of the first column, then those of the models.
fn heads(report: &ScoreReport) -> Vec<&str> {
    std::iter::once("").chain(report.models.0.iter().map(|model| model.name.as_str())).collect()
}

fn result(report: &ScoreReport) -> Markup {
    let (leading, others) = report.leading_and_other_warnings();
    html! {
        section.finding {
            @if let Some(warning) = leading { p { strong { "Warning: " (warning) "." } } }
            @for model in &report.models.0 { p { (report.sentence_of(model)) } }
            @for warning in others { p.soft { "Warning: " (warning) "." } }
            @for note in &report.notes { p.soft { "Note: " (note) "." } }
        }
        p.soft { "Intervals are " (report.percent()) " % confidence intervals." }
    }
}

fn weighted(report: &ScoreReport) -> Markup {
    let column = report.weight_column().unwrap_or_default();
    let none = Metrics(Vec::new());
    html! {
        h3 { "Weighted metrics" }
        p.soft { "Exams are weighted by the column " code { (column) } "." }
        (table(&heads(report), report.rows_of(|model| model.weighted.as_ref().unwrap_or(&none))))
    }
}

fn comparisons(report: &ScoreReport) -> Markup {
    html! {
        section #comparisons {
            h2 { "Comparisons" }
            p.soft { "Paired tests on the same exams." }
            @for test in &report.comparisons {
                @for sentence in test.sentences() { p { (sentence) } }
            }
        }
    }
}

fn curves(report: &ScoreReport, plots: &[(String, Drawing)]) -> Markup {
    let count = report.models.0.len();
    let is_curve = |name: &str| !name.starts_with("subgroups");
    html! {
        section #curves {
            h2 { "Curves" }
            @if count == 1 {
                p.soft {
                    "Bands are pointwise " (report.percent()) " % intervals over resampled patients."
                }
            }
            @if count > MAX_CURVES {
                p.soft { "The plots show the first " (MAX_CURVES) " of " (count) " models." }
            }
            (drawings(plots.iter().filter(|(name, _)| is_curve(name))))
        }
    }
}

fn drawings<'a>(plots: impl Iterator<Item = &'a (String, Drawing)>) -> Markup {
    html! {
        div.curves { @for (_, drawing) in plots { figure { (PreEscaped(&drawing.svg)) } "\n" } }
    }
}

fn thresholds(report: &ScoreReport) -> Markup {
    let is_biased = |point: &PointMetrics| point.chosen_on == lungs_stats::ChosenOn::TheseExams;
    let has_biased =
        report.models.0.iter().any(|model| model.operating_points.iter().any(is_biased));
    let prevalence = 100.0 * report.positives as f64 / report.exams.max(1) as f64;
    html! {
        section #decisions {
            h2 { "Decision thresholds" }
            @for model in &report.models.0 {
                @if report.models.0.len() > 1 { h3 { (model.name) } }
                (points(model))
            }
            p.soft {
                "Predictive values (PPV, NPV) apply at the prevalence of these exams, "
                (number(prevalence, 1)) " %."
                @if has_biased {
                    " Thresholds other than a fixed probability were chosen on these exams; their values are biased \
                     upwards."
                }
            }
        }
    }
}

/// The text without line breaks within an interval or within counts.
fn unbroken(text: &str) -> String {
    let text = text.replace(" (", "\u{a0}(").replace(" of ", "\u{a0}of\u{a0}");
    text.replace('–', "\u{2060}–\u{2060}")
}

fn points(model: &ScoredModel) -> Markup {
    let mut heads = vec!["threshold", "sensitivity", "specificity", "PPV", "NPV", "LR+", "LR−"];
    let stated = model.operating_points.iter().find_map(|point| point.at_prevalence.as_ref());
    let names = stated.map(|stated| {
        ["PPV", "NPV"]
            .map(|short| format!("{short} at prevalence {}", number(stated.prevalence, 4)))
    });
    heads.extend(names.iter().flatten().map(String::as_str));
    let rows = model.operating_points.iter().map(|point| {
        let mut row = vec![
            point.threshold_text(),
            unbroken(&point.sensitivity.text()),
            unbroken(&point.specificity.text()),
            unbroken(&point.positive_predictive_value.text()),
            unbroken(&point.negative_predictive_value.text()),
            unbroken(&point.positive_likelihood_ratio.text()),
            unbroken(&point.negative_likelihood_ratio.text()),
        ];
        if let Some(stated) = &point.at_prevalence {
            row.push(unbroken(&stated.positive_predictive_value.text()));
            row.push(unbroken(&stated.negative_predictive_value.text()));
        }
        row
    });
    table(&heads, rows)
}

fn subgroups<'a>(
    report: &ScoreReport,
    model: &ScoredModel,
    plots: impl Iterator<Item = &'a (String, Drawing)>,
) -> Markup {
    let threshold = model.operating_points.first().map(PointMetrics::threshold_text);
    let of_model = if report.models.0.len() > 1 {
        format!("Subgroups, {}", model.name)
    } else {
        "Subgroups".to_owned()
    };
    html! {
        section {
            h2 { (of_model) }
            p.soft {
                "Sensitivity and specificity at " (threshold.unwrap_or_default()) ". The more subgroups are compared, \
                 the more likely a difference appears by chance."
            }
            (drawings(plots))
            @for column in &model.subgroups { (column_table(column, model.undefined_reason.as_deref())) }
        }
    }
}

fn column_table(column: &SubgroupMetrics, reason: Option<&str>) -> Markup {
    let heads =
        ["", "exams", "with cancer", "AUC", "sensitivity", "specificity", "Brier", "warning"];
    let rows = column.groups.iter().map(|group| {
        vec![
            group.group.clone(),
            group.exams.to_string(),
            group.positives.to_string(),
            unbroken(&group.auc.text()),
            unbroken(&group.sensitivity.text()),
            unbroken(&group.specificity.text()),
            group.brier.cell(reason),
            group.warning.clone().unwrap_or_default(),
        ]
    });
    html! {
        h3 { "By " (column.by) }
        (table(&heads, rows))
        p.soft {
            @if column.unknown > 0 {
                (counted(column.unknown, "exam has", "exams have")) " no known group. "
            }
            (column.test_text())
        }
    }
}

fn method(report: &ScoreReport) -> Markup {
    let rows = [
        ("file", report.file.clone()),
        ("BLAKE3 of its text", report.blake3.clone()),
        ("level of the intervals", format!("{} %", report.percent())),
        ("bootstrap replicates", report.bootstrap_replicates.to_string()),
        ("seed", report.seed.to_string()),
    ];
    let columns = report
        .models
        .0
        .iter()
        .map(|model| (format!("columns of {}", model.name), model.columns.join(", ")));
    let rows = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(columns);
    html! {
        section #method {
            h2 { "Method" }
            (table(&["", "value"], rows.map(|(name, value)| vec![name, value])))
        }
    }
}
