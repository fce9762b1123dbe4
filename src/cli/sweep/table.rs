//! Tables of a sweep: its runs, its combinations, and the forecast of `--dry-run`.

use super::super::output::{bytes, columns, duration};
use crate::plan::Plan;
use crate::sweep::{Combination, PlannedRun, RunStatus, RunSummary};
use lungs_base::text::counted;
use lungs_spec::spec::BestBy;
use serde::Serialize;

/// The current results of a sweep, as `--json` prints them.
#[derive(Serialize)]
pub(super) struct SweepView {
    pub folder: std::path::PathBuf,
    /// The metric that ranks combinations, with its name in `sweep.best`.
    pub best_by: BestBy,
    /// The exams of the metrics: `"validation"`, or `"out-of-fold"` if runs are cross-validations.
    pub split: &'static str,
    pub runs: Vec<RunSummary>,
    pub combinations: Vec<Combination>,
}

impl SweepView {
    /// Number of runs with a status.
    pub(super) fn count(&self, status: RunStatus) -> usize {
        self.runs.iter().filter(|run| run.state == status).count()
    }

    /// `4 finished, 1 running, 1 waiting`
    pub(super) fn summary(&self) -> String {
        let all = [
            RunStatus::Finished,
            RunStatus::Running,
            RunStatus::Stopped,
            RunStatus::Failed,
            RunStatus::Waiting,
        ];
        let counts = all.map(|status| (self.count(status), status.label()));
        let nonzero = counts.iter().filter(|(count, _)| *count > 0);
        nonzero.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }

    /// The table of results, and the means over seeds and folds.
    pub(super) fn text(&self) -> String {
        let cell =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        let auc = format!("{} AUC", self.split);
        let headings = ["", "run", "status", "epoch", &auc, "training"];
        let ranks_by_auc = self.best_by == BestBy::ValidAuc;
        let mut rows = vec![headings.map(str::to_owned).to_vec()];
        if !ranks_by_auc {
            rows[0].insert(5, format!("{} {}", self.split, self.best_by.metric_name()));
        }
        for run in &self.runs {
            let epoch = run.epoch.map_or("–".to_owned(), |epoch| epoch.to_string());
            let mut row = vec![
                run.index.to_string(),
                run.name.clone(),
                run.state.label().to_owned(),
                epoch,
                cell(run.auc),
                run.training_seconds.map_or("–".to_owned(), duration),
            ];
            if !ranks_by_auc {
                row.insert(5, cell(run.ranking_value));
            }
            rows.push(row);
        }
        let mut text = columns(&rows);
        for run in self.runs.iter().filter(|run| run.failure.is_some()) {
            let reason = run.failure.as_deref().unwrap_or_default();
            text += &format!("\n{} failed: {reason}", run.name);
        }
        let repeats = self.combinations.len() < self.runs.len();
        if repeats && self.combinations.iter().any(|combination| combination.spread.is_some()) {
            text += &format!("\n\n{}", self.combinations_text());
        }
        if let Some(best) = self.best_text() {
            text += &format!("\n\n{best}");
        }
        text
    }

    fn combinations_text(&self) -> String {
        let metric = format!("{} {}, mean ± sd", self.split, self.best_by.metric_name());
        let mut rows = vec![vec!["combination".to_owned(), "runs".to_owned(), metric]];
        for combination in &self.combinations {
            let count = combination.spread.as_ref().map_or(0, |spread| spread.count);
            let runs = if count == combination.runs.len() {
                count.to_string()
            } else {
                format!("{count} of {}", combination.runs.len())
            };
            let spread =
                combination.spread.as_ref().map_or("–".to_owned(), |spread| spread.text());
            let best = if combination.best { "  best" } else { "" };
            rows.push(vec![combination.name.clone(), runs, format!("{spread}{best}")]);
        }
        columns(&rows)
    }

    /// The best combination, with a caution about its selection bias.
    pub(super) fn best_text(&self) -> Option<String> {
        let best = self.combinations.iter().find(|combination| combination.best)?;
        let spread = best.spread.as_ref()?;
        let ranked = self.combinations.iter().filter(|combination| combination.spread.is_some());
        let ranked = ranked.count();
        let runs = match best.runs.len() {
            1 => "one run".to_owned(),
            count => format!("mean ± standard deviation of {count} runs"),
        };
        Some(format!(
            "Best of {} by {} {}: {} ({}, {runs}). This value is optimistically \
             biased by the selection; evaluate the best combination on exams that were not used to select it.",
            counted(ranked, "combination", "combinations"),
            self.split,
            self.best_by.metric_name(),
            best.name,
            spread.text(),
        ))
    }
}

/// The estimates for a sweep, as `--dry-run --json` prints them.
#[derive(Serialize)]
pub(super) struct Forecast {
    pub folder: std::path::PathBuf,
    pub runs: Vec<ForecastRun>,
}

/// The estimates for a run.
#[derive(Serialize)]
pub(super) struct ForecastRun {
    pub index: usize,
    pub name: String,
    pub state: RunStatus,
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub plan: Plan,
}

impl Forecast {
    pub(super) fn new(
        folder: &std::path::Path,
        summaries: Vec<RunSummary>,
        plans: Vec<Plan>,
    ) -> Self {
        let run = |(summary, plan): (RunSummary, Plan)| ForecastRun {
            index: summary.index,
            name: summary.name,
            state: summary.state,
            settings: summary.settings,
            plan,
        };
        let runs = summaries.into_iter().zip(plans).map(run).collect();
        Self { folder: folder.to_owned(), runs }
    }

    /// The table of runs with their varied keys, and the estimates for the unfinished runs.
    pub(super) fn text(&self, planned: &[PlannedRun], jobs: usize) -> String {
        let mut keys: Vec<&str> = Vec::new();
        for setting in planned.iter().flat_map(|run| &run.settings) {
            if !keys.contains(&setting.key.as_str()) {
                keys.push(&setting.key);
            }
        }
        let fixed = ["", "run"].into_iter().chain(keys.iter().copied());
        let headings = fixed.chain(["status", "memory", "training"]).map(str::to_owned);
        let mut rows = vec![headings.collect::<Vec<_>>()];
        for (run, planned) in self.runs.iter().zip(planned) {
            let value = |key: &&str| {
                let setting = planned.settings.iter().find(|setting| setting.key == *key);
                setting
                    .map_or("–".to_owned(), |setting| setting.value.to_string().replace('"', ""))
            };
            let mut row = vec![run.index.to_string(), run.name.clone()];
            row.extend(keys.iter().map(value));
            row.push(run.state.label().to_owned());
            row.push(bytes(run.plan.step_bytes));
            row.push(run.plan.training_seconds.map_or("–".to_owned(), duration));
            rows.push(row);
        }
        let unfinished: Vec<&ForecastRun> =
            self.runs.iter().filter(|run| run.state != RunStatus::Finished).collect();
        let sum = |of: fn(&Plan) -> Option<f64>| -> Option<f64> {
            unfinished.iter().map(|run| of(&run.plan)).sum()
        };
        let (remaining, total) = (unfinished.len(), rows.len() - 1);
        let mut text =
            format!("{}\n\n{remaining} of {} to do", columns(&rows), counted(total, "run", "runs"));
        if let Some(seconds) = sum(|plan| plan.training_seconds) {
            text += &format!(": about {} of training", duration(seconds));
        }
        if let Some(results) = sum(|plan| plan.run_bytes) {
            text += &format!(", up to {} of results", bytes(results));
        }
        match unfinished.first().map(|run| &run.plan) {
            None => {}
            Some(plan) if plan.cohort.is_none() => {
                text +=
                    "\n(no estimate of the training time before the synthetic cohort is written)";
            }
            Some(plan) => text += &format!("\n({})", plan.time_basis),
        }
        if jobs > 1 {
            text += "; parallel runs share the threads";
        }
        text + &format!("\nResults folder: {}", self.folder.display())
    }
}
