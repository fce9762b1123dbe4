//! Pooled test predictions of a cross-validation, and their metrics.

use super::calibrated::StoredCalibration;
use super::columns::Columns;
use super::conclude::{compute_metrics, options, write_curves, write_json};
use super::failures::write_failures;
use super::robustness::pool_robustness;
use super::{PipelineError, cache_folder};
use lungs_report::{self as report, CrossValidation, Fold, PooledRow, ReportError, RunPredictions};
use lungs_spec::results::{PredictionRow, RunFolder, Table, write_csv};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{CalibratedProbabilities, mean_auc_of_folds, repeated_patients};

/// Pools the test predictions of finished folds, and writes them with their metrics and plots.
pub(super) fn pool(spec: &Spec, run: &RunFolder, folds: &[RunFolder]) -> Result<(), PipelineError> {
    let mut predictions: Vec<PredictionRow> = Vec::new();
    let mut fold_numbers = Vec::new();
    let mut fold_summaries = Vec::new();
    let mut calibrated = Vec::new();
    let mut fold_exams = Vec::new();
    for (index, fold) in folds.iter().enumerate() {
        let summary = report::summary(fold)?;
        let rows = RunPredictions::of(fold)
            .and_then(|predictions| predictions.read(SplitName::Test, summary.selected_epoch));
        let rows = rows.map_err(ReportError::from)?.ok_or_else(|| ReportError::NotFinished {
            path: fold.predictions(SplitName::Test, summary.selected_epoch),
        })?;
        let evaluation = summary.splits.get("test");
        fold_summaries.push(Fold {
            fold: index + 1,
            selected_epoch: summary.selected_epoch,
            exams: rows.len(),
            positives: rows.iter().filter(|row| row.label).count(),
            auc: evaluation.and_then(|evaluation| evaluation.auc.value),
        });
        if let Some(calibration) = StoredCalibration::read(fold)? {
            calibrated.extend(rows.iter().filter_map(|row| calibration.probability(row.logit)));
        }
        let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
        let (logits, labels) = rows.iter().map(|row| (row.logit, row.label)).unzip();
        fold_exams.push((logits, labels, patients));
        fold_numbers.extend(rows.iter().map(|_| index + 1));
        predictions.extend(rows);
    }
    let rows: Vec<PooledRow> = fold_numbers
        .iter()
        .zip(&predictions)
        .map(|(fold, row)| PooledRow::new(*fold, row))
        .collect();
    write_csv(&run.pooled_predictions(), &rows)?;
    let columns = Columns::read(spec, folds)?;
    let mut options = options(spec, &columns, &predictions)?;
    // Calibrated metrics need a map of every fold.
    options.calibrated =
        (!predictions.is_empty() && calibrated.len() == predictions.len()).then(|| {
            CalibratedProbabilities {
                method: spec.evaluate.recalibrate.to_string(),
                fitted_on: "the validation split of each fold".to_owned(),
                probabilities: calibrated,
            }
        });
    let (pooled, curves) = compute_metrics(predictions.clone(), &options);
    if let Some(tables) = folds.first() {
        let series: Vec<&str> = predictions.iter().map(|row| row.series_uid.as_str()).collect();
        let groupings = columns.groupings(spec, &series);
        write_failures([run, tables], "out-of-fold", &predictions, &pooled, groupings)?;
    }
    write_curves(&curves, |name| run.pooled_curve(name))?;
    let aucs: Option<Vec<f64>> = fold_summaries.iter().map(|fold| fold.auc).collect();
    let mean = mean_auc_of_folds(&fold_exams, options.level);
    let cross_validation = CrossValidation {
        mean_auc_interval: mean.interval,
        mean_auc_reason: mean.reason,
        mean_auc: aucs.map(|aucs| aucs.iter().sum::<f64>() / aucs.len() as f64),
        folds: fold_summaries,
        pooled,
    };
    write_json(&run.cross_validation_file(), &cross_validation)?;
    run.store_evaluation(spec)?;
    if run.table(Table::Robustness).is_file() {
        pool_robustness(spec, run)?;
    }
    report::redraw_folds(run, &cache_folder(spec))?;
    Ok(())
}
