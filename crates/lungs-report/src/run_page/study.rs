//! The section on the study: outcome, reference standard, dates, and the statements of the authors.

use super::{RunPage, table};
use lungs_base::text::counted;
use lungs_spec::spec::{Spec, Statements};
use maud::{Markup, html};
use serde::Deserialize;

/// The rules of labels that `lungs cohort` made, as far as the page names them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LabelRecord {
    cohort: String,
    rules: LabelRules,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LabelRules {
    horizon_days: Option<i64>,
    later_cancers: String,
    follow_up: String,
}

impl LabelRecord {
    fn outcome(&self) -> Option<String> {
        let days = self.rules.horizon_days?;
        let later = match self.rules.later_cancers.as_str() {
            "negative" => " Scans of patients diagnosed later count as without cancer.",
            "exclude" => " Scans of patients diagnosed later are excluded.",
            _ => "",
        };
        Some(format!("Lung cancer diagnosed within {days} days of the scan.{later}"))
    }

    fn reference_standard(&self) -> Option<String> {
        (self.cohort == "nlst").then(|| {
            "Lung cancer confirmed from medical records by the National Lung Screening Trial; the \
             date is that of the first diagnosis."
                .to_owned()
        })
    }

    fn follow_up(&self) -> Option<String> {
        let days = self.rules.horizon_days?;
        match self.rules.follow_up.as_str() {
            "canc-free-days" => Some(format!(
                "A scan without cancer needs {days} days or more of follow-up free of lung cancer; others \
                 are excluded."
            )),
            "later-screen" => Some(
                "A scan without cancer needs a screening of a later year; others are excluded."
                    .into(),
            ),
            "none" => Some("A scan without cancer needs no follow-up.".to_owned()),
            _ => None,
        }
    }
}

/// The statements of the authors with their names, in the order of the page; `None` where neither the spec nor the
/// record of the labels has the fact.
fn facts(page: &RunPage) -> Vec<(&'static str, &'static str, Option<String>)> {
    let labels = page.provenance.as_ref().and_then(|provenance| provenance.labels.clone());
    let record: LabelRecord =
        labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
    let statements: &Statements = &page.spec.report.statements;
    let recorded = |key: &str| match key {
        "outcome" => record.outcome(),
        "reference_standard" => record.reference_standard(),
        "follow_up" => record.follow_up(),
        _ => None,
    };
    let names = [
        ("intended_use", "Intended use"),
        ("outcome", "Outcome and horizon"),
        ("reference_standard", "Reference standard"),
        ("follow_up", "Follow-up"),
        ("source", "Source of the data"),
        ("sample_size", "Sample size"),
        ("ethics", "Ethics"),
        ("funding", "Funding"),
        ("conflicts_of_interest", "Conflicts of interest"),
        ("registration", "Registration"),
        ("protocol", "Protocol"),
        ("involvement", "Involvement of patients and the public"),
        ("data_availability", "Availability of data"),
        ("code_availability", "Availability of code"),
    ];
    let fact = |(key, name)| {
        let text = statements.get(key).map(str::to_owned).or_else(|| recorded(key));
        (key, name, text)
    };
    names.map(fact).to_vec()
}

pub(super) fn section(page: &RunPage) -> Markup {
    let facts = facts(page);
    let mut rows: Vec<Vec<String>> = facts
        .iter()
        .filter_map(|(_, name, text)| Some(vec![(*name).to_owned(), text.clone()?]))
        .collect();
    rows.insert(0, vec!["Label 1".to_owned(), label_source(page.spec)]);
    rows.extend(dates(page).map(|dates| vec!["Dates of the scans".to_owned(), dates]));
    let missing: Vec<&str> =
        facts.iter().filter(|(.., text)| text.is_none()).map(|(key, ..)| *key).collect();
    html! {
        section #study {
            h2 { "The study" }
            (table(&["", ""], rows))
            @if !missing.is_empty() {
                p.soft {
                    "Not stated: " (missing.join(", ")) ". Texts for these keys of "
                    code { "[report.statements]" } " in the spec appear in this section."
                }
            }
        }
    }
}

/// What gives an exam the label 1.
fn label_source(spec: &Spec) -> String {
    let data = &spec.data;
    match (&data.labels, &data.positives) {
        (Some(labels), _) => {
            let name = labels.file_name().unwrap_or(labels.as_os_str()).to_string_lossy();
            format!("Cancer within the horizon, by the column label of {name}.")
        }
        (None, Some(_)) => "The scan is in the folder of positive exams.".to_owned(),
        (None, None) => "The list of the split names the scan with label 1.".to_owned(),
    }
}

/// The months of the first and the last scan, by the headers of the included exams.
fn dates(page: &RunPage) -> Option<String> {
    let population = page.population.as_ref()?;
    let included = &population.exams[..population.included];
    let month = |date: &str| -> Option<String> {
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        is_date.then(|| format!("{}-{}", &date[..4], &date[4..6]))
    };
    let months: Vec<String> =
        included.iter().filter_map(|row| month(row.study_date.trim())).collect();
    let (first, last) = (months.iter().min()?, months.iter().max()?);
    let known = if months.len() == included.len() {
        String::new()
    } else {
        format!(" ({} of {})", months.len(), counted(included.len(), "exam", "exams"))
    };
    Some(format!("{first} to {last}, by the headers{known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_cohort_say_outcome_and_follow_up() {
        let record = |follow_up: &str, later: &str| -> LabelRecord {
            serde_json::from_value(serde_json::json!({
                "version": "0.1.0", "cohort": "nlst", "labels_blake3": "00",
                "rules": { "horizon_days": 365, "later_cancers": later, "follow_up": follow_up,
                    "several_exams": "keep", "max_thickness_mm": 0.0 },
            }))
            .unwrap()
        };
        let record = record("canc-free-days", "negative");
        let outcome = record.outcome().unwrap();
        assert!(outcome.starts_with("Lung cancer diagnosed within 365 days of the scan."));
        assert!(outcome.ends_with("diagnosed later count as without cancer."), "{outcome}");
        assert!(record.follow_up().unwrap().contains("365 days or more"));
        assert!(record.reference_standard().unwrap().contains("National Lung Screening Trial"));
        let none = LabelRecord::default();
        assert_eq!(
            (none.outcome(), none.follow_up(), none.reference_standard()),
            (None, None, None)
        );
    }
}
