//! Predictions after changes of the volumes that a scanner could make, and `robustness.csv`.

use super::{Exams, PipelineError, cache_folder, exams, open_devices};
use burn::tensor::Device;
use lungs_net::model::Network;
use lungs_report::{self as report, robustness_points, robustness_rows};
use lungs_spec::results::{PredictionRow, RunFolder, Table, read_csv, write_csv};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{Evaluation, change_effect, repeated_patients};
use lungs_study::cohort::read_cohort;
use lungs_study::prepare::Row;
use lungs_train::{self as training, Event, Exam, Observer, ScannerChange};
use std::path::{Path, PathBuf};

/// Predictions of the same exams after one change.
pub(super) type Changed = (ScannerChange, Vec<PredictionRow>);

/// The files of the changed predictions of the table `predictions`.
pub(super) fn changed_files(run: &RunFolder, predictions: &Path) -> Vec<(ScannerChange, PathBuf)> {
    let file = |change: ScannerChange| run.changed_predictions(predictions, &change.name());
    ScannerChange::ALL.map(|change| (change, file(change))).to_vec()
}

/// The stored changed predictions of a table; `None` if one is missing.
fn stored(run: &RunFolder, predictions: &Path) -> Result<Option<Vec<Changed>>, PipelineError> {
    let files = changed_files(run, predictions);
    if files.iter().any(|(_, file)| !file.is_file()) {
        return Ok(None);
    }
    let read = files.into_iter().map(|(change, file)| Ok((change, read_csv(&file)?)));
    read.collect::<Result<Vec<Changed>, PipelineError>>().map(Some)
}

/// Predicts the exams of the table `predictions` after every change. Stored predictions are not computed again.
pub(super) fn predict_changed(
    run: &RunFolder,
    predictions: &Path,
    (spec, network): (&Spec, &Network),
    exams: &[Exam],
    devices: &[Device],
    observe: &Observer,
) -> Result<Vec<Changed>, PipelineError> {
    let files = changed_files(run, predictions);
    let missing = files.iter().filter(|(_, file)| !file.is_file()).count();
    observe(&Event::ValidationBegins { exams: missing * exams.len() });
    let mut all = Vec::with_capacity(files.len());
    for (change, file) in files {
        if !file.is_file() {
            let scored = training::score_changed(network, spec, exams, devices, observe, change)?;
            let rows: Vec<PredictionRow> =
                scored.iter().filter_map(|scored| scored.row(exams, &spec.outcome)).collect();
            write_csv(&file, &rows)?;
        }
        all.push((change, read_csv(&file)?));
    }
    Ok(all)
}

/// Writes `robustness.csv` of `split`, whose predictions are `rows`.
pub(super) fn write_robustness(
    spec: &Spec,
    run: &RunFolder,
    split: &str,
    rows: &[PredictionRow],
    metrics: &Evaluation,
    changed: &[Changed],
) -> Result<(), PipelineError> {
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
    let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
    let points = robustness_points(&metrics.operating_points);
    let (level, seed) = (0.95, spec.experiment.seed);
    let mut table = Vec::new();
    for (change, rows) in changed {
        let after: Vec<f64> = rows.iter().map(|row| row.logit).collect();
        let effect =
            change_effect([&logits, &after], &labels, patients.as_deref(), &points, level, seed);
        let name = change.description(spec.preprocess.spacing_mm);
        table.extend(robustness_rows(split, &name, rows.len(), &effect));
    }
    Ok(write_csv(&run.table(Table::Robustness), &table)?)
}

/// Measures the robustness of a finished run, or of every fold of a cross-validation and of the pooled predictions, and
/// draws the reports again.
///
/// # Errors
/// When the run is not finished, or prepared volumes are missing.
pub fn measure_robustness(
    spec: &Spec,
    run: &RunFolder,
    observe: &Observer,
) -> Result<(), PipelineError> {
    if !spec.is_of_all_folds() {
        return measure_run(spec, run, observe);
    }
    let _lock = run.lock()?;
    for spec in spec.fold_specs() {
        measure_run(&spec, &run.fold(&spec)?, observe)?;
    }
    pool_robustness(spec, run)?;
    report::redraw_folds(run, &cache_folder(spec))?;
    Ok(())
}

fn measure_run(spec: &Spec, run: &RunFolder, observe: &Observer) -> Result<(), PipelineError> {
    let _lock = run.lock()?;
    let (split, epoch) = reported_split(run)?;
    let predictions = run.predictions(split, epoch);
    if stored(run, &predictions)?.is_none() {
        let (_, devices) = open_devices(spec, run)?;
        let cohort = read_cohort(&run.table(Table::Cohort))?;
        let all: Exams = exams(&cohort, &read_csv::<Row>(&run.table(Table::Preparation))?, spec);
        let network = training::trained_network(spec, run, epoch, &devices[0])?;
        predict_changed(run, &predictions, (spec, &network), all.of(split), &devices, observe)?;
    }
    refresh_robustness(spec, run, true)?;
    report::redraw(run, &cache_folder(spec))?;
    Ok(())
}

/// The reported split of a run, test or else validation, and the selected epoch.
fn reported_split(run: &RunFolder) -> Result<(SplitName, usize), PipelineError> {
    let summary = report::summary(run)?;
    let has_test = summary.splits.contains_key("test");
    let split = if has_test { SplitName::Test } else { SplitName::Valid };
    Ok((split, summary.selected_epoch))
}

/// Computes `robustness.csv` of a run again from stored predictions, because thresholds and the epoch can change. With
/// `create`, also if there is no table yet. Removes a table without predictions.
pub(super) fn refresh_robustness(
    spec: &Spec,
    run: &RunFolder,
    create: bool,
) -> Result<(), PipelineError> {
    let table = run.table(Table::Robustness);
    if !create && !table.is_file() {
        return Ok(());
    }
    let (split, epoch) = reported_split(run)?;
    let predictions = run.predictions(split, epoch);
    let summary = report::summary(run)?;
    let split = split.to_string();
    match (stored(run, &predictions)?, summary.splits.get(&split)) {
        (Some(changed), Some(metrics)) => {
            let rows: Vec<PredictionRow> = read_csv(&predictions)?;
            write_robustness(spec, run, &split, &rows, metrics, &changed)
        }
        _ => Ok(lungs_base::files::remove(&table)?),
    }
}

/// Pools the changed predictions of all folds, if every fold has them.
pub(super) fn pool_robustness(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    let mut pooled: Vec<Changed> = ScannerChange::ALL.map(|change| (change, Vec::new())).to_vec();
    for (fold, _) in run.members()? {
        let (split, epoch) = reported_split(&fold)?;
        let Some(changed) = stored(&fold, &fold.predictions(split, epoch))? else {
            return Ok(lungs_base::files::remove(&run.table(Table::Robustness))?);
        };
        for ((_, all), (_, rows)) in pooled.iter_mut().zip(changed) {
            all.extend(rows);
        }
    }
    let metrics = report::cross_validation(run)?.pooled;
    let rows: Vec<PredictionRow> = read_csv(&run.pooled_predictions())?;
    write_robustness(spec, run, "out-of-fold", &rows, &metrics, &pooled)
}
