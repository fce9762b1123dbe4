//! Run folders below a results folder, and the size of folders.

use lungs_spec::results::{ResultsError, RunFolder};
use std::fs;
use std::path::{Path, PathBuf};

/// The depth of the runs of a sweep: experiment, sweep, run.
const MAX_DEPTH: usize = 4;

/// The run folders below a results folder, by path; `results` itself if it is a run. The folds of a
/// cross-validation are part of their run. Links are not followed.
///
/// # Errors
/// The folder does not exist.
pub fn find_run_folders(results: &Path) -> Result<Vec<RunFolder>, ResultsError> {
    if !results.is_dir() {
        return Err(ResultsError::NoFolder { path: results.to_owned() });
    }
    let mut runs = Vec::new();
    add_runs(results, MAX_DEPTH, &mut runs);
    Ok(runs)
}

fn add_runs(folder: &Path, depth: usize, runs: &mut Vec<RunFolder>) {
    if let Ok(run) = RunFolder::open(folder) {
        runs.push(run);
    } else if depth > 0 {
        for folder in folders_in(folder) {
            add_runs(&folder, depth - 1, runs);
        }
    }
}

/// The folders in a folder, by name, without links.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut folders: Vec<PathBuf> = entries.filter(is_folder).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The bytes of a file, or of all files below a folder. Links count as themselves.
pub fn size_of(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of(&entry.path())).sum()
}
