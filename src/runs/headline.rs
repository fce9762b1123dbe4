//! The main metric of a run.

use lungs_report::{cross_validation, summary};
use lungs_spec::results::{RunFolder, Table, read_metrics};
use lungs_spec::spec::{Spec, SplitName};
use lungs_stats::Evaluation;
use lungs_train::selected_epoch;
use serde::Serialize;

/// The main metric of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// `AUC`, or `C-index` of risks over several years.
    pub metric: &'static str,
    /// The value.
    pub value: f64,
    /// `test`, `valid` or `external`; `folds` is the mean over the folds of a cross-validation.
    pub split: String,
    /// Whether the run is evaluated; otherwise the value is that of the epoch that is selected so far.
    pub is_final: bool,
}

impl Headline {
    /// The metric of a run; `None` before the first validation, and where it is undefined.
    pub(super) fn of(run: &RunFolder, spec: Option<&Spec>) -> Option<Self> {
        if let Ok(folds) = cross_validation(run) {
            let split = "folds".to_owned();
            return Some(Self { metric: "AUC", value: folds.mean_auc?, split, is_final: true });
        }
        if let Ok(summary) = summary(run) {
            let reported = ["test", "external", "valid"]
                .iter()
                .find_map(|split| Some((*split, summary.splits.get(*split)?)));
            return reported.and_then(|(split, evaluation)| Self::of_split(split, evaluation));
        }
        Self::so_far(run, spec?)
    }

    fn of_split(split: &str, evaluation: &Evaluation) -> Option<Self> {
        let (metric, value) = match &evaluation.survival {
            Some(survival) => ("C-index", survival.harrell_c.value?),
            None => ("AUC", evaluation.auc.value?),
        };
        Some(Self { metric, value, split: split.to_owned(), is_final: true })
    }

    /// The validation of the epoch that is selected so far.
    fn so_far(run: &RunFolder, spec: &Spec) -> Option<Self> {
        let rows = read_metrics(&run.table(Table::Metrics)).ok()?;
        let epoch = selected_epoch(&rows, &spec.train)?;
        let is_selected = |split, row_epoch| split == SplitName::Valid && row_epoch == epoch;
        let row = rows.iter().find(|row| is_selected(row.split, row.epoch))?;
        let (metric, value) = match &row.survival {
            Some(survival) => ("C-index", survival.c_index?),
            None => ("AUC", row.auc?),
        };
        Some(Self { metric, value, split: SplitName::Valid.to_string(), is_final: false })
    }
}

impl std::fmt::Display for Headline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let split = match self.split.as_str() {
            "valid" => SplitName::Valid.word(),
            "folds" => "mean of folds",
            split => split,
        };
        let so_far = if self.is_final { "" } else { " so far" };
        write!(f, "{} {:.3} ({split}{so_far})", self.metric, self.value)
    }
}
