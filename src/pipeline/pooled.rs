//! What the folds of a cross-validation say together: their test predictions, pooled, and the figures.

use super::calibrated::KeptCalibration;
use super::columns::Columns;
use super::conclude::{judge, options, write_curves, write_json};
use super::{PipelineError, cache_folder};
use crate::evaluation::CalibratedProbabilities;
use crate::report::{self, CrossValidation, Fold, PooledRow};
use crate::results::{PredictionRow, RunFolder, read_csv, write_csv};
use crate::spec::{Part, Spec};

/// Pools the test predictions of finished folds; writes them, their figures and plots.
pub(super) fn pool(spec: &Spec, run: &RunFolder, folds: &[RunFolder]) -> Result<(), PipelineError> {
    let mut tested: Vec<PredictionRow> = Vec::new();
    let mut of_fold = Vec::new();
    let mut told = Vec::new();
    let mut calibrated = Vec::new();
    for (place, fold) in folds.iter().enumerate() {
        let summary = report::summary(fold)?;
        let rows: Vec<PredictionRow> =
            read_csv(&fold.predictions(Part::Test, summary.selected_epoch))?;
        let evaluation = summary.parts.get("test");
        told.push(Fold {
            fold: place + 1,
            selected_epoch: summary.selected_epoch,
            exams: rows.len(),
            positives: rows.iter().filter(|row| row.label == 1).count(),
            auc: evaluation.and_then(|evaluation| evaluation.auc.value),
        });
        if let Some(kept) = KeptCalibration::read(fold)? {
            calibrated.extend(rows.iter().filter_map(|row| kept.probability(row.logit)));
        }
        of_fold.extend(rows.iter().map(|_| place + 1));
        tested.extend(rows);
    }
    let rows: Vec<PooledRow> =
        of_fold.iter().zip(&tested).map(|(fold, row)| PooledRow::new(*fold, row)).collect();
    write_csv(&run.pooled_predictions(), &rows)?;
    let mut options = options(spec, &Columns::read(spec, folds)?, &tested)?;
    // Only where every fold has a map: figures are of all exams or of none.
    options.calibrated =
        (!tested.is_empty() && calibrated.len() == tested.len()).then(|| CalibratedProbabilities {
            method: spec.evaluate.recalibrate.to_string(),
            fitted_on: "the validation part of each fold".to_owned(),
            probabilities: calibrated,
        });
    let (pooled, curves) = judge(tested, &options);
    write_curves(&curves, |name| run.pooled_curve(name))?;
    let aucs: Option<Vec<f64>> = told.iter().map(|fold| fold.auc).collect();
    let figures = CrossValidation {
        mean_auc: aucs.map(|aucs| aucs.iter().sum::<f64>() / aucs.len() as f64),
        folds: told,
        pooled,
    };
    write_json(&run.cross_validation_file(), &figures)?;
    run.keep_evaluation(spec)?;
    report::redraw_folds(run, &cache_folder(spec))?;
    Ok(())
}
