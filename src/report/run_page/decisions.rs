//! What happens when a probability becomes a decision.

use super::{JudgedPart, RunPage, cell, share, table};
use crate::evaluation::{ChosenOn, OperatingPoint, Rule};
use crate::report::page::number;
use maud::{Markup, html};

/// A threshold in words: `p ≥ 0.5`.
pub(super) fn at(point: &OperatingPoint) -> String {
    match (point.rule, point.threshold_probability) {
        (Rule::Probability(probability), _) => format!("p ≥ {}", number(probability, 4)),
        (_, Some(probability)) => format!("p ≥ {probability:.3}"),
        (_, None) => "no threshold".to_owned(),
    }
}

fn rule(point: &OperatingPoint) -> String {
    let rule = match point.rule {
        Rule::Probability(_) => return at(point),
        Rule::SensitivityAtSpecificity(share) => format!("specificity ≥ {}", number(share, 3)),
        Rule::SpecificityAtSensitivity(share) => format!("sensitivity ≥ {}", number(share, 3)),
        Rule::Youden => "Youden's index".to_owned(),
    };
    let on = match point.chosen_on {
        ChosenOn::None => "",
        ChosenOn::TheseExams => ", chosen on these exams",
        ChosenOn::Validation => ", chosen on validation",
    };
    format!("{rule}{on}: {}", at(point))
}

pub(super) fn decisions(page: &RunPage, quoted: &JudgedPart) -> Markup {
    let points = &quoted.figures.operating_points;
    let stated = points.iter().any(|point| point.at_prevalence.is_some());
    let flattered = points.iter().any(|point| point.chosen_on == ChosenOn::TheseExams);
    html! {
        section #decisions {
            h2 { "Decisions" }
            @if let Some(point) = points.first() { (confusion(point, quoted)) }
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
                "Predictive values (PPV, NPV) hold where " (prevalence(quoted)) " of exams are cancers, \
                 as here."
                @if flattered {
                    " A threshold that was chosen on the same exams flatters them."
                }
            }
            @if stated { (at_prevalence(page, points)) }
        }
    }
}

fn prevalence(part: &JudgedPart) -> String {
    let share = part.figures.positives as f64 / part.figures.exams.max(1) as f64;
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
        h3 { "Where " (number(100.0 * share, 3)) " % of exams are cancers" }
        (table(&["threshold", "PPV", "NPV"], rows))
    }
}

/// The four counts at the first operating point.
fn confusion(point: &OperatingPoint, quoted: &JudgedPart) -> Markup {
    let (positive, negative) = (&point.sensitivity, &point.specificity);
    let row = |name: &str, called: usize, cleared: usize| {
        html! { tr {
            th scope="row" { (name) }
            td.count { (called) } td.count { (cleared) } td.count.soft { (called + cleared) }
        } }
    };
    html! {
        @if point.threshold_probability.is_some() {
            table.confusion {
                caption { "Confusion at " (at(point)) ", " (quoted.name()) " exams" }
                tr {
                    td {} th scope="col" { "called positive" } th scope="col" { "called negative" }
                    th scope="col" { "all" }
                }
                (row("with cancer", positive.successes, positive.total - positive.successes))
                (row("without", negative.total - negative.successes, negative.successes))
            }
        }
    }
}
