//! `lungs runs`

use super::output::{Output, bytes, columns};
use super::{CommandResult, Failure};
use crate::runs::{RunEntry, list_runs};
use clap::Args;
use lungs_base::text::counted;
use serde_json::json;
use std::path::PathBuf;
use std::time::SystemTime;

/// List the runs of a results folder, the last active one first.
///
/// Prints the status, the epochs (or folds), the main metric, the time since the last activity, and the size.
/// The metric of a run that is not evaluated is that of the epoch selected so far.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs runs\n  lungs runs results/demo\n  lungs runs --json | jq -r '.[] | select(.status == \"failed\").path'"
)]
pub(super) struct Runs {
    /// A results folder, or the folder of an experiment, of a sweep or of a run.
    #[arg(value_name = "DIR", default_value = "results")]
    results: PathBuf,

    /// Print the runs as JSON.
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let runs = list_runs(&self.results)?;
        if self.json {
            let entries = runs.iter().map(|run| {
                let mut entry = json!(run);
                entry["age_seconds"] = json!(age_seconds(run).map(|age| age as u64));
                entry
            });
            let entries: Vec<_> = entries.collect();
            let text = serde_json::to_string_pretty(&entries).map_err(Failure::work)?;
            output.answer(text);
            return Ok(());
        }
        if runs.is_empty() {
            output.answer(format!(
                "no runs in {}; `lungs run SPEC` starts one",
                self.results.display()
            ));
            return Ok(());
        }
        let heading = ["run", "status", "epochs", "metric", "age", "size"].map(str::to_owned);
        let rows = runs.iter().map(row_of);
        output.answer(columns(&[heading.to_vec()].into_iter().chain(rows).collect::<Vec<_>>()));
        let total: u64 = runs.iter().map(|run| run.bytes).sum();
        output.say(format!("\n{}, {}", counted(runs.len(), "run", "runs"), bytes(total as f64)));
        Ok(())
    }
}

fn row_of(run: &RunEntry) -> Vec<String> {
    let progress = run.progress.map(|progress| {
        let planned = progress.planned.map_or_else(String::new, |planned| format!("/{planned}"));
        let unit = if progress.unit == "folds" { " folds" } else { "" };
        format!("{}{planned}{unit}", progress.done)
    });
    let unknown = || "–".to_owned();
    vec![
        run.name.clone(),
        run.status.label().to_owned(),
        progress.unwrap_or_else(unknown),
        run.headline.as_ref().map_or_else(unknown, ToString::to_string),
        age_seconds(run).map_or_else(unknown, age_text),
        bytes(run.bytes as f64),
    ]
}

/// Seconds since the last activity; 0 for a time in the future.
fn age_seconds(run: &RunEntry) -> Option<f64> {
    let age = SystemTime::now().duration_since(run.last_active?);
    Some(age.map_or(0.0, |age| age.as_secs_f64()))
}

/// `45 s`, `12 min`, `5 h`, `3 d`
fn age_text(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min")];
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= *unit);
    let (unit, name) = unit.unwrap_or((1.0, "s"));
    format!("{} {name}", (seconds / unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in
            [(0.4, "0 s"), (59.0, "59 s"), (60.0, "1 min"), (7300.0, "2 h"), (200_000.0, "2 d")]
        {
            assert_eq!(age_text(seconds), text);
        }
    }
}
