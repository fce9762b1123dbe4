//! Who is in the study.
//!
//! ```text
//! images found + labels ──select──▶ one image per exam  ──prepare──▶ usable exams
//!                                                        ──assign──▶ train | valid | test
//! ```
//!
//! An image is a DICOM series or a volume file ([`crate::images`]); both are called series here.
//! Nothing is dropped silently: every series, every unusable file and every label without a
//! series is a [`CohortRow`] with the reason why it is not in the study. Patients are split, not
//! series: no patient is ever in two parts ([`check_parts`]).

mod kernel;
mod labels;
mod lists;
mod reasons;
mod remarks;
mod rules;
mod select;
mod split;
mod split_lists;
#[cfg(test)]
mod testing;
mod unmatched;

pub use kernel::{Sharpness, sharpness};
pub use labels::{
    Contradiction, Contradictions, Label, Labels, LabelsError, Matched, PatientRows, Unused,
};
pub use lists::{ListEntry, ListError, read_list, write_list};
pub use reasons::{ReasonGroup, group_reasons};
pub use remarks::Remark;
pub use select::{Candidate, select, unlabelled};
pub use split::{SplitError, assign, check_parts, split_warnings};
pub use split_lists::{SplitListError, SplitLists};
pub use unmatched::{SeriesNames, Unmatched};

use crate::formats;
use crate::images::{
    self, Image, ImagesError, Kind, ScanResult, Scanner, SkippedFiles, SkippedKind, Tally,
};
use crate::spec::{Part, Spec};
use remarks::PATIENT_ASSUMED;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The cohort could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// A folder could not be walked.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A folder or file of a list could not be walked.
    #[error("{list}, line {line}: {source}; paths of a list start at the working directory")]
    Listed {
        /// The list.
        list: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why not.
        source: ImagesError,
    },
    /// The labels are unusable.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A `.list` file is unusable.
    #[error(transparent)]
    List(#[from] ListError),
    /// The split is impossible.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// No image at all.
    #[error(
        "no CT images in {root} ({skipped} other files, {problems} damaged ones); expected a \
         folder that holds DICOM series, NIfTI, MetaImage or prepared .npz files, at any \
         depth{first_problem}{hint}{}", .passed_over.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    Nothing {
        /// The folder.
        root: PathBuf,
        /// Files of other kinds.
        skipped: usize,
        /// Damaged image files.
        problems: usize,
        /// The first of them, as a sentence.
        first_problem: String,
        /// What to do next, where that is known.
        hint: String,
        /// A line for each kind of file that may hold images and is not looked into.
        passed_over: Vec<String>,
    },
    /// Series and labels do not meet.
    #[error(
        "none of the {series} series can be used; the reasons: {reasons}. The first:{first}{unmatched}"
    )]
    NoneChosen {
        /// Series found.
        series: usize,
        /// Reasons, each with its count.
        reasons: String,
        /// The first reasons in full, a line each.
        first: String,
        /// A label and a series that do not meet, as a line.
        unmatched: String,
    },
}

/// A row of `cohort.csv`: one series, damaged file, or label without a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CohortRow {
    /// PatientID, else the labels' `patient_id`.
    pub patient: String,
    /// Exam: the labels' `exam_id`, else the StudyInstanceUID, else the series.
    pub exam: String,
    /// SeriesInstanceUID, or the name of a volume file.
    pub series: String,
    /// Folder of the series, or the volume file, or the damaged file.
    pub path: String,
    /// 1 for cancer within the horizon, 0 for none, empty when unknown.
    pub label: Option<u8>,
    /// Part of the study, empty for what is not in it.
    pub split: Option<Part>,
    /// Whether this series stands for its exam.
    pub chosen: bool,
    /// Why not: a short word, a colon, and a sentence.
    pub reason: String,
    /// `dicom`, `nifti`, `metaimage` or `prepared`.
    pub kind: String,
    /// Slices of the volume; where there is none, files.
    pub slices: usize,
    /// Distance between slices; empty when it could not be established.
    pub slice_spacing_mm: Option<f64>,
    /// Distance from the first to the last slice; empty when it could not be established.
    pub coverage_mm: Option<f64>,
    /// StudyDate as the header has it; empty when it does not say, and in tables of older runs. Of a label
    /// without a series, the date that it names.
    #[serde(default)]
    pub study_date: String,
    /// Reconstruction kernel.
    pub kernel: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// What was noticed in the headers and is safe, short stable words joined by `;`.
    pub flags: String,
}

/// The study before its parts are drawn.
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// Everything seen, chosen or not; patients in order.
    pub rows: Vec<CohortRow>,
    /// The chosen series, each with its place in `rows`.
    pub chosen: Vec<(usize, Image)>,
    /// What further columns of the labels say, by series and name of the column.
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that are no image or are not looked into, by kind.
    pub passed_over: SkippedFiles,
    /// What was assumed.
    pub remarks: Vec<Remark>,
}

/// Walks the data, reads the labels and chooses one series per exam.
pub fn gather(spec: &Spec, scanner: &mut Scanner) -> Result<Cohort, CohortError> {
    let (found, labels) = read_sources(spec, scanner)?;
    of_images(spec, found, &labels)
}

/// Chooses one series per exam among images that were found before.
pub fn of_images(spec: &Spec, found: ScanResult, labels: &Labels) -> Result<Cohort, CohortError> {
    if found.images.is_empty() {
        return Err(nothing(spec.data.root.clone(), &found));
    }
    let series_found = found.images.len();
    let matched = labels.matched(&found.images);
    labels::check_contradictions(labels, &found.images, &matched).map_err(LabelsError::from)?;
    let mut cohort = select::choose(found, matched, &spec.data.select);
    split::leave_out_unlisted(&mut cohort, spec)?;
    if cohort.chosen.is_empty() {
        let reasons = count_reasons(&cohort.rows);
        let first: Vec<&CohortRow> = cohort.rows.iter().take(3).collect();
        let first = first.iter().map(|row| format!("\n  {}: {}", row.path, row.reason)).collect();
        let unmatched = Unmatched::of(&cohort.rows);
        let unmatched = unmatched.map_or_else(String::new, |pair| format!("\n  {pair}"));
        return Err(CohortError::NoneChosen { series: series_found, reasons, first, unmatched });
    }
    Ok(cohort)
}

/// The error of a folder without images.
pub(crate) fn nothing(root: PathBuf, found: &ScanResult) -> CohortError {
    let told = |problem: &crate::dicom::Problem| {
        format!(". The first: {}: {}", problem.path.display(), problem.reason)
    };
    let list = root.join("series.csv");
    let hint = if list.is_file() {
        format!(
            ". {} says what is to be fetched: lungs fetch {} {}",
            list.display(),
            list.display(),
            root.display()
        )
    } else {
        String::new()
    };
    CohortError::Nothing {
        root,
        hint,
        skipped: found.skipped.files(),
        passed_over: remedies(&found.skipped),
        problems: found.problems.len(),
        first_problem: found.problems.first().map(told).unwrap_or_default(),
    }
}

/// A line for each kind of file that may hold images and is not looked into.
pub fn remedies(passed_over: &SkippedFiles) -> Vec<String> {
    let line = |(kind, tally): (SkippedKind, &Tally)| {
        let count = images::counted(kind, tally.files);
        Some(format!(
            "{count} passed over, such as {}: {}",
            tally.example.display(),
            kind.remedy()?
        ))
    };
    passed_over.iter().filter_map(line).collect()
}

impl Cohort {
    /// Takes chosen series out of the study, each by its row and with the reason. All at once: of a
    /// whole archive, thousands are refused.
    pub fn refuse(&mut self, refused: BTreeMap<usize, String>) {
        self.chosen.retain(|(row, _)| !refused.contains_key(row));
        for (row, reason) in refused {
            self.rows[row].chosen = false;
            self.rows[row].reason = reason;
        }
    }
}

/// Reasons and how often each stands in the rows, the most frequent first.
pub fn count_reasons(rows: &[CohortRow]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for row in rows.iter().filter(|row| !row.chosen && !row.is_passed_over()) {
        let word = row.reason.split(':').next().unwrap_or_default();
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    let told: Vec<String> = counts.iter().map(|(word, n)| format!("{word} ({n})")).collect();
    told.join(", ")
}

/// The images and what is known of them, from whichever source the spec names.
fn read_sources(spec: &Spec, scanner: &mut Scanner) -> Result<(ScanResult, Labels), CohortError> {
    let data = &spec.data;
    if let (Some(train), Some(valid)) = (&data.train_list, &data.valid_list) {
        let lists = [(train, Part::Train), (valid, Part::Valid)];
        let test = data.test_list.as_ref().map(|test| (test, Part::Test));
        let mut entries = Vec::new();
        for (list, part) in lists.into_iter().chain(test) {
            entries.extend(read_list(list)?.into_iter().map(|entry| (entry, part, list.as_path())));
        }
        return read_listed(&entries, scanner);
    }
    if let (Some(positives), Some(negatives)) = (&data.positives, &data.negatives) {
        let mut parts = Vec::new();
        for (folder, label) in [(positives, 1), (negatives, 0)] {
            let found = scanner.scan(folder)?;
            parts.push(Labelled { found, label, part: None, source: None });
        }
        return merged(parts);
    }
    let found = scanner.scan(&data.root)?;
    let labels = match &data.labels {
        Some(path) => Labels::read_csv(path, &data.root)?,
        None => Labels::default(),
    };
    Ok((found, labels))
}

/// The images that `.list` files name, each scanned once.
fn read_listed(
    entries: &[(ListEntry, Part, &Path)],
    scanner: &mut Scanner,
) -> Result<(ScanResult, Labels), CohortError> {
    let mut parts = Vec::with_capacity(entries.len());
    for (entry, part, list) in entries {
        let found = scanner.scan(&entry.path).map_err(|source| CohortError::Listed {
            list: list.to_path_buf(),
            line: entry.line,
            source,
        })?;
        let source = Some(format!("{} line {}", list.display(), entry.line));
        parts.push(Labelled { found, label: entry.label, part: Some(*part), source });
    }
    merged(parts)
}

/// What a folder or file of a list holds, with its label.
struct Labelled {
    found: ScanResult,
    label: u8,
    part: Option<Part>,
    /// The line of a list.
    source: Option<String>,
}

/// What several folders hold together, every series once, labelled by where it was found.
fn merged(parts: Vec<Labelled>) -> Result<(ScanResult, Labels), CohortError> {
    // Names of volume files are names of series only as long as they tell files apart.
    let mut paths = HashMap::<String, BTreeSet<PathBuf>>::new();
    for image in parts.iter().flat_map(|part| &part.found.images) {
        if image.kind != Kind::Dicom {
            paths.entry(image.series_uid.clone()).or_default().insert(image.path.clone());
        }
    }
    let mut all = ScanResult::default();
    let mut labels = Labels::default();
    let mut known = HashSet::new();
    for Labelled { mut found, label, part, source } in parts {
        for image in &mut found.images {
            if paths.get(&image.series_uid).is_some_and(|paths| paths.len() > 1) {
                let path = image.path.display().to_string();
                formats::stem(&path).clone_into(&mut image.series_uid);
            }
        }
        found.images.iter_mut().for_each(assume_patient);
        labels.add_images(&found.images, label, part, source.as_deref());
        all.images.extend(
            found.images.into_iter().filter(|image| known.insert(image.series_uid.clone())),
        );
        all.problems.extend(found.problems);
        all.skipped.merge(found.skipped);
        all.opened += found.opened;
    }
    Ok((all, labels))
}

/// Takes a volume file that names no patient for a patient of its own: lists and class folders have no
/// place to name one.
fn assume_patient(image: &mut Image) {
    if image.kind != Kind::Dicom && image.patient_id.is_empty() {
        image.patient_id.clone_from(&image.series_uid);
        image.flags.push(PATIENT_ASSUMED.to_owned());
    }
}
