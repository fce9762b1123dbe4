//! `fetch.csv`: what became of every series that was asked for.

use serde::{Deserialize, Serialize};

/// A row of `fetch.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRow {
    /// SeriesInstanceUID, the last part of the place, or the line that could not be understood.
    pub series: String,
    /// PatientID; empty when nothing says.
    pub patient: String,
    /// Where it lies in the archive.
    pub place: String,
    /// Where its files are, below the target folder.
    pub folder: String,
    /// Its files in the archive; empty when it was not looked at.
    pub files: Option<usize>,
    /// Bytes of all of them.
    pub bytes: Option<u64>,
    /// What became of it.
    pub state: State,
    /// Why, where that is not plain.
    pub reason: String,
}

impl FetchRow {
    pub(super) fn failed(series: &str, patient: &str, reason: &str) -> Self {
        Self {
            series: series.to_owned(),
            patient: patient.to_owned(),
            place: String::new(),
            folder: String::new(),
            files: None,
            bytes: None,
            state: State::Failed,
            reason: reason.to_owned(),
        }
    }
}

/// What became of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All files were fetched, or were there, and have the right size.
    Fetched,
    /// It was complete before.
    There,
    /// It was fetched and prepared.
    Prepared,
    /// It was fetched, and preparation refuses it.
    Refused,
    /// It could not be fetched; the files that could be are kept.
    Failed,
    /// It was stopped, and goes on with the next start.
    Interrupted,
    /// It was not begun.
    NotStarted,
}
