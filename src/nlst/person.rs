//! A person of the trial.

use super::codes::Days;

/// The trial's arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Low-dose CT.
    Ct,
    /// Chest radiography.
    Xray,
}

/// A row of `nlst_prsn`.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The arm; the public table does not contain it.
    pub arm: Option<Arm>,
    /// Age at randomisation, years.
    pub age: Option<i64>,
    /// `male`, `female` or empty.
    pub sex: &'static str,
    /// Race in words, or empty.
    pub race: &'static str,
    /// `current`, `former` or empty.
    pub smoking: &'static str,
    /// Days from randomisation to the screening of each study year.
    pub screen_days: [Days; 3],
    /// Days from randomisation to the first diagnosis of lung cancer.
    pub diagnosis_day: Days,
    /// Days from randomisation to the last day on which the person was known to be free of lung cancer.
    pub cancer_free_day: Days,
    /// Whether columns other than the date record a lung cancer.
    pub has_cancer_record: bool,
    /// Stage of the first lung cancer in words, or empty.
    pub stage: &'static str,
}

/// The lung cancers of a person in `nlst_canc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancers {
    /// Days from randomisation to the earliest diagnosis with a date.
    pub first_days: Option<i64>,
}
