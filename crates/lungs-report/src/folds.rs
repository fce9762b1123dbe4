//! Metrics, plots and report of a cross-validation over all its folds.

use super::ReportError;
use super::draw_run::{cohort_flow, roc_of, write_drawings};
use super::evaluated::{MEAN_AND_POOLED, cross_validation};
use super::headline::{auc_with_interval, plain};
use super::plot::{
    Drawing, NamedPrecisionRecall, calibration, decision_curve, forest, precision_recall_curves,
    roc_curves, score_histogram,
};
use super::risk_plots;
use super::run_page::forest_rows;
use super::run_predictions::RunPredictions;
use super::run_report::write_report_of_folds;
use super::survival::survival_lines;
use lungs_base::text::counted;
use lungs_spec::results::{RunFolder, read_csv};
use std::path::{Path, PathBuf};

/// Draws the plots and the report page of a finished cross-validation from its pooled predictions. Preview
/// pictures are read from `cache`.
///
/// # Errors
/// When the cross-validation is not finished, a table cannot be read, or a plot cannot be written.
pub fn redraw_folds(run: &RunFolder, cache: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let spec = run.spec()?;
    let pooled = cross_validation(run)?.pooled;
    let rows = RunPredictions::of(run)?.pooled()?;
    let title = format!("{}: out of fold", spec.experiment.name);
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
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
    if let Some(survival) = &pooled.survival {
        drawings.push((
            "auc-by-year".to_owned(),
            risk_plots::by_year(&title, &[("all folds", survival)]),
        ));
        let steps = run.pooled_curve("kaplan-meier");
        drawings.extend(risk_plots::of_exams(&title, "", survival, &steps)?);
    }
    // All folds have the same cohort; only the splits differ.
    let (first, _) = &run.members()?[0];
    drawings.extend(cohort_flow(run, first, &spec)?);
    let mut written = write_drawings(run, &drawings)?;
    written.extend(write_report_of_folds(run, first, &spec, cache, drawings)?);
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
            "  fold {:<6} AUC {}   {}, {} positive; epoch {}",
            fold.fold,
            auc(fold.auc),
            counted(fold.exams, "exam", "exams"),
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
        "  {:<11} AUC {}   {} of {}, {} positive",
        "pooled",
        auc_with_interval(pooled),
        counted(pooled.exams, "exam", "exams"),
        counted(pooled.patients, "patient", "patients"),
        pooled.positives
    ));
    lines.push(format!("  {:<11} {MEAN_AND_POOLED}", ""));
    if let Some(survival) = &pooled.survival {
        lines.extend(survival_lines(survival, 14));
    }
    lines.extend(pooled.warning.iter().map(|warning| format!("  {:<11} warning: {warning}", "")));
    lines.push(format!("Metrics: {}", path.display()));
    lines.push(format!("Report:  {}", run.report_page().display()));
    Ok(lines.join("\n"))
}
