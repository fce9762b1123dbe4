//! One series per exam, by stated rules.

use super::kernel::{Sharpness, sharpness};
use super::remarks::PATIENT_ASSUMED;
use super::{Cohort, CohortRow, Label, Matched, Remark, rules};
use crate::images::{Image, Kind, ScanResult, SkippedFiles, SkippedKind, Tally, counted};
use crate::spec::{Preference, Select};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// What the rules look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// SeriesInstanceUID, the last tie-breaker.
    pub series_uid: String,
    /// Number of slices.
    pub slices: usize,
    /// Distance between slices.
    pub slice_spacing_mm: f64,
    /// Distance from the first to the last slice.
    pub coverage_mm: f64,
    /// Reconstruction kernel, as the scanner names it.
    pub kernel: String,
}

/// The index of the best candidate, if there is any.
pub fn select(candidates: &[Candidate], rules: &Select) -> Option<usize> {
    (0..candidates.len()).min_by(|a, b| compare(&candidates[*a], &candidates[*b], rules))
}

fn compare(a: &Candidate, b: &Candidate, rules: &Select) -> Ordering {
    let by = |value: &dyn Fn(&Candidate) -> f64| value(a).total_cmp(&value(b));
    let away = |candidate: &Candidate| {
        // Spacings are rounded to 0.1 µm where they are shown, and equal where they look so.
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
            Preference::NearestSpacing => by(&away),
            Preference::LongestCoverage => by(&|candidate| -candidate.coverage_mm),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.series_uid.cmp(&b.series_uid))
}

/// Soft before unknown before sharp.
fn softness(candidate: &Candidate) -> u8 {
    match sharpness(&candidate.kernel) {
        Some(Sharpness::Soft) => 0,
        None => 1,
        Some(Sharpness::Sharp) => 2,
    }
}

/// Chooses one series per exam among images and what is known of each.
pub(super) fn choose(found: ScanResult, matched: Matched, rules: &Select) -> Cohort {
    let of: Vec<Option<&Label>> = matched.of.iter().map(|labels| labels.first().copied()).collect();
    let labelled = found.images.iter().zip(&of);
    let columns = labelled.filter_map(|(image, label)| {
        let columns = &label.as_ref()?.columns;
        (!columns.is_empty()).then(|| (image.series_uid.clone(), columns.clone()))
    });
    let columns = columns.collect();
    let mut rows: Vec<(CohortRow, Option<Image>)> = Vec::with_capacity(of.len());
    for (mut image, label) in found.images.into_iter().zip(of) {
        let row = describe(&image, label, rules);
        // What the image does not say of itself is in the tables as the labels have it.
        image.patient_id.clone_from(&row.patient);
        if image.exam_id.is_empty() {
            image.exam_id.clone_from(&row.exam);
        }
        rows.push((row, Some(image)));
    }
    rows.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
    count_copies_once(&mut rows);
    keep_the_preferred(&mut rows, rules);
    rows.extend(found.problems.iter().map(|problem| {
        let path = problem.path.display().to_string();
        (CohortRow { path, reason: format!("unreadable: {}", problem.reason), ..empty() }, None)
    }));
    rows.extend(matched.unused.into_iter().map(|unused| {
        let label = unused.label;
        let (value, source, words) = (label.label, &label.source, &unused.words);
        let reason = format!("label-without-series: label {value} in {source} {words}");
        let row = CohortRow {
            patient: label.patient.clone().unwrap_or(unused.patient),
            exam: label.exam.clone().unwrap_or_default(),
            series: unused.name,
            study_date: unused.study_date,
            label: Some(label.label),
            reason,
            ..empty()
        };
        (row, None)
    }));
    let passed_over = found.skipped;
    rows.extend(passed_over_rows(&passed_over).into_iter().map(|row| (row, None)));
    let assumed = |(row, _): &&(CohortRow, _)| row.chosen && row.has_flag(PATIENT_ASSUMED);
    let files = rows.iter().filter(assumed).count();
    let by_patient = matched.by_patient;
    let remarks = [
        (by_patient.exams > 0).then_some(Remark::LabelledByPatient(by_patient)),
        (files > 0).then_some(Remark::PatientsAssumed { files }),
    ];
    let remarks = remarks.into_iter().flatten().collect();
    let mut cohort = Cohort { columns, passed_over, remarks, ..Cohort::default() };
    for (row, image) in rows {
        let parts = image.iter().flat_map(|image| &image.excluded).map(|part| CohortRow {
            reason: part.reason.clone(),
            kind: PART.to_owned(),
            slices: part.slices,
            patient: row.patient.clone(),
            exam: row.exam.clone(),
            series: row.series.clone(),
            path: row.path.clone(),
            ..empty()
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

/// The `kind` of rows that are a part of a series only: scout views, other stacks.
const PART: &str = "part";

/// The `kind` of rows that count files which are no image or are not looked into.
const PASSED_OVER: &str = "passed-over";

impl CohortRow {
    /// Whether the row is a whole image, and neither a part of one, a damaged file, a label nor a
    /// count of files.
    pub fn is_image(&self) -> bool {
        !self.kind.is_empty() && self.kind != PART && self.kind != PASSED_OVER
    }

    /// Whether the row is a label that finds no series.
    pub fn is_label(&self) -> bool {
        self.kind.is_empty() && self.label.is_some()
    }

    /// Whether the row has a flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.split(';').any(|own| own == flag)
    }

    /// Whether the row counts files of one kind that are passed over.
    pub fn is_passed_over(&self) -> bool {
        self.kind == PASSED_OVER
    }
}

/// A row for each kind of file that is passed over, with the first of them and their number.
fn passed_over_rows(passed_over: &SkippedFiles) -> Vec<CohortRow> {
    let row = |(kind, tally): (SkippedKind, &Tally)| CohortRow {
        path: tally.example.display().to_string(),
        kind: PASSED_OVER.to_owned(),
        slices: tally.files,
        reason: match kind.remedy() {
            Some(remedy) => format!("{}: {}; {remedy}", kind.code(), counted(kind, tally.files)),
            None => format!("{}: {}", kind.code(), counted(kind, tally.files)),
        },
        ..empty()
    };
    passed_over.iter().map(row).collect()
}

fn order(row: &CohortRow) -> (&str, &str, &str, &str) {
    (&row.patient, &row.exam, &row.series, &row.path)
}

fn empty() -> CohortRow {
    CohortRow {
        patient: String::new(),
        exam: String::new(),
        series: String::new(),
        path: String::new(),
        label: None,
        split: None,
        chosen: false,
        reason: String::new(),
        kind: String::new(),
        slices: 0,
        slice_spacing_mm: None,
        coverage_mm: None,
        study_date: String::new(),
        kernel: String::new(),
        manufacturer: String::new(),
        flags: String::new(),
    }
}

/// Images, left-out files (path and reason) and files that are passed over as rows of a cohort in
/// which every series is wanted and nothing has a label.
pub fn unlabelled(
    images: &[Image],
    left_out: &[(String, String)],
    passed_over: &SkippedFiles,
) -> Vec<CohortRow> {
    let rows = images.iter().map(|image| CohortRow {
        chosen: true,
        reason: String::new(),
        ..describe(image, None, &Select::default())
    });
    let left_out = left_out.iter().map(|(path, reason)| CohortRow {
        path: path.clone(),
        reason: reason.clone(),
        ..empty()
    });
    rows.chain(left_out).chain(passed_over_rows(passed_over)).collect()
}

/// An image as a row: chosen for now unless a rule speaks against it alone.
fn describe(image: &Image, label: Option<&Label>, rules: &Select) -> CohortRow {
    let grid = image.grid.as_ref().ok();
    let patient = label.and_then(|label| label.patient.clone());
    let exam = label.and_then(|label| label.exam.clone());
    let own =
        |text: &String, other: &str| if text.is_empty() { other.to_owned() } else { text.clone() };
    let rounded = |mm: f64| (mm * 1e4).round() / 1e4;
    let mut row = CohortRow {
        patient: own(&image.patient_id, patient.as_deref().unwrap_or_default()),
        exam: exam.unwrap_or_else(|| own(&image.exam_id, &image.series_uid)),
        series: image.series_uid.clone(),
        path: image.path.display().to_string(),
        label: label.map(|label| label.label),
        split: label.and_then(|label| label.part),
        chosen: false,
        reason: String::new(),
        kind: image.kind.name().to_owned(),
        slices: image.slices,
        slice_spacing_mm: grid.map(|grid| rounded(grid.slice_spacing_mm)),
        coverage_mm: grid.map(|grid| rounded(grid.coverage_mm())),
        study_date: image.study_date.clone(),
        kernel: image.kernel.clone(),
        manufacturer: image.manufacturer.clone(),
        flags: image.flags.join(";"),
    };
    row.reason = match (&image.grid, label) {
        (Err(refusal), _) => format!("{}: {refusal}", refusal.code()),
        (_, None) => {
            "no-label: no label names this series, its folder, its exam or its patient".into()
        }
        _ if row.patient.is_empty() && image.kind == Kind::Dicom => {
            "no-patient: PatientID (0010,0020) is empty and the labels name no patient_id, so \
             leaks between parts could not be excluded"
                .into()
        }
        _ if row.patient.is_empty() => {
            "no-patient: a volume file names no patient and the labels name no patient_id, so \
             leaks between parts could not be excluded"
                .into()
        }
        _ if patient.as_ref().is_some_and(|named| *named != row.patient) => format!(
            "patient-mismatch: PatientID (0010,0020) is \"{}\", the labels say \"{}\"",
            row.patient,
            patient.unwrap_or_default()
        ),
        (Ok(grid), _) => rules::against(image, grid, rules).unwrap_or_default(),
    };
    row.chosen = row.reason.is_empty();
    row
}

/// Leaves one row of each series: the same one as DICOM and as a volume file, say.
fn count_copies_once(rows: &mut [(CohortRow, Option<Image>)]) {
    // DICOM says most of itself, and stays.
    let rank = |row: &CohortRow| (row.kind != "dicom", row.path.clone());
    let mut kept = HashMap::<String, usize>::new();
    for place in 0..rows.len() {
        if !rows[place].0.chosen {
            continue;
        }
        let Some(first) = kept.insert(rows[place].0.series.clone(), place) else { continue };
        let first_stays = rank(&rows[first].0) <= rank(&rows[place].0);
        let (stays, goes) = if first_stays { (first, place) } else { (place, first) };
        kept.insert(rows[stays].0.series.clone(), stays);
        let other = rows[stays].0.path.clone();
        let row = &mut rows[goes].0;
        row.chosen = false;
        row.reason = format!("copy: the same series is at {other}, and is counted once");
    }
}

/// Leaves one chosen series per patient and exam.
fn keep_the_preferred(rows: &mut [(CohortRow, Option<Image>)], rules: &Select) {
    let mut exams = BTreeMap::<(String, String), Vec<usize>>::new();
    for (place, (row, _)) in rows.iter().enumerate().filter(|(_, (row, _))| row.chosen) {
        exams.entry((row.patient.clone(), row.exam.clone())).or_default().push(place);
    }
    for places in exams.values() {
        let candidates: Vec<Candidate> = places
            .iter()
            .map(|place| {
                let row = &rows[*place].0;
                Candidate {
                    series_uid: row.series.clone(),
                    slices: row.slices,
                    slice_spacing_mm: row.slice_spacing_mm.unwrap_or(f64::INFINITY),
                    coverage_mm: row.coverage_mm.unwrap_or(0.0),
                    kernel: row.kernel.clone(),
                }
            })
            .collect();
        let Some(best) = select(&candidates, rules) else { continue };
        for place in places.iter().enumerate().filter(|(n, _)| *n != best).map(|(_, place)| *place)
        {
            let row = &mut rows[place].0;
            row.chosen = false;
            row.reason = format!(
                "not-preferred: series {} of the same exam comes first (data.select.prefer)",
                candidates[best].series_uid
            );
        }
    }
    for (row, _) in rows.iter_mut().filter(|(row, _)| !row.chosen) {
        row.split = None;
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
