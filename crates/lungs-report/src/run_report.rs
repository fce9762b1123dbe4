//! Reads the data of a run's report page and writes `report.html`.

use super::ReportError;
use super::checklist::{self, Answer};
use super::drift::DriftRow;
use super::evaluated::{cross_validation, summary};
use super::external::{External, external};
use super::failures::FailureRow;
use super::plot::Drawing;
use super::population::{ExclusionRow, Population, PopulationTable, exclusions};
use super::preparation::picture_name;
use super::robustness::RobustnessRow;
use super::run_page::{
    EvaluatedSplit, Namer, Pictures, RunPage, all_columns, run_page, sections, worst_series,
};
use super::survival::survival_cells;
use lungs_base::files::write_bytes;
use lungs_spec::results::{
    PredictionRow, Provenance, ResultsError, RunFolder, Table, read_csv, write_csv,
};
use lungs_spec::spec::{Spec, SplitName};
use lungs_study::prepare::Row;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes `report.html` of a finished run with `plots`, and the tables of its population and of the reporting guidelines;
/// preview pictures are read from `cache`.
///
/// # Errors
/// When a table cannot be read or the page cannot be written.
pub(super) fn write_report(
    run: &RunFolder,
    spec: &Spec,
    cache: &Path,
    plots: Vec<(String, Drawing)>,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut summary = summary(run)?;
    let external = external(run)?;
    let mut splits = development_splits(external.as_ref());
    for split in [SplitName::Valid, SplitName::Test, SplitName::External] {
        let key = split.to_string();
        let Some(metrics) = summary.splits.remove(&key) else { continue };
        let table = run.predictions(split, summary.selected_epoch);
        let decision = run.curve(split, "decision");
        splits.push(evaluated_split(run, key, metrics, [&table, &decision])?);
    }
    let tables = Tables::read(run, spec)?;
    write(
        run,
        RunPage {
            selected_epoch: match &external {
                Some(external) => external.selected_epoch,
                None => Some(summary.selected_epoch),
            },
            external,
            folds: None,
            ..tables.page(run, spec, cache, splits, plots)
        },
    )
}

/// Writes `report.html` of a finished cross-validation; the cohort is read from its `first` fold.
///
/// # Errors
/// As [`write_report`].
pub(super) fn write_report_of_folds(
    run: &RunFolder,
    first: &RunFolder,
    spec: &Spec,
    cache: &Path,
    plots: Vec<(String, Drawing)>,
) -> Result<Vec<PathBuf>, ReportError> {
    let folds = cross_validation(run)?;
    let key = "out-of-fold".to_owned();
    let (table, decision) = (run.pooled_predictions(), run.pooled_curve("decision"));
    let pooled = evaluated_split(run, key, folds.pooled.clone(), [&table, &decision])?;
    let tables = Tables {
        failures: optional_table(run, Table::Failures)?,
        robustness: optional_table(run, Table::Robustness)?,
        ..Tables::read(first, spec)?
    };
    let page = tables.page(run, spec, cache, vec![pooled], plots);
    write(run, RunPage { folds: Some(&folds), ..page })
}

/// Metrics of the development of a model, without predictions.
fn development_splits(external: Option<&External>) -> Vec<EvaluatedSplit> {
    let splits = external.iter().flat_map(|external| external.development.iter().rev());
    let split = |(key, metrics): (&String, &lungs_stats::Evaluation)| EvaluatedSplit {
        key: key.clone(),
        metrics: metrics.clone(),
        rows: Vec::new(),
        decision: Vec::new(),
        table: String::new(),
    };
    splits.map(split).collect()
}

/// Writes the page and its tables; the page is last.
fn write(run: &RunFolder, mut page: RunPage) -> Result<Vec<PathBuf>, ReportError> {
    let statements = &page.spec.report.statements;
    page.checklist = checklist::answers(statements, &sections(&page));
    let mut tables = vec![("checklist.csv", checklist_cells(&page.checklist))];
    let risks = page
        .splits
        .iter()
        .filter_map(|split| Some((split.name(), split.metrics.survival.as_deref()?)));
    let risks = survival_cells(risks);
    if !risks.is_empty() {
        tables.push(("survival.csv", risks));
    }
    if let Some(population) = &page.population {
        let (groups, pairs) = all_columns(population);
        let characteristics = PopulationTable::of_characteristics(population, &groups, &pairs);
        let acquisition = PopulationTable::of_acquisition(population, &groups, &pairs);
        tables.push(("characteristics.csv", characteristics.cells()));
        tables.push(("acquisition.csv", acquisition.cells()));
        tables.push(("exclusions.csv", exclusion_cells(population)));
    }
    let mut written = Vec::new();
    for (name, cells) in tables {
        let path = run.root().join(name);
        write_csv(&path, &cells)?;
        written.push(path);
    }
    let path = run.report_page();
    write_bytes(&path, run_page(&page).as_bytes())?;
    written.push(path);
    Ok(written)
}

fn checklist_cells(answers: &[Answer]) -> Vec<Vec<String>> {
    let heads = Answer::COLUMNS.map(str::to_owned).to_vec();
    std::iter::once(heads).chain(answers.iter().map(Answer::cells)).collect()
}

fn exclusion_cells(population: &Population) -> Vec<Vec<String>> {
    let heads = ExclusionRow::COLUMNS.map(str::to_owned).to_vec();
    let rows = exclusions(population);
    std::iter::once(heads).chain(rows.iter().map(ExclusionRow::cells)).collect()
}

fn evaluated_split(
    run: &RunFolder,
    key: String,
    metrics: lungs_stats::Evaluation,
    [table, decision]: [&Path; 2],
) -> Result<EvaluatedSplit, ReportError> {
    let rows: Vec<PredictionRow> = read_csv(table)?;
    let table = table.strip_prefix(run.root()).unwrap_or(table).display().to_string();
    let decision = if decision.is_file() { read_csv(decision)? } else { Vec::new() };
    Ok(EvaluatedSplit { key, metrics, rows, decision, table })
}

/// Tables of a run folder besides its metrics; a missing file gives an empty value.
struct Tables {
    prepared: Vec<Row>,
    provenance: Option<Provenance>,
    cohort_text: Vec<u8>,
    failures: Vec<FailureRow>,
    robustness: Vec<RobustnessRow>,
    drift: Vec<DriftRow>,
    population: Option<Population>,
}

/// The rows of a table; none if the run has no such table.
fn optional_table<T: DeserializeOwned>(
    run: &RunFolder,
    table: Table,
) -> Result<Vec<T>, ResultsError> {
    let path = run.table(table);
    if path.is_file() { read_csv(&path) } else { Ok(Vec::new()) }
}

impl Tables {
    fn read(run: &RunFolder, spec: &Spec) -> Result<Self, ReportError> {
        let cohort = run.table(Table::Cohort);
        let text = || {
            std::fs::read(&cohort).map_err(|error| ResultsError::Read {
                path: cohort.clone(),
                message: error.to_string(),
            })
        };
        Ok(Self {
            cohort_text: if cohort.is_file() { text()? } else { Vec::new() },
            prepared: optional_table(run, Table::Preparation)?,
            failures: optional_table(run, Table::Failures)?,
            robustness: optional_table(run, Table::Robustness)?,
            drift: optional_table(run, Table::Drift)?,
            provenance: Provenance::read(run),
            population: Population::read(run, &spec.report)?,
        })
    }

    fn page<'a>(
        self,
        run: &RunFolder,
        spec: &'a Spec,
        cache: &Path,
        splits: Vec<EvaluatedSplit>,
        plots: Vec<(String, Drawing)>,
    ) -> RunPage<'a> {
        let pictures = splits.last().map(|split| self.pictures(&split.rows, cache));
        RunPage {
            spec,
            name: run.name(),
            selected_epoch: None,
            splits,
            folds: None,
            external: None,
            failures: self.failures,
            robustness: self.robustness,
            drift: self.drift,
            plots: plots.into_iter().map(|(name, drawing)| (name, drawing.svg)).collect(),
            namer: Namer::new(spec.report.identifiers, &self.cohort_text),
            pictures: pictures.unwrap_or_default(),
            prepared: self.prepared,
            provenance: self.provenance,
            population: self.population,
            checklist: Vec::new(),
        }
    }

    /// Preview pictures of the worst predictions, by series; pictures missing from the cache are skipped.
    fn pictures(&self, rows: &[PredictionRow], cache: &Path) -> Pictures {
        let row_of_series: BTreeMap<&str, &Row> =
            self.prepared.iter().map(|row| (row.series_uid.as_str(), row)).collect();
        let picture = |series: &str| {
            let name = picture_name(row_of_series.get(series)?)?;
            Some((series.to_owned(), std::fs::read(cache.join(name)).ok()?))
        };
        worst_series(rows).into_iter().filter_map(picture).collect()
    }
}
