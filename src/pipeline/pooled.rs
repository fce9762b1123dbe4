//! Pooled test predictions of a cross-validation, and their metrics.

use super::calibrated::StoredCalibration;
use super::columns::Columns;
use super::conclude::{compute_metrics, options, write_curves, write_json};
use super::failures::write_failures;
use super::risks::{CalibratedRisks, add_survival};
use super::robustness::pool_robustness;
use super::{PipelineError, cache_folder};
use lungs_report::{
    self as report, CrossValidation, Fold, PooledRow, ReportError, RunPredictions, SplitRisks,
};
use lungs_spec::results::{PredictionRow, RiskRow, RunFolder, Table, write_csv, write_risks};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{
    CalibratedProbabilities, Evaluation, FoldExams, mean_auc_of_folds, repeated_patients,
};

/// The test predictions of finished folds.
#[derive(Default)]
struct Pool {
    predictions: Vec<PredictionRow>,
    /// Number of each prediction's fold, from 1.
    fold_numbers: Vec<usize>,
    folds: Vec<Fold>,
    /// Calibrated probabilities of the folds with a calibration.
    calibrated: Vec<f64>,
    /// Logits, labels and repeated patients of each fold.
    fold_exams: Vec<FoldExams>,
    /// Risks of several years, with the horizons; none for a binary outcome.
    horizons_years: Vec<f64>,
    risks: Vec<RiskRow>,
    /// Calibrated risks of the folds with maps, `[exam][horizon]`.
    calibrated_risks: Vec<Vec<f64>>,
}

impl Pool {
    fn add(&mut self, number: usize, fold: &RunFolder) -> Result<(), PipelineError> {
        let summary = report::summary(fold)?;
        let rows = RunPredictions::of(fold)
            .and_then(|predictions| predictions.read(SplitName::Test, summary.selected_epoch));
        let rows = rows.map_err(ReportError::from)?.ok_or_else(|| ReportError::NotFinished {
            path: fold.predictions(SplitName::Test, summary.selected_epoch),
        })?;
        let evaluation = summary.splits.get("test");
        self.folds.push(Fold {
            fold: number,
            selected_epoch: summary.selected_epoch,
            exams: rows.len(),
            positives: rows.iter().filter(|row| row.label).count(),
            auc: evaluation.and_then(|evaluation| evaluation.auc.value),
        });
        let calibration = StoredCalibration::read(fold)?;
        if let Some(risks) = SplitRisks::read(&fold.risks(SplitName::Test, summary.selected_epoch))?
        {
            self.horizons_years = risks.table.horizons_years().to_vec();
            if let Some(maps) = calibration.as_ref().and_then(StoredCalibration::risk_calibrator) {
                self.calibrated_risks.extend(risks.rows.iter().map(|row| maps.risks(&row.risks)));
            }
            self.risks.extend(risks.rows);
        }
        if let Some(calibration) = calibration {
            let probabilities = rows.iter().filter_map(|row| calibration.probability(row.logit));
            self.calibrated.extend(probabilities);
        }
        let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
        let (logits, labels) = rows.iter().map(|row| (row.logit, row.label)).unzip();
        self.fold_exams.push((logits, labels, patients));
        self.fold_numbers.extend(rows.iter().map(|_| number));
        self.predictions.extend(rows);
        Ok(())
    }

    /// Rows of the table of predictions.
    fn rows(&self) -> Vec<PooledRow<'_>> {
        let pairs = self.fold_numbers.iter().zip(&self.predictions);
        pairs.map(|(fold, row)| PooledRow::new(*fold, row)).collect()
    }
}

/// Pools the test predictions of finished folds, and writes them with their metrics and plots.
pub(super) fn pool(spec: &Spec, run: &RunFolder, folds: &[RunFolder]) -> Result<(), PipelineError> {
    let mut pool = Pool::default();
    for (number, fold) in (1..).zip(folds) {
        pool.add(number, fold)?;
    }
    write_csv(&run.pooled_predictions(), &pool.rows())?;
    let Pool {
        predictions,
        folds: fold_summaries,
        calibrated,
        fold_exams,
        horizons_years: horizons,
        risks,
        calibrated_risks,
        ..
    } = pool;
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
    let (mut pooled, curves) = compute_metrics(predictions.clone(), &options);
    if spec.outcome.is_survival() && !risks.is_empty() {
        add_pooled_risks(spec, run, &mut pooled, &horizons, &risks, &calibrated_risks)?;
    }
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

/// Writes the risks of all folds with their curves, and adds their metrics to the pooled ones.
fn add_pooled_risks(
    spec: &Spec,
    run: &RunFolder,
    pooled: &mut Evaluation,
    horizons_years: &[f64],
    rows: &[RiskRow],
    calibrated: &[Vec<f64>],
) -> Result<(), PipelineError> {
    let file = run.changed_predictions(&run.pooled_predictions(), "risks");
    write_risks(&file, horizons_years, rows)?;
    let Some(risks) = SplitRisks::read(&file)? else { return Ok(()) };
    // Calibrated metrics need the maps of every fold.
    let has_all = !calibrated.is_empty() && calibrated.len() == rows.len();
    let calibrated = has_all.then(|| {
        let method = spec.evaluate.recalibrate.to_string();
        let fitted_on = "the validation split of each fold".to_owned();
        CalibratedRisks::of_rows(calibrated, &risks, method, fitted_on, &file)
    });
    add_survival(pooled, &risks, calibrated.transpose()?, &file, |name| run.pooled_curve(name))
}
