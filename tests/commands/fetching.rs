//! `lungs fetch` against an archive on loopback with injected faults.

mod other_server;
mod preparing;
mod stopping;

use super::archive::{Archive, Fault, Request};
use super::support::{CommandOutput, Workspace, settings};
use rand::{Rng, RngExt};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BUCKET: &str = "idc-open-data";

fn uuid(number: usize) -> String {
    format!("0a1b2c3d-0000-4000-8000-{number:012}")
}

/// Series of files of random bytes and lengths, one of them empty.
fn objects(series: usize, files: usize) -> BTreeMap<String, Vec<u8>> {
    let mut random = lungs_base::random::stream(7, "archive");
    let mut objects = BTreeMap::new();
    for one in 0..series {
        for file in 0..files {
            let length = if (one, file) == (0, 0) { 0 } else { random.random_range(1..200_000) };
            let mut bytes = vec![0; length];
            random.fill_bytes(&mut bytes);
            objects.insert(format!("{BUCKET}/{}/file-{file}.dcm", uuid(one)), bytes);
        }
    }
    objects
}

fn manifest(series: usize) -> String {
    let lines = (0..series).map(|one| format!("cp s3://{BUCKET}/{}/* .\r\n", uuid(one)));
    format!("# written by a portal\r\n{}", lines.collect::<String>())
}

/// The files that `lungs fetch` wrote, by path, without the table and the ledger.
fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .filter(|(name, _)| name != "fetch.csv" && name != ".fetched")
        // A kill between writing and renaming a file leaves the temporary file.
        .filter(|(name, _)| !name.starts_with(".partial-"))
        .collect()
}

/// The expected files, by path.
fn expected_files(objects: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let name = |key: &String| key.strip_prefix(&format!("{BUCKET}/")).unwrap().to_owned();
    objects.iter().map(|(key, bytes)| (name(key), bytes.clone())).collect()
}

fn assert_same(actual: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(actual.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(actual[name] == *bytes, "{name} differs");
    }
}

fn fetch(workspace: &Workspace, archive: &Archive, options: &[&str]) -> CommandOutput {
    let endpoint = archive.endpoint();
    let mut arguments = vec!["fetch", "manifest.s5cmd", "data", "--endpoint", &endpoint];
    arguments.extend(["--first-wait", "0.001", "--timeout", "0.5"]);
    arguments.extend(options);
    let mut done = workspace.lungs(&arguments);
    done.stdout = done.stdout.replace(&endpoint, "ENDPOINT");
    done.stderr = done.stderr.replace(&endpoint, "ENDPOINT");
    done
}

fn states(workspace: &Workspace) -> Vec<(String, String)> {
    let mut table = csv::Reader::from_path(workspace.path("data/fetch.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (state, reason) = (column("state"), column("reason"));
    table.records().map(Result::unwrap).map(|row| (row[state].into(), row[reason].into())).collect()
}

#[test]
fn a_manifest_becomes_folders_and_a_second_start_sends_no_requests() {
    let (workspace, objects) = (Workspace::new(), objects(3, 4));
    let archive = Archive::of(objects.clone());
    workspace.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&workspace, &archive, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("fetch", done.stdout));
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
    // Three series of two pages, twelve files of which the empty one needs no request.
    assert_eq!(archive.take_requests().len(), 3 * 2 + 11);

    let again = fetch(&workspace, &archive, &[]);
    assert!(again.stdout.contains("3 already complete"), "{}", again.stdout);
    assert_eq!(archive.take_requests().len(), 0);
    // A file was removed, and another one changed by another program.
    fs::remove_file(workspace.path("data").join(uuid(1)).join("file-1.dcm")).unwrap();
    assert_eq!(fetch(&workspace, &archive, &[]).code, 0);
    let requests = archive.take_requests();
    assert_eq!(requests.iter().filter(|request| !request.is_list).count(), 1);
    let changed = workspace.path("data").join(uuid(2)).join("file-2.dcm");
    let mut bytes = fs::read(&changed).unwrap();
    bytes[0] ^= 1;
    fs::write(&changed, bytes).unwrap();
    assert_eq!(fetch(&workspace, &archive, &[]).code, 0);
    assert_eq!(archive.take_requests().len(), 0, "the sizes are unchanged");
    assert_eq!(fetch(&workspace, &archive, &["--verify"]).code, 0);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}

/// A random fault of most answers; every third answer of a key is correct.
fn random_faults(seed: u64) -> impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static {
    move |request| {
        let name = format!("{}/{}", request.key, request.earlier);
        let mut random = lungs_base::random::stream(seed, &name);
        let fault = match random.random_range(0..10) {
            0 => Fault::Status(503),
            1 => Fault::Status(429),
            2 => Fault::Status(500),
            3 => Fault::HangUp,
            4 | 5 => Fault::CutAt(random.random_range(0.0..1.0)),
            6 => Fault::Shorter,
            7 => Fault::Flip,
            8 => Fault::NoRange,
            _ => Fault::Silence(700),
        };
        let is_applicable = !request.is_list || !matches!(fault, Fault::Shorter | Fault::Flip);
        (is_applicable && request.earlier % 3 != 2).then_some(fault)
    }
}

#[test]
fn faults_of_every_kind_end_in_the_same_bytes() {
    let objects = objects(4, 6);
    for seed in [1, 2] {
        let workspace = Workspace::new();
        let archive = Archive::of(objects.clone());
        archive.inject(random_faults(seed));
        workspace.write("manifest.s5cmd", &manifest(4));
        let done = fetch(&workspace, &archive, &["--retries", "12"]);
        assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
        assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
        let requests = archive.take_requests();
        assert!(
            requests.iter().any(|request| request.range_from.is_some()),
            "nothing was continued"
        );
    }
}

#[test]
fn an_interrupted_file_resumes_and_a_changed_object_starts_again() {
    let workspace = Workspace::new();
    let key = format!("{BUCKET}/{}/a.dcm", uuid(0));
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let archive = Archive::of([(key.clone(), bytes.clone())].into());
    archive.inject(|request| (!request.is_list).then_some(Fault::CutAt(0.4)));
    workspace.write("manifest.s5cmd", &manifest(1));
    assert_eq!(fetch(&workspace, &archive, &["--retries", "0"]).code, 1);
    let partial = files_below(&workspace.path("data"));
    let (name, start) = partial.first_key_value().unwrap();
    assert!(name.contains("/.partial-") && start.len() <= 40_000 && bytes.starts_with(start));

    // The same object resumes; another one of the same length starts again.
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 255).collect();
    let changed = Archive::of([(key.clone(), other.clone())].into());
    let elsewhere = Workspace::new();
    elsewhere.write("manifest.s5cmd", &manifest(1));
    let folder = elsewhere.path("data").join(uuid(0));
    fs::create_dir_all(&folder).unwrap();
    let partial_name = name.rsplit('/').next().unwrap();
    fs::write(folder.join(partial_name), start).unwrap();
    assert_eq!(fetch(&elsewhere, &changed, &[]).code, 0);
    assert_same(&files_below(&elsewhere.path("data")), &expected_files(&[(key, other)].into()));

    archive.take_requests();
    archive.inject(|_| None);
    assert_eq!(fetch(&workspace, &archive, &[]).code, 0);
    let requests = archive.take_requests();
    assert_eq!(requests.last().unwrap().range_from, Some(start.len()));
    assert_eq!(files_below(&workspace.path("data")).into_values().collect::<Vec<_>>(), [bytes]);
}

#[test]
fn permanent_errors_are_reported_and_the_others_fetched() {
    let (workspace, objects) = (Workspace::new(), objects(4, 2));
    let archive = Archive::of(objects.clone());
    archive.inject(|request| match request.is_list {
        false if request.key.contains(&uuid(0)) => Some(Fault::Status(403)),
        false if request.key.contains(&format!("{}/file-1", uuid(1))) => Some(Fault::Shorter),
        _ => None,
    });
    let invalid = format!("cp s3://{BUCKET}/{}/* .\nnonsense\n", uuid(9));
    workspace.write("manifest.s5cmd", &(manifest(4) + &invalid));
    let done = fetch(&workspace, &archive, &["--retries", "2"]);
    assert_eq!(done.code, 1);
    settings().bind(|| insta::assert_snapshot!("fetch_failures", done.stdout + &done.stderr));
    let rows = states(&workspace);
    let states: Vec<&str> = rows.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["failed", "failed", "fetched", "fetched", "failed", "failed"]);
    assert!(rows[0].1.contains("anonymous"), "{}", rows[0].1);
    assert!(rows[1].1.contains("lists") && rows[1].1.contains("tried 3 times"), "{}", rows[1].1);
    assert!(rows[4].1.contains("not found in the archive") && rows[5].1.contains("expected `cp"));
    // Without faults the same command completes.
    archive.inject(|_| None);
    workspace.write("manifest.s5cmd", &manifest(4));
    assert_eq!(fetch(&workspace, &archive, &[]).code, 0);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}

#[test]
fn a_dry_run_shows_the_size_and_writes_nothing() {
    let (workspace, objects) = (Workspace::new(), objects(2, 3));
    let archive = Archive::of(objects);
    workspace.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&workspace, &archive, &["--dry-run"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!workspace.path("data").exists());
    let mut settings = settings();
    settings.add_filter(r"[\d.]+ [GT]B free", "ROOM free");
    settings.bind(|| insta::assert_snapshot!("fetch_dry_run", done.stdout));
    assert!(archive.take_requests().iter().all(|request| request.is_list));
}

#[test]
fn series_without_an_address_are_reported_also_in_a_dry_run() {
    let (workspace, archive) = (Workspace::new(), Archive::of(objects(1, 1)));
    workspace.write("manifest.s5cmd", "1.2.3\n1.2.4\n");
    for options in [&["--dry-run"][..], &[]] {
        let done = fetch(&workspace, &archive, options);
        assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("give --index"), "{}", done.stdout);
    }
    // A labels file names exams; the series are in the file next to it.
    workspace.write("own/labels.csv", "patient_id,exam_id,label\nP,1.2,0\n");
    workspace.write("own/series.csv", "patient_id,series_uid\nP,1.2.3\n");
    let done = workspace.lungs(&["fetch", "own/labels.csv", "data"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.replace('\n', " ").contains("own/series.csv"), "{}", done.stderr);
}

#[test]
fn an_unreachable_archive_ends_the_command_and_a_missing_series_is_requested_once() {
    let (workspace, archive) = (Workspace::new(), Archive::of(objects(1, 1)));
    workspace.write("manifest.s5cmd", &manifest(40));
    let silent = ["fetch", "manifest.s5cmd", "data", "--first-wait", "0.001"];
    let done = workspace.lungs(&[&silent[..], &["--endpoint", "http://127.0.0.1:9"]].concat());
    assert_eq!(done.code, 1);
    settings().bind(|| insta::assert_snapshot!("fetch_unreachable", done.stderr));
    let rows = states(&workspace);
    assert!(rows.iter().filter(|(state, _)| state == "not-started").count() >= 32, "{rows:?}");

    archive.inject(|_| Some(Fault::Status(404)));
    workspace.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&workspace, &archive, &[]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("not found in the archive"), "{}", done.stdout);
    assert!(!done.stdout.contains("xml") && archive.take_requests().len() == 2);
}

#[test]
fn files_are_verified_also_where_the_listing_has_no_checksums() {
    let (workspace, objects) = (Workspace::new(), objects(2, 3));
    let archive = Archive::of(objects.clone());
    archive.inject(|request| request.is_list.then_some(Fault::NoEtag));
    workspace.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&workspace, &archive, &[]);
    // The empty file needs no request, so its MD5 is unknown.
    assert!(
        done.stdout.contains("5 files verified by MD5, 1 file verified by size"),
        "{}",
        done.stdout
    );
    let changed = workspace.path("data").join(uuid(1)).join("file-2.dcm");
    let mut bytes = fs::read(&changed).unwrap();
    bytes[0] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let done = fetch(&workspace, &archive, &["--verify"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 fetched, 1 already complete"), "{}", done.stdout);
    assert!(done.stdout.contains("6 files verified by MD5"), "{}", done.stdout);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}

/// A power cut may leave a file of the right size without content.
#[test]
fn a_file_of_the_right_size_and_wrong_content_is_fetched_again() {
    let (workspace, key) = (Workspace::new(), format!("{BUCKET}/{}/a.dcm", uuid(0)));
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let objects = BTreeMap::from([(key, bytes.clone())]);
    let archive = Archive::of(objects.clone());
    archive.inject(|request| Some(if request.is_list { Fault::NoEtag } else { Fault::CutAt(0.4) }));
    workspace.write("manifest.s5cmd", &manifest(1));
    assert_eq!(fetch(&workspace, &archive, &["--retries", "0"]).code, 1);
    let partial = files_below(&workspace.path("data")).into_keys().next().unwrap();
    fs::write(workspace.path("data").join(&partial), vec![0; bytes.len()]).unwrap();
    archive.inject(|request| request.is_list.then_some(Fault::NoEtag));
    let done = fetch(&workspace, &archive, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("1 file verified by MD5"), "{}", done.stdout);
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
}

/// Credentials of the environment and of files are neither used nor printed.
#[test]
fn requests_are_anonymous_whatever_the_environment() {
    let (workspace, objects) = (Workspace::new(), objects(1, 2));
    let archive = Archive::of(objects.clone());
    archive.inject(|request| (request.earlier == 0).then_some(Fault::Status(503)));
    workspace.write("manifest.s5cmd", &manifest(1));
    workspace.write(
        "credentials",
        "[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n",
    );
    let endpoint = archive.endpoint();
    let output = workspace
        .command(&["fetch", "manifest.s5cmd", "data", "-v", "--endpoint", &endpoint])
        .args(["--first-wait", "0.001"])
        .env("AWS_ACCESS_KEY_ID", "KEY-OF-ENV")
        .env("AWS_SECRET_ACCESS_KEY", "SECRET-OF-ENV")
        .env("AWS_SESSION_TOKEN", "TOKEN-OF-ENV")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ENDPOINT", "http://127.0.0.1:9")
        .env("AWS_SHARED_CREDENTIALS_FILE", workspace.path("credentials"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("retry"), "{text}");
    assert!(!text.contains("SECRET") && !text.contains("OF-ENV"), "{text}");
    assert_same(&files_below(&workspace.path("data")), &expected_files(&objects));
    for request in archive.take_requests() {
        for (name, value) in &request.headers {
            assert!(!value.contains("OF-ENV") && !value.contains("SECRET"), "{name}: {value}");
            assert!(name != "authorization" && !name.starts_with("x-amz-security"), "{name}");
        }
    }
}

#[test]
fn an_index_names_patients_and_no_name_escapes_the_folder() {
    let (workspace, objects) = (Workspace::new(), objects(3, 2));
    let archive = Archive::of(objects.clone());
    let mut index = "SeriesInstanceUID,PatientID,series_aws_url\n".to_owned();
    for (one, patient) in ["100012", "../../outside", "linked"].iter().enumerate() {
        index += &format!("1.2.{one},{patient},s3://{BUCKET}/{}/*\n", uuid(one));
    }
    workspace.write("index.csv", &index);
    workspace.write(
        "manifest.s5cmd",
        "patient_id,series_uid,label\n,1.2.0,0\n,1.2.1,1\n,1.2.2,1\n,1.2.9,0\n",
    );
    fs::create_dir_all(workspace.path("data")).unwrap();
    fs::create_dir_all(workspace.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(workspace.path("elsewhere"), workspace.path("data/linked")).unwrap();
    let done = fetch(&workspace, &archive, &["--index", "index.csv"]);
    assert_eq!(done.code, 1);
    let rows = states(&workspace);
    let states: Vec<&str> = rows.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["fetched", "fetched", "failed", "failed"]);
    assert!(rows[2].1.contains("is a link") && rows[3].1.contains("missing in the index"));
    assert!(workspace.path("data/100012/1.2.0/file-1.dcm").is_file());
    assert_eq!(fs::read_dir(workspace.path("elsewhere")).unwrap().count(), 0);
    assert!(!workspace.path("outside").exists() && !workspace.path("../outside").exists());
    let names = files_below(&workspace.path("data"));
    let safe = names.keys().find(|name| name.contains("outside")).unwrap();
    assert!(safe.starts_with("outside-") && safe.ends_with("/1.2.1/file-0.dcm"), "{safe}");
}
