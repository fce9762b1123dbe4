//! The folder of a sweep, and its manifest.

use super::expand::PlannedRun;
use super::names::unique_name;
use super::status::{RunStatus, run_status};
use lungs_base::files::{make_folder, write_bytes};
use lungs_spec::results::{ResultsError, RunFolder, SWEEP_FILE};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// `sweep.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepManifest {
    /// Version of this file's format.
    pub format: u32,
    /// The spec of the last expansion.
    pub spec: PathBuf,
    /// The runs in the order of the table, followed by runs that are no longer in the table.
    pub runs: Vec<ManifestRun>,
}

/// A run in `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestRun {
    /// Name of its folder.
    pub name: String,
    /// The hash of its spec.
    pub hash: String,
    /// Whether the run is in the current table.
    pub wanted: bool,
    /// The varied keys, in the order of the table.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Status at the time of writing.
    pub state: RunStatus,
    /// Why its last process failed, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The format that this program writes.
const FORMAT: u32 = 1;

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    root: PathBuf,
}

impl SweepFolder {
    /// The folder of the sweep of these runs. Creates nothing.
    pub fn of(runs: &[PlannedRun], name: &str) -> Self {
        let spec = runs.first().map(|run| &run.spec);
        let experiment = spec.map(|spec| spec.runtime.results.join(&spec.experiment.name));
        Self { root: experiment.unwrap_or_default().join(name) }
    }

    /// Path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a run.
    pub fn run_path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The run with this name, if it has started.
    pub fn run(&self, name: &str) -> Option<RunFolder> {
        RunFolder::open(&self.run_path(name)).ok()
    }

    /// The status of a run; `has_failed` says whether its last process failed.
    pub fn status(&self, run: &PlannedRun, has_failed: bool) -> RunStatus {
        run_status(self.run(&run.name).as_ref(), &run.spec, has_failed)
    }

    /// Log of the processes of a run.
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// HTML page with the comparison of all finished runs.
    pub fn comparison_page(&self) -> PathBuf {
        self.root.join("comparison.html")
    }

    /// CSV table with the comparison of all finished runs.
    pub fn comparison_table(&self) -> PathBuf {
        self.root.join("comparison.csv")
    }

    /// The manifest, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, or has a newer format.
    pub fn manifest(&self) -> Result<Option<SweepManifest>, ResultsError> {
        let path = self.root.join(SWEEP_FILE);
        let damaged = |message: String| ResultsError::Read { path: path.clone(), message };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let invalid = |error: serde_json::Error| {
            damaged(format!("{error}; delete this file to continue: finished runs stay finished"))
        };
        let manifest: SweepManifest = serde_json::from_str(&text).map_err(invalid)?;
        if manifest.format > FORMAT {
            let message = format!(
                "found format version {}, expected at most {FORMAT}; use the version of the program that \
                 wrote this file",
                manifest.format
            );
            return Err(damaged(message));
        }
        Ok(Some(manifest))
    }

    /// Gives started runs the names of their existing folders, and all other runs unique names. Writes nothing.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub fn assign_names(&self, runs: &mut [PlannedRun]) -> Result<(), ResultsError> {
        let mut names_by_hash: BTreeMap<String, String> = BTreeMap::new();
        for run in self.manifest()?.into_iter().flat_map(|manifest| manifest.runs) {
            names_by_hash.insert(run.hash, run.name);
        }
        // Without a manifest, runs are found by their folders.
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let (Ok(run), Ok(name)) =
                (RunFolder::open(&entry.path()), entry.file_name().into_string())
            else {
                continue;
            };
            if let Ok(spec) = run.spec() {
                names_by_hash.insert(spec.hash(), name);
            }
        }
        let mut taken: BTreeSet<String> =
            names_by_hash.values().map(|name| name.to_lowercase()).collect();
        for run in runs.iter_mut() {
            match names_by_hash.get(&run.hash) {
                Some(name) => run.name.clone_from(name),
                None => run.name = unique_name(&run.name, &run.hash, &mut taken),
            }
        }
        Ok(())
    }

    /// Writes the manifest with the current status of these runs, and keeps the entries of all other runs.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn write_manifest(&self, spec: &Path, runs: &[PlannedRun]) -> Result<(), ResultsError> {
        let _lock = self.lock()?;
        let previous = self.manifest()?.unwrap_or_default();
        let failure_of = |hash: &str| {
            previous.runs.iter().find(|run| run.hash == hash).and_then(|run| run.failure.clone())
        };
        let hashes: BTreeSet<&str> = runs.iter().map(|run| run.hash.as_str()).collect();
        let mut entries: Vec<ManifestRun> =
            runs.iter().map(|run| self.entry(run, failure_of(&run.hash))).collect();
        let others = previous.runs.iter().filter(|run| !hashes.contains(run.hash.as_str()));
        entries.extend(others.map(|run| ManifestRun { wanted: false, ..run.clone() }));
        self.write(&SweepManifest { format: FORMAT, spec: spec.to_owned(), runs: entries })
    }

    /// Records the outcome of the process of a run in the manifest, with the reason of a failure.
    ///
    /// # Errors
    /// If the manifest cannot be read or written.
    pub fn record_outcome(
        &self,
        run: &PlannedRun,
        failure: Option<&str>,
    ) -> Result<(), ResultsError> {
        let _lock = self.lock()?;
        let Some(mut manifest) = self.manifest()? else { return Ok(()) };
        let Some(entry) = manifest.runs.iter_mut().find(|entry| entry.hash == run.hash) else {
            return Ok(());
        };
        *entry = self.entry(run, failure.map(str::to_owned));
        self.write(&manifest)
    }

    fn entry(&self, run: &PlannedRun, failure: Option<String>) -> ManifestRun {
        let state = self.status(run, failure.is_some());
        ManifestRun {
            name: run.name.clone(),
            hash: run.hash.clone(),
            wanted: true,
            settings: run.settings_as_json(),
            failure: failure.filter(|_| state == RunStatus::Failed),
            state,
        }
    }

    fn write(&self, manifest: &SweepManifest) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(manifest).expect("plain data has a JSON form");
        Ok(write_bytes(&self.root.join(SWEEP_FILE), (text + "\n").as_bytes())?)
    }

    /// Waits for the lock of the folder, which serialises the writes of parallel sweeps, and takes it.
    ///
    /// # Errors
    /// If the folder or the lock file cannot be created.
    pub fn lock(&self) -> Result<File, ResultsError> {
        make_folder(&self.root)?;
        let path = self.root.join("sweep.lock");
        let cannot_create = |source| ResultsError::CannotCreate { path: path.clone(), source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(cannot_create)?;
        file.lock().map_err(cannot_create)?;
        Ok(file)
    }
}

/// The runs at `path`: the finished runs of the current table of a sweep, else the run of [`RunFolder::find`].
///
/// # Errors
/// If there is no run, or it cannot be read.
pub fn find_runs(path: &Path) -> Result<Vec<RunFolder>, ResultsError> {
    let folder = SweepFolder { root: path.to_owned() };
    let Some(manifest) = folder.manifest()? else { return Ok(vec![RunFolder::find(path)?]) };
    let current = manifest.runs.iter().filter(|run| run.wanted);
    let runs = current.filter_map(|run| folder.run(&run.name)).filter(RunFolder::is_finished);
    Ok(runs.collect())
}
