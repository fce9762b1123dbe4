//! The folder of a sweep, and its manifest.

use super::expand::PlannedRun;
use super::standing::{State, standing};
use crate::files::{make_folder, write_bytes};
use crate::results::{ResultsError, RunFolder, SWEEP_FILE};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// `sweep.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepManifest {
    /// Version of this file's format.
    pub format: u32,
    /// The spec that was expanded last.
    pub spec: PathBuf,
    /// The runs, in the order of the table; after them those that it no longer asks for.
    pub runs: Vec<ManifestRun>,
}

/// A run in `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestRun {
    /// Names its folder.
    pub name: String,
    /// The hash of its spec.
    pub hash: String,
    /// Whether the table asks for it still.
    pub wanted: bool,
    /// The keys that it varies, in the order of the table.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Where it stood when this was written.
    pub state: State,
    /// Why it failed, where its last process did.
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
    /// The folder of the sweep of these runs: nothing is made.
    pub fn of(runs: &[PlannedRun], name: &str) -> Self {
        let spec = runs.first().map(|run| &run.spec);
        let experiment = spec.map(|spec| spec.runtime.results.join(&spec.experiment.name));
        Self { root: experiment.unwrap_or_default().join(name) }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a run.
    pub fn run_path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The run of this name, if it has begun.
    pub fn run(&self, name: &str) -> Option<RunFolder> {
        RunFolder::open(&self.run_path(name)).ok()
    }

    /// What the processes of a run have printed.
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// All finished runs side by side, as a page.
    pub fn comparison_page(&self) -> PathBuf {
        self.root.join("comparison.html")
    }

    /// The same figures as a table.
    pub fn comparison_table(&self) -> PathBuf {
        self.root.join("comparison.csv")
    }

    /// The manifest, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is of a later format.
    pub fn manifest(&self) -> Result<Option<SweepManifest>, ResultsError> {
        let path = self.root.join(SWEEP_FILE);
        let damaged = |message: String| ResultsError::Read { path: path.clone(), message };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let told = |error: serde_json::Error| {
            damaged(format!("{error}; it can be removed: what is finished stays finished"))
        };
        let manifest: SweepManifest = serde_json::from_str(&text).map_err(told)?;
        if manifest.format > FORMAT {
            let message = format!(
                "its format is {}, this program knows those up to {FORMAT}: use the program that \
                 wrote it",
                manifest.format
            );
            return Err(damaged(message));
        }
        Ok(Some(manifest))
    }

    /// Gives runs the names under which they began, here or under an earlier table, and all others
    /// names that are free. Reads only.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn settle_names(&self, runs: &mut [PlannedRun]) -> Result<(), ResultsError> {
        let mut begun: BTreeMap<String, String> = BTreeMap::new();
        for run in self.manifest()?.into_iter().flat_map(|manifest| manifest.runs) {
            begun.insert(run.hash, run.name);
        }
        // A lost manifest loses no run.
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let (Ok(run), Ok(name)) =
                (RunFolder::open(&entry.path()), entry.file_name().into_string())
            else {
                continue;
            };
            if let Ok(spec) = run.spec() {
                begun.insert(spec.hash(), name);
            }
        }
        let mut taken: BTreeSet<String> = begun.values().map(|name| name.to_lowercase()).collect();
        for run in runs.iter_mut() {
            match begun.get(&run.hash) {
                Some(name) => run.name.clone_from(name),
                None => run.name = super::names::unique(&run.name, &run.hash, &mut taken),
            }
        }
        Ok(())
    }

    /// Writes the manifest of these runs, each as it stands. What became of others stays noted.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn write_manifest(&self, spec: &Path, runs: &[PlannedRun]) -> Result<(), ResultsError> {
        let _lock = self.lock()?;
        let known = self.manifest()?.unwrap_or_default();
        let failure_of = |hash: &str| {
            known.runs.iter().find(|run| run.hash == hash).and_then(|run| run.failure.clone())
        };
        let wanted: BTreeSet<&str> = runs.iter().map(|run| run.hash.as_str()).collect();
        let mut all: Vec<ManifestRun> =
            runs.iter().map(|run| self.entry(run, failure_of(&run.hash))).collect();
        let others = known.runs.iter().filter(|run| !wanted.contains(run.hash.as_str()));
        all.extend(others.map(|run| ManifestRun { wanted: false, ..run.clone() }));
        self.write(&SweepManifest { format: FORMAT, spec: spec.to_owned(), runs: all })
    }

    /// Notes how the process of a run ended: why it failed, or that it did not.
    ///
    /// # Errors
    /// When the manifest cannot be read or written.
    pub fn note(&self, run: &PlannedRun, failure: Option<&str>) -> Result<(), ResultsError> {
        let _lock = self.lock()?;
        let Some(mut manifest) = self.manifest()? else { return Ok(()) };
        let Some(entry) = manifest.runs.iter_mut().find(|entry| entry.hash == run.hash) else {
            return Ok(());
        };
        *entry = self.entry(run, failure.map(str::to_owned));
        self.write(&manifest)
    }

    fn entry(&self, run: &PlannedRun, failure: Option<String>) -> ManifestRun {
        let json = |value: &toml::Value| serde_json::to_value(value).unwrap_or_default();
        let state = standing(self, run, failure.as_deref()).state;
        ManifestRun {
            name: run.name.clone(),
            hash: run.hash.clone(),
            wanted: true,
            settings: run.settings.iter().map(|one| (one.key.clone(), json(&one.value))).collect(),
            failure: failure.filter(|_| state == State::Failed),
            state,
        }
    }

    fn write(&self, manifest: &SweepManifest) -> Result<(), ResultsError> {
        let text = serde_json::to_string_pretty(manifest).expect("plain data has a JSON form");
        Ok(write_bytes(&self.root.join(SWEEP_FILE), (text + "\n").as_bytes())?)
    }

    /// Waits for, and takes, what several sweeps of one folder do one after the other.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn lock(&self) -> Result<File, ResultsError> {
        make_folder(&self.root)?;
        let path = self.root.join("sweep.lock");
        let broken = |source| ResultsError::CannotCreate { path: path.clone(), source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(broken)?;
        file.lock().map_err(broken)?;
        Ok(file)
    }
}

/// The runs at `path`: the finished ones that a sweep asks for, else what [`RunFolder::find`] has.
///
/// # Errors
/// When there is none, or what is there cannot be read.
pub fn runs_at(path: &Path) -> Result<Vec<RunFolder>, ResultsError> {
    let folder = SweepFolder { root: path.to_owned() };
    let Some(manifest) = folder.manifest()? else { return Ok(vec![RunFolder::find(path)?]) };
    let wanted = manifest.runs.iter().filter(|run| run.wanted);
    let runs = wanted.filter_map(|run| folder.run(&run.name)).filter(RunFolder::is_finished);
    Ok(runs.collect())
}
