//! Which exams there are: from an index of series or from the files themselves.

use super::describe::{self, Description};
use super::rows::Exclusion;
use super::rules::{Reason, reason};
use super::table::{Row, TableError, needed, optional, read_rows};
use crate::images::ScanResult;
use crate::table::RowNumber;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Every CT exam of the trial, and what an index holds besides.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Exams, by patient and StudyInstanceUID.
    pub exams: BTreeMap<(String, String), Exam>,
    /// Patients of each StudyInstanceUID that several have.
    pub shared: BTreeMap<String, BTreeSet<String>>,
    /// CT series of the trial.
    pub series: usize,
    /// Series of the trial that are not CT, by modality.
    pub other_modalities: BTreeMap<String, usize>,
    /// CT series that belong to no exam here, with the reason.
    pub excluded: Vec<Exclusion>,
    /// Series of other collections, which an index of a whole archive has.
    pub of_others: usize,
}

/// One exam.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exam {
    /// StudyDates of its series, as written, without hyphens; each once.
    pub dates: Vec<String>,
    /// Its series.
    pub series: Vec<Series>,
}

/// One series of an exam.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// SeriesInstanceUID.
    pub uid: String,
    /// What its description says, where that is the trial's code.
    pub description: Option<Description>,
    /// Manufacturer, else what the description's vendor stands for.
    pub manufacturer: String,
    /// Kernel, by the files or the description.
    pub kernel: String,
    /// Images.
    pub images: usize,
    /// Size in megabytes, where the index says it.
    pub megabytes: f64,
    /// Where it is in the archive's bucket; empty when not known.
    pub address: String,
    /// What its transfer syntaxes say of its images, where the index has them.
    pub compression: Option<Compression>,
    /// Why it is no use, when it is none.
    pub useless: Option<Reason>,
}

/// What is unusual about how the images of a series are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Every image has lost something to JPEG, JPEG-LS or JPEG 2000.
    Lossy,
    /// Its images have several transfer syntaxes, of which one may be lossy.
    Mixed,
}

impl Compression {
    /// Transfer syntaxes that may lose something: JPEG baseline and extended, JPEG-LS near-lossless,
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

    /// Reads a cell of TransferSyntaxUID, whose values are separated by commas.
    fn of(syntaxes: &str) -> Option<Self> {
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
    needed("PatientID"),
    needed("StudyInstanceUID"),
    needed("SeriesInstanceUID"),
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

/// Reads an index of series: a table with the columns of the Imaging Data Commons. What is odd about a
/// row excludes the series or exam that it is about, with a reason.
///
/// # Errors
/// When it cannot be read or lacks a needed column.
pub fn of_index(path: &Path) -> Result<Inventory, TableError> {
    let mut inventory = Inventory::default();
    // Where each series stands first.
    let mut first = HashMap::<String, FirstRow>::new();
    read_rows(path, &COLUMNS, |row| {
        let collection = row.text(7);
        if !collection.is_empty() && !collection.eq_ignore_ascii_case("nlst") {
            inventory.of_others += 1;
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
                inventory.add_once(&mut first, row, (patient, exam), series);
            }
            Err(error) => inventory.excluded.push(Exclusion {
                patient: row.text(0).to_owned(),
                exam: row.text(1).to_owned(),
                series: row.text(2).to_owned(),
                code: "unreadable-row",
                reason: error.to_string(),
            }),
        }
        Ok(())
    })?;
    inventory.exclude_ambiguous(&first);
    inventory.note_shared();
    Ok(inventory)
}

/// Patient, exam and series of a row of an index.
fn index_series(row: &Row) -> Result<(String, String, Series), TableError> {
    let (patient, exam) = (row.identifier(0)?, row.needed_text(1)?.to_owned());
    let uid = row.needed_text(2)?.to_owned();
    let description = describe::parse(row.text(4));
    let useless = if !row.text(13).is_empty() {
        let copy = format!("a derived copy: analysis_result_id is {}", row.text(13));
        Some(reason("derived", copy))
    } else if description.as_ref().is_some_and(|it| !it.axial) {
        Some(reason("localizer", format!("SeriesDescription is {}", row.text(4))))
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
        megabytes: row.measure(9)?.unwrap_or(0.0),
        address,
        compression: Compression::of(row.text(14)),
        useless,
    };
    Ok((patient, exam, series))
}

/// Where a series stands first in an index, and whether a later row puts it elsewhere.
struct FirstRow {
    at: RowNumber,
    exam: (String, String),
    elsewhere: Option<(RowNumber, (String, String))>,
}

/// The exams among images found in a folder.
pub fn of_images(found: &ScanResult) -> Inventory {
    let mut inventory = Inventory::default();
    // Volume files do not say whose they are, unless they were prepared here.
    for image in found.images.iter().filter(|image| !image.patient_id.is_empty()) {
        inventory.series += 1;
        let refused = image.grid.as_ref().err();
        let series = Series {
            uid: image.series_uid.clone(),
            manufacturer: image.manufacturer.clone(),
            kernel: image.kernel.clone(),
            images: image.slices,
            useless: refused.map(|refusal| reason(refusal.code(), refusal.to_string())),
            ..Series::default()
        };
        let (patient, exam) = (image.patient_id.clone(), image.exam_id.clone());
        inventory.add((patient, exam), &image.study_date, series);
    }
    inventory.note_shared();
    inventory
}

impl Inventory {
    /// Adds the series of a row of an index, unless an earlier row has it.
    fn add_once(
        &mut self,
        first: &mut HashMap<String, FirstRow>,
        row: &Row,
        exam: (String, String),
        series: Series,
    ) {
        match first.entry(series.uid.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(FirstRow { at: row.at(), exam: exam.clone(), elsewhere: None });
                self.add(exam, row.text(3), series);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let (code, reason) = if known.exam == exam {
                    ("repeated-row", format!("{} lists this series already", known.at))
                } else {
                    known.elsewhere.get_or_insert((row.at(), exam.clone()));
                    ("series-of-several-exams", in_both(&known.at, &known.exam))
                };
                let (patient, exam) = exam;
                let series = series.uid;
                self.excluded.push(Exclusion { patient, exam, series, code, reason });
            }
        }
    }

    /// Takes out series that a later row of the index puts into another exam or under another patient.
    fn exclude_ambiguous(&mut self, first: &HashMap<String, FirstRow>) {
        for (uid, row) in first {
            let Some((at, other)) = &row.elsewhere else { continue };
            let series = self.exams.get_mut(&row.exam).map(|exam| &mut exam.series);
            if let Some(series) = series.into_iter().flatten().find(|series| series.uid == *uid) {
                series.useless = Some(reason("series-of-several-exams", in_both(at, other)));
            }
        }
    }

    /// Notes exams that several patients have.
    fn note_shared(&mut self) {
        let mut patients = HashMap::<&str, &str>::new();
        let mut shared = BTreeMap::<String, BTreeSet<String>>::new();
        for (patient, exam) in self.exams.keys() {
            if let Some(first) = patients.insert(exam, patient) {
                let of = shared.entry(exam.clone()).or_default();
                of.extend([first.to_owned(), patient.clone()]);
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

fn in_both(at: &RowNumber, (patient, exam): &(String, String)) -> String {
    format!("{at} has this series in exam {exam} of patient {patient}")
}

impl Exam {
    /// The study year that its date says: dates are shifted so that 1999, 2000 and 2001 are the
    /// first, second and third.
    pub fn year_by_date(&self) -> Result<Option<u8>, Reason> {
        let years = self.dates.iter().map(|date| match date.get(..4) {
            Some("1999") => Some(0),
            Some("2000") => Some(1),
            Some("2001") => Some(2),
            _ => None,
        });
        self.agreed(years, "dates")
    }

    /// The study year that the descriptions of its series say.
    pub fn year_by_description(&self) -> Result<Option<u8>, Reason> {
        let said = self.series.iter().map(|series| Some(series.description.as_ref()?.study_year));
        self.agreed(said, "descriptions")
    }

    fn agreed(
        &self,
        years: impl Iterator<Item = Option<u8>>,
        what: &str,
    ) -> Result<Option<u8>, Reason> {
        let mut years: Vec<u8> = years.flatten().collect();
        years.sort_unstable();
        years.dedup();
        match years.as_slice() {
            [] => Ok(None),
            [year] => Ok(Some(*year)),
            [first, second, ..] => Err(reason(
                "conflicting-years",
                format!("the {what} of its series say study years {first} and {second}"),
            )),
        }
    }

    /// Images of all its series.
    pub fn images(&self) -> usize {
        self.series.iter().map(|series| series.images).sum()
    }
}
