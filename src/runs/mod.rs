//! The runs of a results folder: their status, progress, metrics and size.

mod headline;
mod search;

pub use headline::Headline;
pub use search::{find_run_folders, size_of};

use crate::sweep::RunStatus;
use lungs_spec::results::{ResultsError, RunFailure, RunFolder, Table, read_metrics};
use lungs_spec::spec::Spec;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run in a results folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunEntry {
    /// Path below the results folder: `experiment/stamp-hash`.
    pub name: String,
    /// The run folder.
    pub path: PathBuf,
    /// The status.
    #[serde(serialize_with = "status_label")]
    pub status: RunStatus,
    /// Epochs, or folds of a cross-validation; `None` for the evaluation of a model on other exams.
    pub progress: Option<Progress>,
    /// The main metric, if there is one.
    pub headline: Option<Headline>,
    /// Time of the last change of the log, or of the spec before the first start.
    #[serde(skip)]
    pub last_active: Option<SystemTime>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Completed and planned epochs, or folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// `epochs` or `folds`.
    pub unit: &'static str,
    /// Number of completed ones.
    pub done: usize,
    /// Number of planned ones; a run may stop earlier. `None` if the stored spec cannot be read.
    pub planned: Option<usize>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn status_label<S: serde::Serializer>(status: &RunStatus, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(status.label())
}

/// All runs below a results folder, the last active one first.
///
/// # Errors
/// The folder does not exist.
pub fn list_runs(results: &Path) -> Result<Vec<RunEntry>, ResultsError> {
    let runs = find_run_folders(results)?;
    let mut entries: Vec<RunEntry> = runs.iter().map(|run| entry_of(results, run)).collect();
    entries.sort_by(|a, b| b.last_active.cmp(&a.last_active).then_with(|| a.name.cmp(&b.name)));
    Ok(entries)
}

fn entry_of(results: &Path, run: &RunFolder) -> RunEntry {
    let path = run.root().to_owned();
    let below = path.strip_prefix(results).ok().filter(|below| *below != Path::new(""));
    let spec = run.spec().ok();
    let changed = |file: PathBuf| std::fs::metadata(file).and_then(|it| it.modified()).ok();
    RunEntry {
        name: below.map_or_else(|| run.name(), |below| below.display().to_string()),
        status: status_of(run),
        progress: progress_of(run, spec.as_ref()),
        headline: Headline::of(run, spec.as_ref()),
        last_active: changed(run.log_file()).or_else(|| changed(run.spec_file())),
        bytes: size_of(&path),
        path,
    }
}

/// The status of a run by its files and its lock.
pub fn status_of(run: &RunFolder) -> RunStatus {
    if run.holder().is_some() {
        RunStatus::Running
    } else if run.is_finished() || run.is_external() && run.report_page().is_file() {
        RunStatus::Finished
    } else if RunFailure::read(run).is_some() {
        RunStatus::Failed
    } else if run.log_file().is_file() {
        RunStatus::Stopped
    } else {
        RunStatus::Waiting
    }
}

fn progress_of(run: &RunFolder, spec: Option<&Spec>) -> Option<Progress> {
    if run.is_external() {
        return None;
    }
    if let Some(spec) = spec.filter(|spec| spec.is_of_all_folds()) {
        let folds = spec.fold_specs();
        let is_finished = |fold: &&Spec| run.known_fold(fold).is_some_and(|run| run.is_finished());
        let done = folds.iter().filter(is_finished).count();
        return Some(Progress { unit: "folds", done, planned: Some(spec.split.folds) });
    }
    let rows = read_metrics(&run.table(Table::Metrics)).unwrap_or_default();
    let done = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
    Some(Progress { unit: "epochs", done, planned: spec.map(|spec| spec.train.epochs) })
}
