//! The study population: characteristics and acquisition of its exams by split and by outcome, and the exclusions.
//!
//! ```text
//!   cohort.csv ───────┐                 characteristics.csv   age, sex, smoking, follow-up, …
//!   exam-columns.csv ─┼─► Population ─► acquisition.csv       makers, kernels, spacing, dose, …
//!                     ┘                 exclusions.csv        reasons, by outcome
//! ```
//!
//! All tables are aggregated: they name no patient and no exam.

mod describe;
mod exclusions;
mod summary;
mod table;

pub(crate) use exclusions::{ExclusionRow, exclusions};
pub(crate) use table::{Group, PopulationTable};
use table::{WITH_CANCER, WITHOUT_CANCER};

use super::ReportError;
use lungs_spec::results::{ColumnRow, RunFolder, Table, read_csv};
use lungs_spec::spec::{Report, SplitName};
use lungs_study::cohort::{CohortRow, read_cohort};
use std::collections::{BTreeMap, BTreeSet};

/// The exams of a study with their headers and the columns of their labels.
#[derive(Debug, Default)]
pub(crate) struct Population {
    /// Every row of the cohort.
    pub cohort: Vec<CohortRow>,
    /// One row for each exam: the included ones, then the excluded ones that have a label and a series.
    pub exams: Vec<CohortRow>,
    /// Number of included exams.
    pub included: usize,
    /// Values of columns of the labels, by column and series.
    columns: BTreeMap<String, BTreeMap<String, String>>,
    /// The columns to describe, in order.
    described: Vec<String>,
}

/// The exam of a row: exams of different patients may have the same id.
type ExamKey<'a> = (&'a str, &'a str);

fn key(row: &CohortRow) -> ExamKey<'_> {
    (&row.patient_id, &row.exam_id)
}

impl Population {
    /// The population of the run `tables`; `None` without a cohort table.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub(crate) fn read(tables: &RunFolder, report: &Report) -> Result<Option<Self>, ReportError> {
        let (cohort, columns) = (tables.table(Table::Cohort), tables.table(Table::ExamColumns));
        if !cohort.is_file() {
            return Ok(None);
        }
        let cells: Vec<ColumnRow> =
            if columns.is_file() { read_csv(&columns)? } else { Vec::new() };
        Ok(Some(Self::new(read_cohort(&cohort)?, cells, report)))
    }

    /// The population of these tables.
    pub(crate) fn new(cohort: Vec<CohortRow>, cells: Vec<ColumnRow>, report: &Report) -> Self {
        let mut columns = BTreeMap::<String, BTreeMap<String, String>>::new();
        for cell in cells {
            columns.entry(cell.column).or_default().insert(cell.series_uid, cell.value);
        }
        let chosen: Vec<&CohortRow> = cohort.iter().filter(|row| row.chosen).collect();
        let mut known: BTreeSet<ExamKey> = chosen.iter().map(|row| key(row)).collect();
        let excluded = cohort
            .iter()
            .filter(|row| row.is_image() && !row.chosen && row.label.is_some())
            .filter(|row| known.insert(key(row)));
        let included = chosen.len();
        let excluded: Vec<&CohortRow> = excluded.collect();
        let exams: Vec<CohortRow> = chosen.into_iter().chain(excluded).cloned().collect();
        let described = report.described_columns().into_iter().map(str::to_owned).collect();
        Self { exams, included, columns, described, cohort }
    }

    /// Indices of the included exams of a split, or of all splits.
    fn included_in(&self, split: Option<SplitName>) -> Vec<usize> {
        let is_in = |exam: &usize| split.is_none() || self.exams[*exam].split == split;
        (0..self.included).filter(is_in).collect()
    }

    /// The groups of exams: all included ones, each split, and the excluded exams. External exams are all exams of
    /// their cohort, so that they are the only group of included ones.
    pub(crate) fn by_split(&self) -> Vec<Group> {
        let all = Group::new("All", self.included_in(None));
        let splits = [
            (SplitName::Train, "Training"),
            (SplitName::Valid, "Validation"),
            (SplitName::Test, "Test"),
            (SplitName::External, "External"),
        ];
        let splits = splits.map(|(split, name)| Group::new(name, self.included_in(Some(split))));
        let is_external = splits[3].exams == all.exams && !all.exams.is_empty();
        let mut groups: Vec<Group> =
            std::iter::once(all).filter(|_| !is_external).chain(splits).collect();
        groups.push(Group::new("Excluded", (self.included..self.exams.len()).collect()));
        groups.retain(|group| !group.exams.is_empty());
        groups
    }

    /// The exams of a group with and without cancer.
    pub(crate) fn by_outcome(&self, group: &Group) -> [Group; 2] {
        [(true, WITH_CANCER), (false, WITHOUT_CANCER)].map(|(label, words)| {
            let has_label = |exam: &&usize| self.exams[**exam].label == Some(label);
            let name = format!("{}{words}", group.name);
            Group { name, exams: group.exams.iter().filter(has_label).copied().collect() }
        })
    }
}

#[cfg(test)]
mod tests;
