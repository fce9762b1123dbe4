//! Errors of the pipeline.

use std::path::PathBuf;

use super::archive::ArchiveError;
use super::equal_scans::EqualScansError;
use super::external::ExternalError;
use super::inputs::ChangedInputs;
use lungs_base::files::WriteError;
use lungs_net::device::DeviceError;
use lungs_net::weights::LoadError;
use lungs_phantom::PhantomError;
use lungs_report::ReportError;
use lungs_spec::results::ResultsError;
use lungs_spec::spec::SpecError;
use lungs_study::cohort::{self, CohortError, ListError};
use lungs_study::prepare::PrepareError;
use lungs_train::{InitError, TrainingError};

/// An error of the pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The spec is invalid.
    #[error(transparent)]
    Spec(#[from] Box<SpecError>),
    /// The run folder cannot be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The cohort cannot be selected.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// The synthetic cohort cannot be generated.
    #[error(transparent)]
    Phantom(#[from] PhantomError),
    /// Series with identical voxels have several patients or labels.
    #[error(transparent)]
    EqualScans(#[from] EqualScansError),
    /// A model cannot be evaluated on other exams in this folder.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// Preparation failed.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The device is not available.
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
    /// Models of an ensemble have different preprocessing.
    #[error(
        "{first} and {second} have different preprocessing ([preprocess] of their specs) and cannot be \
         averaged; use models with the same preprocessing"
    )]
    MixedPreparation {
        /// The first model.
        first: PathBuf,
        /// The second model.
        second: PathBuf,
    },
    /// Models of an ensemble predict different outcomes.
    #[error(
        "{first} and {second} predict different outcomes ([outcome] of their specs) and cannot be averaged; use models \
         with the same outcome and horizons"
    )]
    MixedOutcomes {
        /// The first model.
        first: PathBuf,
        /// The second model.
        second: PathBuf,
    },
    /// Weights cannot be read.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// A model archive cannot be written or read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Weights have no metadata of their preprocessing.
    #[error(
        "{path} has no metadata of its preprocessing; name the spec with the [preprocess] of its training: \
         --spec SPEC"
    )]
    NoPreparation {
        /// The weights.
        path: PathBuf,
    },
    /// Weights and spec have different preprocessing.
    #[error(
        "{path} was trained with other preprocessing than that of {spec}:\n{}\n\
         Remove --spec, or add --any-preprocessing to use the preprocessing of the spec",
        .differences.join("\n")
    )]
    OtherPreparation {
        /// The weights.
        path: PathBuf,
        /// The spec.
        spec: PathBuf,
        /// A line for each key.
        differences: Vec<String>,
    },
    /// Weights that cannot be used.
    #[error("{path}: {reason}")]
    InvalidWeights {
        /// The weights.
        path: PathBuf,
        /// The problem and the remedy.
        reason: String,
    },
    /// Inputs of a run have changed.
    #[error(transparent)]
    InputsChanged(#[from] Box<ChangedInputs>),
    /// Inputs of a run can no longer be read.
    #[error(
        "the inputs of {run} cannot be compared with the original inputs: {source}\n\
         To continue with the original inputs: add --keep-inputs to the command."
    )]
    InputsUnusable {
        /// The run folder.
        run: PathBuf,
        /// The error.
        source: Box<PipelineError>,
    },
    /// A run without a trained epoch.
    #[error("{run} has no trained epoch yet; train it first with `lungs train {run}`")]
    NothingTrained {
        /// The run folder.
        run: PathBuf,
    },
    /// No chosen series could be prepared.
    #[error(
        "chose {series} series, none of which could be prepared. Reasons: {reasons}. First case: {first}"
    )]
    NothingPrepared {
        /// Number of chosen series.
        series: usize,
        /// Reasons with their counts.
        reasons: String,
        /// The first case, as a sentence.
        first: String,
    },
}

impl PipelineError {
    /// Whether the command or its inputs are invalid. Other errors are failures of the work.
    pub fn is_request(&self) -> bool {
        match self {
            Self::Spec(_) | Self::Cohort(_) | Self::Device(_) | Self::Phantom(_) => true,
            Self::EqualScans(_) | Self::External(_) => true,
            Self::MixedPreparation { .. } | Self::MixedOutcomes { .. } => true,
            Self::NothingTrained { .. } => true,
            Self::InputsChanged(_) | Self::InputsUnusable { .. } => true,
            Self::NoPreparation { .. } | Self::OtherPreparation { .. } => true,
            Self::Archive(ArchiveError::Damaged { .. } | ArchiveError::Newer { .. }) => true,
            Self::Load(_) | Self::Columns(_) | Self::InvalidWeights { .. } => true,
            Self::Training(TrainingError::Init(error)) => {
                !matches!(**error, InitError::Checkpoint(_))
            }
            Self::Results(error) => error.is_request(),
            Self::Report(error) => error.is_request(),
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

/// An invalid column of `[evaluate]` or `[report]`.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// A missing column.
    #[error("{key}: no column `{column}` in {source_name}; existing columns: {columns}")]
    NoColumn {
        /// The key of the spec.
        key: &'static str,
        /// The column.
        column: String,
        /// The searched files.
        source_name: String,
        /// The existing columns.
        columns: String,
    },
    /// An invalid cell.
    #[error(
        "{key}: column `{column}` in {source_name} is \"{value}\" for series {series}, expected {expected}"
    )]
    BadCell {
        /// The key of the spec.
        key: &'static str,
        /// The column.
        column: String,
        /// The file.
        source_name: String,
        /// The series.
        series: String,
        /// Content of the cell.
        value: String,
        /// The expected content.
        expected: &'static str,
    },
    /// A column has too many values for groups.
    #[error(
        "evaluate.subgroups: column `{column}` has {values} different values, expected at most {max}; for \
         numbers, use bands: {{ column = \"{column}\", edges = [55, 65, 75] }}"
    )]
    TooManyGroups {
        /// The column.
        column: String,
        /// Number of its values.
        values: usize,
        /// Largest allowed number.
        max: usize,
    },
}
