//! Which exams there are: from an index of series or from the files themselves.

use super::describe::{self, Description};
use super::rules::{Reason, reason};
use super::table::{TableError, needed, optional, read_rows};
use crate::images::Found;
use std::collections::BTreeMap;
use std::path::Path;

/// Every exam of the trial, and what stands beside them.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Exams, by patient and StudyInstanceUID.
    pub exams: BTreeMap<(String, String), Exam>,
    /// Series of the trial.
    pub series: usize,
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
    /// Why it is no use, when it is none.
    pub useless: Option<Reason>,
}

const COLUMNS: [super::table::Column; 12] = [
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
];

/// Reads an index of series: a table with the columns of the Imaging Data Commons.
///
/// # Errors
/// When it cannot be read, lacks a needed column, has a series twice or an exam of two patients.
pub fn of_index(path: &Path) -> Result<Inventory, TableError> {
    let mut inventory = Inventory::default();
    let mut lines = std::collections::HashMap::<String, String>::new();
    let mut patients = std::collections::HashMap::<String, String>::new();
    read_rows(path, &COLUMNS, |row| {
        let collection = row.text(7);
        if !collection.is_empty() && !collection.eq_ignore_ascii_case("nlst") {
            inventory.of_others += 1;
            return Ok(());
        }
        inventory.series += 1;
        let (patient, exam) = (row.identifier(0)?, row.needed_text(1)?.to_owned());
        let uid = row.needed_text(2)?.to_owned();
        if let Some(first) = lines.insert(uid.clone(), row.at()) {
            return Err(row.wrong(2, format!("each series once; {first} has it too")));
        }
        let known = patients.entry(exam.clone()).or_insert_with(|| patient.clone());
        if *known != patient {
            return Err(row.wrong(0, format!("{known}, whose exam {exam} is in a line above")));
        }
        let description = describe::parse(row.text(4));
        let modality = row.text(6);
        let useless = if !modality.is_empty() && modality != "CT" {
            Some(reason("not-ct", format!("the modality is {modality}")))
        } else if description.as_ref().is_some_and(|it| !it.axial) {
            Some(reason("localizer", format!("SeriesDescription is {}", row.text(4))))
        } else {
            None
        };
        let vendor = description.as_ref().map_or("", |it| describe::manufacturer(&it.vendor));
        let address = match (row.text(11), row.text(10)) {
            ("", "") => String::new(),
            ("", uuid) => format!("s3://idc-open-data/{uuid}/*"),
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
            useless,
        };
        inventory.add(patient, exam, row.text(3), series);
        Ok(())
    })?;
    Ok(inventory)
}

/// The exams among images found in a folder.
pub fn of_images(found: &Found) -> Inventory {
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
        inventory.add(patient, exam, &image.study_date, series);
    }
    inventory
}

impl Inventory {
    fn add(&mut self, patient: String, exam: String, date: &str, series: Series) {
        let exam = self.exams.entry((patient, exam)).or_default();
        let date = date.replace('-', "");
        if !date.is_empty() && !exam.dates.contains(&date) {
            exam.dates.push(date);
        }
        exam.series.push(series);
    }
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
