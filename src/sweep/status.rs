//! The status of a run, from the files in its folder.

use lungs_spec::results::RunFolder;
use lungs_spec::spec::Spec;
use serde::{Deserialize, Serialize};

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Not started.
    Waiting,
    /// A process holds its lock.
    #[serde(rename = "in-work")]
    Running,
    /// Started, and stopped before its end.
    Stopped,
    /// Its last process failed.
    Failed,
    /// Complete.
    Finished,
}

impl RunStatus {
    /// The status as shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }
}

/// The status of the run with `spec` in a folder, `None` before it starts. `has_failed` says whether its last
/// process failed.
pub(super) fn run_status(folder: Option<&RunFolder>, spec: &Spec, has_failed: bool) -> RunStatus {
    let is_complete =
        |run: &RunFolder| run.is_finished() && run.has_metrics_of(spec).unwrap_or(false);
    match folder {
        Some(run) if is_complete(run) => RunStatus::Finished,
        Some(run) if run.holder().is_some() => RunStatus::Running,
        _ if has_failed => RunStatus::Failed,
        Some(run) if run.log_file().is_file() => RunStatus::Stopped,
        _ => RunStatus::Waiting,
    }
}
