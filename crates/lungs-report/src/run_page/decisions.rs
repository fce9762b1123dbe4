//! The section on decision thresholds: confusion matrix and operating points.

use super::{EvaluatedSplit, RunPage, cell, share, table};
use crate::page::number;
use crate::thresholds::name_of_rule;
pub(super) use crate::thresholds::text_of_threshold as at;
use lungs_stats::{ChosenOn, OperatingPoint, Rule};
use maud::{Markup, html};

fn rule(point: &OperatingPoint) -> String {
    let rule = match point.rule {
        Rule::Probability(_) => return at(point),
        rule => name_of_rule(rule),
    };
    let on = match point.chosen_on {
        ChosenOn::None => "",
        ChosenOn::TheseExams => ", chosen on these exams",
        ChosenOn::Validation => ", chosen on validation",
        ChosenOn::Development => ", chosen in development",
    };
    format!("{rule}{on}: {}", at(point))
}

pub(super) fn decisions(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let points = &reported.metrics.operating_points;
    let has_prevalence = points.iter().any(|point| point.at_prevalence.is_some());
    let is_biased = points.iter().any(|point| point.chosen_on == ChosenOn::TheseExams);
    html! {
        section #decisions {
            h2 { "Decision thresholds" }
            @if let Some(point) = points.first() { (confusion(point, reported)) }
            h3 { "Operating points" }
            (table(
                &["threshold", "sensitivity", "specificity", "PPV", "NPV"],
                points.iter().map(|point| vec![
                    rule(point),
                    share(&point.sensitivity),
                    share(&point.specificity),
                    share(&point.positive_predictive_value),
                    share(&point.negative_predictive_value),
                ]),
            ))
            p.soft {
                "Predictive values (PPV, NPV) apply at the prevalence of these exams, "
                (prevalence(reported)) "."
                @if is_biased {
                    " Values at a threshold that was chosen on these exams are biased upwards."
                }
            }
            @if has_prevalence { (at_prevalence(page, points)) }
        }
    }
}

fn prevalence(split: &EvaluatedSplit) -> String {
    let share = split.metrics.positives as f64 / split.metrics.exams.max(1) as f64;
    format!("{} %", number(100.0 * share, 1))
}

fn at_prevalence(page: &RunPage, points: &[OperatingPoint]) -> Markup {
    let share = page.spec.evaluate.prevalence.unwrap_or_default();
    let rows = points.iter().filter_map(|point| {
        let stated = point.at_prevalence.as_ref()?;
        Some(vec![
            rule(point),
            cell(&stated.positive_predictive_value),
            cell(&stated.negative_predictive_value),
        ])
    });
    html! {
        h3 { "At a prevalence of " (number(100.0 * share, 3)) " %" }
        (table(&["threshold", "PPV", "NPV"], rows))
    }
}

/// The confusion matrix at the first operating point.
fn confusion(point: &OperatingPoint, reported: &EvaluatedSplit) -> Markup {
    let (positive, negative) = (&point.sensitivity, &point.specificity);
    let row = |name: &str, predicted_positive: usize, predicted_negative: usize| {
        html! { tr {
            th scope="row" { (name) }
            td.count { (predicted_positive) } td.count { (predicted_negative) }
            td.count.soft { (predicted_positive + predicted_negative) }
        } }
    };
    html! {
        @if point.threshold_probability.is_some() {
            table.confusion {
                caption { "Confusion matrix at " (at(point)) ", " (reported.name()) " exams" }
                tr {
                    td {} th scope="col" { "predicted positive" } th scope="col" { "predicted negative" }
                    th scope="col" { "total" }
                }
                (row("with cancer", positive.successes, positive.total - positive.successes))
                (row("without cancer", negative.total - negative.successes, negative.successes))
            }
        }
    }
}
