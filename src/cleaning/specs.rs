//! The specs that may need a cache: those of runs, and those of files.

use super::Kept;
use crate::pipeline::{cache_folder, settings};
use crate::runs::status_of;
use crate::sweep::{RunStatus, expand};
use lungs_spec::results::{RunFolder, Table, read_csv};
use lungs_spec::spec::{Overrides, Spec, SpecError, load, load_sweep};
use lungs_study::prepare::Row;
use std::path::{Path, PathBuf};

/// What is known about a spec with a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownSpec {
    /// The cache, without links.
    pub cache: PathBuf,
    /// The settings of its volumes, with the version of the algorithm.
    pub settings: String,
    /// The run with this spec; `None` for a file.
    pub run: Option<RunFolder>,
    /// Names of the volumes in the cache that the run uses.
    pub volumes: Vec<String>,
}

impl KnownSpec {
    /// `None` if the cache does not exist.
    fn of(spec: &Spec, run: Option<&RunFolder>) -> Option<Self> {
        let cache = cache_folder(spec).canonicalize().ok()?;
        let prepared = run.map(|run| read_csv::<Row>(&run.table(Table::Preparation)));
        let rows = prepared.and_then(Result::ok).unwrap_or_default();
        Some(Self {
            cache,
            settings: settings(spec).versioned_text(),
            run: run.cloned(),
            volumes: rows.into_iter().map(|row| row.cache_file).collect(),
        })
    }

    /// Whether a process works on the run.
    pub(super) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| status_of(run) == RunStatus::Running)
    }
}

/// The specs of runs and of files whose caches exist.
pub(super) fn known_specs(runs: &[RunFolder], files: &[PathBuf]) -> Result<Vec<KnownSpec>, Kept> {
    let mut known = Vec::new();
    for run in runs {
        let unreadable = |error: lungs_spec::results::ResultsError| Kept::UnreadableSpec {
            spec: run.spec_file(),
            message: error.to_string(),
        };
        known.extend(KnownSpec::of(&run.spec().map_err(unreadable)?, Some(run)));
        // The volumes of a cross-validation are in the tables of its folds.
        for fold in run.spec().map_err(unreadable)?.fold_specs() {
            let fold_run = run.known_fold(&fold);
            known.extend(fold_run.and_then(|run| KnownSpec::of(&fold, Some(&run))));
        }
    }
    for path in files.iter().flat_map(|path| specs_in(path)) {
        let unreadable = |message: String| Kept::UnreadableSpec { spec: path.clone(), message };
        for spec in specs_of(&path).map_err(unreadable)? {
            known.extend(KnownSpec::of(&spec, None));
        }
    }
    Ok(known)
}

/// The specs in a folder, or a spec itself.
fn specs_in(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut specs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    specs.sort();
    specs
}

/// The spec of a file, or those of all runs of a sweep.
fn specs_of(path: &Path) -> Result<Vec<Spec>, String> {
    let overrides = Overrides::from_process(&[]);
    match load(path, &overrides) {
        Ok(spec) => Ok(vec![spec]),
        Err(SpecError::IsSweep { .. }) => {
            let source = load_sweep(path, &overrides).map_err(|error| error.to_string())?;
            let runs = expand(&source).map_err(|error| error.to_string())?;
            Ok(runs.into_iter().map(|run| run.spec).collect())
        }
        Err(error) => Err(error.to_string()),
    }
}
