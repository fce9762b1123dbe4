//! The status and the results of the runs of a sweep, and the best combination.

use super::expand::PlannedRun;
use super::folder::SweepFolder;
use super::status::RunStatus;
use lungs_report::{self as report, Spread};
use lungs_spec::results::{MetricsRow, Provenance, RunFolder, Table, read_csv};
use lungs_spec::spec::{BestBy, SplitName};
use lungs_stats::Evaluation;
use serde::Serialize;

/// The status and the results of a run of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Number of the run, from 1.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its folder, which may not exist yet.
    pub folder: std::path::PathBuf,
    /// The varied keys.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Its status.
    pub state: RunStatus,
    /// Why it failed.
    pub failure: Option<String>,
    /// The selected epoch of a finished run, else the last epoch.
    pub epoch: Option<usize>,
    /// Validation AUC of that epoch; for a cross-validation, the out-of-fold AUC.
    pub auc: Option<f64>,
    /// The metric that ranks the runs of the sweep; `None` unless finished.
    pub ranking_value: Option<f64>,
    /// Seconds of training.
    pub training_seconds: Option<f64>,
    /// Hash that is equal for runs that differ only in seed and fold.
    #[serde(skip)]
    pub kind: String,
}

/// The status of a run, from the files in its folder. `failure` is the recorded failure of its last process.
pub fn run_summary(folder: &SweepFolder, run: &PlannedRun, failure: Option<&str>) -> RunSummary {
    let state = folder.status(run, failure.is_some());
    RunSummary {
        index: 0,
        name: run.name.clone(),
        folder: folder.run_path(&run.name),
        settings: run.settings_as_json(),
        state,
        failure: failure.filter(|_| state == RunStatus::Failed).map(str::to_owned),
        epoch: None,
        auc: None,
        ranking_value: None,
        training_seconds: None,
        kind: run.spec.hash_of_kind(),
    }
}

impl RunSummary {
    /// Adds epoch, metrics and training time from the files of the run. Unreadable values stay `None`.
    pub fn with_metrics(mut self, best_by: BestBy) -> Self {
        let Ok(run) = RunFolder::open(&self.folder) else { return self };
        self.training_seconds = Provenance::read(&run)
            .and_then(|provenance| provenance.stage_seconds.get("training").copied());
        if self.state != RunStatus::Finished {
            let rows: Vec<MetricsRow> = read_csv(&run.table(Table::Metrics)).unwrap_or_default();
            if let Some(last) = rows.iter().rfind(|row| row.split == SplitName::Valid) {
                (self.epoch, self.auc) = (Some(last.epoch), last.auc);
            }
            return self;
        }
        let pooled = report::cross_validation(&run).ok().map(|metrics| metrics.pooled);
        let evaluation = match pooled {
            Some(pooled) => Some(pooled),
            None => report::summary(&run).ok().and_then(|mut summary| {
                self.epoch = Some(summary.selected_epoch);
                summary.splits.remove("valid")
            }),
        };
        self.auc = evaluation.as_ref().and_then(|evaluation| evaluation.auc.value);
        self.ranking_value =
            evaluation.as_ref().and_then(|evaluation| ranking_value(best_by, evaluation));
        self
    }
}

/// The ranking metric in the evaluation of a split.
fn ranking_value(best_by: BestBy, evaluation: &Evaluation) -> Option<f64> {
    match best_by {
        BestBy::ValidAuc => evaluation.auc.value,
        BestBy::ValidCIndex => evaluation.survival.as_ref().and_then(|it| it.harrell_c.value),
        BestBy::ValidAveragePrecision => evaluation.average_precision.value,
        BestBy::ValidAccuracy => evaluation.accuracy.value,
        BestBy::ValidBrier => evaluation.calibration.brier.value,
        BestBy::ValidCrossEntropy => evaluation.cross_entropy.value,
    }
}

/// Runs of a sweep that differ only in seed and fold.
#[derive(Clone, Debug, Serialize)]
pub struct Combination {
    /// The varied keys that its runs share.
    pub name: String,
    /// Numbers of its runs, from 1.
    pub runs: Vec<usize>,
    /// Mean and standard deviation of the ranking metric over its finished runs.
    pub spread: Option<Spread>,
    /// Whether it has the best mean among the combinations whose runs are all finished.
    pub best: bool,
}

/// The combinations of a sweep in the order of its runs, with the best one marked; of equal means, the first.
pub fn rank_combinations(
    runs: &[PlannedRun],
    summaries: &[RunSummary],
    best_by: BestBy,
) -> Vec<Combination> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (index, summary) in summaries.iter().enumerate() {
        match groups.iter_mut().find(|(kind, _)| *kind == summary.kind) {
            Some((_, indices)) => indices.push(index),
            None => groups.push((summary.kind.clone(), vec![index])),
        }
    }
    let mut combinations: Vec<Combination> = Vec::new();
    let mut best: Option<(usize, f64)> = None;
    for (_, indices) in &groups {
        let values: Vec<f64> =
            indices.iter().filter_map(|&index| summaries[index].ranking_value).collect();
        let spread = Spread::over(best_by.metric_name(), &values);
        let complete = values.len() == indices.len();
        if let Some(spread) = spread.as_ref().filter(|_| complete) {
            let is_better = |other: f64| {
                if best_by.is_higher_better() { spread.mean > other } else { spread.mean < other }
            };
            if best.is_none_or(|(_, other)| is_better(other)) {
                best = Some((combinations.len(), spread.mean));
            }
        }
        let name = match runs[indices[0]].combination.as_str() {
            "" => "unchanged spec".to_owned(),
            combination => combination.to_owned(),
        };
        let runs = indices.iter().map(|index| index + 1).collect();
        combinations.push(Combination { name, runs, spread, best: false });
    }
    // A single combination is not marked.
    if let Some((index, _)) = best.filter(|_| combinations.len() > 1) {
        combinations[index].best = true;
    }
    combinations
}
