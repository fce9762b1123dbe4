//! `lungs score`

use super::output::{Output, columns};
use super::{CommandResult, Failure};
use clap::Args;
use lungs_report::{
    PredictionTable, RequestedColumns, ScoreOptions, ScoreReport, finite_number, score, write_score,
};
use lungs_spec::spec::{Bands, SubgroupBy};
use std::path::PathBuf;

/// Evaluate predictions of any program from a CSV file: metrics, comparisons, plots and a page.
///
/// The file has a row for each exam with the column `label` (0 or 1) and the predictions of a model: `probability`,
/// `logit` (log-odds) or `score` (any number that is higher for cancer; log-odds, if the model has a column
/// `probability` too). The columns `probability_NAME`, `logit_NAME`
/// and `score_NAME` are those of several models, which are compared in pairs on the same exams. `exam`, `patient` and
/// `weight` (the inverse of an exam's sampling probability) are optional. Metrics of probabilities are undefined for
/// a model that has scores only.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs score predictions.csv\n  lungs score predictions.csv --out scored --group sex --group age=55,65,75\n  lungs score readers.csv --probability network --score lung_rads --json"
)]
pub(super) struct Score {
    /// CSV file of predictions, separated by commas, semicolons or tabs.
    #[arg(value_name = "CSV")]
    predictions: PathBuf,

    #[command(flatten)]
    columns: PredictionColumns,

    /// Column that defines subgroups; a list of numbers makes bands: age=55,65,75. Repeatable.
    #[arg(long, value_name = "COLUMN[=EDGES]", value_parser = parse_group)]
    group: Vec<SubgroupBy>,

    /// Additional threshold, listed first.
    #[arg(long, value_name = "PROBABILITY", value_parser = parse_share)]
    threshold: Option<f64>,

    /// Prevalence of cancer in the target population, for predictive values.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    prevalence: Option<f64>,

    /// Test for non-inferiority: whether the AUC of each model is less than this difference below that of each model in
    /// an earlier column.
    #[arg(long, value_name = "DIFFERENCE", value_parser = parse_share)]
    margin: Option<f64>,

    /// Level of the confidence intervals.
    #[arg(long, value_name = "SHARE", default_value_t = ScoreOptions::default().confidence, value_parser = parse_share)]
    confidence: f64,

    /// Replicates of the bootstrap; 0 disables it.
    #[arg(long, value_name = "COUNT", default_value_t = ScoreOptions::default().replicates)]
    replicates: usize,

    /// Seed of the bootstrap and of permutation tests.
    #[arg(long, default_value_t = ScoreOptions::default().seed)]
    seed: u64,

    /// Write `report.html`, `metrics.json` and the plots to this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Print the metrics as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Columns of predictions in CSV files.
#[derive(Args)]
pub(super) struct PredictionColumns {
    /// Column of the CSV file with the probabilities of a model. Repeatable. With --probability or --score, only the
    /// columns named by them are read as predictions. Default: the columns `probability`, `logit`, `score`, and these
    /// names followed by `_NAME`.
    #[arg(long, value_name = "COLUMN")]
    probability: Vec<String>,

    /// Column of the CSV file with the ranking scores of a model, or with log-odds if its name begins with `logit`.
    /// Repeatable.
    #[arg(long, value_name = "COLUMN")]
    score: Vec<String>,
}

impl PredictionColumns {
    pub(super) fn requested(&self) -> RequestedColumns {
        RequestedColumns {
            probabilities: self.probability.clone(),
            scores: self.score.clone(),
            groups: Vec::new(),
        }
    }
}

/// A number greater than 0 and less than 1.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    finite_number(text)
        .filter(|&share| 0.0 < share && share < 1.0)
        .ok_or_else(|| "expected a number greater than 0 and less than 1".to_owned())
}

/// `sex`, or `age=55,65,75`.
fn parse_group(text: &str) -> Result<SubgroupBy, String> {
    let Some((column, edges)) = text.split_once('=') else {
        return Ok(SubgroupBy::Values(text.to_owned()));
    };
    let edges: Option<Vec<f64>> = edges.split(',').map(finite_number).collect();
    let is_ascending = |edges: &Vec<f64>| edges.windows(2).all(|pair| pair[0] < pair[1]);
    match edges.filter(is_ascending) {
        Some(edges) => Ok(SubgroupBy::Bands(Bands { column: column.to_owned(), edges })),
        None => Err("expected ascending numbers after =, such as age=55,65,75".to_owned()),
    }
}

impl Score {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let requested = RequestedColumns { groups: self.group.clone(), ..self.columns.requested() };
        let table =
            PredictionTable::read(&self.predictions, &requested).map_err(Failure::request)?;
        let has_probabilities = table.models.iter().any(|model| model.probabilities.is_some());
        if self.threshold.is_some() && !has_probabilities {
            return Err(Failure::request(format!(
                "--threshold is a probability, but {} has ranking scores only; name a column of probabilities with \
                 --probability COLUMN, or remove --threshold",
                self.predictions.display()
            )));
        }
        if self.margin.is_some() && table.models.len() < 2 {
            return Err(Failure::request(format!(
                "--margin compares models, but {} has the predictions of one; name the columns of several with \
                 --probability or --score, or remove --margin",
                self.predictions.display()
            )));
        }
        let options = ScoreOptions {
            threshold: self.threshold,
            prevalence: self.prevalence,
            confidence: self.confidence,
            replicates: self.replicates,
            seed: self.seed,
            margin: self.margin,
        };
        let report = score(&table, &options);
        let page = self.out.as_ref().map(|folder| write_score(&report, folder));
        let page = page.transpose().map_err(Failure::work)?;
        if self.json {
            output.answer(report.to_json().trim_end());
            return Ok(());
        }
        output.answer(text(&report));
        if let Some(page) = page {
            output.say(format!("Report: {}", page.display()));
        }
        Ok(())
    }
}

fn text(report: &ScoreReport) -> String {
    let mut rows = report.rows();
    let names = report.names();
    if names.len() > 1 {
        rows.insert(0, [vec![String::new()], names].concat());
    }
    let (leading, others) = report.leading_and_other_warnings();
    let leading = leading.map_or(String::new(), |warning| format!("\nWarning: {warning}.\n"));
    let heading = format!("{}: {}\n{leading}", report.file, report.exams_text());
    let mut text = format!("{heading}\n{}", columns(&rows));
    text += &format!("\n\nIntervals: {} % confidence", report.percent());
    for sentence in report.comparisons.iter().flat_map(|test| test.sentences()) {
        text += &format!("\n{sentence}");
    }
    for warning in others {
        text += &format!("\nWarning: {warning}.");
    }
    for note in &report.notes {
        text += &format!("\nNote: {note}.");
    }
    text
}
