//! Index tables of an archive: which series lies where, and whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::FetchError;
use super::manifest::{BUCKET, PATIENT, Place, Request, SERIES, URL, UUID, column, place_of};
use crate::table;

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

    /// Adds a row: series, patient, address, UUID and bucket.
    fn add(&mut self, cells: &[&str], asked: &Asked) {
        let &[uid, patient, url, uuid, bucket] = cells else { return };
        if uid.is_empty() || self.by_uid.contains_key(uid) {
            return;
        }
        let place = match place_of(url, uuid, bucket) {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err("the index does not say where it lies".to_owned()),
            Err(reason) => Err(format!("the index has a bad address: {reason}")),
        };
        let at = place.as_ref().ok().filter(|place| asked.places.contains(place));
        if !asked.uids.contains(uid) && at.is_none() {
            return;
        }
        if let Ok(place) = &place {
            self.uid_of.insert(place.clone(), uid.to_owned());
        }
        self.by_uid.insert(uid.to_owned(), Entry { patient: patient.to_owned(), place });
    }
}

/// What a request asks for.
struct Asked<'a> {
    uids: BTreeSet<&'a str>,
    places: BTreeSet<&'a Place>,
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
    let mut index = Index::default();
    table::read(path, columns, |row| {
        index.add(row.cells, &asked);
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
