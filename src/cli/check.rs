//! `lungs check`

use super::output::{Output, bytes, columns, duration};
use super::{CommandResult, Failure};
use crate::pipeline;
use crate::plan::{CohortPlan, Plan, SkippedFilesPlan, plan};
use crate::slurm::shell;
use clap::Args;
use lungs_base::text::counted;
use lungs_image::images::counted_files;
use lungs_net::device;
use lungs_spec::results::find_run;
use lungs_spec::spec::{Overrides, Spec, horizon_words, load};
use lungs_study::cohort::SplitLists;
use std::path::PathBuf;

/// Check a spec and its data without training.
///
/// Prints the keys that differ from their defaults, the number of found, chosen and excluded series with
/// reasons, the splits, estimates of disk space, memory and time, and the command that runs the spec.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  lungs check experiments/baseline.toml\n  lungs check experiments/baseline.toml --json | jq .cohort.excluded\n  lungs check experiments/baseline.toml --verbose   keys and excluded series"
)]
pub(super) struct Check {
    /// A spec (.toml).
    spec: PathBuf,

    /// Override a key of the spec, e.g. train.epochs=10. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn execute(&self, output: &Output) -> CommandResult {
        let spec = load(&self.spec, &Overrides::from_process(&self.set))?;
        output.report_renamed_keys(&spec);
        let devices = device::open_all(spec.runtime.device.names()).map_err(Failure::request)?;
        pipeline::check_phantom(&spec)?;
        let survey = if spec.data.phantom.is_some() && !spec.data.root.exists() {
            None
        } else {
            let mut survey = pipeline::survey(&spec)?;
            lungs_study::cohort::assign(&mut survey.cohort, &spec).map_err(Failure::request)?;
            Some(survey)
        };
        let lists = SplitLists::read(&spec).map_err(Failure::request)?;
        let cohort = survey.as_ref().map(|survey| &survey.cohort);
        let mut plan = plan(&spec, cohort, &devices).map_err(Failure::request)?;
        if let Some(survey) = &survey {
            let rows = survey.prepared_of_chosen();
            plan = plan.with_prepared(&rows, pipeline::network_input(&spec));
        }
        if self.json {
            let text = serde_json::to_string_pretty(&plan).map_err(Failure::work)?;
            output.answer(text);
            return Ok(());
        }
        output.answer(if output.is_verbose() {
            format!("{}\n", spec.to_toml().trim_end())
        } else {
            set_keys(&spec)
        });
        output.answer(plan_table(&plan, &self.next_command(&spec)));
        if let Some(cohort) = cohort.filter(|_| !lists.is_empty()) {
            output.answer(lists.summary(&cohort.rows));
        }
        for row in cohort.iter().flat_map(|cohort| &cohort.rows).filter(|row| !row.chosen) {
            let name = if row.series_uid.is_empty() { &row.path } else { &row.series_uid };
            output.detail(format!("excluded  {name}  {}", row.reason_text()));
        }
        Ok(())
    }
}

impl Check {
    /// The command that runs the checked spec.
    fn next_command(&self, spec: &Spec) -> String {
        let mut words = vec!["lungs run".to_owned(), shell(&self.spec.display().to_string())];
        words.extend(self.set.iter().map(|set| format!("--set {}", shell(set))));
        if !spec.slurm.partition.is_empty() {
            words.push("--slurm".to_owned());
        }
        let command = words.join(" ");
        match find_run(spec) {
            Some(run) if run.is_finished() => {
                format!("{command}   (shows the metrics of {})", run.root().display())
            }
            Some(run) => format!("{command}   (resumes {})", run.root().display()),
            None => command,
        }
    }
}

/// The keys that differ from their defaults.
fn set_keys(spec: &Spec) -> String {
    let set = spec.set_keys();
    let width = set.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let lines: String =
        set.iter().map(|(key, value)| format!("{key:<width$} = {value}\n")).collect();
    format!("{lines}# all other keys have their defaults; --verbose prints all keys\n")
}

fn ignored_files_text(skipped_files: &SkippedFilesPlan) -> String {
    let count = counted_files(skipped_files.kind, skipped_files.count);
    let example = skipped_files.example.display();
    match skipped_files.remedy {
        Some(remedy) => format!("{count}, such as {example}: {remedy}"),
        None => format!("{count}, such as {example}"),
    }
}

fn plan_table(plan: &Plan, next: &str) -> String {
    let mut rows = vec![];
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("spec hash", plan.spec_hash.chars().take(12).collect());
    row("device", plan.device.clone());
    match &plan.cohort {
        None => row("cohort", "synthetic; written when the run begins".into()),
        Some(cohort) => add_cohort_rows(cohort, &mut row),
    }
    row("weights", plan.initial_weights.clone());
    row("network", format!("{:.2} million parameters", plan.parameters as f64 / 1e6));
    row("memory", format!("about {} for a training step", bytes(plan.step_bytes)));
    if let Some(warning) = &plan.memory_warning {
        row("  warning", warning.clone());
    }
    if let (Some(cache), Some(run)) = (plan.cache_bytes, plan.run_bytes) {
        row(
            "disk",
            format!("{} for prepared volumes, up to {} for results", bytes(cache), bytes(run)),
        );
    }
    if let Some((prepared, cohort)) =
        plan.prepared.filter(|count| *count > 0).zip(plan.cohort.as_ref())
    {
        row("prepared", format!("{prepared} of {} series already in the cache", cohort.chosen));
    }
    if let Some(beyond) = &plan.lungs_beyond_crop {
        row("  warning", beyond.clone());
    }
    if let Some(preparation) = plan.preparation_seconds.map(duration) {
        let basis = &plan.time_basis;
        let time = match plan.training_seconds.map(duration) {
            Some(training) => {
                format!(
                    "about {preparation} for preparation, about {training} for training ({basis})"
                )
            }
            None => format!("about {preparation} for preparation; {basis}"),
        };
        row("time", time);
    }
    rows.push(vec!["next".to_owned(), next.to_owned()]);
    columns(&rows)
}

/// Rows on the series, exams and splits.
fn add_cohort_rows(cohort: &CohortPlan, row: &mut impl FnMut(&str, String)) {
    row("series", format!("{} found, {} chosen", cohort.series, cohort.chosen));
    for group in &cohort.excluded {
        row("  excluded", group.to_string());
    }
    if let Some(unmatched) = &cohort.unmatched {
        row("  no match", unmatched.to_string());
    }
    for skipped_files in &cohort.skipped_files {
        row("ignored", ignored_files_text(skipped_files));
    }
    for split in &cohort.splits {
        let exams = counted(split.exams, "exam", "exams");
        let patients = counted(split.patients, "patient", "patients");
        row(split.name.word(), format!("{exams} of {patients}, {} positive", split.positive));
    }
    if let Some(follow_up) = &cohort.follow_up {
        row("follow-up", follow_up.to_string());
        for horizon in &follow_up.horizons {
            row(&format!("  {}", horizon_words(horizon.years)), horizon.to_string());
        }
        for note in follow_up.notes() {
            row("  note", note);
        }
    }
    for remark in &cohort.remarks {
        row(&format!("  {}", remark.heading), remark.text.clone());
    }
    for warning in &cohort.warnings {
        row("  warning", warning.clone());
    }
}
