//! `lungs compare`

use super::output::{Output, columns};
use super::score::PredictionColumns;
use super::{CommandResult, Failure};
use crate::sweep::find_runs;
use clap::Args;
use lungs_base::files::is_same_path;
use lungs_base::text::counted;
use lungs_report::{CompareOptions, Comparison, PredictionTable, Spread, Subject, compare};
use std::path::{Path, PathBuf};

/// Compare runs and other programs' predictions: spec keys, metrics, paired tests, ROC curves.
///
/// Prints the spec keys that differ, the metrics with confidence intervals, and DeLong's paired test of
/// each run against the first one on the same exams: on the test split if all runs have one, else on the
/// validation split. Several p-values are corrected by Holm's method. Runs that differ only in seed or fold
/// form a group with mean ± standard deviation; between groups, runs with the same seed are paired.
/// A CSV file has the predictions of one or several models of any program, as for `lungs score`; its rows are
/// matched with the exams of runs by the column `exam`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs compare results/demo results/demo-focal --html comparison.html\n  lungs compare results/demo/2026-01-31T10-15-02Z-5f3a9c \\\n      results/demo-focal/2026-01-31T10-25-40Z-8c01d2\n  lungs compare results/demo sybil.csv --common --margin 0.05"
)]
pub(super) struct Compare {
    /// Run folders, folders of experiments (newest finished run), folders of sweeps (all finished runs), or CSV
    /// files of predictions.
    #[arg(required = true, value_name = "RUN|CSV")]
    runs: Vec<PathBuf>,

    /// Output folder for the overlaid ROC plot.
    #[arg(long, default_value = "results/comparison", value_name = "FOLDER")]
    out: PathBuf,

    /// Test on the exams that both models have in common; the metrics remain those of all exams of each model.
    #[arg(long)]
    common: bool,

    /// Test for non-inferiority: whether the AUC of each run is less than this difference below that of the first run.
    #[arg(long, value_name = "DIFFERENCE", value_parser = super::score::parse_share)]
    margin: Option<f64>,

    #[command(flatten)]
    columns: PredictionColumns,

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
        let subjects = self.subjects()?;
        let models = |subject: &Subject| match subject {
            Subject::Run(_) => 1,
            Subject::File(table) => table.models.len(),
        };
        let count: usize = subjects.iter().map(models).sum();
        if count < 2 {
            return Err(Failure::request(format!(
                "found {} to compare, expected at least two; give finished runs, the folder of a sweep or CSV files of \
                 predictions",
                if count == 0 { "no finished run" } else { "one run or model" }
            )));
        }
        let options = CompareOptions { common: self.common, margin: self.margin };
        let comparison = compare(&subjects, options)?;
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

impl Compare {
    /// The runs and files, in the order of the arguments.
    fn subjects(&self) -> Result<Vec<Subject>, Failure> {
        let mut subjects: Vec<(&Path, Subject)> = Vec::new();
        for path in &self.runs {
            if path.is_file() {
                let table = PredictionTable::read(path, &self.columns.requested());
                let table = table.map_err(Failure::request)?;
                subjects.push((path.as_path(), Subject::File(Box::new(table))));
            } else {
                subjects
                    .extend(find_runs(path)?.into_iter().map(|run| (&**path, Subject::Run(run))));
            }
        }
        reject_repeated(&subjects)?;
        Ok(subjects.into_iter().map(|(_, subject)| subject).collect())
    }
}

/// An error if two arguments are the same run, or files with the same content: nothing can differ between them.
fn reject_repeated(subjects: &[(&Path, Subject)]) -> CommandResult {
    for (index, (path, subject)) in subjects.iter().enumerate() {
        for (earlier_path, earlier) in &subjects[..index] {
            let fault = match (earlier, subject) {
                (Subject::Run(a), Subject::Run(b)) if is_same_path(a.root(), b.root()) => {
                    format!("are the same run, {}", a.root().display())
                }
                (Subject::File(a), Subject::File(b)) if is_same_path(&a.path, &b.path) => {
                    "are the same file".to_owned()
                }
                (Subject::File(a), Subject::File(b)) if a.hash == b.hash => {
                    "have the same content".to_owned()
                }
                _ => continue,
            };
            return Err(Failure::request(format!(
                "{} and {} {fault}, expected different runs or predictions; remove one of them from the command",
                earlier_path.display(),
                path.display()
            )));
        }
    }
    Ok(())
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
    let tests: Vec<&str> = comparison.tests.iter().flat_map(|test| test.sentences()).collect();
    let tests = if tests.is_empty() {
        "No paired test: the runs differ only in seed or fold.".to_owned()
    } else {
        tests.join("\n")
    };
    let warnings: String =
        comparison.warnings.iter().map(|warning| format!("\nWarning: {warning}")).collect();
    let notes: String = comparison.notes.iter().map(|note| format!("\nNote: {note}")).collect();
    format!("{}\n\n{text}\n\n{tests}{warnings}{notes}", comparison.lead())
}

fn group_table(comparison: &Comparison) -> String {
    let heads = comparison
        .groups
        .iter()
        .map(|g| format!("{} ({})", g.name, counted(g.runs.len(), "run", "runs")));
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
