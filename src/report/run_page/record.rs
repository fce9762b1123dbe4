//! The spec, where the results came from, and how to come to them again.

use super::{RunPage, table};
use crate::results::Provenance;
use maud::{Markup, html};

pub(super) fn record(page: &RunPage) -> Markup {
    let set: Vec<Vec<String>> =
        page.spec.set_keys().into_iter().map(|(key, value)| vec![key, value]).collect();
    html! {
        section #record {
            h2 { "The experiment" }
            p.soft { "Keys that differ from their defaults:" }
            (table(&["key", "value"], set))
            details {
                summary { h3 { "The whole spec" } span.soft { ", every default explicit" } }
                pre { (page.spec.to_toml()) }
            }
            @if let Some(provenance) = &page.provenance {
                h3 { "Where it came from" }
                (table(&["", "value"], facts(provenance)))
                h3 { "How to do it again" }
                ol {
                    li {
                        "Take lungs " (provenance.version) ", commit " code { (provenance.commit) } "."
                    }
                    li { "Save the whole spec above as " code { "spec.toml" } "." }
                    li { code { "lungs run spec.toml" } }
                    li {
                        "The data are the same where "  code { "provenance.json" } " has the same data \
                         hash. Then " (provenance.determinism) "."
                    }
                }
            }
        }
    }
}

fn facts(provenance: &Provenance) -> Vec<Vec<String>> {
    let spent = |stage: &str| {
        provenance.stage_seconds.get(stage).map_or("–".to_owned(), |seconds| time(*seconds))
    };
    let processes = provenance.started.len();
    let begun = provenance.started.first().cloned().unwrap_or_default();
    [
        ("begun", if processes > 1 { format!("{begun}, in {processes} processes") } else { begun }),
        ("spec hash", provenance.spec_hash.clone()),
        ("data hash", provenance.data_hash.clone().unwrap_or_else(|| "–".to_owned())),
        ("seed", provenance.seed.to_string()),
        (
            "initial weights",
            provenance.initial_weights.clone().unwrap_or_else(|| "random".to_owned()),
        ),
        ("device", provenance.device.clone()),
        ("precision", provenance.precision.clone()),
        ("threads", provenance.threads.to_string()),
        ("processor", provenance.processor.clone()),
        ("cohort and preparation", spent("cohort and preparation")),
        ("training", spent("training")),
    ]
    .into_iter()
    .map(|(name, told)| vec![name.to_owned(), told])
    .collect()
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
