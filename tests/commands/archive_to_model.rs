//! From an archive to a model: an archive on loopback with tables, an index and exams, two commands, and a run.

use super::archive::Archive;
use super::support::{Workspace, cohort, settings};
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// A CSV without quotes as Parquet. Columns of `integers` contain whole numbers or are empty.
fn parquet(csv: &str, integers: &[&str]) -> Vec<u8> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let fields = names.iter().map(|name| {
        let (physical, converted) = if integers.contains(name) {
            (Physical::INT64, ConvertedType::NONE)
        } else {
            (Physical::BYTE_ARRAY, ConvertedType::UTF8)
        };
        let kind = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(converted);
        Arc::new(kind.build().unwrap())
    });
    let schema = Type::group_type_builder("schema").with_fields(fields.collect()).build().unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (index, name) in names.iter().enumerate() {
        let cells = rows.iter().map(|row| row[index]);
        let levels: Vec<i16> = cells.clone().map(|cell| i16::from(!cell.is_empty())).collect();
        let known = cells.filter(|cell| !cell.is_empty());
        let mut column = group.next_column().unwrap().unwrap();
        if integers.contains(name) {
            let values: Vec<i64> = known.map(|cell| cell.parse().unwrap()).collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
        } else {
            let values: Vec<ByteArray> = known.map(ByteArray::from).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// The synthetic cohort in the form of the archive.
struct Study {
    objects: BTreeMap<String, Vec<u8>>,
    /// The expected labels, by exam.
    labels: BTreeMap<String, u8>,
}

fn study() -> Study {
    use dicom_object::{OpenFileOptions, ReadError};
    let mut objects = BTreeMap::new();
    // Folders of series and their identifiers.
    let mut uuids = BTreeMap::<PathBuf, String>::new();
    let mut index = String::new();
    let mut exams = BTreeMap::<String, BTreeSet<String>>::new();
    for file in walkdir::WalkDir::new(cohort()).sort_by_file_name() {
        let file = file.unwrap();
        if file.path().extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let folder = file.path().parent().unwrap().to_owned();
        let next = format!("5e1f0000-0000-4000-8000-{:012}", uuids.len());
        if !uuids.contains_key(&folder) {
            let header: Result<_, ReadError> = OpenFileOptions::new()
                .read_until(dicom_dictionary_std::tags::PIXEL_DATA)
                .open_file(file.path());
            let header = header.unwrap();
            let text = |tag| header.element(tag).unwrap().to_str().unwrap().trim().to_owned();
            let [patient, exam, series] = [
                dicom_dictionary_std::tags::PATIENT_ID,
                dicom_dictionary_std::tags::STUDY_INSTANCE_UID,
                dicom_dictionary_std::tags::SERIES_INSTANCE_UID,
            ]
            .map(text);
            let exams = exams.entry(patient.clone()).or_default();
            exams.insert(exam.clone());
            index += &format!(
                "nlst,{patient},{exam},{series},DATE-{exam},CT,50,1.5,{next},\
                 s3://idc-open-data/{next}/*\n"
            );
            uuids.insert(folder.clone(), next);
        }
        let name = file.file_name().to_str().unwrap();
        let key = format!("idc-open-data/{}/{name}", uuids[&folder]);
        objects.insert(key, fs::read(file.path()).unwrap());
    }
    // The exams of a patient are those of the study years; a cancer is diagnosed 100 days after the last.
    let known = fs::read_to_string(cohort().join("labels.csv")).unwrap();
    let positive: BTreeSet<&str> = known
        .lines()
        .filter(|line| line.split(',').nth(3) == Some("1"))
        .filter_map(|line| line.split(',').next())
        .collect();
    let mut persons =
        "pid,age,scr_days0,scr_days1,scr_days2,candx_days,canc_free_days\n".to_owned();
    let mut screens = "pid,study_yr\n".to_owned();
    let mut labels = BTreeMap::new();
    for (patient, exams) in &exams {
        assert!(exams.len() <= 3);
        let screened = [5, 370, 735];
        let diagnosed =
            positive.contains(patient.as_str()).then(|| screened[exams.len() - 1] + 100);
        let days = diagnosed.map_or(".N".to_owned(), |days| days.to_string());
        let free = if diagnosed.is_some() { "" } else { "3000" };
        persons += &format!("{patient},61,5,370,735,{days},{free}\n");
        for (year, exam) in exams.iter().enumerate() {
            screens += &format!("{patient},{year}\n");
            index = index.replace(&format!("DATE-{exam}"), &format!("{}-01-02", 1999 + year));
            let within = diagnosed.is_some_and(|days| (0..365).contains(&(days - screened[year])));
            labels.insert(exam.clone(), u8::from(within));
        }
    }
    index.insert_str(0, "collection_id,PatientID,StudyInstanceUID,SeriesInstanceUID,StudyDate,Modality,instanceCount,series_size_MB,crdc_series_uuid,series_aws_url\n");
    index += "other_trial,X1,9.1,9.1.1,2011-05-04,CT,50,1.5,u,s3://idc-open-data/u/*\n";
    let clinical = "idc-open-metadata/bigquery_export/idc_v24_clinical";
    let artifacts = "idc-index-data-artifacts/24.2.2/release_artifacts";
    // The table of persons has two pieces.
    let (head, rest) = persons.split_at(persons.find('\n').unwrap() + 1);
    let half = rest[..rest.len() / 2].rfind('\n').unwrap() + 1;
    for (number, rows) in [&rest[..half], &rest[half..]].into_iter().enumerate() {
        let piece = format!("{clinical}/nlst_prsn/{number:012}.parquet");
        objects.insert(piece, parquet(&format!("{head}{rows}"), &["age", "canc_free_days"]));
    }
    for (name, text) in [
        ("nlst_canc", "pid,candx_days\n"),
        ("nlst_screen", &*screens),
        ("nlst_ctab", "pid,study_yr,sct_ab_desc,sct_long_dia\n"),
        ("nlst_ctabc", "pid,of_no_use\n"),
    ] {
        objects.insert(format!("{clinical}/{name}/000000000000.parquet"), parquet(text, &[]));
    }
    let index = parquet(&index, &["instanceCount"]);
    objects.insert(format!("{artifacts}/idc_index.parquet"), index);
    objects.insert(format!("{artifacts}/sm_instance_index.parquet"), vec![0; 1000]);
    Study { objects, labels }
}

#[test]
fn two_commands_fetch_and_prepare_exams_and_a_third_trains_a_model() {
    let workspace = Workspace::new();
    let study = study();
    let archive = Archive::of(study.objects);
    let endpoint = archive.endpoint();
    let labels = ["cohort", "nlst", "--tables", "nlst", "--fetch-tables", "--out", "data"];
    let command = [&labels[..], &["--endpoint", &endpoint]].concat();
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    settings().bind(|| insta::assert_snapshot!("archive-to-model-labels", done.stdout));
    let requests = archive.take_requests();
    assert!(
        requests
            .iter()
            .all(|request| !request.key.contains("sm_instance") && !request.key.contains("ctabc"))
    );
    // Pieces of two releases would make one table.
    let other = workspace.lungs(&[&command[..], &["--idc-release", "25.0.0"]].concat());
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("contains tables of release 24.2.2"), "{}", other.stderr);
    // Existing tables are not fetched again.
    assert_eq!(workspace.lungs(&command).code, 0);
    assert_eq!(archive.take_requests().len(), 0);

    let spec = ["--set", "data.root=data", "--set", "data.labels=data/labels.csv"];
    let fetch =
        ["fetch", "data/series.csv", "data", "--prepare", "small.toml", "--endpoint", &endpoint];
    let done = workspace.lungs(&[&fetch[..], &spec[..]].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(
        walkdir::WalkDir::new(workspace.path("data")).into_iter().all(|file| file
            .unwrap()
            .path()
            .extension()
            .is_none_or(|extension| extension != "dcm"))
    );

    let done = workspace.lungs(&[&["run", "small.toml"], &spec[..]].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let run = workspace.newest_run("small");
    let mut cohort = csv::Reader::from_path(run.join("cohort.csv")).unwrap();
    let headers = cohort.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (exam, label, chosen) = (column("exam"), column("label"), column("chosen"));
    let mut used = BTreeMap::new();
    for row in cohort.records().map(Result::unwrap).filter(|row| &row[chosen] == "true") {
        used.insert(row[exam].to_owned(), row[label].parse::<u8>().unwrap());
    }
    assert!(used.len() >= 10 && used.values().any(|label| *label == 1), "{used:?}");
    assert!(used.iter().all(|(exam, label)| study.labels[exam] == *label), "{used:?}");
    // Prepared exams can be labelled again by the records of their headers, with the years by their dates.
    let again = ["cohort", "nlst", "--tables", "nlst", "--data", "data", "--out", "again"];
    let done = workspace.lungs(&again);
    assert!(!done.stdout.contains(" 0  CT series"), "{}", done.stdout);
    // The run records the rules and inputs of its labels.
    let provenance = fs::read_to_string(run.join("provenance.json")).unwrap();
    assert!(provenance.contains("canc-free-days") && provenance.contains("read_blake3"));
}

#[test]
fn existing_tables_are_not_fetched() {
    let workspace = Workspace::new();
    let study = study();
    let clinical = "idc-open-metadata/bigquery_export/idc_v24_clinical";
    let piece = format!("{clinical}/nlst_screen/000000000000.parquet");
    fs::create_dir_all(workspace.path("nlst")).unwrap();
    fs::write(workspace.path("nlst/nlst_screen.parquet"), &study.objects[&piece]).unwrap();
    let archive = Archive::of(study.objects);
    let endpoint = archive.endpoint();
    let command = ["cohort", "nlst", "--tables", "nlst", "--fetch-tables", "--out", "data"];
    let command = [&command[..], &["--endpoint", &endpoint]].concat();
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(archive.take_requests().iter().all(|request| !request.key.contains("nlst_screen")));
    assert_eq!(workspace.lungs(&command).code, 0);
    // The same holds for an existing index.
    fs::rename(
        workspace.path("nlst/idc_index/idc_index.parquet"),
        workspace.path("nlst/idc_index.parquet"),
    )
    .unwrap();
    fs::remove_dir(workspace.path("nlst/idc_index")).unwrap();
    let done = workspace.lungs(&command);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(archive.take_requests().len(), 0);
}

#[test]
fn a_missing_release_is_an_error_with_advice() {
    let workspace = Workspace::new();
    let archive = Archive::of(BTreeMap::new());
    let endpoint = archive.endpoint();
    let labels = ["cohort", "nlst", "--tables", "nlst", "--fetch-tables", "--out", "data"];
    let done = workspace.lungs(&[&labels[..], &["--endpoint", &endpoint]].concat());
    assert_eq!(done.code, 1, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("archive-to-model-no-release", done.stderr));
    let done = workspace.lungs(&[&labels[..], &["--idc-release", "latest"]].concat());
    assert_eq!(done.code, 2, "{}", done.stderr);
    // Another release can be requested then.
    let other = [&labels[..], &["--endpoint", &endpoint, "--idc-release", "25.0.0"]].concat();
    assert_eq!(workspace.lungs(&other).code, 1);
    let done = workspace.lungs(&["cohort", "nlst", "--tables", "ct", "--out", "data"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("nlst_prsn"), "{}", done.stderr);
}
