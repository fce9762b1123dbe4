//! The exclusions of a study by reason, and whom they concern.

use super::{ExamKey, Population, key};
use lungs_image::codes::ExclusionCode;
use lungs_study::cohort::CohortRow;
use std::collections::{BTreeMap, BTreeSet};

/// The exclusions for one reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExclusionRow {
    /// The reason.
    pub code: ExclusionCode,
    /// Excluded series, or entries of other kinds: labels, damaged files.
    pub series: usize,
    /// Exams with cancer of which no series is included. Each exam counts once, for its first reason.
    pub exams_with_cancer: usize,
    /// Exams without cancer of which no series is included.
    pub exams_without_cancer: usize,
    /// Exams without a label of which no series is included.
    pub exams_without_label: usize,
}

impl ExclusionRow {
    /// Names of the columns of `exclusions.csv`.
    pub(crate) const COLUMNS: [&'static str; 6] = [
        "code",
        "reason",
        "series",
        "exams_with_cancer",
        "exams_without_cancer",
        "exams_without_label",
    ];

    /// The row of `exclusions.csv`.
    pub(crate) fn cells(&self) -> Vec<String> {
        let counts = [
            self.series,
            self.exams_with_cancer,
            self.exams_without_cancer,
            self.exams_without_label,
        ];
        let words = [self.code.to_string(), self.code.words().name.into_owned()];
        words.into_iter().chain(counts.map(|count| count.to_string())).collect()
    }
}

/// The exclusions by reason, the most frequent first.
pub(crate) fn exclusions(population: &Population) -> Vec<ExclusionRow> {
    let rows = || population.cohort.iter().filter(|row| !row.is_skipped_file());
    let mut lost: BTreeSet<ExamKey> = rows().filter(|row| row.chosen).map(key).collect();
    let mut by_code = BTreeMap::<&ExclusionCode, ExclusionRow>::new();
    for row in rows().filter(|row| !row.chosen) {
        let Some(code) = &row.code else { continue };
        let entry = by_code.entry(code).or_insert_with(|| ExclusionRow {
            code: code.clone(),
            series: 0,
            exams_with_cancer: 0,
            exams_without_cancer: 0,
            exams_without_label: 0,
        });
        entry.series += 1;
        if !names_an_exam(row) || !lost.insert(key(row)) {
            continue;
        }
        match row.label {
            Some(true) => entry.exams_with_cancer += 1,
            Some(false) => entry.exams_without_cancer += 1,
            None => entry.exams_without_label += 1,
        }
    }
    let mut rows: Vec<ExclusionRow> = by_code.into_values().collect();
    rows.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.code.cmp(&b.code)));
    rows
}

/// Whether a row stands for an exam: a series, or a label without a series.
fn names_an_exam(row: &CohortRow) -> bool {
    row.is_image() || row.is_label()
}
