//! Where things are in a run folder, and which run belongs to a spec.

use super::lock::RunLock;
use super::provenance::now_utc;
use crate::files::WriteError;
use crate::spec::{Spec, SpecError, load_resolved};
use std::fs;
use std::path::{Path, PathBuf};

/// What makes a folder that of a sweep.
pub const SWEEP_FILE: &str = "sweep.json";

/// A run folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Many runs where one is meant.
    #[error("{path} is a sweep of several runs; give one of the folders in it")]
    ASweep {
        /// The folder that was given.
        path: PathBuf,
    },
    /// Not a run folder.
    #[error(
        "{path} is not a run folder: it has no spec.toml; give a folder such as \
         results/demo/2026-01-31T10-15-02Z-5f3a9c"
    )]
    NotARun {
        /// The folder that was given.
        path: PathBuf,
    },
    /// The folder cannot be made.
    #[error(
        "cannot make the run folder {path}: {source}; choose another with \
         --set runtime.results=FOLDER"
    )]
    CannotCreate {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process works in this run.
    #[error("{path} is in use by another process ({holder}); wait for it, or stop it first")]
    InUse {
        /// The run folder.
        path: PathBuf,
        /// What the lock file says of its holder.
        holder: String,
    },
    /// A file of the run could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file of the run could not be read.
    #[error("cannot read {path}: {message}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        message: String,
    },
    /// The spec that the run keeps is not one.
    #[error("the spec of this run is damaged")]
    Spec(#[from] Box<SpecError>),
}

/// A table of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Every series seen.
    Cohort,
    /// Further columns of chosen series, where the spec names them.
    ExamColumns,
    /// What the run depends on, as it was when the run began.
    Inputs,
    /// Every series prepared.
    Preparation,
    /// By epoch and part.
    Metrics,
    /// By optimizer step.
    Steps,
    /// Seconds by epoch.
    Timings,
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes a new run folder for `spec`, named after the time and the spec's hash, with the
    /// resolved spec in it.
    pub fn create(spec: &Spec) -> Result<Self, ResultsError> {
        let parent = spec.runtime.results.join(&spec.experiment.name);
        let stamp = now_utc().replace(':', "-");
        let short: String = spec.hash().chars().take(6).collect();
        let mut root = parent.join(format!("{stamp}-{short}"));
        let cannot = |path: &Path, source| ResultsError::CannotCreate { path: path.into(), source };
        crate::files::make_folder(&parent).map_err(|e| cannot(&parent, e.source))?;
        // Two runs may start within one second.
        let mut again = 2;
        while let Err(failure) = fs::create_dir(&root) {
            if failure.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(cannot(&root, failure));
            }
            root = parent.join(format!("{stamp}-{short}-{again}"));
            again += 1;
        }
        // The new name is durable once its parent is.
        let synced = fs::File::open(&parent).and_then(|folder| folder.sync_all());
        synced.map_err(|e| cannot(&parent, e))?;
        let run = Self { root };
        crate::files::write_bytes(&run.spec_file(), spec.to_toml().as_bytes())?;
        Ok(run)
    }

    /// Where a new run of `spec` would be, with a word for the time at which it begins. Makes nothing.
    pub fn planned(spec: &Spec) -> PathBuf {
        let short: String = spec.hash().chars().take(6).collect();
        spec.runtime.results.join(&spec.experiment.name).join(format!("TIME-{short}"))
    }

    /// The run at `root`, made with the resolved spec where there is none: by several processes at
    /// once, too.
    pub fn create_at(root: &Path, spec: &Spec) -> Result<Self, ResultsError> {
        let run = Self { root: root.to_owned() };
        if !run.spec_file().is_file() {
            crate::files::write_bytes(&run.spec_file(), spec.to_toml().as_bytes())?;
        }
        Ok(run)
    }

    /// The run of one fold of this cross-validation, made where there is none.
    pub fn fold(&self, spec: &Spec) -> Result<Self, ResultsError> {
        Self::create_at(&self.root.join(format!("fold-{}", spec.split.fold)), spec)
    }

    /// The run of one fold of this cross-validation, where it is there.
    pub fn known_fold(&self, spec: &Spec) -> Option<Self> {
        Self::open(&self.root.join(format!("fold-{}", spec.split.fold))).ok()
    }

    /// The other folds of the cross-validation that this run is a fold of, as far as they are there.
    pub fn other_folds(&self, spec: &Spec) -> Result<Vec<Self>, ResultsError> {
        let whole = self.root.parent().and_then(|parent| Self::open(parent).ok());
        let Some(whole) = whole.filter(|_| spec.split.fold > 0) else { return Ok(Vec::new()) };
        let whole_spec = whole.spec()?;
        let folds = whole_spec.fold_specs();
        let others = folds.iter().filter(|other| other.split.fold != spec.split.fold);
        Ok(if whole_spec.is_of_all_folds() {
            others.filter_map(|other| whole.known_fold(other)).collect()
        } else {
            Vec::new()
        })
    }

    /// The runs that stand for this one, with their specs: its folds where it is a
    /// cross-validation, else itself.
    pub fn members(&self) -> Result<Vec<(Self, Spec)>, ResultsError> {
        let spec = self.spec()?;
        if !spec.is_of_all_folds() {
            return Ok(vec![(self.clone(), spec)]);
        }
        let fold = |spec: Spec| {
            let run = Self::open(&self.root.join(format!("fold-{}", spec.split.fold)))?;
            Ok((run, spec))
        };
        spec.fold_specs().into_iter().map(fold).collect()
    }

    /// The run at `path`.
    pub fn open(path: &Path) -> Result<Self, ResultsError> {
        let run = Self { root: path.to_owned() };
        if run.spec_file().is_file() {
            Ok(run)
        } else {
            Err(ResultsError::NotARun { path: path.to_owned() })
        }
    }

    /// The run at `path`, or the newest finished one when `path` holds the runs of an experiment.
    pub fn find(path: &Path) -> Result<Self, ResultsError> {
        if let Ok(run) = Self::open(path) {
            return Ok(run);
        }
        if path.join(SWEEP_FILE).is_file() {
            return Err(ResultsError::ASweep { path: path.to_owned() });
        }
        let mut runs: Vec<PathBuf> = fs::read_dir(path)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        runs.sort();
        let finished =
            |path: &PathBuf| Self::open(path).ok().filter(|run| run.evaluation_file().is_file());
        runs.iter()
            .rev()
            .find_map(finished)
            .ok_or_else(|| ResultsError::NotARun { path: path.to_owned() })
    }

    /// Whether everything that belongs to the run is there.
    pub fn is_finished(&self) -> bool {
        let finished = |known: super::Provenance| known.finished.is_some();
        self.cross_validation_file().is_file()
            || super::Provenance::read(self).is_some_and(finished)
    }

    /// Whether it has the figures that `spec` asks for, all of them: the page is written last.
    pub fn has_figures_of(&self, spec: &Spec) -> Result<bool, ResultsError> {
        Ok(self.spec()?.evaluate == spec.evaluate && self.report_page().is_file())
    }

    /// What `run.lock` says of the process that works here now, if one does.
    pub fn holder(&self) -> Option<String> {
        RunLock::holder(&self.root)
    }

    /// The spec that this run keeps.
    pub fn spec(&self) -> Result<Spec, ResultsError> {
        Ok(load_resolved(&self.spec_file(), &[]).map_err(Box::new)?)
    }

    /// Makes the kept spec ask for the figures that `spec` asks for.
    pub fn keep_evaluation(&self, spec: &Spec) -> Result<(), ResultsError> {
        let kept = self.spec()?;
        if kept.evaluate != spec.evaluate {
            // The page is written last: as long as it is not there, the figures are not complete.
            crate::files::remove(&self.report_page())?;
            let kept = kept.with_evaluation_of(spec);
            crate::files::write_bytes(&self.spec_file(), kept.to_toml().as_bytes())?;
        }
        Ok(())
    }

    /// Takes the run for this process, and removes what killed ones left half written long ago.
    pub fn lock(&self) -> Result<RunLock, ResultsError> {
        let lock = RunLock::take(&self.root)?;
        for folder in ["", "curves", "lists", "plots", "predictions"] {
            crate::files::sweep(&self.root.join(folder));
        }
        Ok(lock)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `experiment/stamp-hash`, the last two parts of the path.
    pub fn name(&self) -> String {
        let absolute = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        let parts: Vec<String> =
            absolute.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/")
    }

    /// The resolved spec.
    pub fn spec_file(&self) -> PathBuf {
        self.root.join("spec.toml")
    }

    /// Version, hashes, machine, seconds.
    pub fn provenance_file(&self) -> PathBuf {
        self.root.join("provenance.json")
    }

    /// A table.
    pub fn table(&self, table: Table) -> PathBuf {
        self.root.join(match table {
            Table::Cohort => "cohort.csv",
            Table::ExamColumns => "exam-columns.csv",
            Table::Inputs => "inputs.csv",
            Table::Preparation => "preparation.csv",
            Table::Metrics => "metrics.csv",
            Table::Steps => "steps.csv",
            Table::Timings => "timings.csv",
        })
    }

    /// Predictions of one part after one epoch.
    pub fn predictions(&self, part: crate::spec::Part, epoch: usize) -> PathBuf {
        self.root.join("predictions").join(format!("{part}-epoch-{epoch:03}.csv"))
    }

    /// The final figures.
    pub fn evaluation_file(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }

    /// The map to calibrated probabilities, where the spec asks for one.
    pub fn calibration_file(&self) -> PathBuf {
        self.root.join("calibration.json")
    }

    /// A curve behind the final figures: `roc`, `precision-recall`, `decision`.
    pub fn curve(&self, part: crate::spec::Part, name: &str) -> PathBuf {
        self.root.join("curves").join(format!("{part}-{name}.csv"))
    }

    /// A curve behind the pooled figures of a cross-validation.
    pub fn pooled_curve(&self, name: &str) -> PathBuf {
        self.root.join("curves").join(format!("out-of-fold-{name}.csv"))
    }

    /// The figures of a cross-validation.
    pub fn cross_validation_file(&self) -> PathBuf {
        self.root.join("cross-validation.json")
    }

    /// The predictions of all folds for those that they test.
    pub fn pooled_predictions(&self) -> PathBuf {
        self.root.join("predictions").join("out-of-fold.csv")
    }

    /// The quality control page of the preparation.
    pub fn preparation_page(&self) -> PathBuf {
        self.root.join("preparation.html")
    }

    /// The page of the whole run.
    pub fn report_page(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Whether training has kept anything.
    pub fn has_checkpoints(&self) -> bool {
        let entries = std::fs::read_dir(self.checkpoints());
        entries.is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|e| e.path().is_dir())))
    }

    /// The checkpoint at the end of an epoch.
    pub fn checkpoint(&self, epoch: usize) -> PathBuf {
        self.checkpoints().join(format!("epoch-{epoch:03}"))
    }

    /// The folder of plots.
    pub fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// The folder of TensorBoard's event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// The `.list` file of a part.
    pub fn list_file(&self, part: crate::spec::Part) -> PathBuf {
        self.root.join("lists").join(format!("{part}.list"))
    }

    /// What happened, with times.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("run.log")
    }

    /// Adds a line with the time to `run.log`. A log that cannot be written stops nothing.
    pub fn log(&self, line: &str) {
        use std::io::Write;
        let file = fs::OpenOptions::new().create(true).append(true).open(self.log_file());
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{} {line}", now_utc());
        }
    }
}

/// The newest run of `spec` (same name, same hash of what affects results), if there is one.
pub fn find_run(spec: &Spec) -> Option<RunFolder> {
    let parent = spec.runtime.results.join(&spec.experiment.name);
    let hash = spec.hash();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(parent).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders
        .into_iter()
        .rev()
        .filter_map(|path| RunFolder::open(&path).ok())
        .find(|run| run.spec().is_ok_and(|kept| kept.hash() == hash))
}
