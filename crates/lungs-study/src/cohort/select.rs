//! Selection of one series per exam.

use super::kernel::{Sharpness, sharpness};
use super::labels::UnusedLabel;
use super::row::{PART, PASSED_OVER};
use super::{Cohort, CohortRow, Label, LabelMatches, Remark, rules};
use lungs_image::codes::{Exclusion, ExclusionCode, Flag};
use lungs_image::dicom::Problem;
use lungs_image::images::{
    Image, Kind, ScanResult, SkippedFiles, SkippedKind, Tally, counted_files,
};
use lungs_spec::spec::{Preference, Select};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The properties of a series that the rules compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// SeriesInstanceUID, which decides ties.
    pub series_uid: String,
    /// Number of slices.
    pub slices: usize,
    /// Distance between slices.
    pub slice_spacing_mm: f64,
    /// Distance from the first to the last slice.
    pub coverage_mm: f64,
    /// Reconstruction kernel, as in the header.
    pub kernel: String,
}

/// The index of the best candidate; `None` without candidates.
pub fn select(candidates: &[Candidate], rules: &Select) -> Option<usize> {
    (0..candidates.len()).min_by(|a, b| compare(&candidates[*a], &candidates[*b], rules))
}

fn compare(a: &Candidate, b: &Candidate, rules: &Select) -> Ordering {
    let by = |value: &dyn Fn(&Candidate) -> f64| value(a).total_cmp(&value(b));
    let distance = |candidate: &Candidate| {
        // The tables round spacings to 0.1 µm. Distances that look equal there are equal here.
        (((candidate.slice_spacing_mm - rules.target_slice_spacing_mm).abs() * 1e4).round()) / 1e4
    };
    rules
        .prefer
        .iter()
        .map(|rule| match rule {
            Preference::SoftKernel => softness(a).cmp(&softness(b)),
            Preference::SharpKernel => softness(b).cmp(&softness(a)),
            Preference::MostSlices => b.slices.cmp(&a.slices),
            Preference::ThinnestSlices => by(&|candidate| candidate.slice_spacing_mm),
            Preference::NearestSpacing => by(&distance),
            Preference::LongestCoverage => by(&|candidate| -candidate.coverage_mm),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.series_uid.cmp(&b.series_uid))
}

/// Rank of a kernel: soft, unknown, sharp.
fn softness(candidate: &Candidate) -> u8 {
    match sharpness(&candidate.kernel) {
        Some(Sharpness::Soft) => 0,
        None => 1,
        Some(Sharpness::Sharp) => 2,
    }
}

/// Selects one series per exam from images and their labels.
pub(super) fn choose(found: ScanResult, matches: LabelMatches, rules: &Select) -> Cohort {
    let first_labels = matches.labels.iter().map(|labels| labels.first().copied());
    let labels: Vec<Option<&Label>> = first_labels.collect();
    let pairs = found.images.iter().zip(&labels);
    let columns = pairs.filter_map(|(image, label)| {
        let columns = &label.as_ref()?.columns;
        (!columns.is_empty()).then(|| (image.series_uid.clone(), columns.clone()))
    });
    let columns = columns.collect();
    let mut rows: Vec<(CohortRow, Option<Image>)> = Vec::with_capacity(labels.len());
    for (mut image, label) in found.images.into_iter().zip(labels) {
        let row = describe(&image, label, rules);
        // Missing patient and exam IDs of the image come from the labels.
        image.patient_id.clone_from(&row.patient_id);
        if image.exam_id.is_empty() {
            image.exam_id.clone_from(&row.exam_id);
        }
        rows.push((row, Some(image)));
    }
    rows.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
    exclude_copies(&mut rows);
    exclude_not_preferred(&mut rows, rules);
    rows.extend(found.problems.iter().map(|problem| (problem_row(problem), None)));
    rows.extend(matches.unused.into_iter().map(|unused| (unused_row(unused), None)));
    let skipped_files = found.skipped;
    rows.extend(skipped_file_rows(&skipped_files).into_iter().map(|row| (row, None)));
    let patient_assumed =
        |(row, _): &&(CohortRow, _)| row.chosen && row.flags.contains(&Flag::PatientAssumed);
    let files = rows.iter().filter(patient_assumed).count();
    let by_patient = matches.by_patient;
    let remarks = [
        (by_patient.exams > 0).then_some(Remark::LabelledByPatient(by_patient)),
        (files > 0).then_some(Remark::PatientsAssumed { files }),
    ];
    let remarks = remarks.into_iter().flatten().collect();
    let mut cohort = Cohort { columns, skipped_files, remarks, ..Cohort::default() };
    for (row, image) in rows {
        let parts = image.iter().flat_map(|image| &image.excluded).map(|part| CohortRow {
            kind: PART.to_owned(),
            slices: part.slices,
            patient_id: row.patient_id.clone(),
            exam_id: row.exam_id.clone(),
            series_uid: row.series_uid.clone(),
            path: row.path.clone(),
            ..CohortRow::of_exclusion(part.exclusion.clone())
        });
        let parts: Vec<CohortRow> = parts.collect();
        if let Some(image) = image.filter(|_| row.chosen) {
            cohort.chosen.push((cohort.rows.len(), image));
        }
        cohort.rows.push(row);
        cohort.rows.extend(parts);
    }
    cohort
}

/// The row of an unreadable file.
fn problem_row(problem: &Problem) -> CohortRow {
    let exclusion = Exclusion::new(ExclusionCode::Unreadable, &problem.reason);
    CohortRow { path: problem.path.display().to_string(), ..CohortRow::of_exclusion(exclusion) }
}

/// The row of a label without a series.
fn unused_row(unused: UnusedLabel) -> CohortRow {
    let label = unused.label;
    let (value, source, reason) = (u8::from(label.label), &label.source, &unused.reason);
    let reason = format!("label {value} in {source} {reason}");
    let exclusion = Exclusion::new(ExclusionCode::LabelWithoutSeries, reason);
    CohortRow {
        patient_id: label.patient_id.clone().unwrap_or(unused.patient_id),
        exam_id: label.exam_id.clone().unwrap_or_default(),
        series_uid: unused.name,
        study_date: unused.study_date,
        label: Some(label.label),
        follow_up: label.follow_up,
        ..CohortRow::of_exclusion(exclusion)
    }
}

/// A row for each kind of file that is not an image or is not read, with an example and the count.
fn skipped_file_rows(skipped_files: &SkippedFiles) -> Vec<CohortRow> {
    let row = |(kind, tally): (SkippedKind, &Tally)| CohortRow {
        path: tally.example.display().to_string(),
        kind: PASSED_OVER.to_owned(),
        slices: tally.files,
        ..CohortRow::of_exclusion(Exclusion::new(
            kind.code(),
            match kind.remedy() {
                Some(remedy) => format!("{}; {remedy}", counted_files(kind, tally.files)),
                None => counted_files(kind, tally.files),
            },
        ))
    };
    skipped_files.iter().map(row).collect()
}

fn order(row: &CohortRow) -> (&str, &str, &str, &str) {
    (&row.patient_id, &row.exam_id, &row.series_uid, &row.path)
}

/// Rows of a cohort without labels: all images as chosen series, excluded files by path, and counts of other files.
pub fn unlabelled_rows(
    images: &[Image],
    excluded: &[(String, Exclusion)],
    skipped_files: &SkippedFiles,
) -> Vec<CohortRow> {
    let rows = images.iter().map(|image| CohortRow {
        chosen: true,
        code: None,
        reason: String::new(),
        ..describe(image, None, &Select::default())
    });
    let excluded = excluded.iter().map(|(path, exclusion)| CohortRow {
        path: path.clone(),
        ..CohortRow::of_exclusion(exclusion.clone())
    });
    rows.chain(excluded).chain(skipped_file_rows(skipped_files)).collect()
}

/// The row of an image, chosen unless a rule excludes the image independent of others.
fn describe(image: &Image, label: Option<&Label>, rules: &Select) -> CohortRow {
    let grid = image.grid.as_ref().ok();
    let patient = label.and_then(|label| label.patient_id.clone());
    let exam = label.and_then(|label| label.exam_id.clone());
    let first_non_empty =
        |text: &String, other: &str| if text.is_empty() { other.to_owned() } else { text.clone() };
    let rounded = |mm: f64| (mm * 1e4).round() / 1e4;
    let mut row = CohortRow {
        patient_id: first_non_empty(&image.patient_id, patient.as_deref().unwrap_or_default()),
        exam_id: exam.unwrap_or_else(|| first_non_empty(&image.exam_id, &image.series_uid)),
        series_uid: image.series_uid.clone(),
        path: image.path.display().to_string(),
        label: label.map(|label| label.label),
        follow_up: label.and_then(|label| label.follow_up),
        split: label.and_then(|label| label.split),
        chosen: true,
        code: None,
        reason: String::new(),
        kind: image.kind.name().to_owned(),
        slices: image.slices,
        slice_spacing_mm: grid.map(|grid| rounded(grid.slice_spacing_mm)),
        coverage_mm: grid.map(|grid| rounded(grid.coverage_mm())),
        study_date: image.study_date.clone(),
        kernel: image.kernel.clone(),
        manufacturer: image.manufacturer.clone(),
        flags: image.flags.clone(),
        ..CohortRow::of_acquisition(&image.acquisition)
    };
    let exclusion = match (&image.grid, label) {
        (Err(refusal), _) => Some(Exclusion::new(refusal.code(), refusal)),
        (_, None) => Some(Exclusion::new(
            ExclusionCode::NoLabel,
            "no label names this series, its folder, its exam or its patient",
        )),
        _ if row.patient_id.is_empty() => {
            let found = if image.kind == Kind::Dicom {
                "PatientID (0010,0020) is empty"
            } else {
                "the volume file has no patient"
            };
            Some(Exclusion::new(
                ExclusionCode::NoPatient,
                format_args!(
                    "{found} and the labels have no patient_id, which is needed to keep all exams of a \
                     patient in one split"
                ),
            ))
        }
        _ if patient.as_ref().is_some_and(|patient| *patient != row.patient_id) => {
            Some(Exclusion::new(
                ExclusionCode::PatientMismatch,
                format_args!(
                    "PatientID (0010,0020) is \"{}\", but patient_id of the labels is \"{}\"",
                    row.patient_id,
                    patient.unwrap_or_default()
                ),
            ))
        }
        (Ok(grid), _) => rules::exclusion(image, grid, rules),
    };
    if let Some(exclusion) = exclusion {
        row.exclude(exclusion);
    }
    row
}

/// Excludes all but one row of each series, for example of a series as DICOM and as a volume file.
fn exclude_copies(rows: &mut [(CohortRow, Option<Image>)]) {
    // DICOM is preferred, because its header has the most information.
    let rank = |row: &CohortRow| (row.kind != "dicom", row.path.clone());
    let mut kept = HashMap::<String, usize>::new();
    for index in 0..rows.len() {
        if !rows[index].0.chosen {
            continue;
        }
        let Some(first) = kept.insert(rows[index].0.series_uid.clone(), index) else { continue };
        let keep_first = rank(&rows[first].0) <= rank(&rows[index].0);
        let (keep, exclude) = if keep_first { (first, index) } else { (index, first) };
        kept.insert(rows[keep].0.series_uid.clone(), keep);
        let other = rows[keep].0.path.clone();
        let reason = format!("the same series is used from {other}");
        rows[exclude].0.exclude(Exclusion::new(ExclusionCode::Copy, reason));
    }
}

/// Excludes all but the preferred series of each patient and exam.
fn exclude_not_preferred(rows: &mut [(CohortRow, Option<Image>)], rules: &Select) {
    let mut exams = BTreeMap::<(String, String), Vec<usize>>::new();
    for (index, (row, _)) in rows.iter().enumerate().filter(|(_, (row, _))| row.chosen) {
        exams.entry((row.patient_id.clone(), row.exam_id.clone())).or_default().push(index);
    }
    for indices in exams.values() {
        let candidates: Vec<Candidate> = indices
            .iter()
            .map(|index| {
                let row = &rows[*index].0;
                Candidate {
                    series_uid: row.series_uid.clone(),
                    slices: row.slices,
                    slice_spacing_mm: row.slice_spacing_mm.unwrap_or(f64::INFINITY),
                    coverage_mm: row.coverage_mm.unwrap_or(0.0),
                    kernel: row.kernel.clone(),
                }
            })
            .collect();
        let Some(best) = select(&candidates, rules) else { continue };
        for (_, index) in indices.iter().enumerate().filter(|(n, _)| *n != best) {
            let reason = format!(
                "series {} of the same exam is preferred (data.select.prefer)",
                candidates[best].series_uid
            );
            rows[*index].0.exclude(Exclusion::new(ExclusionCode::NotPreferred, reason));
        }
    }
    for (row, _) in rows.iter_mut().filter(|(row, _)| !row.chosen) {
        row.split = None;
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
