//! The plots of a run and the tables that each is drawn from.

use super::ReportError;
use super::evaluated::summary;
use super::external::stored_development_roc;
use super::plot::{
    Drawing, EpochLoss, EpochRanking, NamedPrecisionRecall, NamedRoc, auc_accuracy_curves,
    calibration, decision_curve, flow_diagram, forest, loss_curves, precision_recall_curves,
    roc_curves, score_histogram,
};
use super::risk_plots as risks;
use super::run_page::{flow_of, forest_rows};
use super::run_predictions::RunPredictions;
use super::run_report::write_report;
use lungs_base::files::write_bytes;
use lungs_spec::results::{MetricsRow, PredictionRow, RunFolder, Table, read_csv, read_metrics};
use lungs_spec::spec::{LossName, Spec, SplitName};
use lungs_stats::{auc_with_interval, repeated_patients, roc};
use lungs_study::cohort::read_cohort;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Coverage of the intervals in `metrics.csv` and in the legends.
const LEVEL: f64 = 0.95;

/// Draws every plot and the report page of a run from its tables and returns the written files.
/// Preview pictures are read from `cache`.
///
/// A run that is not finished gets the curves over its epochs so far and the ROC curves of
/// `report.roc_epochs`. Plots of the selected epoch need `evaluation.json`.
///
/// # Errors
/// When the run has no finished epoch, a table cannot be read, or a plot cannot be written.
pub fn redraw(run: &RunFolder, cache: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let spec = run.spec()?;
    if run.is_external() {
        return redraw_external(run, &spec, cache);
    }
    let metrics_path = run.table(Table::Metrics);
    let metrics: Vec<MetricsRow> =
        if metrics_path.is_file() { read_metrics(&metrics_path)? } else { Vec::new() };
    let Some(last) = metrics.iter().map(|row| row.epoch).max() else {
        return Err(ReportError::NoFinishedEpoch { path: metrics_path });
    };
    let selected = match summary(run) {
        Ok(summary) => Some(summary.selected_epoch),
        Err(ReportError::NotFinished { .. }) => None,
        Err(error) => return Err(error),
    };
    let predictions = RunPredictions::of(run)?;
    let mut drawings = epoch_curves(&spec, &metrics, selected);
    let roc_epochs: BTreeSet<usize> =
        spec.report.roc_epochs.iter().copied().chain(selected).chain([last]).collect();
    for epoch in roc_epochs {
        if let Some(rows) = predictions.read(SplitName::Valid, epoch)? {
            let title = format!("{}: validation, epoch {epoch}", spec.experiment.name);
            let curve = roc_of(&format!("epoch {epoch}"), &rows);
            drawings.push((format!("roc-epoch-{epoch:03}"), roc_curves(&title, &[curve])));
        }
    }
    if let Some(epoch) = selected {
        drawings.extend(final_plots(run, &predictions, &spec, epoch)?);
    }
    drawings.extend(cohort_flow(run, run, &spec)?);
    let mut written = write_drawings(run, &drawings)?;
    if selected.is_some() {
        written.extend(write_report(run, &spec, cache, drawings)?);
    }
    Ok(written)
}

/// The plots and the page of an external evaluation.
fn redraw_external(
    run: &RunFolder,
    spec: &Spec,
    cache: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    let predictions = RunPredictions::of(run)?;
    let mut drawings = final_plots(run, &predictions, spec, summary(run)?.selected_epoch)?;
    drawings.extend(cohort_flow(run, run, spec)?);
    let mut written = write_drawings(run, &drawings)?;
    written.extend(write_report(run, spec, cache, drawings)?);
    Ok(written)
}

/// Writes plots as SVG and PNG.
pub(super) fn write_drawings(
    run: &RunFolder,
    drawings: &[(String, Drawing)],
) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    for (name, drawing) in drawings {
        for (extension, bytes) in [("svg", drawing.svg.as_bytes()), ("png", &drawing.png)] {
            let path = run.plots().join(format!("{name}.{extension}"));
            write_bytes(&path, bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// The flow of exams into the study, from the cohort and preparation tables of the run `tables`; `None`
/// when one of them is missing.
pub(super) fn cohort_flow(
    run: &RunFolder,
    tables: &RunFolder,
    spec: &Spec,
) -> Result<Option<(String, Drawing)>, ReportError> {
    let (cohort, prepared) = (tables.table(Table::Cohort), tables.table(Table::Preparation));
    if !cohort.is_file() || !prepared.is_file() {
        return Ok(None);
    }
    let flow = flow_of(&read_cohort(&cohort)?, &read_csv(&prepared)?, spec);
    let title = format!("{}: study cohort", run.spec()?.experiment.name);
    Ok(Some(("cohort-flow".to_owned(), flow_diagram(&title, &flow))))
}

/// The ROC curve of a predictions table, ranked by log-odds.
pub(crate) fn roc_of(name: &str, rows: &[PredictionRow]) -> NamedRoc {
    let logits: Vec<f64> = rows.iter().map(|row| row.logit).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let patients = repeated_patients(rows.iter().map(|row| row.patient_id.as_str()));
    let area = auc_with_interval(&logits, &labels, patients.as_deref(), LEVEL);
    let positives = labels.iter().filter(|&&label| label).count();
    NamedRoc {
        name: name.to_owned(),
        points: roc(&logits, &labels),
        band: Vec::new(),
        auc: area.value,
        interval: area.interval,
        positives,
        negatives: labels.len() - positives,
    }
}

fn epoch_curves(
    spec: &Spec,
    metrics: &[MetricsRow],
    selected: Option<usize>,
) -> Vec<(String, Drawing)> {
    let epochs: BTreeSet<usize> = metrics.iter().map(|row| row.epoch).collect();
    let row = |epoch: usize, split: SplitName| {
        metrics.iter().find(|row| row.epoch == epoch && row.split == split)
    };
    let number = |epoch: usize| u32::try_from(epoch).unwrap_or(u32::MAX);
    let losses: Vec<EpochLoss> = epochs
        .iter()
        .map(|&epoch| EpochLoss {
            epoch: number(epoch),
            train: row(epoch, SplitName::Train).map(|row| row.loss),
            valid: row(epoch, SplitName::Valid).map(|row| row.loss),
        })
        .collect();
    let rankings: Vec<EpochRanking> = epochs
        .iter()
        .map(|&epoch| {
            let valid = row(epoch, SplitName::Valid);
            EpochRanking {
                epoch: number(epoch),
                auc: valid.and_then(|row| row.auc),
                auc_low: valid.and_then(|row| row.auc_low),
                auc_high: valid.and_then(|row| row.auc_high),
                accuracy: valid.map(|row| row.accuracy),
            }
        })
        .collect();
    let loss_name = match spec.loss.name {
        LossName::CrossEntropy => "Cross-entropy (nats per exam)".to_owned(),
        LossName::Focal => {
            format!("Focal loss per exam (γ = {}, α = {})", spec.loss.gamma, spec.loss.alpha)
        }
    };
    let (name, selected) = (&spec.experiment.name, selected.map(number));
    let mut drawings = vec![
        ("loss".to_owned(), loss_curves(name, &loss_name, &losses, selected)),
        ("auc-accuracy".to_owned(), auc_accuracy_curves(name, "95% CI", &rankings, selected)),
    ];
    let valid =
        epochs.iter().filter_map(|&epoch| Some((number(epoch), row(epoch, SplitName::Valid)?)));
    drawings.extend(risks::epoch_plot(name, valid, selected));
    drawings
}

/// Plots of the selected epoch: one ROC plot with all evaluated splits, and for each split its calibration
/// and the histogram of its predictions (`calibration` for validation, `calibration-test` for test).
fn final_plots(
    run: &RunFolder,
    predictions: &RunPredictions,
    spec: &Spec,
    epoch: usize,
) -> Result<Vec<(String, Drawing)>, ReportError> {
    let (mut curves, mut precisions, mut drawings) = (Vec::new(), Vec::new(), Vec::new());
    let metrics_by_split = summary(run)?.splits;
    let of_epoch = |what: &str| format!("{}: {what}, epoch {epoch}", spec.experiment.name);
    let of_model = |what: &str| format!("{}: {what}", spec.experiment.name);
    for (split, name, suffix) in [
        (SplitName::Valid, "validation", ""),
        (SplitName::Test, "test", "-test"),
        (SplitName::External, "external", ""),
    ] {
        let Some(rows) = predictions.read(split, epoch)? else { continue };
        curves.push(NamedRoc { band: curve(run, split, "roc")?, ..roc_of(name, &rows) });
        let title =
            if split == SplitName::External { of_model("external exams") } else { of_epoch(name) };
        let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
        let metrics = metrics_by_split.get(&split.to_string());
        if let Some(metrics) = metrics {
            let diagram = calibration(&title, &metrics.calibration, &probabilities);
            drawings.push((format!("calibration{suffix}"), diagram));
        }
        let histogram = score_histogram(&title, &probabilities, &labels);
        drawings.push((format!("scores{suffix}"), histogram));
        if let Some(metrics) = metrics.filter(|metrics| !metrics.subgroups.is_empty()) {
            let rows = forest_rows(&metrics.subgroups);
            drawings.push((
                format!("subgroups{suffix}"),
                forest(&title, "AUC (95% CI)", metrics.auc.value, &rows),
            ));
        }
        // Runs of older versions lack the tables of these curves.
        if let Some(metrics) = metrics
            && run.curve(split, "decision").is_file()
        {
            let points = curve(run, split, "decision")?;
            drawings.push((format!("decision{suffix}"), decision_curve(&title, &points)));
            precisions.push(NamedPrecisionRecall {
                name: name.to_owned(),
                points: curve(run, split, "precision-recall")?,
                band: curve(run, split, "precision-band")?,
                average_precision: metrics.average_precision.clone(),
                prevalence: metrics.positives as f64 / metrics.exams as f64,
            });
        }
    }
    curves.extend(stored_development_roc(run)?);
    drawings.extend(risks::plots(run, spec, &metrics_by_split)?);
    let title = if run.is_external() {
        of_model("external exams")
    } else {
        of_model(&format!("selected epoch {epoch}"))
    };
    drawings.push(("roc".to_owned(), roc_curves(&title, &curves)));
    if !precisions.is_empty() {
        let drawing = precision_recall_curves(&title, &precisions);
        drawings.push(("precision-recall".to_owned(), drawing));
    }
    Ok(drawings)
}

/// The points of a curve's table; empty when the run has no such table.
fn curve<T: DeserializeOwned>(
    run: &RunFolder,
    split: SplitName,
    name: &str,
) -> Result<Vec<T>, ReportError> {
    let path = run.curve(split, name);
    Ok(if path.is_file() { read_csv(&path)? } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::super::evaluated::Summary;
    use super::*;
    use lungs_spec::results::write_csv;
    use lungs_stats::{Options, ScoredExam, evaluate_with_curves};
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    fn scored(row: &PredictionRow) -> ScoredExam {
        ScoredExam {
            patient_id: row.patient_id.clone(),
            exam_id: row.exam_id.clone(),
            label: row.label,
            logit: row.logit,
            probability: row.probability,
        }
    }

    fn run(folder: &Path, name: &str) -> RunFolder {
        fs::create_dir_all(folder).unwrap();
        let file = folder.join("experiment.toml");
        let text = format!(
            "[experiment]\nname = \"{name}\"\n[data]\nroot = \"data\"\n\
             labels = \"labels.csv\"\n[report]\nroc_epochs = [1, 9]\n\
             [runtime]\nresults = {:?}\n",
            folder.join("results")
        );
        fs::write(&file, text).unwrap();
        RunFolder::create(&lungs_spec::spec::load_resolved(&file, &[]).unwrap()).unwrap()
    }

    fn rows(epoch: usize) -> Vec<PredictionRow> {
        (0..40)
            .map(|index| {
                let label = index % 4 == 0;
                let logit = f64::from(index % 7) - 3.0 + f64::from(u8::from(label)) * epoch as f64;
                PredictionRow {
                    exam_id: format!("exam-{index}"),
                    patient_id: format!("patient-{index}"),
                    series_uid: format!("1.2.{index}"),
                    label,
                    logit,
                    probability: 1.0 / (1.0 + (-logit).exp()),
                }
            })
            .collect()
    }

    fn fill(run: &RunFolder) {
        let metrics: Vec<MetricsRow> = (1..=3)
            .flat_map(|epoch| {
                [SplitName::Train, SplitName::Valid].map(|split| MetricsRow {
                    epoch,
                    split,
                    loss: 1.0 / epoch as f64,
                    accuracy: 0.7,
                    auc: Some(0.8),
                    auc_low: Some(0.7),
                    auc_high: Some(0.9),
                    learning_rate: 1e-4,
                    average_precision: Some(0.7),
                    brier: Some(0.2),
                    survival: None,
                })
            })
            .collect();
        write_csv(&run.table(Table::Metrics), &metrics).unwrap();
        for epoch in 1..=3 {
            write_csv(&run.predictions(SplitName::Valid, epoch), &rows(epoch)).unwrap();
        }
        let scored: Vec<ScoredExam> = rows(2).iter().map(scored).collect();
        let options = Options { bootstrap_replicates: 10, ..Options::default() };
        let (metrics, curves) = evaluate_with_curves(&scored, &options);
        write_csv(&run.curve(SplitName::Valid, "roc"), &curves.roc_band).unwrap();
        let points = &curves.precision_recall;
        write_csv(&run.curve(SplitName::Valid, "precision-recall"), points).unwrap();
        write_csv(&run.curve(SplitName::Valid, "precision-band"), &curves.precision_band).unwrap();
        write_csv(&run.curve(SplitName::Valid, "decision"), &curves.decision).unwrap();
        let splits = BTreeMap::from([("valid".to_owned(), metrics)]);
        let summary = Summary { selected_epoch: 2, splits };
        let json = serde_json::to_vec_pretty(&summary).unwrap();
        write_bytes(&run.evaluation_file(), &json).unwrap();
    }

    #[test]
    fn deleting_the_plots_and_redrawing_restores_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path(), "plotted");
        fill(&run);
        let written = redraw(&run, folder.path()).unwrap();
        let names: BTreeSet<String> = written
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let expected = [
            "auc-accuracy",
            "calibration",
            "decision",
            "loss",
            "precision-recall",
            "roc",
            "roc-epoch-001",
            "roc-epoch-002",
            "roc-epoch-003",
            "scores",
        ];
        let expected: BTreeSet<String> = expected
            .iter()
            .flat_map(|name| [format!("{name}.png"), format!("{name}.svg")])
            .chain(["checklist.csv".to_owned(), "report.html".to_owned()])
            .collect();
        assert_eq!(names, expected);
        let bytes = || -> Vec<Vec<u8>> { written.iter().map(|p| fs::read(p).unwrap()).collect() };
        let before = bytes();
        fs::remove_dir_all(run.plots()).unwrap();
        assert_eq!(redraw(&run, folder.path()).unwrap(), written);
        assert!(bytes() == before);
    }

    #[test]
    fn an_unfinished_run_gets_the_plots_of_its_finished_epochs() {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path(), "unfinished");
        let error = redraw(&run, folder.path()).unwrap_err().to_string();
        assert!(error.contains("metrics.csv has no finished epoch"), "{error}");
        fill(&run);
        fs::remove_file(run.evaluation_file()).unwrap();
        // loss, auc-accuracy, roc of epochs 1 and 3, each twice
        assert_eq!(redraw(&run, folder.path()).unwrap().len(), 8);
        let error = summary(&run).unwrap_err().to_string();
        assert!(error.contains("the run is not finished"), "{error}");
        fs::write(run.evaluation_file(), "{").unwrap();
        assert!(redraw(&run, folder.path()).unwrap_err().to_string().contains("evaluation.json"));
    }
}
