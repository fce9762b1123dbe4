//! `[report.statements]`: what only the authors of a study know.

use serde::{Deserialize, Serialize};

/// `[report.statements]`
///
/// Texts for the report, each a sentence or a paragraph. They answer items of the reporting guidelines TRIPOD+AI
/// and CLAIM that no program can answer; `checklist.csv` lists the items and their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Statements {
    /// Intended use: the decision that the prediction informs, the users, and the patients.
    pub intended_use: Option<String>,
    /// Source of the data: study, centres, country, dates of accrual, consecutive or selected patients.
    pub source: Option<String>,
    /// The outcome and its horizon. By default from `labels.json` next to the labels.
    pub outcome: Option<String>,
    /// How the outcome was determined in patients with and without cancer, by whom, blinded to what. By
    /// default from `labels.json`.
    pub reference_standard: Option<String>,
    /// Follow-up that an exam without cancer needs. By default from `labels.json`.
    pub follow_up: Option<String>,
    /// Justification of the number of exams.
    pub sample_size: Option<String>,
    /// Ethics committee, number of the approval, and consent or its waiver.
    pub ethics: Option<String>,
    /// Funding and the role of the funders.
    pub funding: Option<String>,
    /// Conflicts of interest of the authors.
    pub conflicts_of_interest: Option<String>,
    /// Registry and number of the study, or that it was not registered.
    pub registration: Option<String>,
    /// Where the protocol is, or that there is none.
    pub protocol: Option<String>,
    /// Involvement of patients and the public, or that there was none.
    pub involvement: Option<String>,
    /// Where the data are, and who may use them.
    pub data_availability: Option<String>,
    /// Where code and weights are, and who may use them.
    pub code_availability: Option<String>,
}

impl Statements {
    /// The names of the statements with their texts, in order.
    pub fn all(&self) -> [(&'static str, Option<&str>); 14] {
        [
            ("intended_use", &self.intended_use),
            ("source", &self.source),
            ("outcome", &self.outcome),
            ("reference_standard", &self.reference_standard),
            ("follow_up", &self.follow_up),
            ("sample_size", &self.sample_size),
            ("ethics", &self.ethics),
            ("funding", &self.funding),
            ("conflicts_of_interest", &self.conflicts_of_interest),
            ("registration", &self.registration),
            ("protocol", &self.protocol),
            ("involvement", &self.involvement),
            ("data_availability", &self.data_availability),
            ("code_availability", &self.code_availability),
        ]
        .map(|(key, text)| (key, text.as_deref().map(str::trim).filter(|text| !text.is_empty())))
    }

    /// The text of a statement; `None` if it is not set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all().into_iter().find(|(name, _)| *name == key)?.1
    }

    /// Whether no statement is set.
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }
}
