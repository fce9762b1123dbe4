//! Matching of labels and images.

use super::table::canonical;
use super::{Date, Label, Labels, PatientLabel};
use crate::cohort::CohortRow;
use lungs_base::text::counted;
use lungs_image::formats;
use lungs_image::images::{Image, Kind};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// The labels of each image, and labels without an image.
pub(crate) struct LabelMatches<'a> {
    /// For each image in order, all labels that match it, the most specific first: by series, by path,
    /// by exam, by patient and date, by patient.
    pub labels: Vec<Vec<&'a Label>>,
    /// Labels that match no image.
    pub unused: Vec<UnusedLabel<'a>>,
    /// Counts of labels that name a patient only.
    pub by_patient: PatientRows,
}

/// A label that matches no image.
pub(crate) struct UnusedLabel<'a> {
    /// The series, exam or path that it names; empty if it names a patient only.
    pub name: String,
    /// The patient, if it names a patient only.
    pub patient_id: String,
    /// The date, if it has one.
    pub study_date: String,
    /// The name and the reason, as the end of a sentence that starts with the label.
    pub reason: String,
    /// The label.
    pub label: &'a Label,
}

/// Counts of labels that name a patient but no exam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatientRows {
    /// Patients with exams that these labels match.
    pub patients: usize,
    /// Exams that these labels match.
    pub exams: usize,
    /// Exams that are matched by `study_date`.
    pub dated_exams: usize,
}

impl std::fmt::Display for PatientRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { patients, exams, dated_exams } = self;
        write!(
            f,
            "{} of {} labelled by patient_id: {} by patient and study_date, {} by patient only (the label \
             applies to every exam of the patient)",
            counted(*exams, "exam", "exams"),
            counted(*patients, "patient", "patients"),
            dated_exams,
            exams - dated_exams
        )
    }
}

/// Names, paths and patients of labels that match an image.
#[derive(Default)]
pub(super) struct UsedNames<'l, 'i> {
    names: HashSet<&'i str>,
    paths: HashSet<&'l Path>,
    patients: HashSet<*const Label>,
    dates: BTreeMap<&'l str, BTreeSet<Date>>,
}

impl Labels {
    /// Matches labels and images.
    pub(crate) fn match_images(&self, images: &[Image]) -> LabelMatches<'_> {
        let mut used = UsedNames::default();
        let labels_of = images.iter().map(|image| self.labels_of(image, &mut used));
        let image_labels: Vec<Vec<&Label>> = labels_of.collect();
        let mut unused = Vec::new();
        let unused_name = |name: String, label| UnusedLabel {
            reason: format!("names {name}, which matches no series"),
            name,
            patient_id: String::new(),
            study_date: String::new(),
            label,
        };
        for (name, labels) in self.by_series.iter().chain(&self.by_exam) {
            if !used.names.contains(name.as_str()) {
                unused.extend(labels.first().map(|label| unused_name(name.clone(), label)));
            }
        }
        for (path, labels) in &self.by_path {
            if !used.paths.contains(path.as_path()) {
                let name = path.display().to_string();
                unused.extend(labels.first().map(|label| unused_name(name, label)));
            }
        }
        for (patient, labels) in &self.by_patient {
            let is_unused =
                |entry: &&PatientLabel| !used.patients.contains(&std::ptr::from_ref(&entry.label));
            let dates = used.dates.get(patient.as_str());
            unused.extend(labels.iter().filter(is_unused).map(|entry| UnusedLabel {
                name: String::new(),
                patient_id: patient.clone(),
                study_date: entry.date.as_ref().map(Date::to_string).unwrap_or_default(),
                reason: unused_patient_reason(patient, entry.date.as_ref(), dates),
                label: &entry.label,
            }));
        }
        let by_patient = self.patient_rows(images, &image_labels);
        LabelMatches { labels: image_labels, unused, by_patient }
    }

    fn patient_rows(&self, images: &[Image], image_labels: &[Vec<&Label>]) -> PatientRows {
        let entries = self.by_patient.iter().flat_map(|(patient, entries)| {
            entries.iter().map(move |entry| (std::ptr::from_ref(&entry.label), (patient, entry)))
        });
        let entries: BTreeMap<*const Label, (&String, &PatientLabel)> = entries.collect();
        let (mut exams, mut dated) = (BTreeSet::new(), BTreeSet::new());
        for (image, labels) in images.iter().zip(image_labels) {
            let Some(label) = labels.first() else { continue };
            let Some((patient, entry)) = entries.get(&std::ptr::from_ref(*label)) else { continue };
            let exam = (patient.as_str(), exam_of(image));
            exams.insert(exam);
            if entry.date.is_some() {
                dated.insert(exam);
            }
        }
        let patients: BTreeSet<&str> = exams.iter().map(|(patient, _)| *patient).collect();
        PatientRows { patients: patients.len(), exams: exams.len(), dated_exams: dated.len() }
    }

    pub(super) fn labels_of<'l, 'i>(
        &'l self,
        image: &'i Image,
        used: &mut UsedNames<'l, 'i>,
    ) -> Vec<&'l Label> {
        let exam = exam_of(image);
        used.names.extend([image.series_uid.as_str(), exam]);
        let mut labels: Vec<&Label> = Vec::new();
        labels.extend(self.by_series.get(&image.series_uid).into_iter().flatten());
        // Paths are resolved only if labels name paths, because file system calls are slow.
        if !self.by_path.is_empty() {
            let mut label_paths: Vec<&Path> = Vec::new();
            for folder in folders_of(image) {
                for ancestor in canonical(folder).ancestors() {
                    if let Some((path, entries)) = self.by_path.get_key_value(ancestor)
                        && !label_paths.contains(&path.as_path())
                    {
                        label_paths.push(path);
                        labels.extend(entries);
                    }
                }
            }
            used.paths.extend(label_paths);
        }
        labels.extend(self.by_exam.get(exam).into_iter().flatten());
        let date = Date::parse(&image.study_date);
        for (patient, entries) in self.patients_of(image) {
            used.dates.entry(patient).or_default().extend(date.clone());
            let entries = labels_of_date(entries, date.as_ref());
            used.patients.extend(entries.iter().map(|label| std::ptr::from_ref(*label)));
            labels.extend(entries);
        }
        labels
    }

    /// The labels of the image's patient. If the image has no patient, the labels of patients whose ID is the
    /// name of the file or of one of its folders below the root.
    fn patients_of(&self, image: &Image) -> Vec<(&str, &[PatientLabel])> {
        if self.by_patient.is_empty() {
            return Vec::new();
        }
        let entries_of = |patient: &str| {
            let (patient, entries) = self.by_patient.get_key_value(patient)?;
            Some((patient.as_str(), entries.as_slice()))
        };
        if !image.patient_id.is_empty() {
            return entries_of(&image.patient_id).into_iter().collect();
        }
        let relative = image.path.strip_prefix(&self.root).unwrap_or(&image.path);
        let mut names: BTreeSet<String> = relative
            .components()
            .filter_map(|part| Some(part.as_os_str().to_str()?.to_owned()))
            .collect();
        if image.kind != Kind::Dicom {
            let name = image.path.file_name().map(|name| name.to_string_lossy().into_owned());
            names.extend(name.map(|name| formats::stem(&name).to_owned()));
        }
        names.iter().filter_map(|name| entries_of(name)).collect()
    }

    /// The label of a row of a stored cohort, by the same rules as for images.
    pub fn of_row(&self, row: &CohortRow) -> Option<&Label> {
        let by_path = || {
            let path = (!self.by_path.is_empty()).then(|| canonical(Path::new(&row.path)))?;
            path.ancestors().find_map(|ancestor| self.by_path.get(ancestor))
        };
        let labels = self.by_series.get(&row.series_uid).or_else(by_path);
        let labels = labels.or_else(|| self.by_exam.get(&row.exam_id));
        labels.and_then(|labels| labels.first()).or_else(|| {
            let date = Date::parse(&row.study_date);
            labels_of_date(self.by_patient.get(&row.patient_id)?, date.as_ref()).into_iter().next()
        })
    }
}

/// The path of an image, and other folders with its slices or copies of them.
fn folders_of(image: &Image) -> Vec<&Path> {
    let mut folders = vec![image.path.as_path()];
    if image.kind == Kind::Dicom {
        for file in &image.files {
            if !folders.contains(&&*file.folder) {
                folders.push(&file.folder);
            }
        }
    }
    folders
}

/// The labels of a patient that match an exam of this date: labels with the date, then labels without a date.
fn labels_of_date<'l>(entries: &'l [PatientLabel], date: Option<&Date>) -> Vec<&'l Label> {
    let dated = entries.iter().filter(|entry| entry.date.is_some() && entry.date.as_ref() == date);
    let undated = entries.iter().filter(|entry| entry.date.is_none());
    dated.chain(undated).map(|entry| &entry.label).collect()
}

/// The exam of an image; the series, if it has no exam ID (volume files).
pub(super) fn exam_of(image: &Image) -> &str {
    if image.exam_id.is_empty() { &image.series_uid } else { &image.exam_id }
}

fn unused_patient_reason(
    patient: &str,
    date: Option<&Date>,
    dates: Option<&BTreeSet<Date>>,
) -> String {
    match (date, dates) {
        (None, _) | (_, None) => format!("names patient {patient}, who has no series"),
        (Some(date), Some(dates)) if dates.is_empty() => format!(
            "names an exam of patient {patient} on {date}, but the series of the patient have no StudyDate \
             (0008,0020)"
        ),
        (Some(date), Some(dates)) => {
            let dates: Vec<String> = dates.iter().take(5).map(Date::to_string).collect();
            format!(
                "names an exam of patient {patient} on {date}, but the patient has exams on {}",
                dates.join(", ")
            )
        }
    }
}
