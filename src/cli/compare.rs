//! `lungs compare`

use super::output::{Output, columns};
use super::{Done, Failure};
use crate::report::{CompareOptions, Comparison, ReportError, Spread, compare};
use crate::results::RunFolder;
use crate::sweep::runs_at;
use clap::Args;
use std::path::PathBuf;

/// Compare runs: what differs, metrics side by side, paired tests, overlaid curves.
///
/// Prints only the spec keys that differ, the figures with their intervals, and DeLong's paired
/// test of each further run against the first on the same exams (the test part where all have one,
/// else validation), corrected by Holm's method where there are several. Runs that differ in seed or
/// fold only are a group: mean ± standard deviation are given, and runs of one seed are paired.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs compare results/demo results/demo-focal --html comparison.html\n  lungs compare results/demo/2026-01-31T10-15-02Z-5f3a9c results/demo-focal/2026-01-31T10-25-40Z-8c01d2"
)]
pub(super) struct Compare {
    /// Run folders. An experiment's folder stands for its newest finished run, a sweep's folder for all its
    /// finished runs.
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// Folder for the overlaid ROC plot.
    #[arg(long, default_value = "results/comparison", value_name = "FOLDER")]
    out: PathBuf,

    /// Compare on the exams that all runs scored, where these differ.
    #[arg(long)]
    common: bool,

    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,

    /// Write every figure of every run as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write one self-contained page with the curves of all runs.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Compare {
    pub fn execute(&self, output: &Output) -> Done {
        let mut runs: Vec<RunFolder> = Vec::new();
        for path in &self.runs {
            runs.extend(runs_at(path)?);
        }
        if runs.len() < 2 {
            return Err(Failure::request(format!(
                "there is {} to compare; give two finished runs or more, or the folder of a sweep",
                if runs.is_empty() { "no finished run" } else { "one run only" }
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
        output.answer(tell(&comparison));
        output.say(format!("\nOverlaid ROC: {}", self.out.join("roc.svg").display()));
        for (name, path) in [("Figures", &self.csv), ("Page", &self.html)] {
            if let Some(path) = path {
                output.say(format!("{name}: {}", path.display()));
            }
        }
        Ok(())
    }
}

fn tell(comparison: &Comparison) -> String {
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
    rows.push(heading("— figures —"));
    for figure in &comparison.metrics {
        let cells = figure.cells.iter().map(|cell| cell.text.clone());
        rows.push([figure.name.clone()].into_iter().chain(cells).collect());
    }
    let mut told = columns(&rows);
    if !comparison.groups.is_empty() {
        told += &format!("\n\nMean ± standard deviation\n{}", tell_groups(comparison));
    }
    let tests: Vec<&str> = comparison.tests.iter().map(|test| test.sentence.as_str()).collect();
    let tests = if tests.is_empty() {
        "The runs differ in their seeds or folds only: there is nothing to test.".to_owned()
    } else {
        tests.join("\n")
    };
    let caution = comparison.caution().map_or(String::new(), |caution| format!("\n{caution}"));
    format!("{told}\n\n{tests}{caution}")
}

fn tell_groups(comparison: &Comparison) -> String {
    let heads = comparison.groups.iter().map(|g| format!("{} ({} runs)", g.name, g.runs.len()));
    let mut rows = vec![[String::new()].into_iter().chain(heads).collect::<Vec<_>>()];
    for figure in &comparison.metrics {
        let cells = comparison.groups.iter().map(|group| {
            let one = group.spread.iter().find(|one| one.name == figure.name);
            one.map_or("–".to_owned(), Spread::text)
        });
        rows.push([figure.name.clone()].into_iter().chain(cells).collect());
    }
    columns(&rows)
}
