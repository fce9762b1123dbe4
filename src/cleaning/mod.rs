//! What is no longer needed of runs and caches, for `lungs clean`.
//!
//! ```text
//! finished runs ───────────────▶ checkpoints that nothing reads
//! caches of these runs and specs ▶ prepared volumes with settings that none of them has
//! ```
//!
//! Runs that a process works on, and the caches of their specs, are kept. So is every cache if one of the specs
//! cannot be read.

mod caches;
mod specs;

pub use caches::OldVolumes;

use crate::runs::{find_run_folders, size_of, status_of};
use crate::sweep::RunStatus;
use caches::old_volumes;
use lungs_base::files::{self, WriteError};
use lungs_spec::results::{ResultsError, RunFolder};
use lungs_train::unneeded_checkpoints;
use specs::{KnownSpec, known_specs};
use std::path::{Path, PathBuf};

/// Where to look.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Results folders.
    pub results: Vec<PathBuf>,
    /// Specs, and folders of specs.
    pub specs: Vec<PathBuf>,
}

/// Removable checkpoints of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCheckpoints {
    /// The run.
    pub run: RunFolder,
    /// Folders of checkpoints.
    pub folders: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
}

/// Why something is kept that could be unneeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A process works on the run.
    RunInUse {
        /// The run.
        run: PathBuf,
    },
    /// A process prepares volumes into the cache, or works on a run with it.
    CacheInUse {
        /// The cache.
        cache: PathBuf,
    },
    /// A spec cannot be read, so nobody knows what it needs.
    UnreadableSpec {
        /// The spec.
        spec: PathBuf,
        /// The error.
        message: String,
    },
    /// The checkpoints of a run cannot be judged.
    UnreadableRun {
        /// The run.
        run: PathBuf,
        /// The error.
        message: String,
    },
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RunInUse { run } => write!(f, "{}: a process works on this run", run.display()),
            Self::CacheInUse { cache } => {
                write!(f, "{}: a process uses this cache", cache.display())
            }
            Self::UnreadableSpec { spec, message } => {
                write!(f, "all caches: {} cannot be read: {message}", spec.display())
            }
            Self::UnreadableRun { run, message } => write!(f, "{}: {message}", run.display()),
        }
    }
}

/// What is no longer needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaning {
    /// Checkpoints, by run.
    pub checkpoints: Vec<OldCheckpoints>,
    /// Prepared volumes, by cache.
    pub volumes: Vec<OldVolumes>,
    /// What is kept although it could be unneeded.
    pub kept: Vec<Kept>,
}

impl Cleaning {
    /// Looks for files that are no longer needed. Changes nothing.
    ///
    /// # Errors
    /// A results folder does not exist.
    pub fn of(scope: &Scope) -> Result<Self, ResultsError> {
        let mut cleaning = Self::default();
        let mut runs = Vec::new();
        for results in &scope.results {
            runs.extend(find_run_folders(results)?);
        }
        for run in &runs {
            cleaning.add_checkpoints(run);
        }
        match known_specs(&runs, &scope.specs) {
            Ok(specs) => cleaning.add_volumes(&specs),
            Err(kept) => cleaning.kept.push(kept),
        }
        Ok(cleaning)
    }

    fn add_checkpoints(&mut self, run: &RunFolder) {
        match status_of(run) {
            RunStatus::Running => {
                self.kept.push(Kept::RunInUse { run: run.root().to_owned() });
                return;
            }
            RunStatus::Finished if !run.is_external() => {}
            _ => return,
        }
        let unreadable = |error: ResultsError| Kept::UnreadableRun {
            run: run.root().to_owned(),
            message: error.to_string(),
        };
        let members = run.members().and_then(|members| {
            members.into_iter().map(|(run, _)| Ok((unneeded_checkpoints(&run)?, run))).collect()
        });
        let members: Vec<(Vec<PathBuf>, RunFolder)> = match members {
            Ok(members) => members,
            Err(error) => return self.kept.push(unreadable(error)),
        };
        for (folders, run) in members.into_iter().filter(|(folders, _)| !folders.is_empty()) {
            let bytes = folders.iter().map(|folder| size_of(folder)).sum();
            self.checkpoints.push(OldCheckpoints { run, folders, bytes });
        }
    }

    fn add_volumes(&mut self, specs: &[KnownSpec]) {
        for result in old_volumes(specs) {
            match result {
                Ok(volumes) => self.volumes.push(volumes),
                Err(kept) => self.kept.push(kept),
            }
        }
    }

    /// Whether nothing can be removed.
    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.volumes.is_empty()
    }

    /// Bytes of everything that can be removed.
    pub fn bytes(&self) -> u64 {
        let checkpoints: u64 = self.checkpoints.iter().map(|old| old.bytes).sum();
        checkpoints + self.volumes.iter().map(|old| old.bytes).sum::<u64>()
    }

    /// Removes everything, and returns the number of removed bytes. What a process uses by now is kept, and added to
    /// [`Cleaning::kept`].
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&mut self) -> Result<u64, WriteError> {
        let mut bytes = 0;
        self.kept.clear();
        for old in &self.checkpoints {
            // Nobody starts with these checkpoints while the lock is held.
            let Ok(_lock) = old.run.lock() else {
                self.kept.push(Kept::RunInUse { run: old.run.root().to_owned() });
                continue;
            };
            for folder in &old.folders {
                remove_folder(folder)?;
            }
            bytes += old.bytes;
        }
        for old in &self.volumes {
            if old.is_in_use() {
                self.kept.push(Kept::CacheInUse { cache: old.cache.clone() });
                continue;
            }
            for file in &old.files {
                files::remove(file)?;
            }
            bytes += old.bytes;
        }
        Ok(bytes)
    }
}

/// Removes a checkpoint. It is renamed first: no part of it is ever taken for a checkpoint.
fn remove_folder(folder: &Path) -> Result<(), WriteError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let partial =
        folder.with_file_name(format!(".partial-{}", name.trim_start_matches(".partial-")));
    if partial != folder {
        files::rename(folder, &partial)?;
    }
    std::fs::remove_dir_all(&partial).map_err(|source| WriteError { path: partial, source })
}
