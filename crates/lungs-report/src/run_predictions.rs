//! The predictions of a run, compared with its cohort.

use lungs_base::follow_up::Status;
use lungs_base::text::counted;
use lungs_spec::results::{PredictionRow, ResultsError, RunFolder, Table, read_csv};
use lungs_spec::spec::SplitName;
use lungs_study::cohort::{CohortRow, read_cohort};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Predictions of a run that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunPredictionsError {
    /// A table cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The predictions contradict the cohort.
    #[error(
        "{predictions} and {cohort} contradict each other for {}; the first: {first}. Restore the original tables of \
         the run, or start it again with --fresh",
        exams_text(.count)
    )]
    Contradiction {
        /// The table of predictions.
        predictions: PathBuf,
        /// The table of the cohort.
        cohort: PathBuf,
        /// Number of exams.
        count: usize,
        /// The first of them.
        first: ExamContradiction,
    },
}

fn exams_text(count: &usize) -> String {
    counted(*count, "exam", "exams")
}

/// An exam with contradictory rows.
#[derive(Debug, PartialEq, Eq)]
pub struct ExamContradiction {
    /// The exam.
    pub exam_id: String,
    /// Its patient.
    pub patient_id: String,
    /// The contradiction.
    pub kind: ContradictionKind,
}

/// A contradiction of predictions and cohort.
#[derive(Debug, PartialEq, Eq)]
pub enum ContradictionKind {
    /// A prediction for an exam that is not in the cohort.
    NotInCohort,
    /// Two predictions for one exam.
    Repeated,
    /// An exam of the cohort without a prediction.
    NotPredicted,
    /// Another label.
    Label {
        /// The label of the prediction.
        predicted: bool,
        /// The label of the cohort.
        cohort: bool,
    },
    /// Another split.
    Split {
        /// The split of the predictions.
        predicted: SplitName,
        /// The split of the cohort.
        cohort: Option<SplitName>,
    },
}

impl fmt::Display for ExamContradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exam_id, patient_id, kind } = self;
        write!(f, "exam {exam_id} of patient {patient_id} ")?;
        match kind {
            ContradictionKind::NotInCohort => {
                write!(f, "has a prediction, but is not among the chosen exams of the cohort")
            }
            ContradictionKind::Repeated => write!(f, "has two predictions"),
            ContradictionKind::NotPredicted => {
                write!(f, "is a chosen exam of the cohort, but has no prediction")
            }
            ContradictionKind::Label { predicted, cohort } => write!(
                f,
                "has label {} in the predictions and {} in the cohort",
                u8::from(*predicted),
                u8::from(*cohort)
            ),
            ContradictionKind::Split { predicted, cohort } => write!(
                f,
                "is among the {predicted} predictions, but in the split {} of the cohort",
                cohort.map_or("(none)".to_owned(), |split| split.to_string())
            ),
        }
    }
}

/// A patient and an exam.
type ExamName = (String, String);

/// The chosen exams of a run.
struct ChosenExam {
    label: bool,
    split: Option<SplitName>,
}

/// Reads the predictions of one run, and compares them with its cohort.
pub struct RunPredictions {
    run: RunFolder,
    cohort: PathBuf,
    /// `None` for a run without a table of its cohort.
    chosen: Option<BTreeMap<ExamName, ChosenExam>>,
}

impl RunPredictions {
    /// Reads the cohort of a run; for a cross-validation, that of its first fold.
    ///
    /// # Errors
    /// The cohort cannot be read.
    pub fn of(run: &RunFolder) -> Result<Self, RunPredictionsError> {
        let members = run.members()?;
        let first = members.first().map_or(run, |(member, _)| member);
        let cohort = first.table(Table::Cohort);
        let chosen = if cohort.is_file() {
            let first_horizon = first.spec()?.outcome.first_horizon();
            // Predictions of a first horizon are those of the exams whose status is known there.
            let is_known = |row: &CohortRow| match (first_horizon, row.follow_up) {
                (Some(years), Some(follow_up)) => follow_up.status_at(years) != Status::Unknown,
                _ => true,
            };
            let rows = read_cohort(&cohort)?.into_iter();
            let rows = rows.filter(|row| row.chosen && is_known(row));
            let exam = |row: CohortRow| {
                let exam = ChosenExam { label: row.label.unwrap_or_default(), split: row.split };
                ((row.patient_id, row.exam_id), exam)
            };
            Some(rows.map(exam).collect())
        } else {
            None
        };
        Ok(Self { run: run.clone(), cohort, chosen })
    }

    /// The predictions of a split by an epoch; `None` if they do not exist.
    ///
    /// # Errors
    /// The table cannot be read, or contradicts the cohort.
    pub fn read(
        &self,
        split: SplitName,
        epoch: usize,
    ) -> Result<Option<Vec<PredictionRow>>, RunPredictionsError> {
        let path = self.run.predictions(split, epoch);
        if !path.is_file() {
            return Ok(None);
        }
        let rows = read_csv(&path)?;
        self.compare(&path, &rows, Some(split))?;
        Ok(Some(rows))
    }

    /// The out-of-fold predictions of a cross-validation.
    ///
    /// # Errors
    /// As [`RunPredictions::read`].
    pub fn pooled(&self) -> Result<Vec<PredictionRow>, RunPredictionsError> {
        let path = self.run.pooled_predictions();
        let rows = read_csv(&path)?;
        self.compare(&path, &rows, None)?;
        Ok(rows)
    }

    /// Compares predictions with the cohort; those of a `split` with its exams, others with all exams.
    fn compare(
        &self,
        path: &Path,
        rows: &[PredictionRow],
        split: Option<SplitName>,
    ) -> Result<(), RunPredictionsError> {
        let Some(chosen) = &self.chosen else { return Ok(()) };
        let mut predicted = BTreeSet::new();
        let mut contradictions = Vec::new();
        for row in rows {
            let name = (row.patient_id.clone(), row.exam_id.clone());
            let kind = match (chosen.get(&name), split) {
                _ if predicted.contains(&name) => Some(ContradictionKind::Repeated),
                (None, _) => Some(ContradictionKind::NotInCohort),
                (Some(exam), _) if exam.label != row.label => {
                    Some(ContradictionKind::Label { predicted: row.label, cohort: exam.label })
                }
                (Some(exam), Some(split)) if exam.split != Some(split) => {
                    Some(ContradictionKind::Split { predicted: split, cohort: exam.split })
                }
                _ => None,
            };
            contradictions.extend(kind.map(|kind| (name.clone(), kind)));
            predicted.insert(name);
        }
        let of_split = |exam: &ChosenExam| split.is_none() || exam.split == split;
        for (name, _) in chosen.iter().filter(|(_, exam)| of_split(exam)) {
            if !predicted.contains(name) {
                contradictions.push((name.clone(), ContradictionKind::NotPredicted));
            }
        }
        let count = contradictions.len();
        match contradictions.into_iter().next() {
            None => Ok(()),
            Some(((patient_id, exam_id), kind)) => Err(RunPredictionsError::Contradiction {
                predictions: path.to_owned(),
                cohort: self.cohort.clone(),
                count,
                first: ExamContradiction { exam_id, patient_id, kind },
            }),
        }
    }
}
