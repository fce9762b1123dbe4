//! The exams of the trial, from an index of series or from the files themselves.

use super::describe::{self, Description};
use super::reasons::{Reason, ReasonCode, reason};
use super::rows::Exclusion;
use super::table::{Row, TableError, optional, read_rows, required};
use lungs_archive::table::RowNumber;
use lungs_image::codes::ExclusionCode;
use lungs_image::images::ScanResult;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Every CT exam of the trial, and the counts of other series in the index.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Exams, by patient and StudyInstanceUID.
    pub exams: BTreeMap<(String, String), Exam>,
    /// Patients of each StudyInstanceUID that belongs to several patients.
    pub shared: BTreeMap<String, BTreeSet<String>>,
    /// Number of CT series of the trial.
    pub series: usize,
    /// Series of the trial that are not CT, by modality.
    pub other_modalities: BTreeMap<String, usize>,
    /// CT series excluded while reading the index.
    pub excluded: Vec<Exclusion>,
    /// Number of series of other collections in the index.
    pub series_of_other_collections: usize,
}

/// One exam.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exam {
    /// Distinct StudyDates of its series, as written but without hyphens.
    pub dates: Vec<String>,
    /// Its series.
    pub series: Vec<Series>,
}

/// One series of an exam.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// SeriesInstanceUID.
    pub uid: String,
    /// The fields of its description, if it is coded.
    pub description: Option<Description>,
    /// Manufacturer, else that of the description's vendor code.
    pub manufacturer: String,
    /// Reconstruction kernel, from the files or the description.
    pub kernel: String,
    /// Number of images.
    pub images: usize,
    /// Size in megabytes; 0 if unknown.
    pub megabytes: f64,
    /// Address in the archive; empty if unknown.
    pub address: String,
    /// Unusual compression by its transfer syntaxes, if the index has them.
    pub compression: Option<Compression>,
    /// The reason of its exclusion, if it is excluded.
    pub exclusion: Option<Reason>,
}

/// Unusual compression of the images of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// All images have a lossy transfer syntax.
    Lossy,
    /// The images have several transfer syntaxes, of which one may be lossy.
    Mixed,
}

impl Compression {
    /// Lossy transfer syntaxes: JPEG baseline and extended, JPEG-LS near-lossless,
    /// JPEG 2000, JPEG XL, HTJ2K (DICOM PS3.6 annex A).
    const LOSSY: [&str; 8] = [
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.91",
        "1.2.840.10008.1.2.4.93",
        "1.2.840.10008.1.2.4.111",
        "1.2.840.10008.1.2.4.112",
        "1.2.840.10008.1.2.4.203",
    ];

    /// Reads a cell of TransferSyntaxUID with values separated by commas.
    fn from_cell(syntaxes: &str) -> Option<Self> {
        let distinct: BTreeSet<&str> =
            syntaxes.split([',', ';', '\\']).map(str::trim).filter(|it| !it.is_empty()).collect();
        match distinct.len() {
            2.. => Some(Self::Mixed),
            1 => distinct.iter().any(|it| Self::LOSSY.contains(it)).then_some(Self::Lossy),
            _ => None,
        }
    }

    /// Its flag in tables.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Lossy => "lossy-compression",
            Self::Mixed => "mixed-transfer-syntaxes",
        }
    }
}

const COLUMNS: [super::table::Column; 15] = [
    required("PatientID"),
    required("StudyInstanceUID"),
    required("SeriesInstanceUID"),
    optional("StudyDate"),
    optional("SeriesDescription"),
    optional("Manufacturer"),
    optional("Modality"),
    optional("collection_id"),
    optional("instanceCount"),
    optional("series_size_MB"),
    optional("crdc_series_uuid"),
    optional("series_aws_url"),
    optional("aws_bucket"),
    optional("analysis_result_id"),
    optional("TransferSyntaxUID"),
];

/// Reads an index of series: a table with the columns of the Imaging Data Commons. An irregular row excludes
/// its series or exam, with a reason.
///
/// # Errors
/// The table cannot be read or lacks a required column.
pub fn inventory_from_index(path: &Path) -> Result<Inventory, TableError> {
    let mut inventory = Inventory::default();
    // The first row of each series.
    let mut first_rows = HashMap::<String, FirstRow>::new();
    read_rows(path, &COLUMNS, |row| {
        let collection = row.text(7);
        if !collection.is_empty() && !collection.eq_ignore_ascii_case("nlst") {
            inventory.series_of_other_collections += 1;
            return Ok(());
        }
        let modality = row.text(6);
        if !modality.is_empty() && modality != "CT" {
            *inventory.other_modalities.entry(modality.to_owned()).or_default() += 1;
            return Ok(());
        }
        inventory.series += 1;
        match index_series(row) {
            Ok((patient, exam, series)) => {
                inventory.add_once(&mut first_rows, row, (patient, exam), series);
            }
            Err(error) => inventory.excluded.push(Exclusion {
                patient_id: row.text(0).to_owned(),
                exam_id: row.text(1).to_owned(),
                series_uid: row.text(2).to_owned(),
                code: ReasonCode::UnreadableRow,
                reason: error.to_string(),
            }),
        }
        Ok(())
    })?;
    inventory.exclude_ambiguous(&first_rows);
    inventory.find_shared();
    Ok(inventory)
}

/// Patient, exam and series of a row of an index.
fn index_series(row: &Row) -> Result<(String, String, Series), TableError> {
    let (patient, exam) = (row.identifier(0)?, row.required_text(1)?.to_owned());
    let uid = row.required_text(2)?.to_owned();
    let description = describe::parse(row.text(4));
    let exclusion = if !row.text(13).is_empty() {
        let message = format!("a derived copy: analysis_result_id is {}", row.text(13));
        Some(reason(ReasonCode::Derived, message))
    } else if description.as_ref().is_some_and(|it| !it.axial) {
        Some(reason(
            ReasonCode::Image(ExclusionCode::Localizer),
            format!("not axial: SeriesDescription is {}", row.text(4)),
        ))
    } else {
        None
    };
    let vendor = description.as_ref().map_or("", |it| describe::manufacturer(&it.vendor));
    let bucket = if row.text(12).is_empty() { "idc-open-data" } else { row.text(12) };
    let address = match (row.text(11), row.text(10)) {
        ("", "") => String::new(),
        ("", uuid) => format!("s3://{bucket}/{uuid}/*"),
        (address, _) => address.to_owned(),
    };
    let series = Series {
        uid,
        manufacturer: if row.text(5).is_empty() { vendor } else { row.text(5) }.to_owned(),
        kernel: description.as_ref().map(|it| it.kernel.clone()).unwrap_or_default(),
        description,
        images: row.number(8)?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0),
        megabytes: row.measurement(9)?.unwrap_or(0.0),
        address,
        compression: Compression::from_cell(row.text(14)),
        exclusion,
    };
    Ok((patient, exam, series))
}

/// The first row of a series in an index.
struct FirstRow {
    number: RowNumber,
    /// Patient and exam of the row.
    exam: (String, String),
    /// The first later row with another patient or exam.
    conflict: Option<(RowNumber, (String, String))>,
}

/// The exams of the images in a folder.
pub fn inventory_from_images(scan: &ScanResult) -> Inventory {
    let mut inventory = Inventory::default();
    // Volume files without a record of their scan name no patient.
    for image in scan.images.iter().filter(|image| !image.patient_id.is_empty()) {
        inventory.series += 1;
        let refusal = image.grid.as_ref().err();
        let series = Series {
            uid: image.series_uid.clone(),
            manufacturer: image.manufacturer.clone(),
            kernel: image.kernel.clone(),
            images: image.slices,
            exclusion: refusal
                .map(|refusal| reason(ReasonCode::Image(refusal.code()), refusal.to_string())),
            ..Series::default()
        };
        let (patient, exam) = (image.patient_id.clone(), image.exam_id.clone());
        inventory.add((patient, exam), &image.study_date, series);
    }
    inventory.find_shared();
    inventory
}

impl Inventory {
    /// Adds the series of a row of an index. A series that an earlier row has is excluded.
    fn add_once(
        &mut self,
        first_rows: &mut HashMap<String, FirstRow>,
        row: &Row,
        exam: (String, String),
        series: Series,
    ) {
        match first_rows.entry(series.uid.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(FirstRow { number: row.at(), exam: exam.clone(), conflict: None });
                self.add(exam, row.text(3), series);
            }
            Entry::Occupied(mut entry) => {
                let first = entry.get_mut();
                let (code, reason) = if first.exam == exam {
                    (ReasonCode::RepeatedRow, format!("{} already lists this series", first.number))
                } else {
                    first.conflict.get_or_insert((row.at(), exam.clone()));
                    (ReasonCode::SeriesOfSeveralExams, conflict_message(&first.number, &first.exam))
                };
                let (patient, exam) = exam;
                let series = series.uid;
                self.excluded.push(Exclusion {
                    patient_id: patient,
                    exam_id: exam,
                    series_uid: series,
                    code,
                    reason,
                });
            }
        }
    }

    /// Excludes series with a later row of another exam or patient.
    fn exclude_ambiguous(&mut self, first_rows: &HashMap<String, FirstRow>) {
        for (uid, row) in first_rows {
            let Some((number, exam)) = &row.conflict else { continue };
            let series = self.exams.get_mut(&row.exam).map(|exam| &mut exam.series);
            if let Some(series) = series.into_iter().flatten().find(|series| series.uid == *uid) {
                let message = conflict_message(number, exam);
                series.exclusion = Some(reason(ReasonCode::SeriesOfSeveralExams, message));
            }
        }
    }

    /// Finds exams that belong to several patients.
    fn find_shared(&mut self) {
        let mut patients = HashMap::<&str, &str>::new();
        let mut shared = BTreeMap::<String, BTreeSet<String>>::new();
        for (patient, exam) in self.exams.keys() {
            if let Some(first) = patients.insert(exam, patient) {
                let owners = shared.entry(exam.clone()).or_default();
                owners.extend([first.to_owned(), patient.clone()]);
            }
        }
        self.shared = shared;
    }

    fn add(&mut self, exam: (String, String), date: &str, series: Series) {
        let exam = self.exams.entry(exam).or_default();
        let date = date.replace('-', "");
        if !date.is_empty() && !exam.dates.contains(&date) {
            exam.dates.push(date);
        }
        exam.series.push(series);
    }
}

fn conflict_message(number: &RowNumber, (patient, exam): &(String, String)) -> String {
    format!("{number} lists this series in exam {exam} of patient {patient}")
}

impl Exam {
    /// The study year by its date: dates are shifted so that 1999, 2000 and 2001 are the years 0, 1 and 2.
    pub fn year_by_date(&self) -> Result<Option<u8>, Reason> {
        let years = self.dates.iter().map(|date| match date.get(..4) {
            Some("1999") => Some(0),
            Some("2000") => Some(1),
            Some("2001") => Some(2),
            _ => None,
        });
        unique_year(years, "dates")
    }

    /// The study year by the descriptions of its series.
    pub fn year_by_description(&self) -> Result<Option<u8>, Reason> {
        let years = self.series.iter().map(|series| Some(series.description.as_ref()?.study_year));
        unique_year(years, "descriptions")
    }

    /// Number of images of all its series.
    pub fn images(&self) -> usize {
        self.series.iter().map(|series| series.images).sum()
    }
}

/// The only year among `years`; an error if there are several.
fn unique_year(
    years: impl Iterator<Item = Option<u8>>,
    source: &str,
) -> Result<Option<u8>, Reason> {
    let mut years: Vec<u8> = years.flatten().collect();
    years.sort_unstable();
    years.dedup();
    match years.as_slice() {
        [] => Ok(None),
        [year] => Ok(Some(*year)),
        [first, second, ..] => Err(reason(
            ReasonCode::ConflictingYears,
            format!("the {source} of its series give the study years {first} and {second}"),
        )),
    }
}
