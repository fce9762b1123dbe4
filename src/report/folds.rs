//! What the folds of a cross-validation say together.

use super::headline::auc_with_interval;
use super::plot::{
    NamedPrecisionRecall, calibration, decision_curve, precision_recall_curves, roc_curves,
    score_histogram,
};
use super::{ReportError, roc_of, summary};
use crate::evaluation::{Evaluation, Options, Scored, evaluate_with_curves};
use crate::files::write_bytes;
use crate::results::{PredictionRow, ResultsError, RunFolder, read_csv, write_csv};
use crate::spec::{Part, Spec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `cross-validation.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Each fold.
    pub folds: Vec<Fold>,
    /// Mean over folds of the AUC of those they test; nothing where one of them has none.
    pub mean_auc: Option<f64>,
    /// All exams together, each by the network that had not seen its patient. Its AUC compares
    /// scores of different networks, and is lower than the folds' mean where they are not alike in
    /// scale.
    pub pooled: Evaluation,
}

/// One fold in brief; its run folder has the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Its number, from 1.
    pub fold: usize,
    /// The epoch that its own validation exams selected.
    pub selected_epoch: usize,
    /// Exams that it tests.
    pub exams: usize,
    /// Positive ones.
    pub positives: usize,
    /// AUC over them.
    pub auc: Option<f64>,
}

/// A row of `predictions/out-of-fold.csv`.
#[derive(Serialize)]
struct PooledRow<'a> {
    fold: usize,
    exam: &'a str,
    patient: &'a str,
    series: &'a str,
    label: u8,
    logit: f64,
    probability: f64,
}

/// Pools the test predictions of finished folds, and writes them and their figures.
pub fn pool(spec: &Spec, run: &RunFolder, folds: &[RunFolder]) -> Result<(), ReportError> {
    let mut tested: Vec<(usize, PredictionRow)> = Vec::new();
    let mut told = Vec::new();
    for (place, fold) in folds.iter().enumerate() {
        let summary = summary(fold)?;
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
        tested.extend(rows.into_iter().map(|row| (place + 1, row)));
    }
    let rows: Vec<PooledRow> = tested
        .iter()
        .map(|(fold, row)| PooledRow {
            fold: *fold,
            exam: &row.exam,
            patient: &row.patient,
            series: &row.series,
            label: row.label,
            logit: row.logit,
            probability: row.probability,
        })
        .collect();
    write_csv(&run.pooled_predictions(), &rows)?;
    let scored: Vec<Scored> = tested
        .into_iter()
        .map(|(_, row)| Scored {
            patient_id: row.patient,
            exam_id: row.exam,
            label: row.label == 1,
            logit: row.logit,
            probability: row.probability,
        })
        .collect();
    let options = Options { seed: spec.experiment.seed, ..Options::default() };
    let aucs: Option<Vec<f64>> = told.iter().map(|fold| fold.auc).collect();
    let (pooled, curves) = evaluate_with_curves(&scored, &options);
    write_csv(&run.pooled_curve("roc"), &curves.roc_band)?;
    write_csv(&run.pooled_curve("precision-recall"), &curves.precision_recall)?;
    write_csv(&run.pooled_curve("decision"), &curves.decision)?;
    let figures = CrossValidation {
        mean_auc: aucs.map(|aucs| aucs.iter().sum::<f64>() / aucs.len() as f64),
        folds: told,
        pooled,
    };
    let text = serde_json::to_string_pretty(&figures).expect("plain data always has a JSON form");
    write_bytes(&run.cross_validation_file(), (text + "\n").as_bytes())?;
    redraw_folds(run)?;
    Ok(())
}

/// The figures of a finished cross-validation.
///
/// # Errors
/// [`ReportError::NotFinished`] where there are none; otherwise when they cannot be read.
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

/// Draws the pooled predictions of a finished cross-validation from its tables, into the plots of
/// the whole run.
///
/// # Errors
/// When it is not finished, a table cannot be read, or a picture cannot be written.
pub fn redraw_folds(run: &RunFolder) -> Result<Vec<PathBuf>, ReportError> {
    let pooled = cross_validation(run)?.pooled;
    let rows: Vec<PredictionRow> = read_csv(&run.pooled_predictions())?;
    let title = format!("{}: out of fold", run.spec()?.experiment.name);
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label == 1).collect();
    let mut drawings = vec![
        ("calibration", calibration(&title, &pooled.calibration, &probabilities)),
        ("scores", score_histogram(&title, &probabilities, &labels)),
    ];
    // Those of older versions have no tables of these curves.
    let mut roc = roc_of("all folds", &rows);
    if run.pooled_curve("decision").is_file() {
        roc.band = read_csv(&run.pooled_curve("roc"))?;
        let points = read_csv(&run.pooled_curve("decision"))?;
        drawings.push(("decision", decision_curve(&title, &points)));
        let curve = NamedPrecisionRecall {
            name: "all folds".to_owned(),
            points: read_csv(&run.pooled_curve("precision-recall"))?,
            average_precision: pooled.average_precision,
            prevalence: pooled.positives as f64 / pooled.exams.max(1) as f64,
        };
        drawings.push(("precision-recall", precision_recall_curves(&title, &[curve])));
    }
    drawings.push(("roc", roc_curves(&title, &[roc])));
    let mut written = Vec::new();
    for (name, drawing) in drawings {
        for (ending, bytes) in [("svg", drawing.svg.as_bytes()), ("png", &drawing.png)] {
            let path = run.plots().join(format!("{name}.{ending}"));
            write_bytes(&path, bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The figures of a finished cross-validation in a few lines.
pub fn headline_of_folds(run: &RunFolder) -> Result<String, ReportError> {
    let path = run.cross_validation_file();
    let figures = cross_validation(run)?;
    let auc = |auc: Option<f64>| auc.map_or("–".to_owned(), |auc| format!("{auc:.3}"));
    let mut lines = vec![format!("Cross-validation in {} folds", figures.folds.len())];
    for fold in &figures.folds {
        lines.push(format!(
            "  fold {:<6} AUC {}   {} exams, {} positive; epoch {}",
            fold.fold,
            auc(fold.auc),
            fold.exams,
            fold.positives,
            fold.selected_epoch
        ));
    }
    lines.push(format!("  {:<11} AUC {}", "their mean", auc(figures.mean_auc)));
    let pooled = &figures.pooled;
    lines.push(format!(
        "  {:<11} AUC {}   {} exams of {} patients, {} positive",
        "pooled",
        auc_with_interval(pooled),
        pooled.exams,
        pooled.patients,
        pooled.positives
    ));
    lines.push(format!("Figures in {}", path.display()));
    Ok(lines.join("\n"))
}
