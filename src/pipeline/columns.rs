//! Columns that `[evaluate]` names: from the labels or the cohort into the run, and out again.

use super::PipelineError;
use super::inputs::{Change, Changes, from_to};
use crate::cohort::{Cohort, CohortError, CohortRow, Labels};
use crate::evaluation::Grouping;
use crate::results::{ColumnRow, RunFolder, Table, read_csv, write_csv};
use crate::spec::{Bands, Spec, SubgroupBy};
use std::collections::{BTreeMap, BTreeSet};

/// A column that `[evaluate]` names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// A column that `[evaluate]` names is not there.
    #[error("{key}: no column `{column}` in {place}; the columns there are: {found}")]
    NoColumn {
        /// The key of the spec.
        key: &'static str,
        /// The column.
        column: String,
        /// Where it was looked for.
        place: String,
        /// The columns there.
        found: String,
    },
    /// A cell of a column that `[evaluate]` names cannot be used.
    #[error(
        "{key}: column `{column}` in {place} says \"{found}\" of series {series}, expected {expected}"
    )]
    BadCell {
        /// The key of the spec.
        key: &'static str,
        /// The column.
        column: String,
        /// Where it stands.
        place: String,
        /// The series.
        series: String,
        /// What was found.
        found: String,
        /// What is needed.
        expected: &'static str,
    },
    /// A column has too many values for groups.
    #[error(
        "evaluate.subgroups: column `{column}` has {values} different values, at most {most} can be \
         groups; for numbers, give bands: {{ column = \"{column}\", edges = [55, 65, 75] }}"
    )]
    TooManyGroups {
        /// The column.
        column: String,
        /// How many values it has.
        values: usize,
        /// How many it may have.
        most: usize,
    },
}

/// A column with more values than this makes no groups.
const MOST_GROUPS: usize = 50;

/// Columns of `cohort.csv` that exams can be told apart by.
const OF_COHORT: [&str; 7] =
    ["kind", "slices", "slice_spacing_mm", "coverage_mm", "kernel", "manufacturer", "flags"];

/// What a column of the cohort says of a series.
fn of_cohort(row: &CohortRow, column: &str) -> Option<String> {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    Some(match column {
        "kind" => row.kind.clone(),
        "slices" => row.slices.to_string(),
        "slice_spacing_mm" => number(row.slice_spacing_mm),
        "coverage_mm" => number(row.coverage_mm),
        "kernel" => row.kernel.clone(),
        "manufacturer" => row.manufacturer.clone(),
        "flags" => row.flags.clone(),
        _ => return None,
    })
}

/// Columns wanted, each with the key that names it.
fn wanted(spec: &Spec) -> Vec<(&'static str, &str)> {
    let evaluate = &spec.evaluate;
    let groups = evaluate.subgroups.iter().map(|by| ("evaluate.subgroups", by.column()));
    let weight = evaluate.weight_column.as_deref();
    groups.chain(weight.map(|column| ("evaluate.weight_column", column))).collect()
}

/// Where columns are looked for, in words.
fn place(spec: &Spec) -> String {
    match &spec.data.labels {
        Some(labels) => format!("{} or cohort.csv", labels.display()),
        None => "cohort.csv".to_owned(),
    }
}

/// Chosen series, and what further columns of the labels say of them.
struct Chosen<'a> {
    rows: Vec<&'a CohortRow>,
    said: BTreeMap<&'a str, &'a BTreeMap<String, String>>,
}

impl<'a> Chosen<'a> {
    fn of(cohort: &'a Cohort) -> Self {
        let said = cohort.columns.iter();
        Self {
            rows: cohort.chosen.iter().map(|(at, _)| &cohort.rows[*at]).collect(),
            said: said.map(|(series, columns)| (series.as_str(), columns)).collect(),
        }
    }

    /// What a column says of a series: the labels before the headers.
    fn value(&self, row: &CohortRow, column: &str) -> String {
        let labels = self.said.get(row.series.as_str()).and_then(|columns| columns.get(column));
        labels.cloned().or_else(|| of_cohort(row, column)).unwrap_or_default()
    }
}

/// Looks at the columns that the spec names, before anything long is done.
pub(super) fn check_columns(spec: &Spec, cohort: &Cohort) -> Result<(), PipelineError> {
    check(spec, &Chosen::of(cohort))
}

fn check(spec: &Spec, chosen: &Chosen) -> Result<(), PipelineError> {
    let wanted = wanted(spec);
    if wanted.is_empty() {
        return Ok(());
    }
    let mut known: BTreeSet<&str> =
        chosen.said.values().flat_map(|columns| columns.keys()).map(String::as_str).collect();
    known.extend(OF_COHORT);
    for (key, column) in wanted {
        if !known.contains(column) {
            let found = known.iter().copied().collect::<Vec<_>>().join(", ");
            let column = column.to_owned();
            return Err(
                Box::new(ColumnError::NoColumn { key, column, place: place(spec), found }).into()
            );
        }
    }
    for by in &spec.evaluate.subgroups {
        match by {
            SubgroupBy::Values(column) => {
                let values: BTreeSet<String> =
                    chosen.rows.iter().map(|row| chosen.value(row, column)).collect();
                if values.len() > MOST_GROUPS {
                    let (column, values) = (column.clone(), values.len());
                    let most = MOST_GROUPS;
                    return Err(
                        Box::new(ColumnError::TooManyGroups { column, values, most }).into()
                    );
                }
            }
            SubgroupBy::Bands(Bands { column, .. }) => {
                for row in &chosen.rows {
                    let found = chosen.value(row, column);
                    if !found.is_empty() && number(&found).is_none() {
                        let key = "evaluate.subgroups";
                        let expected = "a number, or nothing where it is not known";
                        return Err(
                            bad_cell(spec, key, column, &row.series, &found, expected).into()
                        );
                    }
                }
            }
        }
    }
    if let Some(column) = &spec.evaluate.weight_column {
        for row in &chosen.rows {
            weight(spec, column, &row.series, &chosen.value(row, column))?;
        }
    }
    Ok(())
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn weight(spec: &Spec, column: &str, series: &str, found: &str) -> Result<f64, Box<ColumnError>> {
    let expected = "a number that is not negative";
    number(found)
        .filter(|weight| *weight >= 0.0)
        .ok_or_else(|| bad_cell(spec, "evaluate.weight_column", column, series, found, expected))
}

fn bad_cell(
    spec: &Spec,
    key: &'static str,
    column: &str,
    series: &str,
    found: &str,
    expected: &'static str,
) -> Box<ColumnError> {
    Box::new(ColumnError::BadCell {
        key,
        column: column.to_owned(),
        place: place(spec),
        series: series.to_owned(),
        found: found.to_owned(),
        expected,
    })
}

/// Keeps the columns that the spec names with the run, for its chosen series.
pub(super) fn write(spec: &Spec, run: &RunFolder, cohort: &Cohort) -> Result<(), PipelineError> {
    keep(spec, run, &Chosen::of(cohort))
}

/// Looks at the labels again where the spec names columns that the run does not keep yet: those of
/// `[evaluate]` can be named after a run.
pub(super) fn complete(spec: &Spec, run: &RunFolder) -> Result<(), PipelineError> {
    let file = run.table(Table::ExamColumns);
    let kept: Vec<ColumnRow> = if file.is_file() { read_csv(&file)? } else { Vec::new() };
    let kept: BTreeSet<&str> = kept.iter().map(|row| row.column.as_str()).collect();
    if wanted(spec).iter().all(|(_, column)| kept.contains(column)) {
        return Ok(());
    }
    let rows: Vec<CohortRow> = read_csv(&run.table(Table::Cohort))?;
    let labels = spec.data.labels.as_deref().map(|path| Labels::read_csv(path, &spec.data.root));
    let labels = labels.transpose();
    let labels = labels.map_err(CohortError::from)?.unwrap_or_default();
    let rows: Vec<&CohortRow> = rows.iter().filter(|row| row.chosen).collect();
    let said =
        rows.iter().filter_map(|row| Some((row.series.as_str(), &labels.of_row(row)?.columns)));
    let chosen = Chosen { said: said.collect(), rows };
    check(spec, &chosen)?;
    keep(spec, run, &chosen)
}

/// Notes the cells of columns that a run keeps which the labels or headers have otherwise now.
pub(super) fn note_changes(
    run: &RunFolder,
    cohort: &Cohort,
    changes: &mut Changes,
) -> Result<(), PipelineError> {
    let file = run.table(Table::ExamColumns);
    let kept: Vec<ColumnRow> = if file.is_file() { read_csv(&file)? } else { Vec::new() };
    let chosen = Chosen::of(cohort);
    let rows: BTreeMap<&str, &CohortRow> =
        chosen.rows.iter().map(|row| (row.series.as_str(), *row)).collect();
    for cell in kept {
        // A scan that went says so itself.
        let Some(row) = rows.get(cell.series.as_str()) else { continue };
        let now = chosen.value(row, &cell.column);
        if now != cell.value {
            let name = format!("{} of {}", cell.column, cell.series);
            changes.add(Change::Column, from_to(&name, &cell.value, &now));
        }
    }
    Ok(())
}

fn keep(spec: &Spec, run: &RunFolder, chosen: &Chosen) -> Result<(), PipelineError> {
    let columns: BTreeSet<&str> = wanted(spec).into_iter().map(|(_, column)| column).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let cell = |row: &CohortRow, column: &str| ColumnRow {
        series: row.series.clone(),
        column: column.to_owned(),
        value: chosen.value(row, column),
    };
    let rows: Vec<ColumnRow> =
        chosen.rows.iter().flat_map(|row| columns.iter().map(|column| cell(row, column))).collect();
    Ok(write_csv(&run.table(Table::ExamColumns), &rows)?)
}

/// The columns of runs, by name and series.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<String, BTreeMap<String, String>>);

impl Columns {
    /// Those that the spec names, of runs on one cohort; none where it names none.
    pub fn read(spec: &Spec, runs: &[RunFolder]) -> Result<Self, PipelineError> {
        let mut columns = Self::default();
        if !wanted(spec).is_empty() {
            for run in runs {
                for row in read_csv::<ColumnRow>(&run.table(Table::ExamColumns))? {
                    columns.0.entry(row.column).or_default().insert(row.series, row.value);
                }
            }
        }
        Ok(columns)
    }

    fn cell(&self, column: &str, series: &str) -> &str {
        self.0.get(column).and_then(|of| of.get(series)).map_or("", String::as_str)
    }

    /// The groups of these series that the spec wants.
    pub fn groupings(&self, spec: &Spec, series: &[&str]) -> Vec<Grouping> {
        let one = |by: &SubgroupBy| {
            let cells: Vec<&str> =
                series.iter().map(|series| self.cell(by.column(), series)).collect();
            match by {
                SubgroupBy::Values(column) => by_value(column, &cells),
                SubgroupBy::Bands(bands) => by_band(bands, &cells),
            }
        };
        spec.evaluate.subgroups.iter().map(one).collect()
    }

    /// The weights of these series, with the name of their column, where the spec wants them.
    pub fn weights(
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

fn by_value(column: &str, cells: &[&str]) -> Grouping {
    let names: BTreeSet<&str> = cells.iter().copied().filter(|cell| !cell.is_empty()).collect();
    let groups: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let of = cells.iter().map(|cell| groups.iter().position(|group| group == cell)).collect();
    Grouping { by: column.to_owned(), groups, of }
}

fn by_band(bands: &Bands, cells: &[&str]) -> Grouping {
    let edges = &bands.edges;
    let name = |place: usize| match (place.checked_sub(1).map(|low| edges[low]), edges.get(place)) {
        (None, Some(high)) => format!("under {high}"),
        (Some(low), Some(high)) => format!("{low} to under {high}"),
        (Some(low), None) => format!("{low} and over"),
        (None, None) => "all".to_owned(),
    };
    let band = |cell: &&str| {
        Some(edges.partition_point(|edge| *edge <= number(cell).unwrap_or(0.0)))
            .filter(|_| number(cell).is_some())
    };
    Grouping {
        by: bands.column.clone(),
        groups: (0..=edges.len()).map(name).collect(),
        of: cells.iter().map(band).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_an_edge_are_in_the_upper_band_and_blanks_in_none() {
        let bands = Bands { column: "age".into(), edges: vec![55.0, 65.0] };
        let found = by_band(&bands, &["54.9", "55", "64", "65", "", "90"]);
        assert_eq!(found.groups, ["under 55", "55 to under 65", "65 and over"]);
        assert_eq!(found.of, [Some(0), Some(1), Some(1), Some(2), None, Some(2)]);
        let found = by_value("sex", &["m", "f", "", "f"]);
        assert_eq!(found.groups, ["f", "m"]);
        assert_eq!(found.of, [Some(1), Some(0), None, Some(0)]);
    }
}
