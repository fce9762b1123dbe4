//! The table of all metrics of every evaluated split.

use super::{EvaluatedSplit, RunPage, cell, share, table};
use crate::digits;
use crate::evaluated::{CrossValidation, MEAN_AND_POOLED};
use lungs_stats::{CalibrationMetrics, Estimate, WeightedMetrics};
use maud::{Markup, html};

pub(super) fn metrics(page: &RunPage) -> Markup {
    let heads: Vec<&str> =
        std::iter::once("").chain(page.splits.iter().map(EvaluatedSplit::name)).collect();
    html! {
        section #metrics {
            h2 { "Metrics" }
            (table(&heads, rows(&page.splits)))
            @for split in &page.splits {
                @if let Some(recalibrated) = &split.metrics.recalibrated {
                    h3 { "Recalibration, " (split.name()) " exams" }
                    p.soft {
                        "Method: " (recalibrated.method) ", fitted on " (recalibrated.fitted_on) "."
                    }
                    (before_and_after(&recalibrated.before, &recalibrated.after))
                }
                @if let Some(weighted) = &split.metrics.weighted {
                    h3 { "Weighted metrics, " (split.name()) " exams" }
                    (weighted_metrics(weighted))
                }
            }
        }
    }
}

fn rows(splits: &[EvaluatedSplit]) -> Vec<Vec<String>> {
    let row = |name: &str, text: &dyn Fn(&EvaluatedSplit) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(splits.iter().map(text)).collect()
    };
    let estimate = |name: &str, metric: fn(&EvaluatedSplit) -> &Estimate| {
        row(name, &|split| cell(metric(split)))
    };
    let prevalence =
        |split: &EvaluatedSplit| split.metrics.positives as f64 / split.metrics.exams.max(1) as f64;
    vec![
        row("exams", &|split| split.metrics.exams.to_string()),
        row("with cancer", &|split| {
            format!("{} ({})", split.metrics.positives, digits::percent(prevalence(split)))
        }),
        row("AUC", &|split| {
            let auc = &split.metrics.auc;
            cell(&Estimate { value: auc.value, interval: auc.interval, reason: auc.reason.clone() })
        }),
        row("AUC, bootstrap interval", &|split| {
            let auc = &split.metrics.auc;
            match auc.bootstrap_interval {
                Some(it) => {
                    let (_, range) = digits::value_and_interval(auc.value.unwrap_or(0.5), it);
                    format!("{range} ({} replicates)", auc.bootstrap_replicates)
                }
                None => auc.bootstrap_reason.clone().unwrap_or_else(|| "–".to_owned()),
            }
        }),
        estimate("partial AUC at specificity ≥ 0.9 (of 0.1 at most)", |split| {
            &split.metrics.partial_auc.area
        }),
        estimate("standardised partial AUC (McClish)", |split| {
            &split.metrics.partial_auc.standardised
        }),
        estimate("average precision", |split| &split.metrics.average_precision),
        row("accuracy at p > 0.5", &|split| share(&split.metrics.accuracy)),
        estimate("cross-entropy", |split| &split.metrics.cross_entropy),
        estimate("Brier score", |split| &split.metrics.calibration.brier),
        estimate("Brier score of predicting the prevalence", |split| {
            &split.metrics.calibration.brier_of_prevalence
        }),
        estimate("calibration error", |split| {
            &split.metrics.calibration.expected_calibration_error
        }),
        estimate("calibration error, debiased", |split| {
            &split.metrics.calibration.expected_calibration_error_debiased
        }),
        estimate("calibration slope", |split| &split.metrics.calibration.slope),
        estimate("calibration intercept", |split| &split.metrics.calibration.intercept),
        estimate("calibration-in-the-large", |split| &split.metrics.calibration.in_the_large),
        estimate("observed / expected cancers", |split| {
            &split.metrics.calibration.observed_expected
        }),
        estimate("integrated calibration index (ICI)", |split| {
            &split.metrics.calibration.smooth.integrated_calibration_index
        }),
        estimate("median calibration error (E50)", |split| &split.metrics.calibration.smooth.e50),
        estimate("90th percentile of the calibration error (E90)", |split| {
            &split.metrics.calibration.smooth.e90
        }),
        estimate("largest calibration error (Emax)", |split| {
            &split.metrics.calibration.smooth.emax
        }),
    ]
}

fn before_and_after(before: &CalibrationMetrics, after: &CalibrationMetrics) -> Markup {
    let rows = [
        ("Brier score", &before.brier, &after.brier),
        (
            "calibration error",
            &before.expected_calibration_error,
            &after.expected_calibration_error,
        ),
        ("calibration slope", &before.slope, &after.slope),
        ("calibration intercept", &before.intercept, &after.intercept),
        ("observed / expected cancers", &before.observed_expected, &after.observed_expected),
        (
            "integrated calibration index (ICI)",
            &before.integrated_calibration_index,
            &after.integrated_calibration_index,
        ),
    ];
    let rows = rows.map(|(name, before, after)| vec![name.to_owned(), cell(before), cell(after)]);
    table(&["", "before", "after"], rows)
}

fn weighted_metrics(weighted: &WeightedMetrics) -> Markup {
    let rows = [
        ("AUC", cell(&weighted.auc)),
        ("average precision", cell(&weighted.average_precision)),
        ("Brier score", cell(&weighted.brier)),
        ("cross-entropy", cell(&weighted.cross_entropy)),
        ("prevalence", weighted.prevalence.map_or("–".to_owned(), digits::percent)),
        ("effective number of exams", format!("{:.1}", weighted.effective_exams)),
        ("effective number of cancers", format!("{:.1}", weighted.effective_positives)),
    ];
    html! {
        p.soft { "Exams are weighted by the column " code { (weighted.column) } "." }
        (table(&["", "weighted"], rows.map(|(name, value)| vec![name.to_owned(), value])))
    }
}

/// The table of folds of a cross-validation.
pub(super) fn folds(results: &CrossValidation) -> Markup {
    let auc = |auc: Option<f64>| auc.map_or("–".to_owned(), digits::value);
    let rows = results.folds.iter().map(|fold| {
        vec![
            format!("fold {}", fold.fold),
            auc(fold.auc),
            fold.exams.to_string(),
            fold.positives.to_string(),
            fold.selected_epoch.to_string(),
        ]
    });
    html! {
        (table(&["", "AUC", "exams", "with cancer", "epoch"], rows))
        p.soft { "Mean AUC over folds: " (cell(&results.fold_mean())) ". " (MEAN_AND_POOLED) }
    }
}
