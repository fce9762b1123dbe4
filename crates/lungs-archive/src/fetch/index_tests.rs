use super::*;
use crate::fetch::manifest::parse_request;

const INDEX: &str = "SeriesInstanceUID,PatientID,series_aws_url,Modality\n\
    1.2.3,P1,s3://idc-open-data/aa/*,CT\n1.2.4,P2,s3://idc-open-data-two/bb/*,\n\
    1.2.5,P3,s3://idc-open-data/../*,CT\n";

#[test]
fn rows_requested_by_uid_or_address_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.csv");
    std::fs::write(&path, INDEX).unwrap();
    let request = b"cp s3://idc-open-data-two/bb/* .\n1.2.3\n1.2.5\n1.2.9\n";
    let index = read_index(&path, &parse_request(request).unwrap()).unwrap();
    let address = |bucket: &str, key: &str| Address { bucket: bucket.into(), key: key.into() };
    let first = index.series("1.2.3").unwrap();
    assert_eq!(
        (&*first.patient_id, first.address.clone()),
        ("P1", Ok(address("idc-open-data", "aa")))
    );
    assert_eq!(index.uid_at(&address("idc-open-data-two", "bb")), Some("1.2.4"));
    assert!(
        index.series("1.2.5").unwrap().address.as_ref().unwrap_err().contains("invalid address")
    );
    assert_eq!(index.series("1.2.9"), None);
}

#[test]
fn errors_name_tables_that_are_not_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.csv");
    std::fs::write(&path, "SeriesInstanceUID,Modality\n1.2.3,CT\n").unwrap();
    let request = parse_request(b"1.2.3\n").unwrap();
    let error = read_index(&path, &request).unwrap_err().to_string();
    assert!(error.contains("series_aws_url") && error.contains("Modality"), "{error}");
    let path = folder.path().join("index.parquet");
    std::fs::write(&path, "PAR1 and then nothing").unwrap();
    let error = read_index(&path, &request).unwrap_err().to_string();
    assert!(error.contains("index.parquet"), "{error}");
}
