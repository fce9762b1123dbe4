//! The section on the spec, the provenance of the results, and how to reproduce them.

use super::external::reproduction;
use super::{RunPage, table};
use lungs_spec::results::Provenance;
use maud::{Markup, html};

pub(super) fn record(page: &RunPage) -> Markup {
    let set: Vec<Vec<String>> =
        page.spec.set_keys().into_iter().map(|(key, value)| vec![key, value]).collect();
    html! {
        section #record {
            h2 { "Experiment" }
            p.soft { "Keys that differ from their defaults:" }
            (table(&["key", "value"], set))
            details {
                summary { h3 { "Full spec" } span.soft { ", with all defaults" } }
                pre { (page.spec.to_toml()) }
            }
            @if let Some(provenance) = &page.provenance {
                h3 { "Provenance" }
                (table(&["", "value"], facts(provenance)))
                @if let Some(steps) = reproduction(page) {
                    h3 { "Reproducing this evaluation" }
                    (steps)
                } @else {
                h3 { "Reproducing this run" }
                ol {
                    li {
                        "Install lungs " (provenance.version) ", commit " code { (provenance.commit) } "."
                    }
                    li { "Save the full spec above as " code { "spec.toml" } "." }
                    li { code { "lungs run spec.toml" } }
                    li {
                        "Compare the data hash in " code { "provenance.json" } ": if it is equal, the data are \
                         the same. Then " (provenance.determinism) "."
                    }
                }
                }
            }
        }
    }
}

fn facts(provenance: &Provenance) -> Vec<Vec<String>> {
    let duration = |stage: &str| {
        provenance.stage_seconds.get(stage).map_or("–".to_owned(), |seconds| time(*seconds))
    };
    let processes = provenance.started.len();
    let started = provenance.started.first().cloned().unwrap_or_default();
    [
        (
            "started",
            if processes > 1 { format!("{started}, in {processes} processes") } else { started },
        ),
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
        ("cohort and preparation", duration("cohort and preparation")),
        ("training", duration("training")),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect()
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
