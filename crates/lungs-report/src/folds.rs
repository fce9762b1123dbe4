//! Metrics, plots and report of a cross-validation over all its folds.

use super::draw_run::{cohort_flow, write_drawings};
use super::headline::{auc_with_interval, plain};
use super::plot::{
    Drawing, NamedPrecisionRecall, calibration, decision_curve, forest, precision_recall_curves,
    roc_curves, score_histogram,
};
use super::run_page::forest_rows;
use super::run_report::write_report_of_folds;
use super::{ReportError, roc_of};
use lungs_spec::results::{PredictionRow, ResultsError, RunFolder, read_csv};
use lungs_stats::{Estimate, Evaluation, Interval};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The content of `cross-validation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// The folds in order.
    pub folds: Vec<Fold>,
    /// Mean over folds of the AUC on their test exams; `None` when the AUC of a fold is undefined.
    pub mean_auc: Option<f64>,
    /// Interval of the mean for the networks of these folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_auc_interval: Option<Interval>,
    /// Why the mean or its interval is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_auc_reason: Option<String>,
    /// Metrics over all exams, each scored by the network that was not trained on its patient. The pooled AUC
    /// ranks scores of different networks against each other, so it is lower than the folds' mean where the
    /// networks' scores differ in scale.
    pub pooled: Evaluation,
}

/// Why the mean over folds and the pooled AUC differ.
pub(crate) const MEAN_AND_POOLED: &str = "The fold mean compares exams that the same network scored; the \
     pooled AUC also ranks scores of different networks against each other, so it is lower where their scales \
     differ.";

impl CrossValidation {
    /// Mean over folds of the AUC, with its interval.
    pub(crate) fn fold_mean(&self) -> Estimate {
        Estimate {
            value: self.mean_auc,
            interval: self.mean_auc_interval,
            reason: self.mean_auc_reason.clone(),
        }
    }
}

/// Summary of one fold; its run folder has all metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Number of the fold, from 1.
    pub fold: usize,
    /// The epoch selected on the fold's own validation exams.
    pub selected_epoch: usize,
    /// Number of test exams.
    pub exams: usize,
    /// Number of positive test exams.
    pub positives: usize,
    /// AUC on the test exams.
    pub auc: Option<f64>,
}

/// A row of `predictions/out-of-fold.csv`.
#[derive(Serialize)]
pub struct PooledRow<'a> {
    fold: usize,
    exam: &'a str,
    patient: &'a str,
    series: &'a str,
    label: u8,
    logit: f64,
    probability: f64,
}

impl<'a> PooledRow<'a> {
    /// The prediction `row` of a fold.
    pub fn new(fold: usize, row: &'a PredictionRow) -> Self {
        Self {
            fold,
            exam: &row.exam,
            patient: &row.patient,
            series: &row.series,
            label: row.label,
            logit: row.logit,
            probability: row.probability,
        }
    }
}

/// The metrics of a finished cross-validation, from its `cross-validation.json`.
///
/// # Errors
/// [`ReportError::NotFinished`] when the file does not exist, [`ReportError::Results`] when it cannot be read.
pub fn cross_validation(run: &RunFolder) -> Result<CrossValidation, ReportError> {
    let path = run.cross_validation_file();
    if !path.is_file() {
        return Err(ReportError::NotFinished { path });
    }
    let read = || -> Result<CrossValidation, String> {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    Ok(read().map_err(|message| ResultsError::Read { path: path.clone(), message })?)
}

/// Draws the plots and the report page of a finished cross-validation from its pooled predictions. Preview
/// pictures are read from `cache`.
///
/// # Errors
/// When the cross-validation is not finished, a table cannot be read, or a plot cannot be written.
pub fn redraw_folds(run: &RunFolder, cache: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let spec = run.spec()?;
    let pooled = cross_validation(run)?.pooled;
    let rows: Vec<PredictionRow> = read_csv(&run.pooled_predictions())?;
    let title = format!("{}: out of fold", spec.experiment.name);
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label == 1).collect();
    let mut drawings = vec![
        ("calibration", calibration(&title, &pooled.calibration, &probabilities)),
        ("scores", score_histogram(&title, &probabilities, &labels)),
    ];
    // Runs of older versions lack the tables of these curves.
    let mut roc = roc_of("all folds", &rows);
    if run.pooled_curve("decision").is_file() {
        roc.band = read_csv(&run.pooled_curve("roc"))?;
        let points = read_csv(&run.pooled_curve("decision"))?;
        drawings.push(("decision", decision_curve(&title, &points)));
        let curve = NamedPrecisionRecall {
            name: "all folds".to_owned(),
            points: read_csv(&run.pooled_curve("precision-recall"))?,
            band: match run.pooled_curve("precision-band") {
                path if path.is_file() => read_csv(&path)?,
                _ => Vec::new(),
            },
            average_precision: pooled.average_precision,
            prevalence: pooled.positives as f64 / pooled.exams.max(1) as f64,
        };
        drawings.push(("precision-recall", precision_recall_curves(&title, &[curve])));
    }
    drawings.push(("roc", roc_curves(&title, &[roc])));
    if !pooled.subgroups.is_empty() {
        let rows = forest_rows(&pooled.subgroups);
        drawings.push(("subgroups", forest(&title, "AUC (95% CI)", pooled.auc.value, &rows)));
    }
    let mut drawings: Vec<(String, Drawing)> =
        drawings.into_iter().map(|(name, drawing)| (name.to_owned(), drawing)).collect();
    // All folds have the same cohort; only the splits differ.
    let (first, _) = &run.members()?[0];
    drawings.extend(cohort_flow(run, first, &spec)?);
    let mut written = write_drawings(run, &drawings)?;
    written.push(write_report_of_folds(run, first, &spec, cache, drawings)?);
    Ok(written)
}

/// The terminal summary of a finished cross-validation.
pub fn headline_of_folds(run: &RunFolder) -> Result<String, ReportError> {
    let path = run.cross_validation_file();
    let metrics = cross_validation(run)?;
    let auc = |auc: Option<f64>| auc.map_or("–".to_owned(), |auc| format!("{auc:.3}"));
    let mut lines = vec![format!("Cross-validation in {} folds", metrics.folds.len())];
    for fold in &metrics.folds {
        lines.push(format!(
            "  fold {:<6} AUC {}   {} exams, {} positive; epoch {}",
            fold.fold,
            auc(fold.auc),
            fold.exams,
            fold.positives,
            fold.selected_epoch
        ));
    }
    let mean = match metrics.mean_auc {
        None => auc(None),
        Some(_) => plain(&metrics.fold_mean()),
    };
    lines.push(format!("  {:<11} AUC {mean}", "fold mean"));
    let pooled = &metrics.pooled;
    lines.push(format!(
        "  {:<11} AUC {}   {} exams of {} patients, {} positive",
        "pooled",
        auc_with_interval(pooled),
        pooled.exams,
        pooled.patients,
        pooled.positives
    ));
    lines.push(format!("  {:<11} {MEAN_AND_POOLED}", ""));
    lines.extend(pooled.warning.iter().map(|warning| format!("  {:<11} warning: {warning}", "")));
    lines.push(format!("Metrics: {}", path.display()));
    lines.push(format!("Report:  {}", run.report_page().display()));
    Ok(lines.join("\n"))
}
