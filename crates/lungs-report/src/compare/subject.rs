//! What is compared, and on which exams.

use super::super::page::counted;
use super::super::predictions::PredictionTable;
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
            Self::Split(SplitName::Train) => "training",
            Self::Split(SplitName::Valid) => "validation",
            other => other.key(),
        }
    }

    /// `12 test exams`, `1 exam`
    pub(super) fn exams(self, count: usize) -> String {
        let of_split = |noun: &str| format!("{} {noun}", self.name()).trim_start().to_owned();
        counted(count, &of_split("exam"), &of_split("exams"))
    }
}
