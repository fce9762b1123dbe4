//! Paths of a run folder, and the search for the run of a spec.

use super::clock::now_utc;
use super::error::ResultsError;
use super::lock::RunLock;
use crate::spec::{Spec, SplitName, load_resolved};
use std::fs;
use std::path::{Path, PathBuf};

/// The file that identifies the folder of a sweep.
pub const SWEEP_FILE: &str = "sweep.json";

/// A table of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// All series, chosen and excluded.
    Cohort,
    /// Columns of chosen series that `[evaluate]` names.
    ExamColumns,
    /// The inputs at the start of the run.
    Inputs,
    /// Prepared series.
    Preparation,
    /// Metrics by epoch and split.
    Metrics,
    /// Values by optimizer step.
    Steps,
    /// Seconds by epoch.
    Timings,
    /// Inputs of the model on other exams, compared with those of its development.
    Drift,
    /// False negatives and false positives by group.
    Failures,
    /// Metrics after changes of the volumes that a scanner could make.
    Robustness,
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Creates a run folder for `spec` with the resolved spec. Its name has the time and the hash of the spec.
    pub fn create(spec: &Spec) -> Result<Self, ResultsError> {
        let parent = spec.runtime.results.join(&spec.experiment.name);
        let stamp = now_utc().replace(':', "-");
        let short: String = spec.hash().chars().take(6).collect();
        let mut root = parent.join(format!("{stamp}-{short}"));
        let error = |path: &Path, source| ResultsError::CannotCreate { path: path.into(), source };
        lungs_base::files::make_folder(&parent).map_err(|e| error(&parent, e.source))?;
        // Two runs can start within one second.
        let mut number = 2;
        while let Err(failure) = fs::create_dir(&root) {
            if failure.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(error(&root, failure));
            }
            root = parent.join(format!("{stamp}-{short}-{number}"));
            number += 1;
        }
        // The new folder is durable after a sync of its parent.
        let result = fs::File::open(&parent).and_then(|folder| folder.sync_all());
        result.map_err(|e| error(&parent, e))?;
        let run = Self { root };
        lungs_base::files::write_bytes(&run.spec_file(), spec.to_toml().as_bytes())?;
        Ok(run)
    }

    /// The path of a new run of `spec`, with `TIME` in place of its start time. Creates no folder.
    pub fn planned(spec: &Spec) -> PathBuf {
        let short: String = spec.hash().chars().take(6).collect();
        spec.runtime.results.join(&spec.experiment.name).join(format!("TIME-{short}"))
    }

    /// The run at `root`. Creates it with the resolved spec if it does not exist. Several processes can do this
    /// at once.
    pub fn create_at(root: &Path, spec: &Spec) -> Result<Self, ResultsError> {
        let run = Self { root: root.to_owned() };
        if !run.spec_file().is_file() {
            lungs_base::files::write_bytes(&run.spec_file(), spec.to_toml().as_bytes())?;
        }
        Ok(run)
    }

    /// The run of one fold of this cross-validation. Creates it if it does not exist.
    pub fn fold(&self, spec: &Spec) -> Result<Self, ResultsError> {
        Self::create_at(&self.root.join(format!("fold-{}", spec.split.fold)), spec)
    }

    /// The run of one fold of this cross-validation, if it exists.
    pub fn known_fold(&self, spec: &Spec) -> Option<Self> {
        Self::open(&self.root.join(format!("fold-{}", spec.split.fold))).ok()
    }

    /// The existing runs of the other folds, if this run is a fold of a cross-validation.
    pub fn other_folds(&self, spec: &Spec) -> Result<Vec<Self>, ResultsError> {
        let parent = self.root.parent().and_then(|parent| Self::open(parent).ok());
        let Some(parent) = parent.filter(|_| spec.split.fold > 0) else { return Ok(Vec::new()) };
        let parent_spec = parent.spec()?;
        let folds = parent_spec.fold_specs();
        let others = folds.iter().filter(|other| other.split.fold != spec.split.fold);
        Ok(if parent_spec.is_of_all_folds() {
            others.filter_map(|other| parent.known_fold(other)).collect()
        } else {
            Vec::new()
        })
    }

    /// The member runs and their specs: the folds of a cross-validation, or the run itself.
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

    /// The run at `path`, or the newest finished run if `path` is the folder of an experiment.
    pub fn find(path: &Path) -> Result<Self, ResultsError> {
        if let Ok(run) = Self::open(path) {
            return Ok(run);
        }
        if path.join(SWEEP_FILE).is_file() {
            return Err(ResultsError::IsSweep { path: path.to_owned() });
        }
        if !path.exists() {
            return Err(ResultsError::NoFolder { path: path.to_owned() });
        }
        let mut folders: Vec<PathBuf> = fs::read_dir(path)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        folders.sort();
        let runs: Vec<Self> =
            folders.iter().rev().filter_map(|folder| Self::open_run(folder).ok()).collect();
        let Some(newest) = runs.first() else {
            return Err(ResultsError::NotARun { path: path.to_owned() });
        };
        let newest = newest.root().to_owned();
        let finished = runs.into_iter().find(|run| run.evaluation_file().is_file());
        finished.ok_or_else(|| ResultsError::NoFinishedRun { path: path.to_owned(), newest })
    }

    /// Whether the run is finished.
    pub fn is_finished(&self) -> bool {
        let finished = |provenance: super::Provenance| provenance.finished.is_some();
        self.cross_validation_file().is_file()
            || super::Provenance::read(self).is_some_and(finished)
    }

    /// Whether the run has the metrics and the report of `spec`; the report is written last.
    pub fn has_metrics_of(&self, spec: &Spec) -> Result<bool, ResultsError> {
        Ok(self.spec()?.has_report_of(spec) && self.report_page().is_file())
    }

    /// The text of `run.lock` about the process that holds the lock, if any.
    pub fn holder(&self) -> Option<String> {
        RunLock::holder(&self.root)
    }

    /// The stored spec of this run.
    pub fn spec(&self) -> Result<Spec, ResultsError> {
        Ok(load_resolved(&self.spec_file(), &[]).map_err(Box::new)?)
    }

    /// Sets `[evaluate]` and `[report]` of the stored spec to those of `spec`.
    pub fn store_evaluation(&self, spec: &Spec) -> Result<(), ResultsError> {
        let stored = self.spec()?;
        if !stored.has_report_of(spec) {
            // The report is written last: without it, the metrics are incomplete.
            lungs_base::files::remove(&self.report_page())?;
            let updated = stored.with_evaluation_of(spec);
            lungs_base::files::write_bytes(&self.spec_file(), updated.to_toml().as_bytes())?;
        }
        Ok(())
    }

    /// Takes the lock of the run, and removes old temporary files of killed processes.
    pub fn lock(&self) -> Result<RunLock, ResultsError> {
        let lock = RunLock::take(&self.root)?;
        for folder in ["", "curves", "lists", "plots", "predictions"] {
            lungs_base::files::remove_stale_temporaries(&self.root.join(folder));
        }
        Ok(lock)
    }

    /// The path of the run folder.
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

    /// The provenance: version, hashes, machine, times.
    pub(crate) fn provenance_file(&self) -> PathBuf {
        self.root.join("provenance.json")
    }

    /// Why the last process failed, if it did: [`RunFailure`](super::RunFailure).
    pub fn failure_file(&self) -> PathBuf {
        self.root.join("failure.json")
    }

    /// The file of a table.
    pub fn table(&self, table: Table) -> PathBuf {
        self.root.join(match table {
            Table::Cohort => "cohort.csv",
            Table::ExamColumns => "exam-columns.csv",
            Table::Inputs => "inputs.csv",
            Table::Preparation => "preparation.csv",
            Table::Metrics => "metrics.csv",
            Table::Steps => "steps.csv",
            Table::Timings => "timings.csv",
            Table::Drift => "drift.csv",
            Table::Failures => "failures.csv",
            Table::Robustness => "robustness.csv",
        })
    }

    /// Predictions of one split after one epoch. External exams are predicted by a trained model, without an epoch.
    pub fn predictions(&self, split: SplitName, epoch: usize) -> PathBuf {
        self.root.join("predictions").join(match split {
            SplitName::External => format!("{split}.csv"),
            _ => format!("{split}-epoch-{epoch:03}.csv"),
        })
    }

    /// Risks of several years of one split after one epoch, next to [`RunFolder::predictions`].
    pub fn risks(&self, split: SplitName, epoch: usize) -> PathBuf {
        self.changed_predictions(&self.predictions(split, epoch), "risks")
    }

    /// Predictions of one network of an ensemble for external exams; `number` counts from 1.
    pub fn predictions_of_network(&self, number: usize) -> PathBuf {
        self.root.join("predictions").join(format!("external-network-{number}.csv"))
    }

    /// Predictions of the exams in the table `predictions` after a change of their volumes.
    pub fn changed_predictions(&self, predictions: &Path, change: &str) -> PathBuf {
        let stem = predictions.file_stem().unwrap_or_default().to_string_lossy();
        self.root.join("predictions").join(format!("{stem}-{change}.csv"))
    }

    /// The model and its development, in the folder of an external evaluation.
    pub fn external_file(&self) -> PathBuf {
        self.root.join("external.json")
    }

    /// Whether this folder is the evaluation of a model on other exams.
    pub fn is_external(&self) -> bool {
        self.external_file().is_file()
    }

    /// The run at `path`, which is no external evaluation.
    pub fn open_run(path: &Path) -> Result<Self, ResultsError> {
        let run = Self::open(path)?;
        if run.is_external() {
            return Err(ResultsError::IsExternal { path: path.to_owned() });
        }
        Ok(run)
    }

    /// The final metrics.
    pub fn evaluation_file(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }

    /// The map to calibrated probabilities, with `evaluate.recalibrate`.
    pub fn calibration_file(&self) -> PathBuf {
        self.root.join("calibration.json")
    }

    /// A curve of the final metrics: `roc`, `precision-recall`, `decision`.
    pub fn curve(&self, split: SplitName, name: &str) -> PathBuf {
        self.root.join("curves").join(format!("{split}-{name}.csv"))
    }

    /// A curve of the development of the model, in the folder of an external evaluation.
    pub fn development_curve(&self, name: &str) -> PathBuf {
        self.root.join("curves").join(format!("development-{name}.csv"))
    }

    /// A curve of the pooled metrics of a cross-validation.
    pub fn pooled_curve(&self, name: &str) -> PathBuf {
        self.root.join("curves").join(format!("out-of-fold-{name}.csv"))
    }

    /// The metrics of a cross-validation.
    pub fn cross_validation_file(&self) -> PathBuf {
        self.root.join("cross-validation.json")
    }

    /// The pooled predictions of the test splits of all folds.
    pub fn pooled_predictions(&self) -> PathBuf {
        self.root.join("predictions").join("out-of-fold.csv")
    }

    /// The quality control page of the preparation.
    pub fn preparation_page(&self) -> PathBuf {
        self.root.join("preparation.html")
    }

    /// The report of the run.
    pub fn report_page(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Whether the run has a checkpoint.
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

    /// The folder of event files of TensorBoard.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// The `.list` file of a split.
    pub fn list_file(&self, split: SplitName) -> PathBuf {
        self.root.join("lists").join(format!("{split}.list"))
    }

    /// The log, with times.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("run.log")
    }

    /// Appends a line with the time to `run.log`. Errors are ignored.
    pub fn log(&self, line: &str) {
        use std::io::Write;
        let file = fs::OpenOptions::new().create(true).append(true).open(self.log_file());
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{} {line}", now_utc());
        }
    }
}

/// The newest run of `spec`, with the same name and hash, if any.
pub fn find_run(spec: &Spec) -> Option<RunFolder> {
    let parent = spec.runtime.results.join(&spec.experiment.name);
    let hash = spec.hash();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(parent).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders
        .into_iter()
        .rev()
        .filter_map(|path| RunFolder::open_run(&path).ok())
        .find(|run| run.spec().is_ok_and(|stored| stored.hash() == hash))
}
