//! Results of labelling: rows of the output tables, and the counts of the flow.

use super::reasons::ReasonCode;
use super::rules::DaysFollowed;
use lungs_base::follow_up::Status;
use serde::Serialize;
use std::collections::BTreeMap;

/// A row of the labels file: one exam.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelRow {
    /// The trial's `pid`, which is the PatientID.
    pub patient_id: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// Whether cancer was diagnosed within the horizon; empty if it is unknown, for a survival outcome.
    #[serde(with = "lungs_base::label::as_optional_number")]
    pub label: Option<bool>,
    /// 0, 1 or 2.
    pub study_year: u8,
    /// Days from the screening to the first diagnosis; empty without one.
    pub days_to_cancer: Option<i64>,
    /// Days from the screening to the last day on which a person without cancer was known to be free
    /// of it.
    pub days_of_follow_up: Option<i64>,
    /// The time of a survival outcome, in the columns `days_to_event` and `days_followed`.
    #[serde(skip)]
    pub follow_up: Option<DaysFollowed>,
    /// Inverse of the exam's probability of being drawn.
    pub weight: f64,
    /// Age at randomisation, years.
    pub age: Option<i64>,
    /// `male` or `female`.
    pub sex: &'static str,
    /// Race in words, or empty.
    pub race: &'static str,
    /// `current` or `former`.
    pub smoking: &'static str,
    /// Stage of the person's first lung cancer (AJCC 6).
    pub stage: &'static str,
    /// Number of non-calcified nodules of 4 mm and more, as marked on this screening.
    pub nodules: Option<u32>,
    /// The longest diameter among them, mm.
    pub largest_nodule_mm: Option<f64>,
    /// Manufacturer of the scanner.
    pub manufacturer: String,
    /// Source of the study year: `date`, `description` or `screen`.
    pub study_year_from: &'static str,
}

impl LabelRow {
    /// Whether the exam is positive: for a survival outcome, with cancer at any time.
    pub fn is_positive(&self) -> bool {
        self.follow_up.map_or(self.label == Some(true), |follow_up| follow_up.event)
    }
}

/// An excluded exam or series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exclusion {
    /// PatientID.
    #[serde(rename = "patient")]
    pub patient_id: String,
    /// StudyInstanceUID.
    #[serde(rename = "exam")]
    pub exam_id: String,
    /// SeriesInstanceUID; empty if the whole exam is excluded.
    #[serde(rename = "series")]
    pub series_uid: String,
    /// Code of the reason.
    pub code: ReasonCode,
    /// The reason as a sentence.
    pub reason: String,
}

/// A series of a labelled exam.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesRow {
    /// PatientID.
    pub patient_id: String,
    /// StudyInstanceUID.
    pub exam_id: String,
    /// SeriesInstanceUID.
    pub series_uid: String,
    /// Label of its exam.
    #[serde(with = "lungs_base::label::as_optional_number")]
    pub label: Option<bool>,
    /// Reconstruction kernel.
    pub kernel: String,
    /// Slice thickness from the description.
    pub thickness_mm: Option<f64>,
    /// Number of images.
    pub images: usize,
    /// Size in megabytes.
    pub megabytes: f64,
    /// Address in the archive; empty if unknown.
    #[serde(rename = "series_aws_url")]
    pub address: String,
    /// `lossy-compression`, `mixed-transfer-syntaxes` or empty.
    pub flags: &'static str,
}

/// The counts of the flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Persons in the table of persons.
    pub persons_in_table: usize,
    /// Persons with an unreadable row or contradictory rows.
    pub persons_unusable: usize,
    /// Rows of the clinical tables without a `pid`.
    pub rows_without_person: usize,
    /// Persons in the table without an exam, most of them of the radiography arm.
    pub persons_without_exam: usize,
    /// Series of other collections in the index.
    pub series_of_other_collections: usize,
    /// Series of the trial that are not CT, by modality.
    pub series_of_other_modalities: BTreeMap<String, usize>,
    /// CT series of the trial.
    pub series: usize,
    /// CT series with unusual compression, by flag. They are not excluded for it.
    pub series_flagged: BTreeMap<String, usize>,
    /// Excluded series, by code of the reason.
    pub series_excluded: BTreeMap<ReasonCode, usize>,
    /// CT exams, each StudyInstanceUID once.
    pub exams: usize,
    /// Their patients.
    pub patients: usize,
    /// Exams excluded before the draw, by code of the reason.
    pub exams_excluded: BTreeMap<ReasonCode, usize>,
    /// Exams with a label.
    pub labelled: usize,
    /// Positive ones among them.
    pub labelled_positive: usize,
    /// Labelled exams that were not drawn.
    pub not_drawn: usize,
    /// Exams in the labels file.
    pub kept: usize,
    /// Positive ones among them.
    pub kept_positive: usize,
    /// Patients of the exams in the labels file.
    pub kept_patients: usize,
    /// Exams whose date and descriptions give different study years; the date is used.
    pub years_disagree: usize,
    /// Labelled exams whose study year is missing in `nlst_screen`.
    pub years_not_in_screen_table: usize,
    /// Persons whose earliest `candx_days` in `nlst_canc` differs from that in `nlst_prsn`, which is used.
    pub diagnoses_disagree: usize,
    /// Exams in the labels file by what is known at each year, for a survival outcome.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub years: Vec<YearCounts>,
}

/// What is known about exams at a number of years.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct YearCounts {
    /// The years.
    pub years: u32,
    /// Exams with cancer within the years.
    pub cancer: usize,
    /// Exams followed for the years without cancer.
    pub free: usize,
    /// Exams followed for a shorter time, without cancer.
    pub unknown: usize,
}

/// The years of [`YearCounts`].
const YEARS: u32 = 6;

impl YearCounts {
    /// Counts exams of a survival outcome; empty for a binary one.
    pub(super) fn of(rows: &[LabelRow]) -> Vec<Self> {
        let times: Option<Vec<DaysFollowed>> = rows.iter().map(|row| row.follow_up).collect();
        let Some(times) = times.filter(|times| !times.is_empty()) else { return Vec::new() };
        let at = |years: u32| {
            let is = |status| move |it: &&DaysFollowed| it.status_at(f64::from(years)) == status;
            let count = |status| times.iter().filter(is(status)).count();
            Self {
                years,
                cancer: count(Status::Cancer),
                free: count(Status::Free),
                unknown: count(Status::Unknown),
            }
        };
        (1..=YEARS).map(at).collect()
    }
}

/// The labels of the study, its exclusions and the series to fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledCohort {
    /// Exams, by patient, study year and UID.
    pub rows: Vec<LabelRow>,
    /// Excluded exams, then excluded series.
    pub exclusions: Vec<Exclusion>,
    /// The preferred series of each exam.
    pub series: Vec<SeriesRow>,
    /// All usable series of these exams.
    pub all_series: Vec<SeriesRow>,
    /// Counts of the flow.
    pub counts: Counts,
}
