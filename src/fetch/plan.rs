//! Which series go where: the request and the index joined, before anything is asked of a server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::manifest::{Place, Request};
use super::names::safe_name;
use super::{FetchRow, Index, State};

/// A series to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What it is called in tables: its UID, or the last part of its place.
    pub name: String,
    /// PatientID; empty when nothing says.
    pub patient: String,
    /// Where it lies in the archive.
    pub place: Place,
    /// Where its files go, below the target folder: `<patient>/<series>` or `<series>`.
    pub folder: PathBuf,
}

/// Every series to fetch, and rows for what cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Series in the order asked, each once.
    pub series: Vec<Series>,
    /// What cannot be fetched, with the reason.
    pub refused: Vec<FetchRow>,
    /// Series that were asked for more than once.
    pub repeated: usize,
}

/// Joins a request with an index, if there is one.
pub fn plan(request: &Request, index: Option<&Index>) -> Plan {
    let mut plan = Plan::default();
    for problem in &request.problems {
        let name = format!("line {}: {}", problem.line, problem.said);
        plan.refused.push(FetchRow::failed(&name, "", &problem.reason));
    }
    // What stands at a place, and what place a folder belongs to.
    let mut folders = BTreeMap::<PathBuf, Place>::new();
    for wanted in &request.wanted {
        let at = wanted.place.as_ref();
        let uid = wanted.series_uid.as_deref();
        let uid = uid.or_else(|| index.and_then(|index| index.uid_at(at?)));
        let entry = uid.and_then(|uid| index?.series(uid));
        let patient = wanted.patient.clone().or_else(|| Some(entry?.patient.clone()));
        let patient = patient.unwrap_or_default();
        let place = match (at, entry) {
            (Some(place), _) => Ok(place.clone()),
            (None, Some(entry)) => entry.place.clone(),
            (None, None) if index.is_some() => Err("the index does not have it".to_owned()),
            (None, None) => {
                Err("nothing says where it lies: give --index with the archive's index \
                                 table"
                    .to_owned())
            }
        };
        let place = match place {
            Ok(place) => place,
            Err(reason) => {
                let row = FetchRow::failed(uid.unwrap_or_default(), &patient, &reason);
                plan.refused.push(row);
                continue;
            }
        };
        let last = place.key.rsplit('/').next().unwrap_or_default();
        let name = uid.unwrap_or(last).to_owned();
        let own = safe_name(&name).unwrap_or_else(|| "series".to_owned());
        let folder = match safe_name(&patient) {
            Some(patient) => PathBuf::from(patient).join(own),
            None => PathBuf::from(own),
        };
        match folders.get(&folder) {
            Some(there) if *there == place => plan.repeated += 1,
            Some(there) => {
                let reason = format!("its folder {} is that of {there}", folder.display());
                plan.refused.push(FetchRow {
                    place: place.to_string(),
                    ..FetchRow::failed(&name, &patient, &reason)
                });
            }
            None => {
                folders.insert(folder.clone(), place.clone());
                plan.series.push(Series { name, patient, place, folder });
            }
        }
    }
    plan
}

impl Series {
    /// A row that says which series it is.
    pub(super) fn row(&self, state: State) -> FetchRow {
        FetchRow {
            series: self.name.clone(),
            patient: self.patient.clone(),
            place: self.place.to_string(),
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
    fn an_index_gives_places_to_uids_and_names_to_places() {
        let request = parse_request(
            b"1.2.3\n1.2.4\n1.2.9\ns3://idc-open-data/bb/*\ns3://idc-open-data/cc/*\n",
        );
        let request = request.unwrap();
        let plan = plan(&request, Some(&index(&request)));
        let told: Vec<(&str, String)> = plan
            .series
            .iter()
            .map(|series| (series.name.as_str(), series.folder.display().to_string()))
            .collect();
        assert_eq!(told[0], ("1.2.3", "P1/1.2.3".to_owned()));
        assert!(told[1].1.starts_with("P2-") && told[1].1.ends_with("/1.2.4"), "{told:?}");
        assert_eq!(told[2], ("cc", "cc".to_owned()));
        // Asked for by UID, and again by its place.
        assert_eq!((told.len(), plan.repeated), (3, 1));
        assert_eq!(plan.refused.len(), 1);
        assert!(plan.refused[0].reason.contains("index does not have it"));
        for series in &plan.series {
            assert!(Path::new("x").join(&series.folder).starts_with("x"));
        }
    }

    #[test]
    fn uids_alone_need_an_index_and_two_places_do_not_share_a_folder() {
        let request = parse_request(b"1.2.3\n").unwrap();
        let alone = plan(&request, None);
        assert!(alone.series.is_empty() && alone.refused[0].reason.contains("--index"));
        let text = b"s3://idc-open-data/a/x/*\ns3://idc-open-data/b/x/*\nnonsense\n";
        let both = plan(&parse_request(text).unwrap(), None);
        assert_eq!((both.series.len(), both.refused.len()), (1, 2));
        assert!(both.refused[1].reason.contains("s3://idc-open-data/a/x/"));
    }
}
