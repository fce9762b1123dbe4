//! What is compared, and on which exams.

use super::super::predictions::PredictionTable;
use lungs_base::text::counted;
use lungs_spec::results::RunFolder;
use lungs_spec::spec::SplitName;

/// A run, or a file with the predictions of one or several models.
#[derive(Debug)]
pub enum Subject {
    /// A finished run.
    Run(RunFolder),
    /// Predictions of any program.
    File(Box<PredictionTable>),
}

/// The exams of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExamSource {
    /// A split of a run.
    Split(SplitName),
    /// All exams of a cross-validation.
    OutOfFold,
    /// The exams of a file.
    File,
}

impl ExamSource {
    /// The key of their metrics.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Split(SplitName::Train) => "train",
            Self::Split(SplitName::Valid) => "valid",
            Self::Split(SplitName::Test) => "test",
            Self::Split(SplitName::External) => "external",
            Self::OutOfFold => "out-of-fold",
            Self::File => "",
        }
    }

    /// The name of the split in a sentence; empty for a file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Split(split) => split.word(),
            other => other.key(),
        }
    }

    /// `12 test exams`, `1 exam`
    pub(super) fn exams(self, count: usize) -> String {
        counted(count, &self.of_exams("exam"), &self.of_exams("exams"))
    }

    /// `test exams`, for the noun `exams`
    pub(super) fn of_exams(self, noun: &str) -> String {
        format!("{} {noun}", self.name()).trim_start().to_owned()
    }
}
