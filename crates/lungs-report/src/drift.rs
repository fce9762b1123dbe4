//! `drift.csv`: the inputs of a model on other exams, compared with those of its development.
//!
//! Columns are read by their names from `cohort.csv`, `preparation.csv` and `exam-columns.csv`, so that tables of older
//! and newer versions can be compared: a column that a table does not have is missing for all of its exams.

use super::ReportError;
use lungs_spec::results::{ColumnRow, RunFolder, Table, read_csv};
use lungs_stats::{StandardisedDifference, categorical_difference, continuous_difference};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of `cohort.csv`.
const NUMBERS_OF_COHORT: [&str; 9] = [
    "age_years",
    "slice_spacing_mm",
    "slice_thickness_mm",
    "slices",
    "coverage_mm",
    "kilovolts",
    "tube_current_ma",
    "exposure_mas",
    "ctdi_vol_mgy",
];
/// Categories of `cohort.csv`.
const CATEGORIES_OF_COHORT: [&str; 6] =
    ["label", "sex", "manufacturer", "scanner_model", "kernel", "kind"];
/// Numbers of `preparation.csv`.
const NUMBERS_OF_PREPARATION: [&str; 5] =
    ["spacing_w_mm", "hu_min", "hu_max", "lung_hu_mean", "lung_hu_sd"];
/// The volume of both lungs, the sum of two columns of `preparation.csv`.
const LUNG_ML: &str = "lung_ml";
/// Levels of a category with a row of their own; the rarer ones share a row.
const MAX_LEVELS: usize = 8;
/// Different numbers from which a column of the labels is a number and not a category.
const MIN_NUMBERS: usize = 6;

/// A row of `drift.csv`: a number, a category, or a level of a category.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftRow {
    /// The variable.
    pub variable: String,
    /// The level; empty for a number and for the first row of a category.
    pub level: String,
    /// Exams of the development that have a value, or this level; empty if they are unknown.
    pub development_exams: Option<usize>,
    /// Exams of the development without a value.
    pub development_missing: Option<usize>,
    /// Mean over the exams of the development.
    pub development_mean: Option<f64>,
    /// Sample standard deviation over the exams of the development.
    pub development_sd: Option<f64>,
    /// Share of the level among the exams of the development that have a value.
    pub development_share: Option<f64>,
    /// External exams that have a value, or this level.
    pub external_exams: usize,
    /// External exams without a value.
    pub external_missing: Option<usize>,
    /// Mean over the external exams.
    pub external_mean: Option<f64>,
    /// Sample standard deviation over the external exams.
    pub external_sd: Option<f64>,
    /// Share of the level among the external exams that have a value.
    pub external_share: Option<f64>,
    /// Standardised difference, external minus development; of a category without a sign.
    pub standardised_difference: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
    /// Why there is no standardised difference.
    pub reason: String,
}

/// The values of the chosen exams of a run, by variable. Exams without a value have an empty text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    exams: usize,
    values: BTreeMap<String, Vec<String>>,
}

type Cells = BTreeMap<String, String>;

impl Inputs {
    /// The inputs of a run or external evaluation, from its tables.
    ///
    /// # Errors
    /// A table cannot be read.
    pub fn read(run: &RunFolder) -> Result<Self, ReportError> {
        let cohort: Vec<Cells> = read_csv(&run.table(Table::Cohort))?;
        let prepared: Vec<Cells> = read_csv(&run.table(Table::Preparation))?;
        let columns = run.table(Table::ExamColumns);
        let columns: Vec<ColumnRow> =
            if columns.is_file() { read_csv(&columns)? } else { Vec::new() };
        Ok(Self::of(&cohort, &prepared, &columns))
    }

    /// The inputs in the rows of `cohort.csv`, `preparation.csv` and `exam-columns.csv`.
    fn of(cohort: &[Cells], prepared: &[Cells], columns: &[ColumnRow]) -> Self {
        let cell = |row: &Cells, name: &str| row.get(name).cloned().unwrap_or_default();
        let chosen: Vec<&Cells> =
            cohort.iter().filter(|row| cell(row, "chosen") == "true").collect();
        let series: Vec<String> = chosen.iter().map(|row| cell(row, "series")).collect();
        let mut values = BTreeMap::new();
        for name in NUMBERS_OF_COHORT.into_iter().chain(CATEGORIES_OF_COHORT) {
            values.insert(name.to_owned(), chosen.iter().map(|row| cell(row, name)).collect());
        }
        let by_series: BTreeMap<String, &Cells> =
            prepared.iter().map(|row| (cell(row, "series_uid"), row)).collect();
        let of_preparation = |read: &dyn Fn(&Cells) -> String| -> Vec<String> {
            let row = |series: &String| by_series.get(series).map(|row| read(row));
            series.iter().map(|series| row(series).unwrap_or_default()).collect()
        };
        for name in NUMBERS_OF_PREPARATION {
            values.insert(name.to_owned(), of_preparation(&|row| cell(row, name)));
        }
        let lungs = |row: &Cells| {
            let [left, right] =
                ["lung_left_ml", "lung_right_ml"].map(|name| number(&cell(row, name)));
            left.zip(right).map_or(String::new(), |(left, right)| (left + right).to_string())
        };
        values.insert(LUNG_ML.to_owned(), of_preparation(&lungs));
        let mut of_labels = BTreeMap::<&str, BTreeMap<&str, &str>>::new();
        for row in columns {
            of_labels.entry(&row.column).or_default().insert(&row.series_uid, &row.value);
        }
        for (column, cells) in of_labels {
            let cell = |series: &String| cells.get(series.as_str()).copied().unwrap_or("");
            let of_labels = series.iter().map(|series| cell(series).to_owned()).collect();
            // The headers of a cohort come before a column of the same name, unless they are all empty.
            let of_headers: &mut Vec<String> = values.entry(column.to_owned()).or_default();
            if of_headers.iter().all(String::is_empty) {
                *of_headers = of_labels;
            }
        }
        Self { exams: chosen.len(), values }
    }

    /// The values of a variable that are known.
    fn known(&self, variable: &str) -> Vec<&str> {
        let values = self.values.get(variable).map_or(&[][..], Vec::as_slice);
        values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect()
    }

    fn numbers(&self, variable: &str) -> Vec<Option<f64>> {
        let values = self.values.get(variable).map_or(&[][..], Vec::as_slice);
        values.iter().map(|value| number(value)).collect()
    }

    fn levels(&self, variable: &str) -> Vec<Option<&str>> {
        let values = self.values.get(variable).map_or(&[][..], Vec::as_slice);
        values.iter().map(|value| Some(value.trim()).filter(|value| !value.is_empty())).collect()
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The rows of all variables that some exam has; `development` is `None` if its exams are unknown.
pub fn drift(development: Option<&Inputs>, external: &Inputs) -> Vec<DriftRow> {
    let all: Vec<&Inputs> = development.into_iter().chain([external]).collect();
    let known = |variable: &str| all.iter().any(|inputs| !inputs.known(variable).is_empty());
    let fixed = NUMBERS_OF_COHORT.into_iter().chain(NUMBERS_OF_PREPARATION).chain([LUNG_ML]);
    let numbers: BTreeSet<&str> = fixed.collect();
    let categories: BTreeSet<&str> = CATEGORIES_OF_COHORT.into_iter().collect();
    let order = CATEGORIES_OF_COHORT[..2].iter().chain(&NUMBERS_OF_COHORT[..1]);
    let order = order.chain(&CATEGORIES_OF_COHORT[2..]).chain(&NUMBERS_OF_COHORT[1..]);
    let mut variables: Vec<&str> =
        order.copied().chain(NUMBERS_OF_PREPARATION).chain([LUNG_ML]).collect();
    let others: BTreeSet<&str> =
        all.iter().flat_map(|inputs| inputs.values.keys()).map(String::as_str).collect();
    variables
        .extend(others.into_iter().filter(|it| !numbers.contains(it) && !categories.contains(it)));
    variables.retain(|variable| known(variable));
    let rows = variables.into_iter().flat_map(|variable| {
        let is_number = numbers.contains(variable)
            || (!categories.contains(variable) && has_many_numbers(&all, variable));
        if is_number {
            vec![number_row(variable, development, external)]
        } else {
            category_rows(variable, development, external)
        }
    });
    rows.collect()
}

/// Whether all known values are numbers, and many of them differ.
fn has_many_numbers(all: &[&Inputs], variable: &str) -> bool {
    let values: BTreeSet<&str> = all.iter().flat_map(|inputs| inputs.known(variable)).collect();
    values.len() >= MIN_NUMBERS && values.iter().all(|value| number(value).is_some())
}

const UNKNOWN_DEVELOPMENT: &str = "the exams of the development are unknown";

/// Coverage of the intervals.
const LEVEL: f64 = 0.95;

impl DriftRow {
    /// The row with this difference; `None` if the exams of the development are unknown.
    fn with_difference(mut self, difference: Option<StandardisedDifference>) -> Self {
        let Some(StandardisedDifference { difference, .. }) = difference else {
            UNKNOWN_DEVELOPMENT.clone_into(&mut self.reason);
            return self;
        };
        self.standardised_difference = difference.value;
        (self.low, self.high) = difference.interval.map(|it| (it.low, it.high)).unzip();
        self.reason = difference.reason.unwrap_or_default();
        self
    }
}

fn number_row(variable: &str, development: Option<&Inputs>, external: &Inputs) -> DriftRow {
    let of_development = development.map(|inputs| inputs.numbers(variable));
    let of_external = external.numbers(variable);
    let difference = of_development
        .as_ref()
        .map(|numbers| continuous_difference([&of_external, numbers], LEVEL));
    let known = |numbers: &[Option<f64>]| numbers.iter().flatten().copied().collect::<Vec<f64>>();
    let of_development = of_development.as_deref().map(known);
    let of_external = known(&of_external);
    let (development_mean, development_sd) =
        of_development.as_deref().map_or((None, None), mean_and_sd);
    let (external_mean, external_sd) = mean_and_sd(&of_external);
    let missing = |inputs: &Inputs, known: usize| inputs.exams.saturating_sub(known);
    let row = DriftRow {
        variable: variable.to_owned(),
        development_exams: of_development.as_ref().map(Vec::len),
        development_missing: development
            .zip(of_development.as_ref())
            .map(|(inputs, known)| missing(inputs, known.len())),
        development_mean,
        development_sd,
        external_exams: of_external.len(),
        external_missing: Some(missing(external, of_external.len())),
        external_mean,
        external_sd,
        ..DriftRow::default()
    };
    row.with_difference(difference)
}

/// Mean and sample standard deviation.
fn mean_and_sd(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    ((!values.is_empty()).then_some(mean), sd)
}

fn category_rows(variable: &str, development: Option<&Inputs>, external: &Inputs) -> Vec<DriftRow> {
    let tally = |inputs: &Inputs| {
        let mut counts = BTreeMap::<String, usize>::new();
        for value in inputs.known(variable) {
            *counts.entry(value.to_owned()).or_default() += 1;
        }
        counts
    };
    let (of_development, of_external) = (development.map(tally), tally(external));
    let mut totals = of_external.clone();
    for (level, count) in of_development.iter().flatten() {
        *totals.entry(level.clone()).or_default() += count;
    }
    let mut levels: Vec<(&String, usize)> = totals.iter().map(|(level, n)| (level, *n)).collect();
    levels.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let names: Vec<&String> = levels.iter().map(|(level, _)| *level).collect();
    let counts = |tally: &BTreeMap<String, usize>| -> Vec<usize> {
        names.iter().map(|level| tally.get(*level).copied().unwrap_or(0)).collect()
    };
    let external_counts = counts(&of_external);
    let development_counts = of_development.as_ref().map(counts);
    let difference = development.map(|development| {
        let levels = [&external.levels(variable)[..], &development.levels(variable)];
        categorical_difference(levels, LEVEL)
    });
    let sum = |counts: &[usize]| counts.iter().sum::<usize>();
    let (external_known, development_known) =
        (sum(&external_counts), development_counts.as_deref().map(sum));
    let head = DriftRow {
        variable: variable.to_owned(),
        development_exams: development_known,
        development_missing: development.zip(development_known).map(|(it, n)| it.exams - n),
        external_exams: external_known,
        external_missing: Some(external.exams - external_known),
        ..DriftRow::default()
    };
    let head = head.with_difference(difference);
    let share = |count: usize, known: usize| (known > 0).then(|| count as f64 / known as f64);
    let level_row = |level: &str, range: std::ops::Range<usize>| {
        let count = |counts: &[usize]| sum(&counts[range.clone()]);
        let of_development = development_counts.as_deref().map(count);
        DriftRow {
            variable: variable.to_owned(),
            level: level.to_owned(),
            development_exams: of_development,
            development_share: of_development
                .zip(development_known)
                .and_then(|(n, of)| share(n, of)),
            external_exams: count(&external_counts),
            external_share: share(count(&external_counts), external_known),
            ..DriftRow::default()
        }
    };
    let shown = names.len().min(MAX_LEVELS);
    let mut rows = vec![head];
    rows.extend((0..shown).map(|index| level_row(names[index], index..index + 1)));
    if names.len() > shown {
        rows.push(level_row("others", shown..names.len()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(exams: &[(&str, &str, &str)]) -> Inputs {
        let cells = |pairs: &[(&str, &str)]| -> Cells {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let mut cohort =
            vec![cells(&[("chosen", "false"), ("series", "x"), ("slice_spacing_mm", "99")])];
        let (mut prepared, mut columns) = (Vec::new(), Vec::new());
        for (index, (spacing, maker, sex)) in exams.iter().enumerate() {
            let series = format!("1.{index}");
            cohort.push(cells(&[
                ("chosen", "true"),
                ("series", &series),
                ("slice_spacing_mm", spacing),
                ("manufacturer", maker),
            ]));
            let left = (1000 + 100 * index).to_string();
            let volumes =
                [("series_uid", &*series), ("lung_left_ml", &*left), ("lung_right_ml", "500")];
            prepared.push(cells(&volumes));
            let (column, value) = ("stage".to_owned(), (*sex).to_owned());
            columns.push(ColumnRow { series_uid: series, column, value });
        }
        Inputs::of(&cohort, &prepared, &columns)
    }

    #[test]
    fn numbers_and_levels_have_standardised_differences_and_missing_counts() {
        let development =
            inputs(&[("1", "GE", "a"), ("2", "GE", "b"), ("3", "SIEMENS", "a"), ("", "", "a")]);
        let external = inputs(&[("2", "SIEMENS", ""), ("4", "SIEMENS", "b")]);
        let rows = drift(Some(&development), &external);
        let row = |variable: &str, level: &str| {
            rows.iter().find(|row| row.variable == variable && row.level == level).unwrap()
        };
        // (3 − 2) / √((1 + 2) / 2), by hand
        let spacing = row("slice_spacing_mm", "");
        assert_eq!((spacing.development_exams, spacing.development_missing), (Some(3), Some(1)));
        assert_eq!((spacing.external_mean, spacing.external_missing), (Some(3.0), Some(0)));
        assert!((spacing.standardised_difference.unwrap() - 1.5_f64.sqrt().recip()).abs() < 1e-12);
        // 2 of 3 against 0 of 2 from GE: (2/3) / √((2/9 + 0) / 2) = 2
        let maker = row("manufacturer", "");
        assert!((maker.standardised_difference.unwrap() - 2.0).abs() < 1e-12, "{maker:?}");
        assert_eq!(maker.development_missing, Some(1));
        let siemens = row("manufacturer", "SIEMENS");
        assert_eq!((siemens.development_exams, siemens.external_exams), (Some(1), 2));
        assert_eq!((siemens.external_share, siemens.standardised_difference), (Some(1.0), None));
        // A column of the labels, and a sum of two columns of the preparation.
        assert_eq!(
            (row("stage", "").external_missing, row("stage", "a").development_exams),
            (Some(1), Some(3))
        );
        assert_eq!(row(LUNG_ML, "").external_mean, Some(1550.0));
        // Nothing is known about age, sex and Hounsfield units: no rows.
        assert!(rows.iter().all(|row| !["age_years", "sex", "hu_min"].contains(&&*row.variable)));
    }

    #[test]
    fn without_a_development_the_external_exams_are_described() {
        let external = inputs(&[("2", "A", ""), ("4", "B", "")]);
        let rows = drift(None, &external);
        let spacing = rows.iter().find(|row| row.variable == "slice_spacing_mm").unwrap();
        assert_eq!((spacing.external_mean, spacing.development_exams), (Some(3.0), None));
        assert_eq!(
            (spacing.standardised_difference, &*spacing.reason),
            (None, UNKNOWN_DEVELOPMENT)
        );
    }

    #[test]
    fn rare_levels_share_a_row() {
        let makers: Vec<String> = (0..20).map(|index| format!("M{index:02}")).collect();
        let exams: Vec<(&str, &str, &str)> =
            makers.iter().map(|maker| ("", maker.as_str(), "")).collect();
        let rows = drift(None, &inputs(&exams));
        let rows: Vec<&DriftRow> =
            rows.iter().filter(|row| row.variable == "manufacturer").collect();
        assert_eq!(rows.len(), 1 + MAX_LEVELS + 1);
        let others = rows[MAX_LEVELS + 1];
        assert_eq!(
            (&*others.level, others.external_exams, others.external_share),
            ("others", 12, Some(0.6))
        );
    }
}
