//! `fetch.csv`: the result of every requested series.

use serde::{Deserialize, Serialize};

/// A row of `fetch.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRow {
    /// SeriesInstanceUID, the last part of the address, or an invalid line.
    pub series: String,
    /// PatientID; empty if unknown.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// Its address in the archive.
    #[serde(rename = "place")]
    pub address: String,
    /// Folder of its files, below the target folder.
    pub folder: String,
    /// Number of its files in the archive; empty if it was not listed.
    pub files: Option<usize>,
    /// Bytes of all its files.
    pub bytes: Option<u64>,
    /// Its state.
    pub state: FetchStatus,
    /// The reason of the state, where it needs one.
    pub reason: String,
}

impl FetchRow {
    pub(super) fn failed(series: &str, patient: &str, reason: &str) -> Self {
        Self {
            series: series.to_owned(),
            patient_id: patient.to_owned(),
            address: String::new(),
            folder: String::new(),
            files: None,
            bytes: None,
            state: FetchStatus::Failed,
            reason: reason.to_owned(),
        }
    }
}

/// The state of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FetchStatus {
    /// All files exist and have the right size.
    Fetched,
    /// It was complete before this command.
    #[serde(rename = "there")]
    Complete,
    /// It was fetched and prepared.
    Prepared,
    /// It was fetched, and preparation excluded it.
    #[serde(rename = "refused")]
    Excluded,
    /// Some of its files could not be fetched; the others are kept.
    Failed,
    /// It was stopped; the next start continues it.
    Interrupted,
    /// It was not started.
    NotStarted,
}
