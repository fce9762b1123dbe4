//! Who is in the study.
//!
//! ```text
//! series found + labels ──select──▶ one series per exam ──prepare──▶ usable exams
//!                                                        ──assign──▶ train | valid | test
//! ```
//!
//! Nothing is dropped silently: every series, every unusable file and every label without a
//! series is a [`CohortRow`] with the reason why it is not in the study. Patients are split, not
//! series: no patient is ever in two parts ([`check_parts`]).

mod labels;
mod lists;
mod select;
mod split;

pub use labels::{Label, Labels, LabelsError};
pub use lists::{ListEntry, ListError, read_list, write_list};
pub use select::{Candidate, select, unlabelled};
pub use split::{SplitError, assign, check_parts};

use crate::dicom::{self, DicomError, Scan, Series};
use crate::spec::{Part, Spec};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The cohort could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// A folder could not be walked.
    #[error(transparent)]
    Dicom(#[from] DicomError),
    /// The labels are unusable.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A `.list` file is unusable.
    #[error(transparent)]
    List(#[from] ListError),
    /// The split is impossible.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// No DICOM series at all.
    #[error(
        "no DICOM series in {root} ({skipped} other files, {problems} damaged ones); \
         expected a folder that holds CT series, at any depth{first_problem}"
    )]
    Nothing {
        /// The folder.
        root: PathBuf,
        /// Files of other kinds.
        skipped: usize,
        /// Damaged DICOM files.
        problems: usize,
        /// The first of them, as a sentence.
        first_problem: String,
    },
    /// Series and labels do not meet.
    #[error("none of the {series} series can be used; the reasons: {reasons}. The first:{first}")]
    NoneChosen {
        /// Series found.
        series: usize,
        /// Reasons, each with its count.
        reasons: String,
        /// The first reasons in full, a line each.
        first: String,
    },
}

/// A row of `cohort.csv`: one series, damaged file, or label without a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CohortRow {
    /// PatientID.
    pub patient: String,
    /// Exam: the labels' `exam_id`, else the StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID.
    pub series: String,
    /// Folder of the series, or the damaged file.
    pub path: String,
    /// 1 for cancer within the horizon, 0 for none, empty when unknown.
    pub label: Option<u8>,
    /// Part of the study, empty for what is not in it.
    pub split: Option<Part>,
    /// Whether this series stands for its exam.
    pub chosen: bool,
    /// Why not: a short word, a colon, and a sentence.
    pub reason: String,
    /// Images in the series.
    pub slices: usize,
    /// Distance between slices; empty when it could not be established.
    pub slice_spacing_mm: Option<f64>,
    /// Reconstruction kernel.
    pub kernel: String,
}

/// The study before its parts are drawn.
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// Everything seen, chosen or not; patients in order.
    pub rows: Vec<CohortRow>,
    /// The chosen series, each with its place in `rows`.
    pub chosen: Vec<(usize, Series)>,
}

/// Walks the data, reads the labels and chooses one series per exam.
pub fn gather(spec: &Spec) -> Result<Cohort, CohortError> {
    let (scan, labels) = read_sources(spec)?;
    if scan.series.is_empty() {
        return Err(CohortError::Nothing {
            root: spec.data.root.clone(),
            skipped: scan.skipped,
            problems: scan.problems.len(),
            first_problem: first_problem(&scan),
        });
    }
    let series_found = scan.series.len();
    let cohort = select::choose(scan, &labels, &spec.data.select);
    if cohort.chosen.is_empty() {
        let reasons = count_reasons(&cohort.rows);
        let first: Vec<&CohortRow> = cohort.rows.iter().take(3).collect();
        let first = first.iter().map(|row| format!("\n  {}: {}", row.path, row.reason)).collect();
        return Err(CohortError::NoneChosen { series: series_found, reasons, first });
    }
    Ok(cohort)
}

impl Cohort {
    /// Takes a chosen series out of the study, with the reason.
    pub fn refuse(&mut self, row: usize, reason: String) {
        self.rows[row].chosen = false;
        self.rows[row].reason = reason;
        self.chosen.retain(|(chosen, _)| *chosen != row);
    }
}

/// Reasons and how often each stands in the rows, the most frequent first.
pub fn count_reasons(rows: &[CohortRow]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for row in rows.iter().filter(|row| !row.chosen) {
        let word = row.reason.split(':').next().unwrap_or_default();
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    let told: Vec<String> = counts.iter().map(|(word, n)| format!("{word} ({n})")).collect();
    told.join(", ")
}

/// The series and what is known of them, from whichever source the spec names.
fn read_sources(spec: &Spec) -> Result<(Scan, Labels), CohortError> {
    let data = &spec.data;
    if let (Some(train), Some(valid)) = (&data.train_list, &data.valid_list) {
        let lists = [(train, Part::Train), (valid, Part::Valid)];
        let test = data.test_list.as_ref().map(|test| (test, Part::Test));
        let mut entries = Vec::new();
        for (list, part) in lists.into_iter().chain(test) {
            entries.extend(read_list(list)?.into_iter().map(|entry| (entry, part)));
        }
        return read_listed(&entries);
    }
    if let (Some(positives), Some(negatives)) = (&data.positives, &data.negatives) {
        let mut scan = dicom::scan(positives)?;
        let mut labels = Labels::default();
        labels.add_series(&scan, 1, None);
        let negative = dicom::scan(negatives)?;
        labels.add_series(&negative, 0, None);
        labels.refuse_conflicts()?;
        merge(&mut scan, negative);
        return Ok((scan, labels));
    }
    let scan = dicom::scan(&data.root)?;
    let labels = match &data.labels {
        Some(path) => Labels::read_csv(path)?,
        None => Labels::default(),
    };
    Ok((scan, labels))
}

/// The series that `.list` files name, each scanned once.
fn read_listed(entries: &[(ListEntry, Part)]) -> Result<(Scan, Labels), CohortError> {
    let mut all = Scan::default();
    let mut labels = Labels::default();
    for (entry, part) in entries {
        let scan = dicom::scan(&entry.path)?;
        labels.add_series(&scan, entry.label, Some(*part));
        merge(&mut all, scan);
    }
    labels.refuse_conflicts()?;
    Ok((all, labels))
}

fn merge(all: &mut Scan, more: Scan) {
    for series in more.series {
        if !all.series.iter().any(|known| known.series_uid == series.series_uid) {
            all.series.push(series);
        }
    }
    all.problems.extend(more.problems);
    all.skipped += more.skipped;
}

/// The first damaged file as the end of a sentence.
pub(crate) fn first_problem(scan: &Scan) -> String {
    let told = |problem: &dicom::Problem| {
        format!(". The first: {}: {}", problem.path.display(), problem.reason)
    };
    scan.problems.first().map(told).unwrap_or_default()
}

/// The folder that holds a series' first file.
pub(crate) fn folder_of(series: &Series) -> String {
    let first = series.slices.first().and_then(|slice| slice.path.parent());
    first.unwrap_or(Path::new("")).display().to_string()
}
