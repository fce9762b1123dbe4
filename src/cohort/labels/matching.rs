//! Which label speaks of which image.

use super::table::tidy;
use super::{Date, Label, Labels, PatientLabel};
use crate::cohort::CohortRow;
use crate::formats;
use crate::images::{Image, Kind};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// Labels and the images that they speak of.
pub struct Matched<'a> {
    /// For each image in order, every label that names it, the most specific first: by series, by path,
    /// by exam, by patient and date, by patient.
    pub of: Vec<Vec<&'a Label>>,
    /// Labels that no image answers to.
    pub unused: Vec<Unused<'a>>,
    /// Labels that name a patient alone.
    pub by_patient: PatientRows,
}

/// A label that no image answers to.
pub struct Unused<'a> {
    /// The series, exam or path that it names; empty where it names a patient.
    pub name: String,
    /// The patient, where it names one alone.
    pub patient: String,
    /// The day, where it names one.
    pub study_date: String,
    /// What it names and why that is not met, as the end of a sentence.
    pub words: String,
    /// The label.
    pub label: &'a Label,
}

/// What rows that name a patient and no exam stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatientRows {
    /// Patients whose exams are labelled by them.
    pub patients: usize,
    /// Exams that are labelled by them.
    pub exams: usize,
    /// Those exams that a `study_date` picks.
    pub dated_exams: usize,
}

impl std::fmt::Display for PatientRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { patients, exams, dated_exams } = self;
        let plural = |count: &usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        write!(
            f,
            "{} of {} labelled by patient_id: {} by patient and study_date, {} by patient alone (the label \
             of a patient counts for every exam)",
            plural(exams, "exam"),
            plural(patients, "patient"),
            dated_exams,
            exams - dated_exams
        )
    }
}

/// Names and paths that images answer to.
#[derive(Default)]
struct Used<'l, 'i> {
    names: HashSet<&'i str>,
    paths: HashSet<&'l Path>,
    patients: HashSet<*const Label>,
    dates: BTreeMap<&'l str, BTreeSet<Date>>,
}

impl Labels {
    /// What is known of each image, and the labels that no image answers to.
    pub fn matched(&self, images: &[Image]) -> Matched<'_> {
        let mut used = Used::default();
        let of: Vec<Vec<&Label>> = images.iter().map(|image| self.of(image, &mut used)).collect();
        let mut unused = Vec::new();
        let named = |name: String, label| Unused {
            words: format!("names {name}, no series does"),
            name,
            patient: String::new(),
            study_date: String::new(),
            label,
        };
        for (name, labels) in self.by_series.iter().chain(&self.by_exam) {
            if !used.names.contains(name.as_str()) {
                unused.extend(labels.first().map(|label| named(name.clone(), label)));
            }
        }
        for (path, labels) in &self.by_path {
            if !used.paths.contains(path.as_path()) {
                let name = path.display().to_string();
                unused.extend(labels.first().map(|label| named(name, label)));
            }
        }
        for (patient, labels) in &self.by_patient {
            let unmet =
                |entry: &&PatientLabel| !used.patients.contains(&std::ptr::from_ref(&entry.label));
            let dates = used.dates.get(patient.as_str());
            unused.extend(labels.iter().filter(unmet).map(|entry| Unused {
                name: String::new(),
                patient: patient.clone(),
                study_date: entry.date.as_ref().map(Date::to_string).unwrap_or_default(),
                words: patient_in_words(patient, entry.date.as_ref(), dates),
                label: &entry.label,
            }));
        }
        let by_patient = self.patient_rows(images, &of);
        Matched { of, unused, by_patient }
    }

    fn patient_rows(&self, images: &[Image], of: &[Vec<&Label>]) -> PatientRows {
        let entries = self.by_patient.iter().flat_map(|(patient, entries)| {
            entries.iter().map(move |entry| (std::ptr::from_ref(&entry.label), (patient, entry)))
        });
        let entries: BTreeMap<*const Label, (&String, &PatientLabel)> = entries.collect();
        let (mut exams, mut dated) = (BTreeSet::new(), BTreeSet::new());
        for (image, labels) in images.iter().zip(of) {
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

    fn of<'l, 'i>(&'l self, image: &'i Image, used: &mut Used<'l, 'i>) -> Vec<&'l Label> {
        let exam = exam_of(image);
        used.names.extend([image.series_uid.as_str(), exam]);
        let mut labels: Vec<&Label> = Vec::new();
        labels.extend(self.by_series.get(&image.series_uid).into_iter().flatten());
        // Only where paths are labelled: asking the file system takes its time.
        if !self.by_path.is_empty() {
            let mut named: Vec<&Path> = Vec::new();
            for folder in folders_of(image) {
                for ancestor in tidy(folder).ancestors() {
                    if let Some((path, entries)) = self.by_path.get_key_value(ancestor)
                        && !named.contains(&path.as_path())
                    {
                        named.push(path);
                        labels.extend(entries);
                    }
                }
            }
            used.paths.extend(named);
        }
        labels.extend(self.by_exam.get(exam).into_iter().flatten());
        let date = Date::parse(&image.study_date);
        for (patient, entries) in self.patients_of(image) {
            used.dates.entry(patient).or_default().extend(date.clone());
            let entries = of_patient(entries, date.as_ref());
            used.patients.extend(entries.iter().map(|label| std::ptr::from_ref(*label)));
            labels.extend(entries);
        }
        labels
    }

    /// The labels of the patient whom an image names. Where it names none, of those whose id is the name
    /// of the file or of one of its folders below the root.
    fn patients_of(&self, image: &Image) -> Vec<(&str, &[PatientLabel])> {
        if self.by_patient.is_empty() {
            return Vec::new();
        }
        let of = |patient: &str| {
            let (patient, entries) = self.by_patient.get_key_value(patient)?;
            Some((patient.as_str(), entries.as_slice()))
        };
        if !image.patient_id.is_empty() {
            return of(&image.patient_id).into_iter().collect();
        }
        let below = image.path.strip_prefix(&self.root).unwrap_or(&image.path);
        let mut names: BTreeSet<String> = below
            .components()
            .filter_map(|part| Some(part.as_os_str().to_str()?.to_owned()))
            .collect();
        if image.kind != Kind::Dicom {
            let name = image.path.file_name().map(|name| name.to_string_lossy().into_owned());
            names.extend(name.map(|name| formats::stem(&name).to_owned()));
        }
        names.iter().filter_map(|name| of(name)).collect()
    }

    /// What is known of a row of an earlier cohort, by the same rules as of images.
    pub fn of_row(&self, row: &CohortRow) -> Option<&Label> {
        let by_path = || {
            let path = (!self.by_path.is_empty()).then(|| tidy(Path::new(&row.path)))?;
            path.ancestors().find_map(|ancestor| self.by_path.get(ancestor))
        };
        let named = self.by_series.get(&row.series).or_else(by_path);
        let named = named.or_else(|| self.by_exam.get(&row.exam)).and_then(|labels| labels.first());
        named.or_else(|| {
            let date = Date::parse(&row.study_date);
            of_patient(self.by_patient.get(&row.patient)?, date.as_ref()).into_iter().next()
        })
    }
}

/// The path of an image, and further folders that hold slices of it or copies of them.
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

/// The labels of a patient that speak of an exam of this day: those with the day before those without.
fn of_patient<'l>(entries: &'l [PatientLabel], date: Option<&Date>) -> Vec<&'l Label> {
    let of_day = entries.iter().filter(|entry| entry.date.is_some() && entry.date.as_ref() == date);
    let of_all = entries.iter().filter(|entry| entry.date.is_none());
    of_day.chain(of_all).map(|entry| &entry.label).collect()
}

/// The exam of an image: a volume file's series stands for it.
pub(super) fn exam_of(image: &Image) -> &str {
    if image.exam_id.is_empty() { &image.series_uid } else { &image.exam_id }
}

fn patient_in_words(patient: &str, date: Option<&Date>, dates: Option<&BTreeSet<Date>>) -> String {
    match (date, dates) {
        (None, _) | (_, None) => format!("names patient {patient}, no series does"),
        (Some(date), Some(dates)) if dates.is_empty() => format!(
            "is of an exam of patient {patient} on {date}; the scans of the patient have no StudyDate \
             (0008,0020)"
        ),
        (Some(date), Some(dates)) => {
            let dates: Vec<String> = dates.iter().take(5).map(Date::to_string).collect();
            format!(
                "is of an exam of patient {patient} on {date}; the exams of the patient are of {}",
                dates.join(", ")
            )
        }
    }
}
