//! Why a run could not go on.

use std::path::PathBuf;

use super::archive::ArchiveError;
use super::columns::ColumnError;
use super::equal_scans::EqualScansError;
use super::inputs::ChangedInputs;
use crate::cohort::{self, CohortError, ListError};
use crate::device::DeviceError;
use crate::files::WriteError;
use crate::phantom::PhantomError;
use crate::prepare::PrepareError;
use crate::report::ReportError;
use crate::results::ResultsError;
use crate::spec::SpecError;
use crate::training::{InitError, TrainingError};
use crate::weights::LoadError;

/// A run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] Box<SpecError>),
    /// The run folder cannot be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The cohort cannot be gathered.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// The synthetic cohort cannot be made.
    #[error(transparent)]
    Phantom(#[from] PhantomError),
    /// The same voxels under several patients, or with several labels.
    #[error(transparent)]
    EqualScans(#[from] EqualScansError),
    /// Preparation cannot be done.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The device is not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Training failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The report cannot be drawn.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A column that `[evaluate]` names cannot be used.
    #[error(transparent)]
    Columns(#[from] Box<ColumnError>),
    /// Models that prepare in different ways cannot be an ensemble.
    #[error(
        "{first} and {second} prepare series in different ways ([preprocess] of their specs): they \
         cannot be averaged"
    )]
    MixedPreparation {
        /// One model.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Weights cannot be read.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// A model archive cannot be written or read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Weights do not say how series are prepared for them.
    #[error(
        "{path} does not say how series were prepared for it; give the spec that has the \
         [preprocess] it was trained with: --spec SPEC"
    )]
    NoPreparation {
        /// The weights.
        path: PathBuf,
    },
    /// Weights were trained on volumes prepared in another way.
    #[error(
        "{path} was trained on volumes that were prepared in another way than {spec} says:\n{}\n\
         leave --spec away, or give --any-preprocessing if that is meant",
        .differences.join("\n")
    )]
    OtherPreparation {
        /// The weights.
        path: PathBuf,
        /// The spec that was given.
        spec: PathBuf,
        /// A line for each key.
        differences: Vec<String>,
    },
    /// What weights say about themselves cannot be understood.
    #[error("{path}: {reason}")]
    OddWeights {
        /// The weights.
        path: PathBuf,
        /// What is odd, and what to do.
        reason: String,
    },
    /// The labels, lists or scans of a run have changed.
    #[error(transparent)]
    InputsChanged(#[from] Box<ChangedInputs>),
    /// Labels, lists or scans of a run cannot be used any more.
    #[error(
        "the inputs of {run} cannot be compared with the original ones: {source}\n\
         To continue with the original inputs: add --keep-inputs to the command."
    )]
    InputsUnusable {
        /// The run folder.
        run: PathBuf,
        /// Why not.
        source: Box<PipelineError>,
    },
    /// Nothing to evaluate.
    #[error("{run} has no trained epoch yet; train it first: lungs train {run}")]
    NothingTrained {
        /// The run folder.
        run: PathBuf,
    },
    /// No chosen series could be prepared.
    #[error(
        "none of the {series} chosen series could be prepared; the reasons: {reasons}. The first: {first}"
    )]
    NothingPrepared {
        /// Series chosen.
        series: usize,
        /// Reasons, with counts.
        reasons: String,
        /// The first reason, as a sentence.
        first: String,
    },
}

impl PipelineError {
    /// Whether the request was wrong, rather than the work failed.
    pub fn is_request(&self) -> bool {
        match self {
            Self::Spec(_) | Self::Cohort(_) | Self::Device(_) | Self::Phantom(_) => true,
            Self::EqualScans(_) => true,
            Self::MixedPreparation { .. } | Self::NothingTrained { .. } => true,
            Self::InputsChanged(_) | Self::InputsUnusable { .. } => true,
            Self::NoPreparation { .. } | Self::OtherPreparation { .. } => true,
            Self::Archive(ArchiveError::Damaged { .. } | ArchiveError::Newer { .. }) => true,
            Self::Load(_) | Self::Columns(_) | Self::OddWeights { .. } => true,
            Self::Training(TrainingError::Init(error)) => {
                !matches!(**error, InitError::Checkpoint(_))
            }
            Self::Results(error) => {
                use ResultsError::{IsSweep, NotARun, Spec};
                matches!(error, NotARun { .. } | IsSweep { .. } | Spec(_))
            }
            _ => false,
        }
    }
}

impl From<ChangedInputs> for PipelineError {
    fn from(error: ChangedInputs) -> Self {
        Self::InputsChanged(Box::new(error))
    }
}

impl From<InitError> for PipelineError {
    fn from(error: InitError) -> Self {
        Self::Training(error.into())
    }
}

impl From<LoadError> for PipelineError {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl From<cohort::SplitError> for PipelineError {
    fn from(error: cohort::SplitError) -> Self {
        Self::Cohort(error.into())
    }
}

impl From<ListError> for PipelineError {
    fn from(error: ListError) -> Self {
        Self::Cohort(error.into())
    }
}
