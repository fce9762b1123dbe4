//! Tables of characteristics in rows and groups of exams in columns.

use super::Population;
use super::describe::{Characteristic, Values};
use super::summary::{NONE, count_text, mean_text, median_text};
use lungs_base::text::counted;
use lungs_stats::{categorical_difference, continuous_difference};
use std::collections::{BTreeMap, BTreeSet};

/// Levels of a category with a row of their own; rarer ones share a row.
const MAX_LEVELS: usize = 8;

/// Coverage of intervals, which the tables do not show.
const LEVEL: f64 = 0.95;

/// Ends of the names of the exams of a group with and without cancer.
pub(super) const WITH_CANCER: &str = ", with cancer";
/// See [`WITH_CANCER`].
pub(super) const WITHOUT_CANCER: &str = ", without cancer";

/// A group of exams, such as a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Name of the column.
    pub name: String,
    /// Indices of the exams of the population.
    pub exams: Vec<usize>,
}

impl Group {
    pub(super) fn new(name: &str, exams: Vec<usize>) -> Self {
        Self { name: name.to_owned(), exams }
    }
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PopulationRow {
    /// The characteristic with its unit.
    pub name: String,
    /// What the cells are: `mean (SD)`, a level, `missing`; empty for a plain count.
    pub statistic: String,
    /// One text for each group.
    pub cells: Vec<String>,
    /// The standardised difference of each pair of groups, in the first row of a characteristic.
    pub differences: Vec<Option<f64>>,
}

/// A table of characteristics by groups of exams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PopulationTable {
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Names of the pairs of groups whose standardised difference is given.
    pub pairs: Vec<String>,
    /// The rows.
    pub rows: Vec<PopulationRow>,
}

/// Groups and the pairs among them to compare.
struct Columns<'a> {
    groups: &'a [Group],
    pairs: &'a [[usize; 2]],
}

impl PopulationTable {
    /// Counts and characteristics of the patients. `pairs` are indices of `groups`.
    pub(crate) fn of_characteristics(
        population: &Population,
        groups: &[Group],
        pairs: &[[usize; 2]],
    ) -> Self {
        let columns = Columns { groups, pairs };
        Self::new(columns, counts(population, groups), &population.characteristics())
    }

    /// Characteristics of the acquisition.
    pub(crate) fn of_acquisition(
        population: &Population,
        groups: &[Group],
        pairs: &[[usize; 2]],
    ) -> Self {
        Self::new(Columns { groups, pairs }, Vec::new(), &population.acquisition())
    }

    fn new(columns: Columns, counts: Vec<PopulationRow>, all: &[Characteristic]) -> Self {
        let mut rows = counts;
        rows.extend(all.iter().flat_map(|characteristic| columns.rows(characteristic)));
        for row in &mut rows {
            row.differences.resize(columns.pairs.len(), None);
        }
        let name = |pair: &[usize; 2]| {
            let [one, other] = pair.map(|index| columns.groups[index].name.as_str());
            match (one.strip_suffix(WITH_CANCER), other.strip_suffix(WITHOUT_CANCER)) {
                (Some(group), Some(same)) if group == same => {
                    format!("{group}, with vs without cancer")
                }
                _ => format!("{one} vs {}", other.to_lowercase()),
            }
        };
        Self {
            groups: columns.groups.iter().map(|group| group.name.clone()).collect(),
            pairs: columns.pairs.iter().map(name).collect(),
            rows,
        }
    }

    /// The table as rows of cells, heads first.
    pub(crate) fn cells(&self) -> Vec<Vec<String>> {
        let pairs = self.pairs.iter().map(|pair| format!("standardised difference, {pair}"));
        let heads = ["characteristic", "statistic"].map(str::to_owned).into_iter();
        let heads = heads.chain(self.groups.iter().cloned()).chain(pairs).collect();
        let row = |row: &PopulationRow| {
            let words = [row.name.clone(), row.statistic.clone()].into_iter();
            let differences = row.differences.iter();
            let differences = differences.map(|it| it.map_or(String::new(), three_decimals));
            words.chain(row.cells.iter().cloned()).chain(differences).collect()
        };
        std::iter::once(heads).chain(self.rows.iter().map(row)).collect()
    }
}

/// Three decimals, without a sign on a zero.
fn three_decimals(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

/// Exams and patients, all and with cancer.
fn counts(population: &Population, groups: &[Group]) -> Vec<PopulationRow> {
    let row = |name: &str, statistic: &str, cell: &dyn Fn(&Group) -> String| PopulationRow {
        name: name.to_owned(),
        statistic: statistic.to_owned(),
        cells: groups.iter().map(cell).collect(),
        differences: Vec::new(),
    };
    let exam = |index: &usize| &population.exams[*index];
    let with_cancer = |group: &Group| {
        group.exams.iter().filter(|index| exam(index).label == Some(true)).copied().collect()
    };
    let patients = |exams: &[usize]| -> usize {
        exams.iter().map(|index| exam(index).patient_id.as_str()).collect::<BTreeSet<_>>().len()
    };
    let exams_of_patients = |group: &Group| -> Vec<f64> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for index in &group.exams {
            *counts.entry(&exam(index).patient_id).or_default() += 1;
        }
        counts.into_values().map(|count| count as f64).collect()
    };
    vec![
        row("Exams", "", &|group| group.exams.len().to_string()),
        row("Exams with cancer", "n (%)", &|group| {
            let positive: Vec<usize> = with_cancer(group);
            count_text(positive.len(), group.exams.len())
        }),
        row("Patients", "", &|group| patients(&group.exams).to_string()),
        row("Patients with cancer", "n (%)", &|group| {
            let positive: Vec<usize> = with_cancer(group);
            count_text(patients(&positive), patients(&group.exams))
        }),
        row("Exams per patient", "mean (SD)", &|group| mean_text(&exams_of_patients(group))),
    ]
}

impl Columns<'_> {
    fn rows(&self, characteristic: &Characteristic) -> Vec<PopulationRow> {
        let mut rows = match &characteristic.values {
            Values::Numbers(values) => self.number_rows(characteristic, values),
            Values::Levels(values) => self.level_rows(characteristic, values),
        };
        rows.extend(self.missing_row(characteristic));
        rows
    }

    fn row(
        &self,
        characteristic: &Characteristic,
        statistic: &str,
        cell: impl Fn(&Group) -> String,
    ) -> PopulationRow {
        PopulationRow {
            name: characteristic.name.clone(),
            statistic: statistic.to_owned(),
            cells: self.groups.iter().map(cell).collect(),
            differences: Vec::new(),
        }
    }

    fn number_rows(&self, of: &Characteristic, values: &[Option<f64>]) -> Vec<PopulationRow> {
        let known =
            |group: &Group| -> Vec<f64> { known(of, values, group).into_iter().copied().collect() };
        let mut mean = self.row(of, "mean (SD)", |group| mean_text(&known(group)));
        mean.differences = self.differences(|one, other| {
            let groups = [one, other].map(|group| options(&known(group)));
            continuous_difference([&groups[0], &groups[1]], LEVEL).difference.value
        });
        vec![mean, self.row(of, "median (quartiles)", |group| median_text(&known(group)))]
    }

    fn level_rows(&self, of: &Characteristic, values: &[Option<String>]) -> Vec<PopulationRow> {
        let everywhere: BTreeSet<usize> =
            self.groups.iter().flat_map(|group| group.exams.iter().copied()).collect();
        let applicable = everywhere.iter().filter(|exam| of.applies[**exam]);
        let mut counts = BTreeMap::<&str, usize>::new();
        for level in applicable.filter_map(|&exam| values[exam].as_deref()) {
            *counts.entry(level).or_default() += 1;
        }
        let mut levels: Vec<(&str, usize)> = counts.into_iter().collect();
        levels.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let names: Vec<&str> = levels.into_iter().map(|(name, _)| name).collect();
        let count_row = |statistic: &str, of_level: &dyn Fn(&str) -> bool| {
            self.row(of, statistic, |group| {
                let known = known(of, values, group);
                count_text(known.iter().filter(|level| of_level(level)).count(), known.len())
            })
        };
        // One level more has a row rather than a row of other levels.
        let shown = if names.len() <= MAX_LEVELS + 1 { names.len() } else { MAX_LEVELS };
        let mut rows: Vec<PopulationRow> =
            names[..shown].iter().map(|name| count_row(name, &|level| level == *name)).collect();
        if shown < names.len() {
            let words = counted(names.len() - shown, "other value", "other values");
            rows.push(count_row(&words, &|level| names[shown..].contains(&level)));
        }
        if let Some(first) = rows.first_mut() {
            first.differences = self.differences(|one, other| {
                let groups = [one, other].map(|group| options(&known(of, values, group)));
                categorical_difference([&groups[0], &groups[1]], LEVEL).difference.value
            });
        }
        rows
    }

    /// The missing values, if there are any.
    fn missing_row(&self, of: &Characteristic) -> Option<PopulationRow> {
        let is_missing = |exam: usize| match &of.values {
            Values::Numbers(values) => values[exam].is_none(),
            Values::Levels(values) => values[exam].is_none(),
        };
        let counts = |group: &Group| {
            let applicable = group.exams.iter().filter(|exam| of.applies[**exam]);
            let missing = applicable.clone().filter(|exam| is_missing(**exam)).count();
            (missing, applicable.count())
        };
        let any = self.groups.iter().any(|group| counts(group).0 > 0);
        any.then(|| {
            self.row(of, "missing", |group| match counts(group) {
                (_, 0) => NONE.to_owned(),
                (missing, total) => count_text(missing, total),
            })
        })
    }

    fn differences(&self, of: impl Fn(&Group, &Group) -> Option<f64>) -> Vec<Option<f64>> {
        let pairs = self.pairs.iter();
        pairs.map(|[one, other]| of(&self.groups[*one], &self.groups[*other])).collect()
    }
}

/// Known values for the statistics, which count missing ones themselves.
fn options<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    values.iter().cloned().map(Some).collect()
}

/// The known values of the exams of a group that can have one.
fn known<'a, T>(of: &Characteristic, values: &'a [Option<T>], group: &Group) -> Vec<&'a T> {
    let exams = group.exams.iter().filter(|exam| of.applies[**exam]);
    exams.filter_map(|exam| values[*exam].as_ref()).collect()
}
