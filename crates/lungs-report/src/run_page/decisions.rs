//! The section on decision thresholds: confusion matrix and operating points.

use super::{EvaluatedSplit, RunPage, cell, share, table, unbroken};
use crate::digits;
use crate::thresholds::name_of_rule;
pub(super) use crate::thresholds::text_of_threshold as at;
use lungs_stats::{ChosenOn, DecisionPoint, Estimate, OperatingPoint, Rule};
use maud::{Markup, html};

/// Where the threshold of the tiles is from, as a sentence; none for a stated probability.
pub(super) fn origin(point: &OperatingPoint) -> &'static str {
    match point.chosen_on {
        ChosenOn::None => "",
        ChosenOn::TheseExams => {
            " The threshold was chosen on these exams, so sensitivity and specificity are biased upwards."
        }
        ChosenOn::Validation => " The threshold was chosen on the validation exams.",
        ChosenOn::Development => " The threshold was chosen in the development of the model.",
    }
}

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
            @if let Some(point) = reported.metrics.leading_point() { (confusion(point, reported)) }
            h3 { "Operating points" }
            (table(
                &["threshold", "sensitivity", "specificity", "PPV", "NPV", "LR+", "LR−"],
                points.iter().map(|point| vec![
                    rule(point),
                    share(&point.sensitivity),
                    share(&point.specificity),
                    share(&point.positive_predictive_value),
                    share(&point.negative_predictive_value),
                    ratio(&point.likelihood_ratios.positive),
                    ratio(&point.likelihood_ratios.negative),
                ]),
            ))
            p.soft {
                "LR: likelihood ratio. Predictive values (PPV, NPV) apply at the prevalence of these exams, "
                (prevalence(reported)) "."
                @if is_biased {
                    " Values at a threshold that was chosen on these exams are biased upwards."
                }
            }
            @if has_prevalence { (at_prevalence(page, points)) }
            (net_benefit(reported))
        }
    }
}

/// A likelihood ratio in a narrow cell.
fn ratio(ratio: &Estimate) -> String {
    digits::estimate(ratio).map_or("undefined".to_owned(), |text| unbroken(&text))
}

/// Net benefit at thresholds around the prevalence, from the points of the decision curve.
fn net_benefit(reported: &EvaluatedSplit) -> Markup {
    let prevalence = reported.metrics.positives as f64 / reported.metrics.exams.max(1) as f64;
    let nearest = |threshold: f64| {
        let distance = |point: &&DecisionPoint| (point.threshold - threshold).abs();
        reported.decision.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let thresholds = [0.5, 1.0, 2.0, 5.0].map(|times| times * prevalence);
    let below_one = thresholds.into_iter().filter(|threshold| *threshold < 1.0);
    let mut shown: Vec<&DecisionPoint> = below_one.filter_map(nearest).collect();
    shown.dedup_by(|a, b| a.threshold == b.threshold);
    let text = |value: Option<f64>, ends: [Option<f64>; 2]| match (value, ends) {
        (Some(value), [Some(low), Some(high)]) => unbroken(&digits::with_ends(value, low, high)),
        (Some(value), _) => digits::value(value),
        (None, _) => "–".to_owned(),
    };
    let rows = shown.into_iter().map(|point| {
        vec![
            digits::value(point.threshold),
            text(Some(point.net_benefit), [point.low, point.high]),
            text(point.standardised, [point.standardised_low, point.standardised_high]),
            text(
                point.interventions_avoided,
                [point.interventions_avoided_low, point.interventions_avoided_high],
            ),
            digits::value(point.treat_all),
        ]
    });
    let heads = [
        "threshold probability",
        "net benefit",
        "standardised",
        "interventions avoided per 100 exams",
        "net benefit of treating all",
    ];
    html! {
        @if !reported.decision.is_empty() {
            h3 { "Net benefit" }
            (table(&heads, rows))
            p.soft {
                "At half, one, two and five times the prevalence. Standardised: divided by the prevalence, its \
                 largest value. Interventions are avoided compared with treating all, without missing a cancer \
                 more; a negative number is a loss."
            }
        }
    }
}

fn prevalence(split: &EvaluatedSplit) -> String {
    digits::percent(split.metrics.positives as f64 / split.metrics.exams.max(1) as f64)
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
        h3 { "At a prevalence of " (digits::percent(share)) }
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
