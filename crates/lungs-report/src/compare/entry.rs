//! The data of one run, or of one model of a file of predictions, in a comparison.

use super::super::ReportError;
use super::super::evaluated::{cross_validation, summary};
use super::super::predictions::{ModelPredictions, PredictionTable};
use super::super::run_predictions::RunPredictions;
use super::super::score::{ScoreOptions, evaluate_model};
use super::super::survival::SplitRisks;
use super::cells::{Cell, cells_of_costs, cells_of_last_epoch, cells_of_split};
use super::subject::{ExamSource, Subject};
use lungs_base::text::counted;
use lungs_spec::results::{
    MetricsRow, PredictionRow, Provenance, RunFolder, Table, TimingRow, read_csv, read_metrics,
};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{Evaluation, repeated_patients};
use std::collections::BTreeMap;
use std::path::Path;

/// Predictions and metrics of one run or of one model.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    /// `None` for a model of a file.
    pub spec: Option<Spec>,
    /// Predictions on the exams that are compared.
    pub rows: Vec<PredictionRow>,
    /// Risks of several years; `None` for a binary outcome. They include the exams of unknown status at the first
    /// horizon, which `rows` lacks.
    pub risks: Option<SplitRisks>,
    /// The exams of `rows`.
    pub source: ExamSource,
    /// Whether the probabilities of `rows` are predictions.
    pub has_probabilities: bool,
    /// Whether the exams of `rows` have names; those of a file may have none.
    pub names_exams: bool,
    /// Whether the patients of `rows` have names.
    pub names_patients: bool,
    /// Metrics by split, as in `evaluation.json`.
    pub splits: BTreeMap<String, Evaluation>,
    pub selected_epoch: Option<usize>,
    pub metrics: Vec<MetricsRow>,
    seconds: Option<f64>,
    memory_bytes: Option<u64>,
    gpu_memory_bytes: Option<u64>,
}

/// The exams that are compared: those of the test split when all runs have one (or are external evaluations), else of
/// validation; out-of-fold exams when a run is a cross-validation.
pub(super) fn common_source(subjects: &[Subject]) -> Result<ExamSource, ReportError> {
    let (mut any_run, mut all_tested, mut all_external, mut any_folds) = (false, true, true, false);
    for subject in subjects {
        let Subject::Run(run) = subject else { continue };
        any_run = true;
        if run.spec()?.is_of_all_folds() {
            any_folds = true
        } else {
            let splits = summary(run)?.splits;
            all_tested &= splits.contains_key("test") || splits.contains_key("external");
            all_external &= splits.contains_key("external");
        }
    }
    Ok(match (any_run, any_folds, all_tested) {
        (false, ..) => ExamSource::File,
        (_, true, _) => ExamSource::OutOfFold,
        (_, _, true) if all_external => ExamSource::Split(SplitName::External),
        (_, _, true) => ExamSource::Split(SplitName::Test),
        _ => ExamSource::Split(SplitName::Valid),
    })
}

impl Entry {
    /// The entries of a subject: one for a run, one for each model of a file.
    pub(super) fn read(subject: &Subject, source: ExamSource) -> Result<Vec<Self>, ReportError> {
        match subject {
            Subject::Run(run) if run.spec()?.is_of_all_folds() => Ok(vec![Self::of_folds(run)?]),
            Subject::Run(run) => Ok(vec![Self::of_run(run, source)?]),
            Subject::File(table) => {
                Ok(table.models.iter().map(|model| Self::of_file(table, model, source)).collect())
            }
        }
    }

    fn of_folds(run: &RunFolder) -> Result<Self, ReportError> {
        let pooled = cross_validation(run)?.pooled;
        let members = run.members()?;
        let seconds = members.iter().map(|(fold, _)| training_seconds(fold));
        let source = ExamSource::OutOfFold;
        Ok(Self {
            name: run.name(),
            spec: Some(run.spec()?),
            rows: RunPredictions::of(run)?.pooled()?,
            risks: risks_of(run, &run.pooled_predictions())?,
            source,
            has_probabilities: true,
            names_exams: true,
            names_patients: true,
            splits: BTreeMap::from([(source.key().to_owned(), pooled)]),
            selected_epoch: None,
            metrics: Vec::new(),
            seconds: seconds.sum(),
            memory_bytes: None,
            gpu_memory_bytes: None,
        })
    }

    fn of_run(run: &RunFolder, source: ExamSource) -> Result<Self, ReportError> {
        let summary = summary(run)?;
        let split = match source {
            // An external evaluation has no other exams.
            _ if summary.splits.contains_key("external") => SplitName::External,
            ExamSource::Split(split) => split,
            // Compared with a cross-validation, a single run uses its own test split, else validation.
            _ if summary.splits.contains_key("test") => SplitName::Test,
            _ => SplitName::Valid,
        };
        let path = run.predictions(split, summary.selected_epoch);
        let rows = RunPredictions::of(run)?.read(split, summary.selected_epoch)?;
        let (metrics, timings) = (run.table(Table::Metrics), run.table(Table::Timings));
        let timings: Vec<TimingRow> =
            if timings.is_file() { read_csv(&timings)? } else { Vec::new() };
        Ok(Self {
            name: run.name(),
            spec: Some(run.spec()?),
            risks: risks_of(run, &path)?,
            rows: rows.ok_or(ReportError::NotFinished { path })?,
            source: ExamSource::Split(split),
            has_probabilities: true,
            names_exams: true,
            names_patients: true,
            splits: summary.splits,
            // The network of an external evaluation may have no epoch.
            selected_epoch: Some(summary.selected_epoch).filter(|epoch| *epoch > 0),
            metrics: if metrics.is_file() { read_metrics(&metrics)? } else { Vec::new() },
            seconds: training_seconds(run),
            memory_bytes: timings.iter().filter_map(|row| row.peak_memory_bytes).max(),
            gpu_memory_bytes: timings.iter().filter_map(|row| row.gpu_peak_memory_bytes).max(),
        })
    }

    /// A model of a file; its metrics are in the rows of the split that is compared.
    fn of_file(table: &PredictionTable, model: &ModelPredictions, source: ExamSource) -> Self {
        let (evaluation, _) = evaluate_model(table, model, &ScoreOptions::default());
        let row = |exam: lungs_stats::ScoredExam| PredictionRow {
            exam_id: exam.exam_id,
            patient_id: exam.patient_id,
            series_uid: String::new(),
            label: exam.label,
            logit: exam.logit,
            probability: exam.probability,
        };
        let file = table.path.display();
        Self {
            name: if table.models.len() > 1 {
                format!("{file}: {}", model.name)
            } else {
                file.to_string()
            },
            spec: None,
            rows: table.scored(model).into_iter().map(row).collect(),
            risks: None,
            source: ExamSource::File,
            has_probabilities: model.probabilities.is_some(),
            names_exams: table.names_exams,
            names_patients: table.names_patients,
            splits: BTreeMap::from([(source.key().to_owned(), evaluation)]),
            selected_epoch: None,
            metrics: Vec::new(),
            seconds: None,
            memory_bytes: None,
            gpu_memory_bytes: None,
        }
    }

    /// The metrics of the compared exams.
    pub(super) fn evaluation(&self, source: ExamSource) -> Option<&Evaluation> {
        let own = if self.source == ExamSource::File { source } else { self.source };
        self.splits.get(own.key())
    }

    /// Metrics by name, in table order.
    pub(super) fn cells(&self) -> Vec<(String, Cell)> {
        let positives = self.rows.iter().filter(|row| row.label).count();
        let text = format!("{} ({positives} positive)", self.source.exams(self.rows.len()));
        let value = Some(self.rows.len() as f64);
        let compared = Cell { text, value, ..Cell::default() };
        let mut cells = vec![("evaluated on".to_owned(), compared)];
        if let Some(epoch) = self.selected_epoch {
            cells.push(("selected epoch".to_owned(), Cell::count(epoch)));
        }
        for (split, evaluation) in &self.splits {
            cells.extend(cells_of_split(split, evaluation));
        }
        cells.extend(cells_of_last_epoch(&self.metrics));
        cells.extend(cells_of_costs(self.seconds, self.memory_bytes, self.gpu_memory_bytes));
        cells
    }

    /// A note about patients with several exams among those that are compared.
    pub(super) fn repeated_patients(&self) -> Option<String> {
        let names = self.rows.iter().map(|row| row.patient_id.as_str());
        let patients = repeated_patients(names)?.into_iter().max().map_or(0, |last| last + 1);
        Some(format!(
            "{} of {}: exams of one patient are alike, so intervals and tests count patients.",
            self.source.exams(self.rows.len()),
            counted(patients, "patient", "patients"),
        ))
    }
}

/// The risks next to a table of predictions.
fn risks_of(run: &RunFolder, predictions: &Path) -> Result<Option<SplitRisks>, ReportError> {
    if !run.spec()?.outcome.is_survival() {
        return Ok(None);
    }
    Ok(SplitRisks::read(&run.changed_predictions(predictions, "risks"))?)
}

fn training_seconds(run: &RunFolder) -> Option<f64> {
    Provenance::read(run)?.stage_seconds.get("training").copied()
}
