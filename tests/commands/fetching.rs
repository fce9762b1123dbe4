//! `lungs fetch` against an archive on loopback that misbehaves.

mod other_server;
mod preparing;
mod stopping;

use super::archive::{Archive, Asked, Fault};
use super::support::{CommandOutput, Workspace, settings};
use rand::{Rng, RngExt};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BUCKET: &str = "idc-open-data";

fn uuid(number: usize) -> String {
    format!("0a1b2c3d-0000-4000-8000-{number:012}")
}

/// Series of files of many lengths, one of them empty, with bytes that nothing else has.
fn objects(series: usize, files: usize) -> BTreeMap<String, Vec<u8>> {
    let mut random = lungs::random::stream(7, "archive");
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

/// What `lungs fetch` left, by path; the tables and the ledger aside.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .filter(|(name, _)| name != "fetch.csv" && name != ".fetched")
        .collect()
}

/// What has to be there in the end.
fn wanted(objects: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let name = |key: &String| key.strip_prefix(&format!("{BUCKET}/")).unwrap().to_owned();
    objects.iter().map(|(key, bytes)| (name(key), bytes.clone())).collect()
}

fn assert_same(found: &BTreeMap<String, Vec<u8>>, wanted: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, bytes) in wanted {
        assert!(found[name] == *bytes, "{name} differs");
    }
}

fn fetch(place: &Workspace, archive: &Archive, more: &[&str]) -> CommandOutput {
    let endpoint = archive.endpoint();
    let mut arguments = vec!["fetch", "manifest.s5cmd", "data", "--endpoint", &endpoint];
    arguments.extend(["--first-wait", "0.001", "--timeout", "0.5"]);
    arguments.extend(more);
    let mut done = place.lungs(&arguments);
    done.stdout = done.stdout.replace(&endpoint, "ENDPOINT");
    done.stderr = done.stderr.replace(&endpoint, "ENDPOINT");
    done
}

fn states(place: &Workspace) -> Vec<(String, String)> {
    let mut table = csv::Reader::from_path(place.path("data/fetch.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (state, reason) = (column("state"), column("reason"));
    table.records().map(Result::unwrap).map(|row| (row[state].into(), row[reason].into())).collect()
}

#[test]
fn a_manifest_becomes_folders_and_a_second_start_asks_for_nothing() {
    let (place, objects) = (Workspace::new(), objects(3, 4));
    let archive = Archive::of(objects.clone());
    place.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&place, &archive, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("fetch", done.stdout));
    assert_same(&tree(&place.path("data")), &wanted(&objects));
    // Three series of two pages, twelve files of which the empty one needs no request.
    assert_eq!(archive.take_asked().len(), 3 * 2 + 11);

    let again = fetch(&place, &archive, &[]);
    assert!(again.stdout.contains("3 already complete"), "{}", again.stdout);
    assert_eq!(archive.take_asked().len(), 0);
    // A file that is gone, and one that another program changed.
    fs::remove_file(place.path("data").join(uuid(1)).join("file-1.dcm")).unwrap();
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    let asked = archive.take_asked();
    assert_eq!(asked.iter().filter(|asked| !asked.is_list).count(), 1);
    let changed = place.path("data").join(uuid(2)).join("file-2.dcm");
    let mut bytes = fs::read(&changed).unwrap();
    bytes[0] ^= 1;
    fs::write(&changed, bytes).unwrap();
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    assert_eq!(archive.take_asked().len(), 0, "sizes are right");
    assert_eq!(fetch(&place, &archive, &["--verify"]).code, 0);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// A fault for most first answers, drawn from a seed; every third answer of a key is right.
fn spoiler(seed: u64) -> impl Fn(&Asked) -> Option<Fault> + Send + Sync + 'static {
    move |asked| {
        let name = format!("{}/{}", asked.key, asked.before);
        let mut random = lungs::random::stream(seed, &name);
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
        let fits = !asked.is_list || !matches!(fault, Fault::Shorter | Fault::Flip);
        (fits && asked.before % 3 != 2).then_some(fault)
    }
}

#[test]
fn faults_of_every_kind_end_in_the_same_bytes() {
    let objects = objects(4, 6);
    for seed in [1, 2] {
        let place = Workspace::new();
        let archive = Archive::of(objects.clone());
        archive.spoil(spoiler(seed));
        place.write("manifest.s5cmd", &manifest(4));
        let done = fetch(&place, &archive, &["--retries", "12"]);
        assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
        assert_same(&tree(&place.path("data")), &wanted(&objects));
        let asked = archive.take_asked();
        assert!(asked.iter().any(|asked| asked.range_from.is_some()), "nothing was continued");
    }
}

#[test]
fn what_is_cut_goes_on_where_it_was_and_not_on_another_object() {
    let place = Workspace::new();
    let key = format!("{BUCKET}/{}/a.dcm", uuid(0));
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let archive = Archive::of([(key.clone(), bytes.clone())].into());
    archive.spoil(|asked| (!asked.is_list).then_some(Fault::CutAt(0.4)));
    place.write("manifest.s5cmd", &manifest(1));
    assert_eq!(fetch(&place, &archive, &["--retries", "0"]).code, 1);
    let partial = tree(&place.path("data"));
    let (name, begun) = partial.first_key_value().unwrap();
    assert!(name.contains("/.partial-") && begun.len() <= 40_000 && bytes.starts_with(begun));

    // The same object goes on; another one of the same length begins anew.
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 255).collect();
    let changed = Archive::of([(key.clone(), other.clone())].into());
    let elsewhere = Workspace::new();
    elsewhere.write("manifest.s5cmd", &manifest(1));
    let folder = elsewhere.path("data").join(uuid(0));
    fs::create_dir_all(&folder).unwrap();
    let own = name.rsplit('/').next().unwrap();
    fs::write(folder.join(own), begun).unwrap();
    assert_eq!(fetch(&elsewhere, &changed, &[]).code, 0);
    assert_same(&tree(&elsewhere.path("data")), &wanted(&[(key, other)].into()));

    archive.take_asked();
    archive.spoil(|_| None);
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    let asked = archive.take_asked();
    assert_eq!(asked.last().unwrap().range_from, Some(begun.len()));
    assert_eq!(tree(&place.path("data")).into_values().collect::<Vec<_>>(), [bytes]);
}

#[test]
fn what_lasts_is_told_and_the_others_come() {
    let (place, objects) = (Workspace::new(), objects(4, 2));
    let archive = Archive::of(objects.clone());
    archive.spoil(|asked| match asked.is_list {
        false if asked.key.contains(&uuid(0)) => Some(Fault::Status(403)),
        false if asked.key.contains(&format!("{}/file-1", uuid(1))) => Some(Fault::Shorter),
        _ => None,
    });
    let more = format!("cp s3://{BUCKET}/{}/* .\nnonsense\n", uuid(9));
    place.write("manifest.s5cmd", &(manifest(4) + &more));
    let done = fetch(&place, &archive, &["--retries", "2"]);
    assert_eq!(done.code, 1);
    settings().bind(|| insta::assert_snapshot!("fetch_failures", done.stdout + &done.stderr));
    let told = states(&place);
    let words: Vec<&str> = told.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(words, ["failed", "failed", "fetched", "fetched", "failed", "failed"]);
    assert!(told[0].1.contains("anonymous"), "{}", told[0].1);
    assert!(told[1].1.contains("lists") && told[1].1.contains("tried 3 times"), "{}", told[1].1);
    assert!(told[4].1.contains("nothing is there") && told[5].1.contains("expected `cp"));
    // What was bad becomes good: the same command goes on.
    archive.spoil(|_| None);
    place.write("manifest.s5cmd", &manifest(4));
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

#[test]
fn a_dry_run_says_what_it_would_take_and_writes_nothing() {
    let (place, objects) = (Workspace::new(), objects(2, 3));
    let archive = Archive::of(objects);
    place.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&place, &archive, &["--dry-run"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!place.path("data").exists());
    let mut settings = settings();
    settings.add_filter(r"[\d.]+ [GT]B free", "ROOM free");
    settings.bind(|| insta::assert_snapshot!("fetch_dry_run", done.stdout));
    assert!(archive.take_asked().iter().all(|asked| asked.is_list));
}

#[test]
fn what_has_no_address_is_told_also_in_a_dry_run() {
    let (place, archive) = (Workspace::new(), Archive::of(objects(1, 1)));
    place.write("manifest.s5cmd", "1.2.3\n1.2.4\n");
    for more in [&["--dry-run"][..], &[]] {
        let done = fetch(&place, &archive, more);
        assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("give --index"), "{}", done.stdout);
    }
    // A labels file names exams; what names series is beside it.
    place.write("own/labels.csv", "patient_id,exam_id,label\nP,1.2,0\n");
    place.write("own/series.csv", "patient_id,series_uid\nP,1.2.3\n");
    let done = place.lungs(&["fetch", "own/labels.csv", "data"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.replace('\n', " ").contains("own/series.csv"), "{}", done.stderr);
}

#[test]
fn an_archive_that_never_answers_ends_the_whole_and_one_that_has_nothing_is_asked_once() {
    let (place, archive) = (Workspace::new(), Archive::of(objects(1, 1)));
    place.write("manifest.s5cmd", &manifest(40));
    let silent = ["fetch", "manifest.s5cmd", "data", "--first-wait", "0.001"];
    let done = place.lungs(&[&silent[..], &["--endpoint", "http://127.0.0.1:9"]].concat());
    assert_eq!(done.code, 1);
    settings().bind(|| insta::assert_snapshot!("fetch_unreachable", done.stderr));
    let told = states(&place);
    assert!(told.iter().filter(|(state, _)| state == "not-started").count() >= 32, "{told:?}");

    archive.spoil(|_| Some(Fault::Status(404)));
    place.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&place, &archive, &[]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("the archive does not have it"), "{}", done.stdout);
    assert!(!done.stdout.contains("xml") && archive.take_asked().len() == 2);
}

#[test]
fn files_are_verified_also_where_the_listing_has_no_checksums() {
    let (place, objects) = (Workspace::new(), objects(2, 3));
    let archive = Archive::of(objects.clone());
    archive.spoil(|asked| asked.is_list.then_some(Fault::NoEtag));
    place.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&place, &archive, &[]);
    // The empty one needs no request, so that nothing tells its MD5.
    assert!(
        done.stdout.contains("5 files verified by MD5, 1 file verified by size"),
        "{}",
        done.stdout
    );
    let changed = place.path("data").join(uuid(1)).join("file-2.dcm");
    let mut bytes = fs::read(&changed).unwrap();
    bytes[0] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let done = fetch(&place, &archive, &["--verify"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 fetched, 1 already complete"), "{}", done.stdout);
    assert!(done.stdout.contains("6 files verified by MD5"), "{}", done.stdout);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// A power cut may leave a file of the right size that holds nothing.
#[test]
fn what_is_whole_and_wrong_is_fetched_again() {
    let (place, key) = (Workspace::new(), format!("{BUCKET}/{}/a.dcm", uuid(0)));
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let objects = BTreeMap::from([(key, bytes.clone())]);
    let archive = Archive::of(objects.clone());
    archive.spoil(|asked| Some(if asked.is_list { Fault::NoEtag } else { Fault::CutAt(0.4) }));
    place.write("manifest.s5cmd", &manifest(1));
    assert_eq!(fetch(&place, &archive, &["--retries", "0"]).code, 1);
    let partial = tree(&place.path("data")).into_keys().next().unwrap();
    fs::write(place.path("data").join(&partial), vec![0; bytes.len()]).unwrap();
    archive.spoil(|asked| asked.is_list.then_some(Fault::NoEtag));
    let done = fetch(&place, &archive, &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("1 file verified by MD5"), "{}", done.stdout);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// Neither the environment nor a file of credentials is used, and nothing of them is said.
#[test]
fn requests_are_anonymous_whatever_the_environment_holds() {
    let (place, objects) = (Workspace::new(), objects(1, 2));
    let archive = Archive::of(objects.clone());
    archive.spoil(|asked| (asked.before == 0).then_some(Fault::Status(503)));
    place.write("manifest.s5cmd", &manifest(1));
    place.write(
        "credentials",
        "[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n",
    );
    let endpoint = archive.endpoint();
    let output = place
        .command(&["fetch", "manifest.s5cmd", "data", "-v", "--endpoint", &endpoint])
        .args(["--first-wait", "0.001"])
        .env("AWS_ACCESS_KEY_ID", "KEY-OF-ENV")
        .env("AWS_SECRET_ACCESS_KEY", "SECRET-OF-ENV")
        .env("AWS_SESSION_TOKEN", "TOKEN-OF-ENV")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ENDPOINT", "http://127.0.0.1:9")
        .env("AWS_SHARED_CREDENTIALS_FILE", place.path("credentials"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && told.contains("again"), "{told}");
    assert!(!told.contains("SECRET") && !told.contains("OF-ENV"), "{told}");
    assert_same(&tree(&place.path("data")), &wanted(&objects));
    for asked in archive.take_asked() {
        for (name, value) in &asked.headers {
            assert!(!value.contains("OF-ENV") && !value.contains("SECRET"), "{name}: {value}");
            assert!(name != "authorization" && !name.starts_with("x-amz-security"), "{name}");
        }
    }
}

#[test]
fn an_index_names_patients_and_no_name_leads_outside() {
    let (place, objects) = (Workspace::new(), objects(3, 2));
    let archive = Archive::of(objects.clone());
    let mut index = "SeriesInstanceUID,PatientID,series_aws_url\n".to_owned();
    for (one, patient) in ["100012", "../../outside", "linked"].iter().enumerate() {
        index += &format!("1.2.{one},{patient},s3://{BUCKET}/{}/*\n", uuid(one));
    }
    place.write("index.csv", &index);
    place.write(
        "manifest.s5cmd",
        "patient_id,series_uid,label\n,1.2.0,0\n,1.2.1,1\n,1.2.2,1\n,1.2.9,0\n",
    );
    fs::create_dir_all(place.path("data")).unwrap();
    fs::create_dir_all(place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("data/linked")).unwrap();
    let done = fetch(&place, &archive, &["--index", "index.csv"]);
    assert_eq!(done.code, 1);
    let told = states(&place);
    let words: Vec<&str> = told.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(words, ["fetched", "fetched", "failed", "failed"]);
    assert!(told[2].1.contains("is a link") && told[3].1.contains("index does not have it"));
    assert!(place.path("data/100012/1.2.0/file-1.dcm").is_file());
    assert_eq!(fs::read_dir(place.path("elsewhere")).unwrap().count(), 0);
    assert!(!place.path("outside").exists() && !place.path("../outside").exists());
    let names = tree(&place.path("data"));
    let odd = names.keys().find(|name| name.contains("outside")).unwrap();
    assert!(odd.starts_with("outside-") && odd.ends_with("/1.2.1/file-0.dcm"), "{odd}");
}
