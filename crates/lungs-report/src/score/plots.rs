//! Plots of predictions: ROC, precision and recall, calibration, decision, predictions by class, subgroups.

use super::{ScoreReport, ScoredModel};
use crate::plot::{
    Drawing, NamedPrecisionRecall, NamedRoc, calibration, decision_curve, forest,
    overlaid_calibration, precision_recall_curves, roc_curves, score_histogram,
};
use crate::run_page::forest_rows;
use lungs_stats::{DecisionPoint, roc};

/// The largest number of models in one plot: colours and dashes of more cannot be distinguished.
pub(super) const MAX_CURVES: usize = 12;

/// All plots with their names, which are those of files and of the page.
pub(super) fn score_plots(report: &ScoreReport, labels: &[bool]) -> Vec<(String, Drawing)> {
    let models: Vec<&ScoredModel> = report.models.0.iter().take(MAX_CURVES).collect();
    let title = report.title();
    let mut plots = vec![("roc".to_owned(), roc_plot(&title, &models, labels))];
    let curves: Vec<NamedPrecisionRecall> =
        models.iter().map(|model| precision_recall(model, models.len() == 1)).collect();
    plots.push(("precision-recall".to_owned(), precision_recall_curves(&title, &curves)));
    let with_probabilities: Vec<&&ScoredModel> =
        models.iter().filter(|model| model.has_probabilities).collect();
    if with_probabilities.len() > 1 {
        let bins = with_probabilities.iter().map(|model| {
            (model.name.clone(), model.evaluation.calibration.equal_count_bins.clone())
        });
        let drawing = overlaid_calibration(&title, &bins.collect::<Vec<_>>());
        plots.push(("calibration".to_owned(), drawing));
    }
    for (index, model) in models.iter().enumerate() {
        let name = |plot: &str| plot_name(plot, index, models.len());
        let title = report.title_of(model);
        if model.has_probabilities {
            let metrics = &model.evaluation.calibration;
            if models.len() == 1 || with_probabilities.len() == 1 {
                let drawing = calibration(&title, metrics, &model.probabilities);
                plots.push(("calibration".to_owned(), drawing));
            }
            let drawing = decision_curve(&title, &decision_points(report, model));
            plots.push((name("decision"), drawing));
            let drawing = score_histogram(&title, &model.probabilities, labels);
            plots.push((name("scores"), drawing));
        }
        if !model.evaluation.subgroups.is_empty() {
            let rows = forest_rows(&model.evaluation.subgroups);
            let label = format!("AUC ({}% CI)", report.percent());
            let drawing = forest(&title, &label, model.evaluation.auc.value, &rows);
            plots.push((name("subgroups"), drawing));
        }
    }
    plots
}

/// The decision curve; without its band if that has another level than the 95 % of the legend.
fn decision_points(report: &ScoreReport, model: &ScoredModel) -> Vec<DecisionPoint> {
    let points = model.curves.decision.iter().copied();
    if report.confidence == 0.95 {
        points.collect()
    } else {
        points.map(|point| DecisionPoint { low: None, high: None, ..point }).collect()
    }
}

/// The name of a plot of one model: numbered if there are several models.
pub(super) fn plot_name(plot: &str, index: usize, models: usize) -> String {
    if models > 1 { format!("{plot}-{}", index + 1) } else { plot.to_owned() }
}

fn roc_plot(title: &str, models: &[&ScoredModel], labels: &[bool]) -> Drawing {
    let positives = labels.iter().filter(|&&label| label).count();
    let curve = |model: &&ScoredModel| NamedRoc {
        name: model.name.clone(),
        points: roc(&model.scores, labels),
        // The bands of several models would hide each other.
        band: if models.len() == 1 { model.curves.roc_band.clone() } else { Vec::new() },
        auc: model.evaluation.auc.value,
        interval: model.evaluation.auc.interval,
        positives,
        negatives: labels.len() - positives,
    };
    roc_curves(title, &models.iter().map(curve).collect::<Vec<_>>())
}

fn precision_recall(model: &ScoredModel, is_only: bool) -> NamedPrecisionRecall {
    let evaluation = &model.evaluation;
    NamedPrecisionRecall {
        name: model.name.clone(),
        points: model.curves.precision_recall.clone(),
        band: if is_only { model.curves.precision_band.clone() } else { Vec::new() },
        average_precision: evaluation.average_precision.clone(),
        prevalence: evaluation.positives as f64 / evaluation.exams.max(1) as f64,
    }
}
