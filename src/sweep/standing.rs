//! Where the runs of a sweep stand, and which combination is best so far.

use super::expand::PlannedRun;
use super::folder::SweepFolder;
use crate::evaluation::Evaluation;
use crate::report::{self, Spread};
use crate::results::{MetricsRow, Provenance, RunFolder, Table, read_csv};
use crate::spec::{BestBy, Part};
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not begun.
    Waiting,
    /// A process works in it.
    InWork,
    /// Begun, and stopped before its end.
    Stopped,
    /// Its last process failed.
    Failed,
    /// All there.
    Finished,
}

impl State {
    /// As it is shown.
    pub fn told(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InWork => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }
}

/// A run of a sweep as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Its place, from 1.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its folder, which may not be there yet.
    pub folder: std::path::PathBuf,
    /// The keys that it varies.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Where it stands.
    pub state: State,
    /// Why it failed.
    pub failure: Option<String>,
    /// The selected epoch; of a run that is not finished, the last one.
    pub epoch: Option<usize>,
    /// Validation AUC of that epoch; of a whole cross-validation, that out of fold.
    pub auc: Option<f64>,
    /// The figure by which the sweep ranks; of finished runs only.
    pub figure: Option<f64>,
    /// Seconds of training.
    pub training_seconds: Option<f64>,
    /// What runs of other seeds and folds share with it.
    #[serde(skip)]
    pub kind: String,
}

/// Where a run stands by what is in its folder; `failure` is what was noted of its last process.
pub fn standing(folder: &SweepFolder, run: &PlannedRun, failure: Option<&str>) -> Standing {
    let json = |value: &toml::Value| serde_json::to_value(value).unwrap_or_default();
    let mut standing = Standing {
        index: 0,
        name: run.name.clone(),
        folder: folder.run_path(&run.name),
        settings: run.settings.iter().map(|one| (one.key.clone(), json(&one.value))).collect(),
        state: State::Waiting,
        failure: None,
        epoch: None,
        auc: None,
        figure: None,
        training_seconds: None,
        kind: run.spec.hash_of_kind(),
    };
    let begun = folder.run(&run.name);
    standing.state = match &begun {
        Some(begun) if begun.is_finished() && begun.has_metrics_of(&run.spec).unwrap_or(false) => {
            State::Finished
        }
        Some(begun) if begun.holder().is_some() => State::InWork,
        _ if failure.is_some() => State::Failed,
        Some(begun) if begun.log_file().is_file() => State::Stopped,
        _ => State::Waiting,
    };
    if standing.state == State::Failed {
        standing.failure = failure.map(str::to_owned);
    }
    standing
}

impl Standing {
    /// Adds what the tables of the run say; what cannot be read stays unknown.
    pub fn with_figures(mut self, by: BestBy) -> Self {
        let Ok(run) = RunFolder::open(&self.folder) else { return self };
        self.training_seconds =
            Provenance::read(&run).and_then(|known| known.stage_seconds.get("training").copied());
        if self.state != State::Finished {
            let rows: Vec<MetricsRow> = read_csv(&run.table(Table::Metrics)).unwrap_or_default();
            if let Some(last) = rows.iter().rfind(|row| row.split == Part::Valid) {
                (self.epoch, self.auc) = (Some(last.epoch), last.auc);
            }
            return self;
        }
        let pooled = report::cross_validation(&run).ok().map(|figures| figures.pooled);
        let evaluation = match pooled {
            Some(pooled) => Some(pooled),
            None => report::summary(&run).ok().and_then(|mut summary| {
                self.epoch = Some(summary.selected_epoch);
                summary.parts.remove("valid")
            }),
        };
        self.auc = evaluation.as_ref().and_then(|evaluation| evaluation.auc.value);
        self.figure = evaluation.as_ref().and_then(|evaluation| by.of(evaluation));
        self
    }
}

impl BestBy {
    /// The figure among those of a part.
    pub fn of(self, evaluation: &Evaluation) -> Option<f64> {
        match self {
            Self::ValidAuc => evaluation.auc.value,
            Self::ValidAveragePrecision => evaluation.average_precision.value,
            Self::ValidAccuracy => evaluation.accuracy.value,
            Self::ValidBrier => evaluation.calibration.brier.value,
            Self::ValidCrossEntropy => evaluation.cross_entropy.value,
        }
    }

    /// Its name in tables.
    pub fn told(self) -> &'static str {
        match self {
            Self::ValidAuc => "AUC",
            Self::ValidAveragePrecision => "average precision",
            Self::ValidAccuracy => "accuracy",
            Self::ValidBrier => "Brier",
            Self::ValidCrossEntropy => "cross-entropy",
        }
    }

    /// Whether more of it is better.
    pub fn is_higher_better(self) -> bool {
        !matches!(self, Self::ValidBrier | Self::ValidCrossEntropy)
    }
}

/// Runs of a sweep that differ in seed and fold only.
#[derive(Clone, Debug, Serialize)]
pub struct Combination {
    /// What they have in common of what the sweep varies.
    pub name: String,
    /// Places of its runs, from 1.
    pub runs: Vec<usize>,
    /// The figure by which the sweep ranks, over those that are finished and have it.
    pub spread: Option<Spread>,
    /// Whether no other is better; only among those whose runs are all finished.
    pub best: bool,
}

/// The combinations of a sweep in the order of its runs, and which of them is best: of equals, the first.
pub fn combinations(runs: &[PlannedRun], standings: &[Standing], by: BestBy) -> Vec<Combination> {
    let mut found: Vec<(String, Vec<usize>)> = Vec::new();
    for (place, standing) in standings.iter().enumerate() {
        match found.iter_mut().find(|(kind, _)| *kind == standing.kind) {
            Some((_, places)) => places.push(place),
            None => found.push((standing.kind.clone(), vec![place])),
        }
    }
    let mut told: Vec<Combination> = Vec::new();
    let mut best: Option<(usize, f64)> = None;
    for (_, places) in &found {
        let figures: Vec<f64> = places.iter().filter_map(|&at| standings[at].figure).collect();
        let spread = Spread::over(by.told(), &figures);
        let complete = figures.len() == places.len();
        if let Some(spread) = spread.as_ref().filter(|_| complete) {
            let better = |other: f64| {
                if by.is_higher_better() { spread.mean > other } else { spread.mean < other }
            };
            if best.is_none_or(|(_, other)| better(other)) {
                best = Some((told.len(), spread.mean));
            }
        }
        let name = match runs[places[0]].combination.as_str() {
            "" => "as the spec is".to_owned(),
            told => told.to_owned(),
        };
        let runs = places.iter().map(|at| at + 1).collect();
        told.push(Combination { name, runs, spread, best: false });
    }
    // With one there is nothing to choose.
    if let Some((place, _)) = best.filter(|_| told.len() > 1) {
        told[place].best = true;
    }
    told
}
