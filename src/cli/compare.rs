//! `lungs compare`

use super::output::{Output, columns};
use super::{Done, Failure};
use crate::report::{Comparison, compare, write_overlaid_roc};
use crate::results::RunFolder;
use clap::Args;
use std::path::PathBuf;

/// Compare runs: what differs, metrics side by side, overlaid ROC curves.
///
/// Prints only the spec keys that differ, the figures with their intervals, and DeLong's paired
/// test of each further run against the first on the same validation exams.
#[derive(Args)]
#[command(
    after_help = "Example:\n  lungs compare results/demo/2026-01-31T10-15-02Z-5f3a9c results/demo-focal/2026-01-31T10-25-40Z-8c01d2"
)]
pub(super) struct Compare {
    /// Run folders; given the folder of an experiment, its newest finished run is taken.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,

    /// Folder for the overlaid ROC plot.
    #[arg(long, default_value = "results/comparison", value_name = "FOLDER")]
    out: PathBuf,

    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub fn execute(&self, output: &Output) -> Done {
        let runs: Vec<RunFolder> =
            self.runs.iter().map(|path| RunFolder::find(path)).collect::<Result<_, _>>()?;
        let comparison = compare(&runs).map_err(Failure::work)?;
        write_overlaid_roc(&runs, &self.out).map_err(Failure::work)?;
        if self.json {
            let text = serde_json::to_string_pretty(&comparison).map_err(Failure::work)?;
            output.answer(text);
        } else {
            output.answer(tell(&comparison));
            output.say(format!("\nOverlaid ROC: {}", self.out.join("roc.svg").display()));
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
    for (name, values) in &comparison.figures {
        rows.push([name.clone()].into_iter().chain(values.iter().cloned()).collect());
    }
    let tests: Vec<&str> = comparison.tests.iter().map(|test| test.sentence.as_str()).collect();
    format!("{}\n\n{}", columns(&rows), tests.join("\n"))
}
