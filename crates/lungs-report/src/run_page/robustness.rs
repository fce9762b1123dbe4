//! The section on changes of the volumes that a scanner could make.

use super::{EvaluatedSplit, RunPage, table};
use crate::robustness::{RobustMetric, RobustnessRow, difference, value};
use lungs_base::text::counted;
use maud::{Markup, html};

/// The section; empty without rows of the reported split.
pub(super) fn section(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let rows: Vec<&RobustnessRow> =
        page.robustness.iter().filter(|row| row.split == reported.key).collect();
    if rows.is_empty() {
        return html! {};
    }
    let mut thresholds: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| !row.threshold.is_empty()) {
        if !thresholds.contains(&row.threshold.as_str()) {
            thresholds.push(&row.threshold);
        }
    }
    html! {
        section #robustness {
            h2 { "Robustness" }
            p.soft {
                "The same exams were predicted again after changes of their prepared volumes that a scanner could \
                 make. Differences are changed minus unchanged, with paired 95 % intervals. Table: "
                code { "robustness.csv" } "."
            }
            (aucs(&rows))
            @for threshold in thresholds { (decisions(&rows, threshold)) }
        }
    }
}

fn aucs(rows: &[&RobustnessRow]) -> Markup {
    let of_auc: Vec<&&RobustnessRow> =
        rows.iter().filter(|row| row.metric == RobustMetric::Auc).collect();
    let cells = of_auc.iter().map(|row| {
        let p_value = match row.p_value {
            Some(p) if p < 0.001 => "< 0.001".to_owned(),
            p => value(p),
        };
        vec![row.change.clone(), value(row.before), value(row.after), difference(row), p_value]
    });
    let mut reasons: Vec<&str> = of_auc.iter().map(|row| row.reason.as_str()).collect();
    reasons.retain(|reason| !reason.is_empty());
    reasons.sort_unstable();
    reasons.dedup();
    html! {
        h3 { "AUC" }
        (table(&["change", "AUC, unchanged", "AUC, changed", "difference", "p"], cells))
        @for reason in reasons { p.soft { "Remark: " (reason) "." } }
    }
}

fn decisions(rows: &[&RobustnessRow], threshold: &str) -> Markup {
    let of = |metric: RobustMetric, change: &str| {
        rows.iter()
            .find(|row| row.metric == metric && row.threshold == threshold && row.change == change)
    };
    let changed = |row: Option<&&RobustnessRow>| {
        let Some(row) = row else { return "–".to_owned() };
        let count = row.corrected.unwrap_or_default() + row.spoiled.unwrap_or_default();
        let exams = counted(count, "exam changed", "exams changed");
        format!("{}; {exams} of {}", difference(row), row.exams)
    };
    let aucs = rows.iter().filter(|row| row.metric == RobustMetric::Auc);
    let cells = aucs.map(|row| {
        let sensitivity = of(RobustMetric::Sensitivity, &row.change);
        let specificity = of(RobustMetric::Specificity, &row.change);
        vec![row.change.clone(), changed(sensitivity), changed(specificity)]
    });
    html! {
        h3 { "Decisions at " (threshold) }
        (table(&["change", "sensitivity", "specificity"], cells))
    }
}
