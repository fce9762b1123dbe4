//! The section on subgroups of exams.

use super::{EvaluatedSplit, RunPage, cell, plots, share, table};
use crate::plot::ForestRow;
use lungs_base::text::counted;
use lungs_stats::{Heterogeneity, SharedExams, Subgroups};
use maud::{Markup, html};

/// The AUC of each group, for a forest plot.
pub(crate) fn forest_rows(subgroups: &[Subgroups]) -> Vec<ForestRow> {
    let heading =
        |by: &str| ForestRow { name: by.to_owned(), counts: String::new(), estimate: None };
    let rows = |subgroups: &Subgroups| -> Vec<ForestRow> {
        let groups = subgroups.groups.iter().map(|group| ForestRow {
            name: group.group.clone(),
            counts: format!("{} / {}", group.positives, group.exams - group.positives),
            estimate: Some(group.auc.clone()),
        });
        std::iter::once(heading(&subgroups.by)).chain(groups).collect()
    };
    subgroups.iter().flat_map(rows).collect()
}

pub(super) fn groups(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let subgroups = &reported.metrics.subgroups;
    let threshold = reported.metrics.leading_point().map(super::decisions::at);
    html! {
        @if !subgroups.is_empty() {
            section #groups {
                h2 { "Subgroups" }
                p.soft {
                    "Sensitivity and specificity at " (threshold.unwrap_or_default()) ". The more subgroups \
                     are compared, the more likely a difference appears by chance."
                }
                (plots(page, &[format!("subgroups{}", reported.suffix())]))
                @for column in subgroups { (column_table(column)) }
            }
        }
    }
}

fn column_table(subgroups: &Subgroups) -> Markup {
    // Groups that share the exams of a class have another prevalence than that of the exams.
    let has_calibration = subgroups.common.is_none();
    let mut heads = vec!["", "exams", "with cancer", "AUC", "sensitivity", "specificity", "Brier"];
    if has_calibration {
        heads.extend(["observed / expected", "calibration slope"]);
    }
    heads.push("warning");
    let rows = subgroups.groups.iter().map(|group| {
        let mut cells = vec![
            group.group.clone(),
            group.exams.to_string(),
            group.positives.to_string(),
            cell(&group.auc),
            share(&group.sensitivity),
            share(&group.specificity),
            cell(&group.brier),
        ];
        if has_calibration {
            cells.extend([cell(&group.observed_expected), cell(&group.slope)]);
        }
        cells.push(group.warning.clone().unwrap_or_default());
        cells
    });
    html! {
        h3 { "By " (subgroups.by) }
        (table(&heads, rows))
        p.soft {
            @if let Some(shared) = subgroups.common { (comparison(shared)) " " }
            @if subgroups.unknown > 0 {
                (counted(subgroups.unknown, "exam has", "exams have")) " no known group. "
            }
            (test_result(&subgroups.heterogeneity))
        }
    }
}

/// The exams that all groups of one class are compared with, as a sentence.
fn comparison(shared: SharedExams) -> String {
    let class = if shared.positive { "with" } else { "without" };
    let exams = counted(shared.exams, "exam", "exams");
    format!(
        "Each group is compared with all {exams} {class} cancer, so its prevalence is not that of the exams, and its \
         calibration is not given."
    )
}

/// The result of the heterogeneity test, as a sentence.
pub(crate) fn test_result(test: &Heterogeneity) -> String {
    let format_p = |p: f64| if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") };
    let reason = test.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    match (test.statistic, test.degrees, test.p_value) {
        (Some(statistic), Some(degrees), Some(value)) => {
            let corrected = test.p_value_holm.filter(|corrected| *corrected != value);
            let corrected =
                corrected.map_or(String::new(), |p| format!(", Holm-corrected p {}", format_p(p)));
            format!(
                "Test for a difference of the AUCs: Cochran's Q = {statistic:.2} with {}, \
                 p {}{corrected}{reason}.",
                counted(degrees, "degree of freedom", "degrees of freedom"),
                format_p(value)
            )
        }
        _ => format!("No test for a difference of the AUCs{reason}."),
    }
}
