//! All figures of every part that was judged.

use super::{JudgedPart, RunPage, cell, share, table};
use crate::evaluation::{CalibrationFigures, Estimate, Weighted};
use crate::report::folds::CrossValidation;
use maud::{Markup, html};

pub(super) fn figures(page: &RunPage) -> Markup {
    let heads: Vec<&str> =
        std::iter::once("").chain(page.parts.iter().map(JudgedPart::name)).collect();
    html! {
        section #figures {
            h2 { "Figures" }
            (table(&heads, rows(&page.parts)))
            @for part in &page.parts {
                @if let Some(recalibrated) = &part.figures.recalibrated {
                    h3 { "Recalibrated, " (part.name()) " exams" }
                    p.soft {
                        "By " (recalibrated.method) ", fitted on " (recalibrated.fitted_on) "."
                    }
                    (before_and_after(&recalibrated.before, &recalibrated.after))
                }
                @if let Some(weighted) = &part.figures.weighted {
                    h3 { "Weighted, " (part.name()) " exams" }
                    (by_weight(weighted))
                }
            }
        }
    }
}

fn rows(parts: &[JudgedPart]) -> Vec<Vec<String>> {
    let row = |name: &str, told: &dyn Fn(&JudgedPart) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(parts.iter().map(told)).collect()
    };
    let estimate = |name: &str, of: fn(&JudgedPart) -> &Estimate| row(name, &|part| cell(of(part)));
    let prevalence =
        |part: &JudgedPart| part.figures.positives as f64 / part.figures.exams.max(1) as f64;
    vec![
        row("exams", &|part| part.figures.exams.to_string()),
        row("with cancer", &|part| {
            format!("{} ({:.1} %)", part.figures.positives, 100.0 * prevalence(part))
        }),
        row("AUC", &|part| {
            let auc = &part.figures.auc;
            cell(&Estimate { value: auc.value, interval: auc.interval, reason: auc.reason.clone() })
        }),
        row("AUC, bootstrap interval", &|part| {
            let auc = &part.figures.auc;
            match auc.bootstrap_interval {
                Some(it) => {
                    format!("{:.3}–{:.3} ({} draws)", it.low, it.high, auc.bootstrap_replicates)
                }
                None => "–".to_owned(),
            }
        }),
        estimate("partial AUC, specificity ≥ 0.9", |part| &part.figures.partial_auc.standardised),
        estimate("average precision", |part| &part.figures.average_precision),
        row("accuracy at p ≥ 0.5", &|part| share(&part.figures.accuracy)),
        estimate("cross-entropy", |part| &part.figures.cross_entropy),
        estimate("Brier score", |part| &part.figures.calibration.brier),
        estimate("Brier score of the prevalence", |part| {
            &part.figures.calibration.brier_of_prevalence
        }),
        estimate("calibration error", |part| &part.figures.calibration.expected_calibration_error),
        estimate("calibration slope", |part| &part.figures.calibration.slope),
        estimate("calibration intercept", |part| &part.figures.calibration.intercept),
        estimate("calibration in the large", |part| &part.figures.calibration.in_the_large),
    ]
}

fn before_and_after(before: &CalibrationFigures, after: &CalibrationFigures) -> Markup {
    let rows = [
        ("Brier score", &before.brier, &after.brier),
        (
            "calibration error",
            &before.expected_calibration_error,
            &after.expected_calibration_error,
        ),
        ("calibration slope", &before.slope, &after.slope),
        ("calibration intercept", &before.intercept, &after.intercept),
    ];
    let rows = rows.map(|(name, before, after)| vec![name.to_owned(), cell(before), cell(after)]);
    table(&["", "before", "after"], rows)
}

fn by_weight(weighted: &Weighted) -> Markup {
    let rows = [
        ("AUC", cell(&weighted.auc)),
        ("average precision", cell(&weighted.average_precision)),
        ("Brier score", cell(&weighted.brier)),
        ("cross-entropy", cell(&weighted.cross_entropy)),
        ("share with cancer", weighted.prevalence.map_or("–".to_owned(), |p| format!("{p:.4}"))),
        ("effective exams", format!("{:.1}", weighted.effective_exams)),
        ("effective exams with cancer", format!("{:.1}", weighted.effective_positives)),
    ];
    html! {
        p.soft { "Every exam counts by the column " code { (weighted.column) } "." }
        (table(&["", "weighted"], rows.map(|(name, told)| vec![name.to_owned(), told])))
    }
}

/// The folds of a cross-validation.
pub(super) fn folds(figures: &CrossValidation) -> Markup {
    let auc = |auc: Option<f64>| auc.map_or("–".to_owned(), |auc| format!("{auc:.3}"));
    let rows = figures.folds.iter().map(|fold| {
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
        p.soft { "Mean of the folds' AUCs: " (auc(figures.mean_auc)) "." }
    }
}
