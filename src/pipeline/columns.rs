//! Columns that `[evaluate]` and `[report]` name: they are read from the labels or the cohort and stored in the run.

use super::error::{ColumnError, PipelineError};
use super::inputs::{Change, Changes, from_to};
use lungs_image::codes::joined_flags;
use lungs_image::dicom::Sex;
use lungs_report::{MAX_GROUPS, finite_number, grouping};
use lungs_spec::results::{ColumnRow, RunFolder, Table, read_csv, write_csv};
use lungs_spec::spec::{Bands, Spec, SubgroupBy};
use lungs_stats::Grouping;
use lungs_study::cohort::{Cohort, CohortError, CohortRow, Labels, read_cohort};
use std::collections::{BTreeMap, BTreeSet};

/// Columns of `cohort.csv` that can define subgroups.
const COHORT_COLUMNS: [&str; 15] = [
    "kind",
    "slices",
    "slice_spacing_mm",
    "coverage_mm",
    "kernel",
    "manufacturer",
    "flags",
    "scanner_model",
    "kilovolts",
    "tube_current_ma",
    "exposure_mas",
    "ctdi_vol_mgy",
    "slice_thickness_mm",
    "age_years",
    "sex",
];

/// The value of a column of the cohort for a series.
fn cohort_value(row: &CohortRow, column: &str) -> Option<String> {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    Some(match column {
        "kind" => row.kind.clone(),
        "slices" => row.slices.to_string(),
        "slice_spacing_mm" => number(row.slice_spacing_mm),
        "coverage_mm" => number(row.coverage_mm),
        "kernel" => row.kernel.clone(),
        "manufacturer" => row.manufacturer.clone(),
        "flags" => joined_flags::join(&row.flags),
        "scanner_model" => row.scanner_model.clone(),
        "kilovolts" => number(row.kilovolts),
        "tube_current_ma" => number(row.tube_current_ma),
        "exposure_mas" => number(row.exposure_mas),
        "ctdi_vol_mgy" => number(row.ctdi_vol_mgy),
        "slice_thickness_mm" => number(row.slice_thickness_mm),
        "age_years" => number(row.age_years),
        "sex" => row.sex.map_or("", Sex::name).to_owned(),
        _ => return None,
    })
}

/// The columns that the spec names, each with its key.
fn requested_columns(spec: &Spec) -> Vec<(&'static str, &str)> {
    let evaluate = &spec.evaluate;
    let groups = evaluate.subgroups.iter().map(|by| ("evaluate.subgroups", by.column()));
    let weight = evaluate.weight_column.as_deref();
    let described = spec.report.characteristics.iter();
    groups
        .chain(weight.map(|column| ("evaluate.weight_column", column)))
        .chain(described.map(|column| ("report.characteristics", column.as_str())))
        .collect()
}

/// The files that are searched for columns.
fn source_name(spec: &Spec) -> String {
    match &spec.data.labels {
        Some(labels) => format!("{} or cohort.csv", labels.display()),
        None => "cohort.csv".to_owned(),
    }
}

/// Chosen series, and their values of other columns of the labels.
struct ChosenSeries<'a> {
    rows: Vec<&'a CohortRow>,
    label_columns: BTreeMap<&'a str, &'a BTreeMap<String, String>>,
}

impl<'a> ChosenSeries<'a> {
    fn of(cohort: &'a Cohort) -> Self {
        let columns = cohort.columns.iter();
        Self {
            rows: cohort.chosen.iter().map(|(index, _)| &cohort.rows[*index]).collect(),
            label_columns: columns.map(|(series, columns)| (series.as_str(), columns)).collect(),
        }
    }

    /// Names of the columns of the labels.
    fn label_columns(&self) -> BTreeSet<&'a str> {
        self.label_columns.values().flat_map(|columns| columns.keys()).map(String::as_str).collect()
    }

    /// The value of a column for a series, from the labels or else from the headers.
    fn value(&self, row: &CohortRow, column: &str) -> String {
        let columns = self.label_columns.get(row.series_uid.as_str());
        let value = columns.and_then(|columns| columns.get(column));
        value.cloned().or_else(|| cohort_value(row, column)).unwrap_or_default()
    }
}

/// Checks the columns that the spec names, before preparation and training.
pub(super) fn check_columns(spec: &Spec, cohort: &Cohort) -> Result<(), PipelineError> {
    check(spec, &ChosenSeries::of(cohort))
}

fn check(spec: &Spec, chosen: &ChosenSeries) -> Result<(), PipelineError> {
    let requested = requested_columns(spec);
    if requested.is_empty() {
        return Ok(());
    }
    let mut known = chosen.label_columns();
    known.extend(COHORT_COLUMNS);
    for (key, column) in requested {
        if !known.contains(column) {
            let columns = known.iter().copied().collect::<Vec<_>>().join(", ");
            let column = column.to_owned();
            let source_name = source_name(spec);
            return Err(
                Box::new(ColumnError::NoColumn { key, column, source_name, columns }).into()
            );
        }
    }
    for by in &spec.evaluate.subgroups {
        match by {
            SubgroupBy::Values(column) => {
                let values: BTreeSet<String> =
                    chosen.rows.iter().map(|row| chosen.value(row, column)).collect();
                if values.len() > MAX_GROUPS {
                    let (column, values) = (column.clone(), values.len());
                    let max = MAX_GROUPS;
                    return Err(Box::new(ColumnError::TooManyGroups { column, values, max }).into());
                }
            }
            SubgroupBy::Bands(Bands { column, .. }) => {
                for row in &chosen.rows {
                    let value = chosen.value(row, column);
                    if !value.is_empty() && finite_number(&value).is_none() {
                        let key = "evaluate.subgroups";
                        let expected = "a number, or an empty cell";
                        return Err(
                            bad_cell(spec, key, column, &row.series_uid, &value, expected).into()
                        );
                    }
                }
            }
        }
    }
    if let Some(column) = &spec.evaluate.weight_column {
        for row in &chosen.rows {
            weight(spec, column, &row.series_uid, &chosen.value(row, column))?;
        }
    }
    Ok(())
}

fn weight(spec: &Spec, column: &str, series: &str, value: &str) -> Result<f64, Box<ColumnError>> {
    let expected = "a number that is not negative";
    finite_number(value)
        .filter(|weight| *weight >= 0.0)
        .ok_or_else(|| bad_cell(spec, "evaluate.weight_column", column, series, value, expected))
}

fn bad_cell(
    spec: &Spec,
    key: &'static str,
    column: &str,
    series: &str,
    value: &str,
    expected: &'static str,
) -> Box<ColumnError> {
    Box::new(ColumnError::BadCell {
        key,
        column: column.to_owned(),
        source_name: source_name(spec),
        series: series.to_owned(),
        value: value.to_owned(),
        expected,
    })
}

/// Stores the columns that the spec names in the run, for its chosen series, and those of the labels that the report
/// describes.
pub(super) fn write(spec: &Spec, run: &RunFolder, cohort: &Cohort) -> Result<(), PipelineError> {
    store(spec, run, &ChosenSeries::of(cohort))
}

/// Reads the labels again and stores missing columns, because `[evaluate]` can change after a run.
pub(super) fn complete(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    let file = run.table(Table::ExamColumns);
    let stored: Vec<ColumnRow> = if file.is_file() { read_csv(&file)? } else { Vec::new() };
    let stored: BTreeSet<&str> = stored.iter().map(|row| row.column.as_str()).collect();
    if requested_columns(spec).iter().all(|(_, column)| stored.contains(column)) {
        return Ok(());
    }
    let rows = read_cohort(&run.table(Table::Cohort))?;
    let read = |path| Labels::read_csv(path, &spec.data.root, &spec.outcome);
    let labels = spec.data.labels.as_deref().map(read);
    let labels = labels.transpose();
    let labels = labels.map_err(CohortError::from)?.unwrap_or_default();
    let rows: Vec<&CohortRow> = rows.iter().filter(|row| row.chosen).collect();
    let label_columns =
        rows.iter().filter_map(|row| Some((row.series_uid.as_str(), &labels.of_row(row)?.columns)));
    let chosen = ChosenSeries { label_columns: label_columns.collect(), rows };
    check(spec, &chosen)?;
    store(spec, run, &chosen)
}

/// Adds the stored cells that differ from the current labels or headers.
pub(super) fn add_changes(
    run: &RunFolder,
    cohort: &Cohort,
    changes: &mut Changes,
) -> Result<(), PipelineError> {
    let file = run.table(Table::ExamColumns);
    let stored: Vec<ColumnRow> = if file.is_file() { read_csv(&file)? } else { Vec::new() };
    let chosen = ChosenSeries::of(cohort);
    let rows: BTreeMap<&str, &CohortRow> =
        chosen.rows.iter().map(|row| (row.series_uid.as_str(), *row)).collect();
    for cell in stored {
        // A removed series is a change of its own.
        let Some(row) = rows.get(cell.series_uid.as_str()) else { continue };
        let value = chosen.value(row, &cell.column);
        if value != cell.value {
            let name = format!("{} of {}", cell.column, cell.series_uid);
            changes.add(Change::Column, from_to(&name, &cell.value, &value));
        }
    }
    Ok(())
}

fn store(spec: &Spec, run: &RunFolder, chosen: &ChosenSeries) -> Result<(), PipelineError> {
    let of_labels = chosen.label_columns();
    let described = spec.report.described_columns().into_iter();
    let columns: BTreeSet<&str> = requested_columns(spec)
        .into_iter()
        .map(|(_, column)| column)
        .chain(described.filter(|column| of_labels.contains(column)))
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let cell = |row: &CohortRow, column: &str| ColumnRow {
        series_uid: row.series_uid.clone(),
        column: column.to_owned(),
        value: chosen.value(row, column),
    };
    let rows: Vec<ColumnRow> =
        chosen.rows.iter().flat_map(|row| columns.iter().map(|column| cell(row, column))).collect();
    Ok(write_csv(&run.table(Table::ExamColumns), &rows)?)
}

/// Values of columns, by column name and series.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<String, BTreeMap<String, String>>);

impl Columns {
    /// The stored columns of runs with a common cohort; empty if the spec names no columns.
    pub(super) fn read(spec: &Spec, runs: &[RunFolder]) -> Result<Self, PipelineError> {
        let mut columns = Self::default();
        if !requested_columns(spec).is_empty() {
            for run in runs {
                for row in read_csv::<ColumnRow>(&run.table(Table::ExamColumns))? {
                    columns.0.entry(row.column).or_default().insert(row.series_uid, row.value);
                }
            }
        }
        Ok(columns)
    }

    fn cell(&self, column: &str, series: &str) -> &str {
        self.0.get(column).and_then(|values| values.get(series)).map_or("", String::as_str)
    }

    /// The subgroups of these series.
    pub(super) fn groupings(&self, spec: &Spec, series: &[&str]) -> Vec<Grouping> {
        let of_column = |by: &SubgroupBy| {
            let cells: Vec<&str> =
                series.iter().map(|series| self.cell(by.column(), series)).collect();
            grouping(by, &cells)
        };
        spec.evaluate.subgroups.iter().map(of_column).collect()
    }

    /// The name of the weight column and the weights of these series, if the spec names a weight column.
    pub(super) fn weights(
        &self,
        spec: &Spec,
        series: &[&str],
    ) -> Result<Option<(String, Vec<f64>)>, PipelineError> {
        let Some(column) = &spec.evaluate.weight_column else { return Ok(None) };
        let weight = |series: &&str| weight(spec, column, series, self.cell(column, series));
        let weights: Vec<f64> = series.iter().map(weight).collect::<Result<_, _>>()?;
        Ok(Some((column.clone(), weights)))
    }
}
