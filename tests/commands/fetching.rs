//! `lungs fetch` against an archive on loopback that misbehaves.

use super::archive::{Archive, Asked, Fault, put};
use super::support::{Done, Workplace, cohort, settings};
use rand::{Rng, RngExt};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

fn fetch(place: &Workplace, archive: &Archive, more: &[&str]) -> Done {
    let endpoint = archive.endpoint();
    let mut arguments = vec!["fetch", "manifest.s5cmd", "data", "--endpoint", &endpoint];
    arguments.extend(["--first-wait", "0.001", "--timeout", "0.5"]);
    arguments.extend(more);
    let mut done = place.lungs(&arguments);
    done.stdout = done.stdout.replace(&endpoint, "ENDPOINT");
    done.stderr = done.stderr.replace(&endpoint, "ENDPOINT");
    done
}

fn states(place: &Workplace) -> Vec<(String, String)> {
    let mut table = csv::Reader::from_path(place.path("data/fetch.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (state, reason) = (column("state"), column("reason"));
    table.records().map(Result::unwrap).map(|row| (row[state].into(), row[reason].into())).collect()
}

#[test]
fn a_manifest_becomes_folders_and_a_second_start_asks_for_nothing() {
    let (place, objects) = (Workplace::new(), objects(3, 4));
    let archive = Archive::of(objects.clone());
    place.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&place, &archive, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    settings().bind(|| insta::assert_snapshot!("fetch", done.stdout));
    assert_same(&tree(&place.path("data")), &wanted(&objects));
    // Three series of two pages, twelve files of which the empty one needs no request.
    assert_eq!(archive.take_asked().len(), 3 * 2 + 11);

    let again = fetch(&place, &archive, &[]);
    assert!(again.stdout.contains("3 there already"), "{}", again.stdout);
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
        let place = Workplace::new();
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
    let place = Workplace::new();
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
    let elsewhere = Workplace::new();
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
    let (place, objects) = (Workplace::new(), objects(4, 2));
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
    let (place, objects) = (Workplace::new(), objects(2, 3));
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
    let (place, archive) = (Workplace::new(), Archive::of(objects(1, 1)));
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
    let (place, archive) = (Workplace::new(), Archive::of(objects(1, 1)));
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
    let (place, objects) = (Workplace::new(), objects(2, 3));
    let archive = Archive::of(objects.clone());
    archive.spoil(|asked| asked.is_list.then_some(Fault::NoEtag));
    place.write("manifest.s5cmd", &manifest(2));
    let done = fetch(&place, &archive, &[]);
    // The empty one needs no request, so that nothing tells its MD5.
    assert!(
        done.stdout.contains("5 files checked by MD5, 1 file checked by size"),
        "{}",
        done.stdout
    );
    let changed = place.path("data").join(uuid(1)).join("file-2.dcm");
    let mut bytes = fs::read(&changed).unwrap();
    bytes[0] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let done = fetch(&place, &archive, &["--verify"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 fetched, 1 there already"), "{}", done.stdout);
    assert!(done.stdout.contains("6 files checked by MD5"), "{}", done.stdout);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// A power cut may leave a file of the right size that holds nothing.
#[test]
fn what_is_whole_and_wrong_is_fetched_again() {
    let (place, key) = (Workplace::new(), format!("{BUCKET}/{}/a.dcm", uuid(0)));
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
    assert!(done.stdout.contains("1 file checked by MD5"), "{}", done.stdout);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// Neither the environment nor a file of credentials is used, and nothing of them is said.
#[test]
fn requests_are_anonymous_whatever_the_environment_holds() {
    let (place, objects) = (Workplace::new(), objects(1, 2));
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
    let (place, objects) = (Workplace::new(), objects(3, 2));
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

fn start(place: &Workplace, archive: &Archive) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lungs"))
        .args(["fetch", "manifest.s5cmd", "data", "-q", "--first-wait", "0.001"])
        .args(["--endpoint", &archive.endpoint()])
        .current_dir(place.path(""))
        .env("NO_PROXY", "127.0.0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_again_and_again_it_ends_in_the_same_bytes() {
    let (place, objects) = (Workplace::new(), objects(5, 6));
    let archive = Archive::of(objects.clone());
    archive.spoil(|_| Some(Fault::Slow(1)));
    place.write("manifest.s5cmd", &manifest(5));
    let mut random = lungs::random::stream(5, "fetch kills");
    let mut killed = 0;
    for _ in 0..60 {
        let mut child = start(&place, &archive);
        let moment = Instant::now() + Duration::from_millis(random.random_range(20..200));
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(start(&place, &archive).wait().unwrap().success());
    println!("killed {killed} times");
    assert!(killed > 0);
    assert!(archive.take_asked().iter().any(|asked| asked.range_from.is_some()));
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

#[test]
fn a_signal_stops_in_order_and_the_same_command_goes_on() {
    let (place, objects) = (Workplace::new(), objects(8, 4));
    let archive = Archive::of(objects.clone());
    archive.spoil(|_| Some(Fault::Slow(2)));
    place.write("manifest.s5cmd", &manifest(8));
    let mut child = start(&place, &archive);
    while archive.count_asked() < 6 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = states(&place);
    assert_eq!(told.len(), 8);
    let known = ["fetched", "interrupted", "not-started"];
    assert!(told.iter().all(|(state, _)| known.contains(&state.as_str())), "{told:?}");
    assert!(told.iter().any(|(state, _)| state == "interrupted"), "{told:?}");
    archive.spoil(|_| None);
    assert_eq!(fetch(&place, &archive, &[]).code, 0);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
}

/// The synthetic cohort as an archive: fetched and prepared by and by, it trains a network.
#[test]
fn series_are_prepared_as_they_come_and_their_files_go() {
    let place = Workplace::new();
    let mut objects = BTreeMap::new();
    let mut folders = BTreeMap::<std::path::PathBuf, String>::new();
    for file in walkdir::WalkDir::new(cohort()).sort_by_file_name() {
        let file = file.unwrap();
        if file.path().extension().is_some_and(|extension| extension == "dcm") {
            let next = uuid(folders.len());
            let series = folders.entry(file.path().parent().unwrap().to_owned()).or_insert(next);
            let name = file.file_name().to_str().unwrap();
            let key = format!("{BUCKET}/{series}/{name}");
            objects.insert(key, fs::read(file.path()).unwrap());
        }
    }
    let series = folders.len();
    assert!(series >= 12, "{series}");
    let archive = Archive::of(objects);
    place.write("manifest.s5cmd", &manifest(series));
    let prepare = ["--prepare", "small.toml", "--set", "data.root=data"];
    let done = fetch(&place, &archive, &prepare);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let told = states(&place);
    assert_eq!(told.len(), series);
    assert!(told.iter().all(|(state, _)| state == "prepared" || state == "refused"), "{told:?}");
    let left = tree(&place.path("data"));
    let kept = |name: &String| name.ends_with(".npz") || name.ends_with(".json");
    assert!(left.keys().all(kept), "{:?}", left.keys());
    archive.take_asked();

    // Nothing is fetched or prepared again.
    let again = fetch(&place, &archive, &prepare);
    assert!(again.code == 0 && again.stdout.contains("there already"), "{}", again.stdout);
    assert_eq!(archive.take_asked().len(), 0);

    // What is found in the fetched folder is what the files give, figure for figure, and the volumes
    // of the cache are taken as they are: nothing is prepared again. (The whole cohort has volume files
    // besides.)
    let volumes = || {
        let files = fs::read_dir(place.path("prepared")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "npz")).count()
    };
    let prepared = |root: &str, told: &str| -> Vec<String> {
        let root = format!("data.root={root}");
        let done = place.lungs(&["prepare", "small.toml", "--set", &root]);
        assert!(done.stdout.contains(told), "{}{}", done.stdout, done.stderr);
        let table = fs::read_to_string(place.path("prepared/preparation.csv")).unwrap();
        let rows = table.lines().filter(|line| line.contains(",prepared,"));
        rows.map(str::to_owned).collect()
    };
    let before = volumes();
    let fetched = prepared("data", " 0 new");
    assert_eq!(volumes(), before);
    let whole = prepared("ct", "17 volumes");
    assert!(fetched.len() >= 10, "{fetched:?}");
    assert!(fetched.iter().all(|row| whole.contains(row)), "{whole:#?}\n{fetched:#?}");

    // Verifying leaves alone what is prepared.
    for more in [&["--verify"][..], &[]] {
        let options = if more.is_empty() { Vec::new() } else { [&prepare[..], more].concat() };
        let done = fetch(&place, &archive, &options);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let refused = told.iter().filter(|(state, _)| state == "refused").count();
        assert!(refused < series);
    }
    let asked = archive.take_asked();
    let prepared: Vec<String> =
        (0..series).filter(|one| told[*one].0 == "prepared").map(uuid).collect();
    assert!(asked.iter().all(|asked| prepared.iter().all(|uuid| !asked.key.contains(uuid))));

    // With other settings, what is prepared is refused, and not resampled once more.
    let other = ["prepare", "small.toml", "--set", "data.root=data", "--set", "data.cache=other"];
    let done = place.lungs(&[&other[..], &["--set", "preprocess.spacing_mm=12"]].concat());
    assert!(done.stdout.contains("prepared-otherwise"), "{}{}", done.stdout, done.stderr);
    assert_eq!(
        fs::read_dir(place.path("other"))
            .unwrap()
            .filter(|file| {
                file.as_ref().unwrap().path().extension().is_some_and(|end| end == "npz")
            })
            .count(),
        0
    );
    let check = ["check", "small.toml", "--set", "data.root=data", "--set", "data.cache=other"];
    let check = place.lungs(&[&check[..], &["--set", "preprocess.spacing_mm=12"]].concat());
    assert!(check.code == 1 && check.stderr.contains("prepared-otherwise"), "{}", check.stderr);
    // Without its cache it is itself.
    let done = place.lungs(&other);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);

    // With the files kept, and other settings, all of it comes once more.
    let kept = [&prepare[..], &["--keep-raw", "--set", "preprocess.spacing_mm=12"]].concat();
    let done = fetch(&place, &archive, &kept);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let there = tree(&place.path("data")).keys().filter(|name| name.ends_with(".dcm")).count();
    assert!(there > 0);
    // And stays, though the next one would not keep it.
    let done =
        fetch(&place, &archive, &[&prepare[..], &["--set", "preprocess.spacing_mm=11"]].concat());
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let now = tree(&place.path("data")).keys().filter(|name| name.ends_with(".dcm")).count();
    assert_eq!(now, there);
}

/// A server that others wrote, where one is installed: `cargo install s3s-fs --features binary`.
#[test]
fn another_s3_server_gives_the_same_bytes_through_faults() {
    let given = std::env::var_os("LUNGS_S3_SERVER").unwrap_or_else(|| "s3s-fs".into());
    let place = Workplace::new();
    let root = place.path("root");
    fs::create_dir_all(root.join(BUCKET)).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Command::new(&given)
        .args(["--host", "127.0.0.1", "--port", &free.port().to_string()])
        .arg(&root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        println!("skipped: no {} (cargo install s3s-fs --features binary)", given.display());
        return;
    };
    let _server = Ended(server);
    wait_for(free);
    let objects = objects(3, 5);
    for (path, bytes) in &objects {
        assert_eq!(put(free, path, bytes), 200, "{path}");
    }
    let archive = Archive::before(free);
    archive.spoil(spoiler(3));
    place.write("manifest.s5cmd", &manifest(3));
    let done = fetch(&place, &archive, &["--retries", "12"]);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert_same(&tree(&place.path("data")), &wanted(&objects));
    assert!(archive.take_asked().iter().any(|asked| asked.range_from.is_some()));
}

/// A child that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(server: SocketAddr) {
    for _ in 0..600 {
        if std::net::TcpStream::connect(server).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{server} does not listen");
}
