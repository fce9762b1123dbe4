//! Errors of run folders.

use crate::spec::SpecError;
use lungs_base::files::WriteError;
use std::path::PathBuf;

/// A run folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// A sweep, where a run is expected.
    #[error(
        "{path} is a sweep of several runs, expected one run; give one of the run folders in it"
    )]
    IsSweep {
        /// The folder.
        path: PathBuf,
    },
    /// An external evaluation, where a run is expected.
    #[error(
        "{path} is the evaluation of a model on other exams, expected a run; to compute it again, repeat the \
         command that made it: `lungs evaluate MODEL --data FOLDER --labels CSV --out {path}`"
    )]
    IsExternal {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that is not a run folder.
    #[error(
        "{path} is not a run folder: it has no spec.toml; give a folder such as \
         results/demo/2026-01-31T10-15-02Z-5f3a9c"
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The path does not exist.
    #[error("{path} does not exist; give the folder of a run or of an experiment")]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// An experiment without a finished run.
    #[error("no run in {path} is finished; `lungs run {newest}` resumes the newest")]
    NoFinishedRun {
        /// The folder of the experiment.
        path: PathBuf,
        /// Its newest run.
        newest: PathBuf,
    },
    /// The folder cannot be created.
    #[error(
        "cannot create the run folder {path}: {source}; choose another with \
         --set runtime.results=FOLDER"
    )]
    CannotCreate {
        /// The folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// Another process holds the lock of the run.
    #[error("{path} is in use by another process ({holder}); wait for it, or stop it first")]
    InUse {
        /// The run folder.
        path: PathBuf,
        /// Text of the lock file about its holder.
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
        /// The error.
        message: String,
    },
    /// The stored spec of the run is invalid.
    #[error("the spec of this run is invalid")]
    Spec(#[from] Box<SpecError>),
}

impl ResultsError {
    /// Whether the path is not that of the expected run. Other errors are failures of the work.
    pub fn is_request(&self) -> bool {
        match self {
            Self::IsSweep { .. } | Self::IsExternal { .. } | Self::NotARun { .. } => true,
            Self::NoFolder { .. } | Self::NoFinishedRun { .. } | Self::Spec(_) => true,
            Self::CannotCreate { .. } | Self::InUse { .. } => false,
            Self::Write(_) | Self::Read { .. } => false,
        }
    }
}
