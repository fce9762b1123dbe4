//! The plan: joins the request and the index, without network access.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::manifest::{Address, Request};
use super::names::safe_name;
use super::{FetchRow, FetchStatus, Index};

/// A series to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name in tables: its UID, or the last part of its address.
    pub name: String,
    /// PatientID; empty if unknown.
    pub patient_id: String,
    /// Its address in the archive.
    pub address: Address,
    /// The folder of its files, below the target folder: `<patient>/<series>` or `<series>`.
    pub folder: PathBuf,
}

/// The series to fetch, and rows for those that cannot be fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Distinct series in the order of the request.
    pub series: Vec<Series>,
    /// Series that cannot be fetched, and invalid lines, with reasons.
    pub failures: Vec<FetchRow>,
    /// Number of duplicate requests.
    pub repeated: usize,
}

/// Joins a request with an index, if there is one.
pub fn plan(request: &Request, index: Option<&Index>) -> Plan {
    let mut plan = Plan::default();
    for problem in &request.problems {
        let name = format!("line {}: {}", problem.line, problem.text);
        plan.failures.push(FetchRow::failed(&name, "", &problem.reason));
    }
    // The address of each folder.
    let mut folders = BTreeMap::<PathBuf, Address>::new();
    for requested in &request.series {
        let requested_address = requested.address.as_ref();
        let uid = requested.series_uid.as_deref();
        let uid = uid.or_else(|| index.and_then(|index| index.uid_at(requested_address?)));
        let index_row = uid.and_then(|uid| index?.series(uid));
        let patient = requested.patient_id.clone().or_else(|| Some(index_row?.patient_id.clone()));
        let patient = patient.unwrap_or_default();
        let address = match (requested_address, index_row) {
            (Some(address), _) => Ok(address.clone()),
            (None, Some(row)) => row.address.clone(),
            (None, None) if index.is_some() => Err("missing in the index".to_owned()),
            (None, None) => {
                Err("no address: give --index with the archive's index table".to_owned())
            }
        };
        let address = match address {
            Ok(address) => address,
            Err(reason) => {
                let row = FetchRow::failed(uid.unwrap_or_default(), &patient, &reason);
                plan.failures.push(row);
                continue;
            }
        };
        let last_part = address.key.rsplit('/').next().unwrap_or_default();
        let name = uid.unwrap_or(last_part).to_owned();
        let series_folder = safe_name(&name).unwrap_or_else(|| "series".to_owned());
        let folder = match safe_name(&patient) {
            Some(patient) => PathBuf::from(patient).join(series_folder),
            None => PathBuf::from(series_folder),
        };
        match folders.get(&folder) {
            Some(earlier) if *earlier == address => plan.repeated += 1,
            Some(earlier) => {
                let reason = format!("its folder {} is used by {earlier}", folder.display());
                plan.failures.push(FetchRow {
                    address: address.to_string(),
                    ..FetchRow::failed(&name, &patient, &reason)
                });
            }
            None => {
                folders.insert(folder.clone(), address.clone());
                plan.series.push(Series { name, patient_id: patient, address, folder });
            }
        }
    }
    plan
}

impl Series {
    /// A row of `fetch.csv` for this series.
    pub(super) fn row(&self, state: FetchStatus) -> FetchRow {
        FetchRow {
            series: self.name.clone(),
            patient_id: self.patient_id.clone(),
            address: self.address.to_string(),
            folder: self.folder.display().to_string(),
            files: None,
            bytes: None,
            state,
            reason: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::manifest::parse_request;
    use crate::fetch::read_index;
    use std::path::Path;

    fn index(request: &Request) -> Index {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.csv");
        let text = "SeriesInstanceUID,PatientID,crdc_series_uuid,aws_bucket\n\
            1.2.3,P1,aa,idc-open-data\n1.2.4,../P2,bb,\n";
        std::fs::write(&path, text).unwrap();
        read_index(&path, request).unwrap()
    }

    #[test]
    fn an_index_maps_uids_to_addresses_and_addresses_to_names() {
        let request = parse_request(
            b"1.2.3\n1.2.4\n1.2.9\ns3://idc-open-data/bb/*\ns3://idc-open-data/cc/*\n",
        );
        let request = request.unwrap();
        let plan = plan(&request, Some(&index(&request)));
        let series: Vec<(&str, String)> = plan
            .series
            .iter()
            .map(|series| (series.name.as_str(), series.folder.display().to_string()))
            .collect();
        assert_eq!(series[0], ("1.2.3", "P1/1.2.3".to_owned()));
        assert!(series[1].1.starts_with("P2-") && series[1].1.ends_with("/1.2.4"), "{series:?}");
        assert_eq!(series[2], ("cc", "cc".to_owned()));
        // Requested by UID, and again by its address.
        assert_eq!((series.len(), plan.repeated), (3, 1));
        assert_eq!(plan.failures.len(), 1);
        assert!(plan.failures[0].reason.contains("missing in the index"));
        for series in &plan.series {
            assert!(Path::new("x").join(&series.folder).starts_with("x"));
        }
    }

    #[test]
    fn uids_without_an_address_need_an_index_and_two_addresses_do_not_share_a_folder() {
        let request = parse_request(b"1.2.3\n").unwrap();
        let no_index = plan(&request, None);
        assert!(no_index.series.is_empty() && no_index.failures[0].reason.contains("--index"));
        let text = b"s3://idc-open-data/a/x/*\ns3://idc-open-data/b/x/*\nnonsense\n";
        let both = plan(&parse_request(text).unwrap(), None);
        assert_eq!((both.series.len(), both.failures.len()), (1, 2));
        assert!(both.failures[1].reason.contains("s3://idc-open-data/a/x/"));
    }
}
