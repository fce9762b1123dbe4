//! Index tables of an archive: which series lies where, and whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::FetchError;
use super::manifest::{
    BUCKET, PATIENT, Place, Request, SERIES, URL, UUID, column, place_of, table_reader,
};

/// The rows of an index table that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    by_uid: BTreeMap<String, Entry>,
    uid_of: BTreeMap<Place, String>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub patient: String,
    /// Where it lies, or why that cannot be used.
    pub place: Result<Place, String>,
}

impl Index {
    pub(super) fn series(&self, uid: &str) -> Option<&Entry> {
        self.by_uid.get(uid)
    }

    /// The series at a place.
    pub(super) fn uid_at(&self, place: &Place) -> Option<&str> {
        self.uid_of.get(place).map(String::as_str)
    }

    fn add(&mut self, row: &Cells, asked: &Asked) {
        let Cells { uid, patient, url, uuid, bucket } = row;
        if uid.is_empty() || self.by_uid.contains_key(uid) {
            return;
        }
        let place = match place_of(url, uuid, bucket) {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err("the index does not say where it lies".to_owned()),
            Err(reason) => Err(format!("the index has a bad address: {reason}")),
        };
        let at = place.as_ref().ok().filter(|place| asked.places.contains(place));
        if !asked.uids.contains(uid.as_str()) && at.is_none() {
            return;
        }
        if let Ok(place) = &place {
            self.uid_of.insert(place.clone(), uid.clone());
        }
        self.by_uid.insert(uid.clone(), Entry { patient: patient.clone(), place });
    }
}

/// What a request asks for.
struct Asked<'a> {
    uids: BTreeSet<&'a str>,
    places: BTreeSet<&'a Place>,
}

/// The cells of a row that matter.
#[derive(Default)]
struct Cells {
    uid: String,
    patient: String,
    url: String,
    uuid: String,
    bucket: String,
}

impl Cells {
    fn set(&mut self, which: usize, value: &str) {
        let cell = match which {
            0 => &mut self.uid,
            1 => &mut self.patient,
            2 => &mut self.url,
            3 => &mut self.uuid,
            _ => &mut self.bucket,
        };
        value.trim().clone_into(cell);
    }
}

/// For each of [`Cells`], the column of a table that holds it.
type Columns = [Option<usize>; 5];

fn columns(path: &Path, names: &[String]) -> Result<Columns, FetchError> {
    let header = csv::StringRecord::from(names.to_vec());
    let columns: Columns =
        [&SERIES[..], &PATIENT, &[URL], &[UUID], &[BUCKET]].map(|names| column(&header, names));
    if columns[0].is_none() || columns[2].is_none() && columns[3].is_none() {
        return Err(FetchError::NotAnIndex { path: path.to_owned(), found: names.join(", ") });
    }
    Ok(columns)
}

/// Reads the rows of an index table (CSV, also compressed as `.gz`, or Parquet) that are asked for.
///
/// # Errors
/// The file cannot be read, or has no columns that say which series lies where.
pub fn read_index(path: &Path, request: &Request) -> Result<Index, FetchError> {
    let asked = Asked {
        uids: request.wanted.iter().filter_map(|wanted| wanted.series_uid.as_deref()).collect(),
        places: request.wanted.iter().filter_map(|wanted| wanted.place.as_ref()).collect(),
    };
    let unreadable = |message: String| FetchError::Unreadable { path: path.to_owned(), message };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let named = |end: &str| path.extension().is_some_and(|extension| extension == end);
    if named("parquet") {
        read_parquet(path, file, &asked)
    } else if named("gz") {
        read_csv(path, flate2::read::GzDecoder::new(file), &asked)
    } else {
        read_csv(path, file, &asked)
    }
}

fn read_csv(path: &Path, source: impl std::io::Read, asked: &Asked) -> Result<Index, FetchError> {
    let unreadable = |error: csv::Error| FetchError::Unreadable {
        path: path.into(),
        message: error.to_string(),
    };
    let mut reader = table_reader(std::io::BufReader::with_capacity(1 << 20, source));
    let header: Vec<String> =
        reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
    let columns = columns(path, &header)?;
    let mut index = Index::default();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(unreadable)? {
        let mut cells = Cells::default();
        for (which, column) in columns.iter().enumerate() {
            cells.set(which, column.and_then(|column| record.get(column)).unwrap_or(""));
        }
        index.add(&cells, asked);
    }
    Ok(index)
}

fn read_parquet(path: &Path, file: File, asked: &Asked) -> Result<Index, FetchError> {
    let unreadable = |error: &dyn std::fmt::Display| FetchError::Unreadable {
        path: path.into(),
        message: error.to_string(),
    };
    let reader = SerializedFileReader::new(file).map_err(|e| unreadable(&e))?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let columns = columns(path, &names)?;
    // Only these columns are decompressed.
    let wanted = columns.iter().flatten().map(|&column| Arc::clone(&fields[column])).collect();
    let projection = Type::group_type_builder(schema.name())
        .with_fields(wanted)
        .build()
        .map_err(|e| unreadable(&e))?;
    let places: BTreeMap<&str, usize> = columns
        .iter()
        .enumerate()
        .filter_map(|(which, column)| Some((names[(*column)?].as_str(), which)))
        .collect();
    let mut index = Index::default();
    for row in reader.get_row_iter(Some(projection)).map_err(|e| unreadable(&e))? {
        let row = row.map_err(|e| unreadable(&e))?;
        let mut cells = Cells::default();
        for (name, field) in row.get_column_iter() {
            let text = match field {
                Field::Str(text) => text.clone(),
                Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
                Field::Null => continue,
                other => other.to_string(),
            };
            if let Some(which) = places.get(name.as_str()) {
                cells.set(*which, &text);
            }
        }
        index.add(&cells, asked);
    }
    Ok(index)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
