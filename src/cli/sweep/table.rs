//! A sweep as text: its runs, its combinations, what it would take.

use super::super::output::{bytes, columns, duration};
use crate::plan::Plan;
use crate::spec::BestBy;
use crate::sweep::{Combination, PlannedRun, Standing, State};
use serde::Serialize;

/// Everything that is known of a sweep now, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct View {
    pub folder: std::path::PathBuf,
    /// The figure by which combinations are ranked, as `sweep.best` names it.
    pub best_by: BestBy,
    /// The exams that figures are of: `"validation"`; `"out-of-fold"` where runs are cross-validations.
    pub part: &'static str,
    pub runs: Vec<Standing>,
    pub combinations: Vec<Combination>,
}

impl View {
    /// Runs that stand so.
    pub fn count(&self, state: State) -> usize {
        self.runs.iter().filter(|run| run.state == state).count()
    }

    /// `4 finished, 1 in work, 1 waiting`
    pub fn summary(&self) -> String {
        let states =
            [State::Finished, State::InWork, State::Stopped, State::Failed, State::Waiting];
        let counts = states.map(|state| (self.count(state), state.told()));
        let told = counts.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }

    /// The table of results so far, and the means over seeds and folds.
    pub fn tell(&self) -> String {
        let text =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        let auc = format!("{} AUC", self.short_part());
        let heads = ["", "run", "state", "epoch", &auc, "training"];
        let ranks_by_auc = self.best_by == BestBy::ValidAuc;
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        if !ranks_by_auc {
            rows[0].insert(5, format!("{} {}", self.short_part(), self.best_by.told()));
        }
        for run in &self.runs {
            let epoch = run.epoch.map_or("–".to_owned(), |epoch| epoch.to_string());
            let mut row = vec![
                run.index.to_string(),
                run.name.clone(),
                run.state.told().to_owned(),
                epoch,
                text(run.auc),
                run.training_seconds.map_or("–".to_owned(), duration),
            ];
            if !ranks_by_auc {
                row.insert(5, text(run.figure));
            }
            rows.push(row);
        }
        let mut told = columns(&rows);
        for run in self.runs.iter().filter(|run| run.failure.is_some()) {
            let why = run.failure.as_deref().unwrap_or_default();
            told += &format!("\n{} failed: {why}", run.name);
        }
        let repeats = self.combinations.len() < self.runs.len();
        if repeats && self.combinations.iter().any(|one| one.spread.is_some()) {
            told += &format!("\n\n{}", self.tell_combinations());
        }
        if let Some(best) = self.best_in_words() {
            told += &format!("\n\n{best}");
        }
        told
    }

    fn short_part(&self) -> &'static str {
        if self.part == "validation" { "valid" } else { self.part }
    }

    fn tell_combinations(&self) -> String {
        let figure = format!("{} {}, mean ± sd", self.short_part(), self.best_by.told());
        let mut rows = vec![vec!["combination".to_owned(), "runs".to_owned(), figure]];
        for one in &self.combinations {
            let count = one.spread.as_ref().map_or(0, |spread| spread.count);
            let runs = if count == one.runs.len() {
                count.to_string()
            } else {
                format!("{count} of {}", one.runs.len())
            };
            let spread = one.spread.as_ref().map_or("–".to_owned(), |spread| spread.text());
            let best = if one.best { "  best" } else { "" };
            rows.push(vec![one.name.clone(), runs, format!("{spread}{best}")]);
        }
        columns(&rows)
    }

    /// Which combination is best, and what that is worth.
    pub fn best_in_words(&self) -> Option<String> {
        let best = self.combinations.iter().find(|one| one.best)?;
        let spread = best.spread.as_ref()?;
        let ranked = self.combinations.iter().filter(|one| one.spread.is_some()).count();
        let runs = match best.runs.len() {
            1 => "one run".to_owned(),
            count => format!("mean ± standard deviation of {count} runs"),
        };
        Some(format!(
            "Best of {ranked} combinations by {} {}: {} ({}, {runs}). Being chosen by this \
             figure flatters it: judge the choice on exams that had no part in it.",
            self.part,
            self.best_by.told(),
            best.name,
            spread.text(),
        ))
    }
}

/// What a sweep would take, as `--dry-run --json` prints it.
#[derive(Serialize)]
pub(super) struct Forecast {
    pub folder: std::path::PathBuf,
    pub runs: Vec<ForecastRun>,
}

/// What a run of it would take.
#[derive(Serialize)]
pub(super) struct ForecastRun {
    pub index: usize,
    pub name: String,
    pub state: State,
    pub settings: serde_json::Map<String, serde_json::Value>,
    pub plan: Plan,
}

impl Forecast {
    pub fn new(folder: &std::path::Path, standings: Vec<Standing>, plans: Vec<Plan>) -> Self {
        let run = |(standing, plan): (Standing, Plan)| ForecastRun {
            index: standing.index,
            name: standing.name,
            state: standing.state,
            settings: standing.settings,
            plan,
        };
        let runs = standings.into_iter().zip(plans).map(run).collect();
        Self { folder: folder.to_owned(), runs }
    }

    /// The runs with the keys that they vary, and what is left to do.
    pub fn tell(&self, planned: &[PlannedRun], jobs: usize) -> String {
        let mut keys: Vec<&str> = Vec::new();
        for setting in planned.iter().flat_map(|run| &run.settings) {
            if !keys.contains(&setting.key.as_str()) {
                keys.push(&setting.key);
            }
        }
        let fixed = ["", "run"].into_iter().chain(keys.iter().copied());
        let heads = fixed.chain(["state", "memory", "training"]).map(str::to_owned);
        let mut rows = vec![heads.collect::<Vec<_>>()];
        for (run, planned) in self.runs.iter().zip(planned) {
            let value = |key: &&str| {
                let found = planned.settings.iter().find(|one| one.key == *key);
                found.map_or("–".to_owned(), |one| one.value.to_string().replace('"', ""))
            };
            let mut row = vec![run.index.to_string(), run.name.clone()];
            row.extend(keys.iter().map(value));
            row.push(run.state.told().to_owned());
            row.push(bytes(run.plan.step_bytes));
            row.push(run.plan.training_seconds.map_or("–".to_owned(), duration));
            rows.push(row);
        }
        let left: Vec<&ForecastRun> =
            self.runs.iter().filter(|run| run.state != State::Finished).collect();
        let sum = |of: fn(&Plan) -> Option<f64>| -> Option<f64> {
            left.iter().map(|run| of(&run.plan)).sum()
        };
        let mut told =
            format!("{}\n\n{} of {} runs are left", columns(&rows), left.len(), rows.len() - 1);
        if let Some(seconds) = sum(|plan| plan.training_seconds) {
            told += &format!(": about {} of training", duration(seconds));
        }
        if let Some(results) = sum(|plan| plan.run_bytes) {
            told += &format!(", up to {} of results", bytes(results));
        }
        match left.first().map(|run| &run.plan) {
            None => {}
            Some(plan) if plan.cohort.is_none() => {
                told += "\n(how long they train is told once the synthetic cohort is there)";
            }
            Some(plan) => told += &format!("\n({})", plan.time_basis),
        }
        if jobs > 1 {
            told += "; runs that work at once share the threads";
        }
        told + &format!("\nThey would be in {}", self.folder.display())
    }
}
