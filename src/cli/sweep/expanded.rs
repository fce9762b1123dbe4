//! A sweep with its runs: their status, estimates and comparison.

use super::super::Failure;
use super::once;
use super::table::{Forecast, SweepView};
use crate::plan::{Plan, plan};
use crate::sweep::{PlannedRun, SweepFolder, find_runs, rank_combinations, run_summary};
use lungs_net::device;
use lungs_report::{CompareOptions, Comparison, ReportError, Subject, compare};
use lungs_spec::spec::SweepTable;

/// An expanded sweep with its folder.
pub(super) struct ExpandedSweep {
    pub folder: SweepFolder,
    pub runs: Vec<PlannedRun>,
    pub table: SweepTable,
}

impl ExpandedSweep {
    /// The current status and results of all runs.
    pub(super) fn view(&self) -> Result<SweepView, Failure> {
        let manifest = self.folder.manifest()?.unwrap_or_default();
        let best_by = self.table.best;
        let summarise = |(index, run): (usize, &PlannedRun)| {
            let entry = manifest.runs.iter().find(|entry| entry.hash == run.hash);
            let failure = entry.and_then(|entry| entry.failure.as_deref());
            let mut summary = run_summary(&self.folder, run, failure).with_metrics(best_by);
            summary.index = index + 1;
            summary
        };
        let runs: Vec<_> = self.runs.iter().enumerate().map(summarise).collect();
        let combinations = rank_combinations(&self.runs, &runs, best_by);
        let pooled = self.runs.iter().any(|run| run.spec.is_of_all_folds());
        let split = if pooled { "out-of-fold" } else { "validation" };
        Ok(SweepView { folder: self.folder.root().to_owned(), best_by, split, runs, combinations })
    }

    /// The estimates of memory, disk space and time for all runs.
    pub(super) fn forecast(&self) -> Result<Forecast, Failure> {
        let view = self.view()?;
        let mut cohorts = once::Cohorts::default();
        let mut plans: Vec<Plan> = Vec::new();
        for run in &self.runs {
            let devices = device::open_all(run.spec.runtime.device.names());
            let devices = devices.map_err(Failure::request)?;
            let cohort = cohorts.of(&run.spec)?;
            plans.push(plan(&run.spec, cohort.as_ref(), &devices).map_err(Failure::request)?);
        }
        Ok(Forecast::new(self.folder.root(), view.runs, plans))
    }

    /// Writes the comparison of all finished runs; `None` for fewer than two runs.
    pub(super) fn compare(&self, view: &SweepView) -> Option<Result<Comparison, ReportError>> {
        let write = || -> Result<Option<Comparison>, ReportError> {
            let runs = find_runs(self.folder.root())?;
            let runs: Vec<Subject> = runs.into_iter().map(Subject::Run).collect();
            if runs.len() < 2 {
                return Ok(None);
            }
            let comparison = match compare(&runs, CompareOptions::default()) {
                // The sweep varies a key that changes the exams: compare on the exams in common.
                Err(ReportError::DifferentExams { .. }) => {
                    compare(&runs, CompareOptions { common: true, ..CompareOptions::default() })
                }
                result => result,
            };
            let mut comparison = comparison?;
            comparison.best = view.best_text();
            comparison.write_page(&self.folder.comparison_page())?;
            comparison.write_csv(&self.folder.comparison_table())?;
            Ok(Some(comparison))
        };
        write().transpose()
    }
}
