//! The section of an external evaluation: the model, and its development next to the external exams.

use super::{EvaluatedSplit, RunPage, table};
use crate::external::{ModelKind, side_by_side};
use maud::{Markup, html};

/// The section; empty for a run.
pub(super) fn section(page: &RunPage, reported: &EvaluatedSplit) -> Markup {
    let Some(external) = &page.external else { return html! {} };
    let kind = match external.kind {
        ModelKind::Run => "a run",
        ModelKind::CrossValidation => "the ensemble of a cross-validation",
        ModelKind::Archive => "a model archive",
        ModelKind::Weights => "a file of weights",
    };
    let mut rows = side_by_side(external, &reported.metrics).into_iter();
    let heads = rows.next().unwrap_or_default();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    html! {
        section #development {
            h2 { "Development and external exams" }
            p.soft {
                "Model: " (external.description()) ", " (kind) ". Its preprocessing, thresholds and calibration are \
                 applied unchanged."
                @if external.development.is_empty() { " The metrics of its development are unknown." }
            }
            @if let Some(warning) = external.overlap.and_then(|overlap| overlap.warning()) {
                p.notes { "Warning: " (warning) "." }
            }
            (table(&heads, rows))
        }
    }
}

/// How to repeat the evaluation.
pub(super) fn reproduction(page: &RunPage) -> Option<Markup> {
    let external = page.external.as_ref()?;
    let data = &page.spec.data;
    let labels = data.labels.as_ref().map_or(String::new(), |path| path.display().to_string());
    Some(html! {
        ol {
            li { "Compare the BLAKE3 of the weights: " code { (external.networks.join(" ")) } "." }
            li {
                code {
                    "lungs evaluate " (external.model) " --data " (data.root.display()) " --labels " (labels)
                    " --out FOLDER"
                }
            }
        }
    })
}
