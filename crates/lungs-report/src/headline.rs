//! The terminal summary of a finished run.

use super::ReportError;
use super::digits;
use super::evaluated::summary;
use super::survival::survival_lines;
use lungs_base::text::counted;
use lungs_spec::results::RunFolder;
use lungs_stats::{ChosenOn, Estimate, Evaluation, Interval, OperatingPoint, Proportion, Rule};

/// The main metrics with their intervals, and the paths of the tables and the report.
pub fn headline(run: &RunFolder) -> Result<String, ReportError> {
    let summary = summary(run)?;
    let mut lines = vec![format!("Selected epoch {}", summary.selected_epoch)];
    for (split, evaluation) in &summary.splits {
        let name = if split == "valid" { "validation" } else { split.as_str() };
        lines.push(format!(
            "  {name:<11} AUC {}   {} of {}, {} positive",
            auc_with_interval(evaluation),
            counted(evaluation.exams, "exam", "exams"),
            counted(evaluation.patients, "patient", "patients"),
            evaluation.positives
        ));
        if let Some(warning) = &evaluation.warning {
            lines.push(format!("  {:<11} warning: {warning}", ""));
        }
        if let Some(survival) = &evaluation.survival {
            lines.extend(survival_lines(survival, 14));
        }
        let mut rows = evaluation.leading_point().map(point_rows).unwrap_or_default();
        rows.extend(metric_rows(evaluation));
        lines.extend(rows.iter().map(|(name, value)| format!("  {:<11} {name:<23} {value}", "")));
    }
    lines.push(format!("Tables: {}", run.root().display()));
    lines.push(format!("Report: {}", run.report_page().display()));
    Ok(lines.join("\n"))
}

/// Name and value of each metric at an operating point.
fn point_rows(point: &OperatingPoint) -> Vec<(String, String)> {
    let threshold = match (point.rule, point.threshold_probability) {
        (Rule::Probability(probability), _) => format!("p ≥ {probability}"),
        (_, Some(probability)) => format!("p ≥ {}", digits::value(probability)),
        (_, None) => "no threshold".to_owned(),
    };
    let origin = match point.chosen_on {
        ChosenOn::None => "",
        ChosenOn::TheseExams => "; threshold chosen on these exams",
        ChosenOn::Validation => "; threshold chosen on validation",
        ChosenOn::Development => "; threshold of the model",
    };
    let shares = [("sensitivity", &point.sensitivity), ("specificity", &point.specificity)];
    let mut rows: Vec<_> = shares
        .into_iter()
        .map(|(name, value)| {
            (format!("{name} at {threshold}"), format!("{}{origin}", share(value)))
        })
        .collect();
    rows.extend(point.at_prevalence.as_ref().map(|stated| {
        let name = format!("PPV at prevalence {}", stated.prevalence);
        (name, plain(&stated.positive_predictive_value))
    }));
    rows
}

/// Name and value of each metric that needs no threshold.
fn metric_rows(evaluation: &Evaluation) -> Vec<(String, String)> {
    let chance = evaluation.positives as f64 / evaluation.exams.max(1) as f64;
    let average_precision = plain(&evaluation.average_precision);
    let mut rows = vec![
        (
            "average precision".to_owned(),
            format!("{average_precision}; chance: {}", digits::value(chance)),
        ),
        ("cross-entropy".to_owned(), plain(&evaluation.cross_entropy)),
        ("Brier score".to_owned(), plain(&evaluation.calibration.brier)),
    ];
    if let Some(weighted) = &evaluation.weighted {
        rows.push(("AUC, weighted".to_owned(), plain(&weighted.auc)));
    }
    if let Some(recalibrated) = &evaluation.recalibrated {
        let [before, after] =
            [&recalibrated.before, &recalibrated.after].map(|metrics| plain(&metrics.brier));
        let name = format!("Brier after {}", recalibrated.method);
        rows.push((name, format!("{after}; before: {before}")));
    }
    rows.extend(evaluation.subgroups.iter().map(|groups| {
        let aucs = groups.groups.iter().map(|group| {
            let auc = group.auc.value.map_or("–".to_owned(), |auc| format!("{auc:.3}"));
            format!("{} {auc}", group.group)
        });
        (format!("AUC by {}", groups.by), aucs.collect::<Vec<_>>().join(", "))
    }));
    rows
}

/// `0.943 (95 % CI 0.912–0.965)`, or the reason why the AUC is undefined.
pub(super) fn auc_with_interval(evaluation: &Evaluation) -> String {
    let auc = &evaluation.auc;
    with_interval(auc.value, auc.interval.as_ref(), auc.reason.as_deref())
}

/// `0.943 (95 % CI 0.912–0.965)`, or the reason why the metric is undefined.
pub(super) fn plain(estimate: &Estimate) -> String {
    with_interval(estimate.value, estimate.interval.as_ref(), estimate.reason.as_deref())
}

/// `0.900 (95 % CI 0.596–0.982)`, or the reason why the share is undefined.
pub(super) fn share(share: &Proportion) -> String {
    match digits::share_and_interval(share) {
        Some((value, Some(range))) => with_range(&value, share.interval.as_ref(), &range),
        Some((value, None)) => value,
        None => undefined(share.reason.as_deref()),
    }
}

fn with_interval(value: Option<f64>, interval: Option<&Interval>, reason: Option<&str>) -> String {
    match (value, interval) {
        (Some(value), Some(it)) => {
            let (value, range) = digits::value_and_interval(value, *it);
            with_range(&value, interval, &range)
        }
        (Some(value), None) => digits::value(value),
        (None, _) => undefined(reason),
    }
}

fn with_range(value: &str, interval: Option<&Interval>, range: &str) -> String {
    let level = interval.map_or(95.0, |interval| interval.level * 100.0);
    format!("{value} ({level:.0} % CI {range})")
}

fn undefined(reason: Option<&str>) -> String {
    format!("undefined: {}", reason.unwrap_or("no value"))
}
