//! Index tables of an archive: the place and the patient of each series.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::FetchError;
use super::manifest::{BUCKET, PATIENT, Place, Request, SERIES, URL, UUID, column, row_place};
use crate::table;

/// The rows of an index table for the series of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    by_uid: BTreeMap<String, IndexRow>,
    uid_by_place: BTreeMap<Place, String>,
}

/// A row of an index table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub patient_id: String,
    /// Its place, or the problem of its address.
    pub place: Result<Place, String>,
}

impl Index {
    pub(super) fn series(&self, uid: &str) -> Option<&IndexRow> {
        self.by_uid.get(uid)
    }

    /// The UID of the series at a place.
    pub(super) fn uid_at(&self, place: &Place) -> Option<&str> {
        self.uid_by_place.get(place).map(String::as_str)
    }

    /// Adds a row: series, patient, address, UUID and bucket.
    fn add(&mut self, cells: &[&str], requested: &RequestKeys) {
        let &[uid, patient, url, uuid, bucket] = cells else { return };
        if uid.is_empty() || self.by_uid.contains_key(uid) {
            return;
        }
        let place = match row_place(url, uuid, bucket) {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err("the index has no address for this series".to_owned()),
            Err(reason) => Err(format!("the index has an invalid address: {reason}")),
        };
        let has_requested_place =
            place.as_ref().is_ok_and(|place| requested.places.contains(place));
        if !requested.uids.contains(uid) && !has_requested_place {
            return;
        }
        if let Ok(place) = &place {
            self.uid_by_place.insert(place.clone(), uid.to_owned());
        }
        self.by_uid.insert(uid.to_owned(), IndexRow { patient_id: patient.to_owned(), place });
    }
}

/// UIDs and places of a request.
struct RequestKeys<'a> {
    uids: BTreeSet<&'a str>,
    places: BTreeSet<&'a Place>,
}

/// Reads the rows of an index table (CSV, `.csv.gz` or Parquet) for the series of a request.
///
/// # Errors
/// The file cannot be read, or lacks the columns of series and addresses.
pub fn read_index(path: &Path, request: &Request) -> Result<Index, FetchError> {
    let requested = RequestKeys {
        uids: request.series.iter().filter_map(|series| series.series_uid.as_deref()).collect(),
        places: request.series.iter().filter_map(|series| series.place.as_ref()).collect(),
    };
    let mut index = Index::default();
    table::read(path, columns, |row| {
        index.add(row.cells, &requested);
        Ok::<(), FetchError>(())
    })?;
    Ok(index)
}

/// The columns of series, patient, address, UUID and bucket.
fn columns(path: &Path, names: &[String]) -> Result<Vec<Option<usize>>, FetchError> {
    let header = csv::StringRecord::from(names.to_vec());
    let columns =
        [&SERIES[..], &PATIENT, &[URL], &[UUID], &[BUCKET]].map(|names| column(&header, names));
    if columns[0].is_none() || columns[2].is_none() && columns[3].is_none() {
        return Err(FetchError::NotAnIndex { path: path.to_owned(), found: names.join(", ") });
    }
    Ok(columns.to_vec())
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
