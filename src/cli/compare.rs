//! `lungs compare`

use super::output::{Output, columns};
use super::{CommandResult, Failure};
use crate::sweep::find_runs;
use clap::Args;
use lungs_report::{CompareOptions, Comparison, ReportError, Spread, compare};
use lungs_spec::results::RunFolder;
use std::path::PathBuf;

/// Compare runs: different spec keys, metrics side by side, paired tests, overlaid ROC curves.
///
/// Prints the spec keys that differ, the metrics with confidence intervals, and DeLong's paired test of
/// each run against the first one on the same exams: on the test split if all runs have one, else on the
/// validation split. Several p-values are corrected by Holm's method. Runs that differ only in seed or fold
/// form a group with mean ± standard deviation; between groups, runs with the same seed are paired.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs compare results/demo results/demo-focal --html comparison.html\n  lungs compare results/demo/2026-01-31T10-15-02Z-5f3a9c results/demo-focal/2026-01-31T10-25-40Z-8c01d2"
)]
pub(super) struct Compare {
    /// Run folders, folders of experiments (newest finished run) or folders of sweeps (all finished runs).
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// Output folder for the overlaid ROC plot.
    #[arg(long, default_value = "results/comparison", value_name = "FOLDER")]
    out: PathBuf,

    /// Compare on the exams that all runs have predictions for, if their exams differ.
    #[arg(long)]
    common: bool,

    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,

    /// Write all metrics of all runs to a CSV file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write a self-contained HTML page with the curves of all runs.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Compare {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let mut runs: Vec<RunFolder> = Vec::new();
        for path in &self.runs {
            runs.extend(find_runs(path)?);
        }
        if runs.len() < 2 {
            return Err(Failure::request(format!(
                "found {} to compare, expected at least two; give finished runs or the folder of a sweep",
                if runs.is_empty() { "no finished run" } else { "one finished run" }
            )));
        }
        let options = CompareOptions { common: self.common };
        let comparison = compare(&runs, options).map_err(|error| match error {
            ReportError::DifferentExams { .. } | ReportError::DifferentLabels { .. } => {
                Failure::request(error)
            }
            error => Failure::work(error),
        })?;
        comparison.write_overlaid_roc(&self.out).map_err(Failure::work)?;
        if let Some(path) = &self.csv {
            comparison.write_csv(path).map_err(Failure::work)?;
        }
        if let Some(path) = &self.html {
            comparison.write_page(path).map_err(Failure::work)?;
        }
        if self.json {
            let text = serde_json::to_string_pretty(&comparison).map_err(Failure::work)?;
            output.answer(text);
            return Ok(());
        }
        output.answer(comparison_table(&comparison));
        output.say(format!("\nOverlaid ROC: {}", self.out.join("roc.svg").display()));
        for (name, path) in [("Metrics", &self.csv), ("Page", &self.html)] {
            if let Some(path) = path {
                output.say(format!("{name}: {}", path.display()));
            }
        }
        Ok(())
    }
}

fn comparison_table(comparison: &Comparison) -> String {
    let mut rows = vec![[vec![String::new()], comparison.runs.clone()].concat()];
    let heading = |text: &str| vec![text.to_owned()];
    rows.push(heading("— spec keys that differ —"));
    if comparison.differences.is_empty() {
        rows.push(heading("none"));
    }
    for difference in &comparison.differences {
        let values = difference.values.iter();
        let values = values.map(|value| value.clone().unwrap_or_else(|| "–".into()));
        rows.push([difference.key.clone()].into_iter().chain(values).collect());
    }
    rows.push(heading("— metrics —"));
    for metric in &comparison.metrics {
        let cells = metric.cells.iter().map(|cell| cell.text.clone());
        rows.push([metric.name.clone()].into_iter().chain(cells).collect());
    }
    let mut text = columns(&rows);
    if !comparison.groups.is_empty() {
        text += &format!("\n\nMean ± standard deviation\n{}", group_table(comparison));
    }
    let tests: Vec<&str> = comparison.tests.iter().map(|test| test.sentence.as_str()).collect();
    let tests = if tests.is_empty() {
        "No paired test: the runs differ only in seed or fold.".to_owned()
    } else {
        tests.join("\n")
    };
    let caution = comparison.caution().map_or(String::new(), |caution| format!("\n{caution}"));
    let warnings: String =
        comparison.warnings.iter().map(|warning| format!("\nWarning: {warning}.")).collect();
    format!("{text}\n\n{tests}{warnings}{caution}")
}

fn group_table(comparison: &Comparison) -> String {
    let heads = comparison.groups.iter().map(|g| format!("{} ({} runs)", g.name, g.runs.len()));
    let mut rows = vec![[String::new()].into_iter().chain(heads).collect::<Vec<_>>()];
    for metric in &comparison.metrics {
        let cells = comparison.groups.iter().map(|group| {
            let spread = group.spread.iter().find(|spread| spread.name == metric.name);
            spread.map_or("–".to_owned(), Spread::text)
        });
        rows.push([metric.name.clone()].into_iter().chain(cells).collect());
    }
    columns(&rows)
}
