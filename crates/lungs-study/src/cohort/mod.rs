//! The cohort: which series, exams and patients are used, and why others are excluded.
//!
//! ```text
//! images + labels ──select──▶ one image per exam ──prepare──▶ usable exams
//!                                                 ──assign──▶ train | valid | test
//! ```
//!
//! An image is a DICOM series or a volume file ([`lungs_image::images`]); both are called series here.
//! Every series, every unusable file and every label without a series is a [`CohortRow`] with the reason of
//! its exclusion. The split is by patient: no patient is in two splits ([`check_splits`]).

mod error;
mod follow_up;
mod kernel;
mod labels;
mod lists;
mod reasons;
mod remarks;
mod row;
mod rules;
mod select;
mod split;
mod split_lists;
#[cfg(test)]
mod testing;
mod unmatched;

pub use error::CohortError;
pub use follow_up::{FollowUpCounts, HorizonCounts};
pub use kernel::{Sharpness, sharpness};
pub(crate) use labels::LabelMatches;
pub use labels::{Contradictions, FollowUpError, Label, Labels, LabelsError, PatientRows};
pub use lists::{ListEntry, ListError, read_list, write_list};
pub use reasons::{ReasonGroup, group_reasons};
pub use remarks::Remark;
pub use row::{CohortRow, read_cohort, write_cohort};
pub use select::{Candidate, select, unlabelled_rows};
pub use split::{SplitError, assign, assign_external, check_splits, split_warnings};
pub use split_lists::{SplitListError, SplitLists};
pub use unmatched::{SeriesNames, UnmatchedIds};

use lungs_base::text::counted;
use lungs_image::codes::{Exclusion, ExclusionCode, Flag};
use lungs_image::formats;
use lungs_image::images::{
    self, Image, Kind, ScanResult, Scanner, SkippedFiles, SkippedKind, Tally,
};
use lungs_spec::spec::{Spec, SplitName};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The cohort; its splits are drawn by [`assign`].
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// All rows, chosen and excluded, sorted by patient.
    pub rows: Vec<CohortRow>,
    /// The chosen series, each with its index in `rows`.
    pub chosen: Vec<(usize, Image)>,
    /// Values of other columns of the labels, by series and column name.
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that are not images or are not read, by kind.
    pub skipped_files: SkippedFiles,
    /// Assumptions.
    pub remarks: Vec<Remark>,
}

/// Searches the images, reads the labels and selects one series per exam.
pub fn gather(spec: &Spec, scanner: &mut Scanner) -> Result<Cohort, CohortError> {
    let (found, labels) = read_sources(spec, scanner)?;
    select_from_images(spec, found, &labels)
}

/// Selects one series per exam from images.
pub fn select_from_images(
    spec: &Spec,
    found: ScanResult,
    labels: &Labels,
) -> Result<Cohort, CohortError> {
    if found.images.is_empty() {
        return Err(no_images_error(spec.data.root.clone(), &found));
    }
    let series = found.images.len();
    let matches = labels.match_images(&found.images);
    labels::check_contradictions(labels, &found.images, &matches).map_err(LabelsError::from)?;
    let mut cohort = select::choose(found, matches, &spec.data.select);
    split::exclude_unlisted(&mut cohort, spec)?;
    labels::check_one_exam(labels, cohort.chosen.iter().map(|(_, image)| image))?;
    if cohort.chosen.is_empty() {
        return Err(none_chosen_error(series, &cohort.rows));
    }
    Ok(cohort)
}

/// The error of a cohort without a chosen series: problems of series, of files and of labels, each by itself.
fn none_chosen_error(series: usize, rows: &[CohortRow]) -> CohortError {
    let case = |row: &CohortRow| format!("\n  {}: {}", row.path, row.reason_text());
    let images: Vec<CohortRow> = rows.iter().filter(|row| row.is_image()).cloned().collect();
    let mut damaged = rows.iter().filter(|row| row.is_damaged_file());
    let count = damaged.clone().count();
    let damaged = damaged.next().map_or_else(String::new, |row| {
        format!("\n{}, for example:{}", counted(count, "damaged file", "damaged files"), case(row))
    });
    CohortError::NoneChosen {
        series,
        reasons: count_reasons(&images),
        first: images.iter().take(3).map(case).collect(),
        damaged,
        unmatched: unmatched_labels(rows).map_or_else(String::new, |text| format!("\n{text}")),
    }
}

/// The number of labels without a series and an example: `12 labels match no series, for example:` and a line;
/// `None` if all labels match.
fn unmatched_labels(rows: &[CohortRow]) -> Option<String> {
    let mut labels = rows.iter().filter(|row| row.is_label());
    let count = labels.clone().count();
    let first = labels.next()?;
    let example =
        UnmatchedIds::of(rows).map_or_else(|| first.reason.clone(), |ids| ids.to_string());
    let matches = counted(count, "label matches", "labels match");
    Some(format!("{matches} no series, for example:\n  {example}"))
}

/// The error of a folder without images.
pub fn no_images_error(root: PathBuf, found: &ScanResult) -> CohortError {
    let sentence = |problem: &lungs_image::dicom::Problem| {
        format!(". First damaged file: {}: {}", problem.path.display(), problem.reason)
    };
    let list = root.join("series.csv");
    let hint = if list.is_file() {
        format!(
            ". To fetch the series of {}: `lungs fetch {} {}`",
            list.display(),
            list.display(),
            root.display()
        )
    } else {
        String::new()
    };
    CohortError::NoImages {
        root,
        hint,
        skipped: found.skipped.files(),
        skipped_files: remedies(&found.skipped),
        problems: found.problems.len(),
        first_problem: found.problems.first().map(sentence).unwrap_or_default(),
    }
}

/// A line for each kind of file that can contain images but is not read.
pub fn remedies(skipped_files: &SkippedFiles) -> Vec<String> {
    let line = |(kind, tally): (SkippedKind, &Tally)| {
        let count = images::counted_files(kind, tally.files);
        Some(format!("{count} ignored, such as {}: {}", tally.example.display(), kind.remedy()?))
    };
    skipped_files.iter().filter_map(line).collect()
}

impl Cohort {
    /// Excludes chosen series; `exclusions` has the reason of each, by the index of its row. One call excludes
    /// thousands of series in linear time.
    pub fn exclude(&mut self, exclusions: BTreeMap<usize, Exclusion>) {
        self.chosen.retain(|(row, _)| !exclusions.contains_key(row));
        for (row, exclusion) in exclusions {
            self.rows[row].exclude(exclusion);
        }
    }
}

/// Codes of exclusion and their counts, the most frequent first.
pub fn count_reasons(rows: &[CohortRow]) -> String {
    let mut counts = BTreeMap::<&ExclusionCode, usize>::new();
    let excluded = rows.iter().filter(|row| !row.chosen && !row.is_skipped_file());
    for code in excluded.filter_map(|row| row.code.as_ref()) {
        *counts.entry(code).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let parts: Vec<String> = counts.iter().map(|(code, n)| format!("{code} ({n})")).collect();
    parts.join(", ")
}

/// The images and labels, from the source that the spec names.
fn read_sources(spec: &Spec, scanner: &mut Scanner) -> Result<(ScanResult, Labels), CohortError> {
    let data = &spec.data;
    if let (Some(train), Some(valid)) = (&data.train_list, &data.valid_list) {
        let lists = [(train, SplitName::Train), (valid, SplitName::Valid)];
        let test = data.test_list.as_ref().map(|test| (test, SplitName::Test));
        let mut entries = Vec::new();
        for (list, split) in lists.into_iter().chain(test) {
            entries
                .extend(read_list(list)?.into_iter().map(|entry| (entry, split, list.as_path())));
        }
        return read_lists(&entries, scanner);
    }
    if let (Some(positives), Some(negatives)) = (&data.positives, &data.negatives) {
        let mut sources = Vec::new();
        let folders = [("data.positives", positives, true), ("data.negatives", negatives, false)];
        for (key, folder, label) in folders {
            let root = |source| CohortError::root(key, source);
            let found = scanner.scan(folder).map_err(root)?;
            sources.push(LabelledImages { found, label, split: None, source: None });
        }
        return Ok(merge(sources));
    }
    let root = |source| CohortError::root("data.root", source);
    let found = scanner.scan(&data.root).map_err(root)?;
    let labels = match &data.labels {
        Some(path) => Labels::read_csv(path, &data.root, &spec.outcome)?,
        None => Labels::default(),
    };
    Ok((found, labels))
}

/// The images and labels of `.list` files.
fn read_lists(
    entries: &[(ListEntry, SplitName, &Path)],
    scanner: &mut Scanner,
) -> Result<(ScanResult, Labels), CohortError> {
    let mut sources = Vec::with_capacity(entries.len());
    for (entry, split, list) in entries {
        let found = scanner.scan(&entry.path).map_err(|source| CohortError::ListedPath {
            list: list.to_path_buf(),
            line: entry.line,
            source,
        })?;
        let source = Some(format!("{} line {}", list.display(), entry.line));
        sources.push(LabelledImages { found, label: entry.label, split: Some(*split), source });
    }
    Ok(merge(sources))
}

/// The images of a class folder or of a list entry, with their label.
struct LabelledImages {
    found: ScanResult,
    label: bool,
    split: Option<SplitName>,
    /// The line of the list, if any.
    source: Option<String>,
}

/// Merges the images of several sources, every series once, with the label of its source.
fn merge(sources: Vec<LabelledImages>) -> (ScanResult, Labels) {
    // The name of a volume file is the name of its series, unless several files have the same name.
    let mut paths = HashMap::<String, BTreeSet<PathBuf>>::new();
    for image in sources.iter().flat_map(|source| &source.found.images) {
        if image.kind != Kind::Dicom {
            paths.entry(image.series_uid.clone()).or_default().insert(image.path.clone());
        }
    }
    let mut all = ScanResult::default();
    let mut labels = Labels::default();
    let mut known = HashSet::new();
    for LabelledImages { mut found, label, split, source } in sources {
        for image in &mut found.images {
            if paths.get(&image.series_uid).is_some_and(|paths| paths.len() > 1) {
                let path = image.path.display().to_string();
                formats::stem(&path).clone_into(&mut image.series_uid);
            }
        }
        found.images.iter_mut().for_each(assume_patient);
        labels.add_images(&found.images, label, split, source.as_deref());
        all.images.extend(
            found.images.into_iter().filter(|image| known.insert(image.series_uid.clone())),
        );
        all.problems.extend(found.problems);
        all.skipped.merge(found.skipped);
        all.opened += found.opened;
    }
    (all, labels)
}

/// Treats a volume file without a patient as a separate patient: lists and class folders cannot name patients.
fn assume_patient(image: &mut Image) {
    if image.kind != Kind::Dicom && image.patient_id.is_empty() {
        image.patient_id.clone_from(&image.series_uid);
        image.flags.push(Flag::PatientAssumed);
    }
}
