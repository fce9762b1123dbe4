//! `failure.json`: why the last process of a run failed.

use super::{ResultsError, RunFolder, now_utc};
use serde::{Deserialize, Serialize};

/// The failure of a process that worked on a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Time of the failure, as `2026-01-31T10:15:02Z`.
    pub time: String,
    /// The error message, in one line.
    pub message: String,
    /// What to do, if the error says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Exit code of the process.
    pub exit_code: u8,
}

impl RunFailure {
    /// A failure at this moment.
    pub fn new(message: String, help: Option<String>, exit_code: u8) -> Self {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { time: now_utc(), message, help, exit_code }
    }

    /// The recorded failure of a run, if its last process failed and left a readable record.
    pub fn read(run: &RunFolder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run.failure_file()).ok()?).ok()
    }

    /// Writes `failure.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(self).expect("plain data always has a JSON form");
        Ok(lungs_base::files::write_bytes(&run.failure_file(), (text + "\n").as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_written_and_read_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.toml"), "").unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        assert_eq!(RunFailure::read(&run), None);
        let failure = RunFailure::new("no series\n  could be prepared".into(), None, 1);
        assert_eq!(failure.message, "no series could be prepared");
        failure.write(&run).unwrap();
        assert_eq!(RunFailure::read(&run), Some(failure));
    }
}
