//! Figures by groups of exams.

use super::{JudgedPart, RunPage, cell, plots, share, table};
use crate::evaluation::{Common, Heterogeneity, Subgroups};
use crate::report::page::counted;
use crate::report::plot::ForestRow;
use maud::{Markup, html};

/// The AUC of each group, for a forest plot.
pub(in crate::report) fn forest_rows(subgroups: &[Subgroups]) -> Vec<ForestRow> {
    let heading = |by: &str| ForestRow { name: by.to_owned(), counts: String::new(), figure: None };
    let of = |subgroups: &Subgroups| -> Vec<ForestRow> {
        let groups = subgroups.groups.iter().map(|group| ForestRow {
            name: group.group.clone(),
            counts: format!("{} / {}", group.positives, group.exams - group.positives),
            figure: Some(group.auc.clone()),
        });
        std::iter::once(heading(&subgroups.by)).chain(groups).collect()
    };
    subgroups.iter().flat_map(of).collect()
}

pub(super) fn groups(page: &RunPage, quoted: &JudgedPart) -> Markup {
    let subgroups = &quoted.figures.subgroups;
    let at = quoted.figures.operating_points.first().map(super::decisions::at);
    html! {
        @if !subgroups.is_empty() {
            section #groups {
                h2 { "Groups" }
                p.soft {
                    "Sensitivity and specificity at " (at.unwrap_or_default()) ". Many groups are many \
                     chances to see a difference that is none."
                }
                (plots(page, &[format!("subgroups{}", quoted.suffix())]))
                @for one in subgroups { (by_one(one)) }
            }
        }
    }
}

fn by_one(subgroups: &Subgroups) -> Markup {
    let heads =
        ["", "exams", "with cancer", "AUC", "sensitivity", "specificity", "Brier", "caution"];
    let rows = subgroups.groups.iter().map(|group| {
        vec![
            group.group.clone(),
            group.exams.to_string(),
            group.positives.to_string(),
            cell(&group.auc),
            share(&group.sensitivity),
            share(&group.specificity),
            cell(&group.brier),
            group.warning.clone().unwrap_or_default(),
        ]
    });
    html! {
        h3 { "By " (subgroups.by) }
        (table(&heads, rows))
        p.soft {
            @if let Some(common) = subgroups.common { (comparison(common)) " " }
            @if subgroups.unknown > 0 { (subgroups.unknown) " exams of no known group. " }
            (told(&subgroups.heterogeneity))
        }
    }
}

/// What groups of one class are compared with, in a sentence.
fn comparison(common: Common) -> String {
    let class = if common.positive { "with" } else { "without" };
    let exams = counted(common.exams, "exam", "exams");
    format!("Each group is compared with all {exams} {class} cancer.")
}

/// Whether the AUCs differ, in a sentence.
fn told(test: &Heterogeneity) -> String {
    let p = |p: f64| if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") };
    let reason = test.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    match (test.statistic, test.degrees, test.p_value) {
        (Some(statistic), Some(degrees), Some(value)) => {
            let corrected = test.p_value_holm.filter(|corrected| *corrected != value);
            let corrected =
                corrected.map_or(String::new(), |it| format!("; p {} by Holm's correction", p(it)));
            format!(
                "Do the AUCs differ? Cochran's Q = {statistic:.2} on {}, p {}{corrected}{reason}.",
                counted(degrees, "degree of freedom", "degrees of freedom"),
                p(value)
            )
        }
        _ => format!("No test of a difference of the AUCs{reason}."),
    }
}
