//! Metrics of the predictions: `evaluation.json`, `calibration.json` and the curves.

use super::PipelineError;
use super::calibrated::StoredCalibration;
use super::columns::Columns;
use super::failures::write_failures;
use super::risks::{CalibratedRisks, add_survival};
use lungs_base::files;
use lungs_report::{self as report, ReportError, RunPredictions, SplitRisks};
use lungs_spec::results::{PredictionRow, RunFolder, write_csv};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::{
    CalibratedProbabilities, ChosenOn, Curves, Evaluation, Options, Rule, ScoredExam,
    evaluate_with_curves,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes the metrics and curves of the selected epoch.
pub(super) fn write_metrics(
    spec: &Spec,
    run: &RunFolder,
    selected: usize,
) -> Result<(), PipelineError> {
    let mut splits = BTreeMap::<String, Evaluation>::new();
    let mut calibration = None;
    let mut reported = None;
    let columns = Columns::read(spec, std::slice::from_ref(run))?;
    let predictions = RunPredictions::of(run).map_err(ReportError::from)?;
    for split in [SplitName::Valid, SplitName::Test] {
        let rows = predictions.read(split, selected).map_err(ReportError::from)?;
        let Some(rows) = rows else { continue };
        let mut options = options(spec, &columns, &rows)?;
        let risk_file = run.risks(split, selected);
        let risks = if spec.outcome.is_survival() { SplitRisks::read(&risk_file)? } else { None };
        let mut calibrated_risks = None;
        if split == SplitName::Valid {
            let method = spec.evaluate.recalibrate;
            calibration = StoredCalibration::fit(method, selected, &rows, risks.as_ref());
            match &calibration {
                Some(calibration) => write_json(&run.calibration_file(), calibration)?,
                None => files::remove(&run.calibration_file())?,
            }
        } else {
            options.calibrated = calibration.as_ref().and_then(|calibration| {
                let probability = |row: &PredictionRow| calibration.probability(row.logit);
                Some(CalibratedProbabilities {
                    method: calibration.calibrator.as_ref()?.method().to_owned(),
                    fitted_on: calibration.fitted_on.to_string(),
                    probabilities: rows.iter().map(probability).collect::<Option<_>>()?,
                })
            });
            options.validated = splits.values().flat_map(chosen_thresholds).collect();
            if let (Some(risks), Some(calibration)) = (&risks, &calibration) {
                calibrated_risks = CalibratedRisks::of(risks, calibration, &risk_file)?;
            }
        }
        let (mut metrics, curves) = compute_metrics(rows, &options);
        if let Some(calibration) = &calibration {
            metrics.notes.push(calibration.note(split));
            metrics.notes.extend(calibration.note_of_risks());
        }
        if let Some(risks) = &risks {
            let path = |name: &str| run.curve(split, name);
            add_survival(&mut metrics, risks, calibrated_risks, &risk_file, path)?;
        }
        write_curves(&curves, |name| run.curve(split, name))?;
        splits.insert(split.to_string(), metrics);
        reported = Some(split);
    }
    if let Some(split) = reported
        && let Some(metrics) = splits.get(&split.to_string())
        && let Some(rows) = predictions.read(split, selected).map_err(ReportError::from)?
    {
        let series: Vec<&str> = rows.iter().map(|row| row.series_uid.as_str()).collect();
        let groupings = columns.groupings(spec, &series);
        write_failures([run, run], &split.to_string(), &rows, metrics, groupings)?;
    }
    write_json(&run.evaluation_file(), &report::Summary { selected_epoch: selected, splits })
}

/// The options of the metrics of these predictions.
pub(super) fn options(
    spec: &Spec,
    columns: &Columns,
    rows: &[PredictionRow],
) -> Result<Options, PipelineError> {
    let series: Vec<&str> = rows.iter().map(|row| row.series_uid.as_str()).collect();
    let mut options = Options {
        seed: spec.experiment.seed,
        prevalence: spec.evaluate.prevalence,
        groupings: columns.groupings(spec, &series),
        weights: columns.weights(spec, &series)?,
        ..Options::default()
    };
    if let Some(threshold) = spec.evaluate.threshold {
        options.rules.retain(|rule| *rule != Rule::Probability(threshold));
        options.rules.insert(0, Rule::Probability(threshold));
        options.stated = Some(Rule::Probability(threshold));
    }
    Ok(options)
}

/// Computes all metrics and curves of predictions.
pub(super) fn compute_metrics(rows: Vec<PredictionRow>, options: &Options) -> (Evaluation, Curves) {
    let scored = |row: PredictionRow| ScoredExam {
        patient_id: row.patient_id,
        exam_id: row.exam_id,
        label: row.label,
        logit: row.logit,
        probability: row.probability,
    };
    let scored: Vec<ScoredExam> = rows.into_iter().map(scored).collect();
    evaluate_with_curves(&scored, options)
}

/// Writes the curves; `path` gives the file of each curve by its name.
pub(super) fn write_curves(
    curves: &Curves,
    path: impl Fn(&str) -> PathBuf,
) -> Result<(), PipelineError> {
    write_csv(&path("roc"), &curves.roc_band)?;
    write_csv(&path("precision-recall"), &curves.precision_recall)?;
    write_csv(&path("precision-band"), &curves.precision_band)?;
    Ok(write_csv(&path("decision"), &curves.decision)?)
}

/// Thresholds that were chosen on the exams of these metrics.
pub(super) fn chosen_thresholds(metrics: &Evaluation) -> Vec<(Rule, f64)> {
    let points = metrics.operating_points.iter();
    let points = points.filter(|point| point.chosen_on == ChosenOn::TheseExams);
    points.filter_map(|point| Some((point.rule, point.threshold_logit?))).collect()
}

/// Writes plain data as JSON, atomically.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), PipelineError> {
    let text = serde_json::to_string_pretty(value).expect("plain data always has a JSON form");
    Ok(files::write_bytes(path, (text + "\n").as_bytes())?)
}
