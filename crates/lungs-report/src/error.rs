//! Errors of plots, pages and comparisons.

use super::run_predictions::RunPredictionsError;
use lungs_base::files::WriteError;
use lungs_base::follow_up::FollowUp;
use lungs_base::text::counted;
use lungs_spec::results::ResultsError;
use lungs_spec::spec::horizon_words;
use std::path::PathBuf;

/// A run could not be plotted or compared.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No epoch is finished yet.
    #[error("{path} has no finished epoch, expected at least one; continue the run first")]
    NoFinishedEpoch {
        /// The metrics table that is missing or empty.
        path: PathBuf,
    },
    /// The run has no final metrics yet.
    #[error("{path} does not exist: the run is not finished; continue it first")]
    NotFinished {
        /// The missing file: `evaluation.json` or `cross-validation.json`.
        path: PathBuf,
    },
    /// Two runs have predictions for different exams.
    #[error(transparent)]
    DifferentExams(Box<OtherExams>),
    /// Two runs have different labels for the same exam.
    #[error(
        "{first} and {second} have different labels for {}{}; evaluate both with the same labels",
        counted(*.exams, "common exam", "common exams"), list_labels(.named, .exams)
    )]
    DifferentLabels {
        /// Name of the first run.
        first: String,
        /// Name of the second run.
        second: String,
        /// Number of common exams whose labels differ.
        exams: usize,
        /// The first of these exams.
        named: Vec<OtherLabel>,
    },
    /// Two runs have different follow-up for the same exam.
    #[error(transparent)]
    DifferentFollowUp(Box<OtherFollowUp>),
    /// A file of predictions has no column of exams.
    #[error(
        "{file} has no column `exam`, so its rows cannot be matched with the exams of others; add the column"
    )]
    NoExams {
        /// The file.
        file: String,
    },
    /// An exam has several rows, of several patients.
    #[error(
        "{name} has exam {exam} of several patients; add a column `patient` with the same names to every file that \
         is compared"
    )]
    AmbiguousExam {
        /// The run or file.
        name: String,
        /// The exam.
        exam: String,
    },
    /// An exam has different patients.
    #[error(transparent)]
    DifferentPatients(Box<OtherPatient>),
    /// Predictions of a run cannot be used.
    #[error(transparent)]
    RunPredictions(#[from] RunPredictionsError),
    /// A table of the run could not be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A plot or page could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ReportError {
    /// Whether the command or its inputs are invalid: runs that are not finished or do not fit together. Other errors are
    /// failures of the work.
    pub fn is_request(&self) -> bool {
        match self {
            Self::NoFinishedEpoch { .. } | Self::NotFinished { .. } => true,
            Self::DifferentExams(_) | Self::DifferentLabels { .. } => true,
            Self::DifferentFollowUp(_) => true,
            Self::NoExams { .. } | Self::AmbiguousExam { .. } | Self::DifferentPatients(_) => true,
            Self::Results(error) | Self::RunPredictions(RunPredictionsError::Results(error)) => {
                error.is_request()
            }
            Self::RunPredictions(RunPredictionsError::Contradiction { .. }) | Self::Write(_) => {
                false
            }
        }
    }
}

/// Two runs or models with predictions for different exams.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} and {second} have predictions for different exams ({first_exams} and {second_exams}, {common} in \
     common), but a paired test needs the same exams; {}", self.remedy()
)]
pub struct OtherExams {
    /// Name of the first run or model.
    pub first: String,
    /// Name of the second run or model.
    pub second: String,
    /// Number of exams of the first.
    pub first_exams: usize,
    /// Number of exams of the second.
    pub second_exams: usize,
    /// Number of exams of both.
    pub common: usize,
    /// Whether both are runs; otherwise one is of a file of predictions.
    pub are_runs: bool,
}

impl OtherExams {
    fn remedy(&self) -> &'static str {
        match (self.are_runs, self.common) {
            (true, 0) => "use the same data, seed and [split]",
            (true, _) => {
                "use the same data, seed and [split], or compare on the common exams with --common"
            }
            (false, 0) => "write the same names of exams into the column `exam`",
            (false, _) => {
                "add the missing exams to the files of predictions, or compare on the common exams with --common"
            }
        }
    }
}

/// An exam with different follow-up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{first} and {second} have different follow-up for {} (the first is {exam}: {} and {}); evaluate both with the same \
     labels",
    counted(*.exams, "common exam", "common exams"), words(.follow_ups[0]), words(.follow_ups[1])
)]
pub struct OtherFollowUp {
    /// Name of the first run.
    pub first: String,
    /// Name of the second run.
    pub second: String,
    /// Number of common exams whose follow-up differs.
    pub exams: usize,
    /// The first of these exams.
    pub exam: String,
    /// Its follow-up in each run.
    pub follow_ups: [FollowUp; 2],
}

/// `cancer after 1.5 years`, `no cancer for 6 years`
fn words(follow_up: FollowUp) -> String {
    let years = horizon_words(follow_up.time_years);
    if follow_up.event { format!("cancer after {years}") } else { format!("no cancer for {years}") }
}

/// An exam with different labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherLabel {
    /// The exam.
    pub exam: String,
    /// Its label in each of two tables.
    pub labels: [bool; 2],
}

/// An exam with different patients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "exam {exam} is of patient {} in {first} and of patient {} in {second}; use the same names of patients, or remove \
     the column of patients from the file to match exams by their names alone",
    .patients[0], .patients[1]
)]
pub struct OtherPatient {
    /// Name of the first run or file.
    pub first: String,
    /// Name of the second run or file.
    pub second: String,
    /// The exam.
    pub exam: String,
    /// Its patient in each.
    pub patients: [String; 2],
}

/// `: exam A (1 and 0), exam B (0 and 1) and 3 more`
fn list_labels(named: &[OtherLabel], count: &usize) -> String {
    let label = |exam: &OtherLabel| {
        let [first, second] = exam.labels.map(u8::from);
        format!("exam {} ({first} and {second})", exam.exam)
    };
    let names = named.iter().map(label).collect::<Vec<_>>().join(", ");
    let rest = match count - named.len() {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!(": {names}{rest}")
}
