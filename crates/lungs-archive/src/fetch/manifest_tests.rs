use super::*;
use proptest::prelude::*;

fn address(bucket: &str, key: &str) -> Address {
    Address { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn addresses(text: &str) -> Vec<Address> {
    let request = parse_request(text.as_bytes()).unwrap();
    request.series.into_iter().filter_map(|series| series.address).collect()
}

#[test]
fn a_manifest_is_read_with_comments_blank_lines_and_either_end_of_line() {
    let text = "\u{feff}# To download: s5cmd --no-sign-request run manifest.s5cmd\r\n\r\n\
        cp s3://idc-open-data/0a1b2c3d-0000-4000-8000-000000000001/* .\r\n\
        cp 's3://idc-open-data-two/0a1b/*' 'some folder'\n\
        \x20 sync --size-only s3://idc-open-data/ff/ .\n\
        gs://idc-open-data/ee/*\n";
    assert_eq!(
        addresses(text),
        [
            address("idc-open-data", "0a1b2c3d-0000-4000-8000-000000000001"),
            address("idc-open-data-two", "0a1b"),
            address("idc-open-data", "ff"),
            address("idc-open-data", "ee"),
        ]
    );
}

#[test]
fn invalid_lines_are_reported_and_the_others_kept() {
    let text = "cp s3://idc-open-data/aa/* .\nrm -rf /\ncp s3://idc-open-data/* .\n\
        cp s3://idc-open-data/../x/* .\ncp s3://UP/aa/* .\ncp s3://idc-open-data/a*/b .\n\
        cp s3://idc-open-data/aa/1.dcm .\ncp here there\n";
    let request = parse_request(text.as_bytes()).unwrap();
    assert_eq!(request.series.len(), 1);
    let problems: Vec<(u64, bool)> =
        request.problems.iter().map(|p| (p.line, !p.reason.is_empty())).collect();
    assert_eq!(problems, (2..=8).map(|line| (line, true)).collect::<Vec<_>>());
    assert!(request.problems[1].reason.contains("whole bucket"));
    assert!(request.problems[5].reason.contains("one file"));
}

#[test]
fn lists_of_uids_and_our_tables_name_series() {
    let list = parse_request(b"# mine\n1.2.3\n1.2.4\nx\n").unwrap();
    assert_eq!((list.series.len(), list.problems.len()), (2, 1));
    let labels = "patient_id,series_uid,label\nP1,1.2.3,0\nP2,1.2.4,1\nP2,1.2.4,1\nP3,,0\n";
    let labels = parse_request(labels.as_bytes()).unwrap();
    assert_eq!((labels.series.len(), labels.problems.len()), (2, 1));
    assert_eq!(labels.series[0].patient_id.as_deref(), Some("P1"));
    let cohort = "patient,exam,series,chosen\nP1,e,1.2.3,true\nP1,e,1.2.9,false\n";
    let cohort = parse_request(cohort.as_bytes()).unwrap();
    assert_eq!((cohort.series.len(), cohort.not_chosen), (1, 1));
    let index = "SeriesInstanceUID,PatientID,series_aws_url\n1.2.3,P1,s3://idc-open-data/aa/*\n";
    let index = parse_request(index.as_bytes()).unwrap();
    assert_eq!(index.series[0].address, Some(address("idc-open-data", "aa")));
    let uuids = "series_uid,crdc_series_uuid\n1.2.3,aa\n";
    let uuids = parse_request(uuids.as_bytes()).unwrap();
    assert_eq!(uuids.series[0].address, Some(address("idc-open-data", "aa")));
}

#[test]
fn errors_name_the_problem_of_the_file() {
    let error = parse_request(b"name,age\nx,1\n").unwrap_err();
    assert!(error.contains("`series_uid`") && error.contains("name, age"), "{error}");
    assert!(parse_request(b"").unwrap_err().contains("no series"));
    assert!(parse_request(b"hello\n").unwrap_err().contains("line 1"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_request(&bytes);
    }

    #[test]
    fn any_lines_give_safe_addresses_or_a_reason(
        lines in proptest::collection::vec(
            "(cp |sync |)('|)(s3://|gs://|)[a-z./*#,-]{0,20}( \\.|)(\r|)", 0..20)
    ) {
        let text = lines.join("\n");
        let Ok(request) = parse_request(text.as_bytes()) else { return Ok(()) };
        for series in &request.series {
            if let Some(address) = &series.address {
                prop_assert!(!address.key.starts_with('/') && !address.key.ends_with('/'));
                prop_assert!(!address.key.split('/').any(|part| part == ".." || part.is_empty()));
                // Printing and parsing are inverse.
                prop_assert_eq!(parse_address(&address.to_string()), Ok(address.clone()));
            }
        }
        let requested = text.lines().filter(|line| !is_comment(line.trim())).count();
        prop_assert_eq!(request.series.len() + request.problems.len(), requested);
    }
}
