//! Index tables of an archive: the address and the patient of each series.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::FetchError;
use super::manifest::{Address, BUCKET, PATIENT, Request, SERIES, URL, UUID, column, row_address};
use crate::table;

/// The rows of an index table for the series of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    by_uid: BTreeMap<String, IndexRow>,
    uid_by_address: BTreeMap<Address, String>,
}

/// A row of an index table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub patient_id: String,
    /// Its address, or the reason why it is invalid.
    pub address: Result<Address, String>,
}

impl Index {
    pub(super) fn series(&self, uid: &str) -> Option<&IndexRow> {
        self.by_uid.get(uid)
    }

    /// The UID of the series at an address.
    pub(super) fn uid_at(&self, address: &Address) -> Option<&str> {
        self.uid_by_address.get(address).map(String::as_str)
    }

    /// Adds a row: series, patient, address, UUID and bucket.
    fn add(&mut self, cells: &[&str], requested: &RequestKeys) {
        let &[uid, patient, url, uuid, bucket] = cells else { return };
        if uid.is_empty() || self.by_uid.contains_key(uid) {
            return;
        }
        let address = match row_address(url, uuid, bucket) {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err("the index has no address for this series".to_owned()),
            Err(reason) => Err(format!("the index has an invalid address: {reason}")),
        };
        let has_requested_address =
            address.as_ref().is_ok_and(|address| requested.addresses.contains(address));
        if !requested.uids.contains(uid) && !has_requested_address {
            return;
        }
        if let Ok(address) = &address {
            self.uid_by_address.insert(address.clone(), uid.to_owned());
        }
        self.by_uid.insert(uid.to_owned(), IndexRow { patient_id: patient.to_owned(), address });
    }
}

/// UIDs and addresses of a request.
struct RequestKeys<'a> {
    uids: BTreeSet<&'a str>,
    addresses: BTreeSet<&'a Address>,
}

/// Reads the rows of an index table (CSV, `.csv.gz` or Parquet) for the series of a request.
///
/// # Errors
/// The file cannot be read, or lacks the columns of series and addresses.
pub fn read_index(path: &Path, request: &Request) -> Result<Index, FetchError> {
    let requested = RequestKeys {
        uids: request.series.iter().filter_map(|series| series.series_uid.as_deref()).collect(),
        addresses: request.series.iter().filter_map(|series| series.address.as_ref()).collect(),
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
