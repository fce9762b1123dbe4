//! What labelling gives: rows of the tables, and the counts behind the flow.

use serde::Serialize;
use std::collections::BTreeMap;

/// A row of the labels file: one exam.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelRow {
    /// The trial's `pid`, which is the PatientID.
    pub patient_id: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// 1 for cancer within the horizon.
    pub label: u8,
    /// 0, 1 or 2.
    pub study_year: u8,
    /// Days from the screening to the first diagnosis; empty without one.
    pub days_to_cancer: Option<i64>,
    /// Days from the screening to when a person without cancer was last known to be free of it.
    pub days_of_follow_up: Option<i64>,
    /// Inverse of the exam's chance to be drawn.
    pub weight: f64,
    /// Age at randomisation, years.
    pub age: Option<i64>,
    /// `male` or `female`.
    pub sex: &'static str,
    /// In words.
    pub race: &'static str,
    /// `current` or `former`.
    pub smoking: &'static str,
    /// Stage of the person's first lung cancer (AJCC 6).
    pub stage: &'static str,
    /// Non-calcified nodules of 4 mm and more that were marked on this screening.
    pub nodules: Option<u32>,
    /// The longest diameter among them, mm.
    pub largest_nodule_mm: Option<f64>,
    /// Manufacturer of the scanner.
    pub manufacturer: String,
    /// Where the study year comes from: `date`, `description` or `screen`.
    pub study_year_from: &'static str,
}

/// An exam or a series that is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exclusion {
    /// PatientID.
    pub patient: String,
    /// StudyInstanceUID.
    pub exam: String,
    /// SeriesInstanceUID, where only a series is left out.
    pub series: String,
    /// A short stable word.
    pub code: &'static str,
    /// A sentence.
    pub reason: String,
}

/// A series of a labelled exam that is to be fetched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesRow {
    /// PatientID.
    pub patient_id: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// Label of its exam.
    pub label: u8,
    /// Kernel.
    pub kernel: String,
    /// Slice thickness by the description.
    pub thickness_mm: Option<f64>,
    /// Images.
    pub images: usize,
    /// Size in megabytes.
    pub megabytes: f64,
    /// Where it is in the archive's bucket.
    #[serde(rename = "series_aws_url")]
    pub address: String,
    /// `lossy-compression` or `mixed-transfer-syntaxes`.
    pub flags: &'static str,
}

/// The counts behind the flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Persons in the table of persons.
    pub persons_in_table: usize,
    /// Persons of whom a row cannot be read or rows contradict one another.
    pub persons_unusable: usize,
    /// Rows of the clinical tables without a `pid`.
    pub rows_without_person: usize,
    /// Persons in the table of whom there is no exam, most of them of the other arm.
    pub persons_without_exam: usize,
    /// Series of other collections in the index.
    pub series_of_other_collections: usize,
    /// Series of the trial that are not CT, by modality.
    pub series_of_other_modalities: BTreeMap<String, usize>,
    /// CT series of the trial.
    pub series: usize,
    /// CT series whose images have an unusual compression, by flag. It is no reason to
    /// exclude them.
    pub series_flagged: BTreeMap<String, usize>,
    /// Series left out, by reason.
    pub series_left_out: BTreeMap<String, usize>,
    /// CT exams, each StudyInstanceUID once.
    pub exams: usize,
    /// Their patients.
    pub patients: usize,
    /// Exams left out before the draw, by reason.
    pub exams_left_out: BTreeMap<String, usize>,
    /// Exams that have a label.
    pub labelled: usize,
    /// Positive ones among them.
    pub labelled_positive: usize,
    /// Exams that the draw left out.
    pub not_drawn: usize,
    /// Exams in the labels file.
    pub kept: usize,
    /// Positive ones among them.
    pub kept_positive: usize,
    /// Patients of the exams in the labels file.
    pub kept_patients: usize,
    /// Exams whose date and descriptions say different study years; the date counts.
    pub years_disagree: usize,
    /// Labelled exams whose study year `nlst_screen` does not have.
    pub years_not_in_screen_table: usize,
    /// Persons whose earliest `candx_days` in `nlst_canc` is another than in `nlst_prsn`, which
    /// counts.
    pub diagnoses_disagree: usize,
}

/// The study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Exams, by patient, study year and UID.
    pub rows: Vec<LabelRow>,
    /// What is left out, series after exams.
    pub exclusions: Vec<Exclusion>,
    /// The series of these exams that are to be fetched: the preferred one of each exam.
    pub series: Vec<SeriesRow>,
    /// All usable series of these exams.
    pub all_series: Vec<SeriesRow>,
    /// Counts.
    pub counts: Counts,
}
