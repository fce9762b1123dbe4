//! Series that are prepared as they come.

use super::{BUCKET, fetch, manifest, states, tree, uuid};
use crate::archive::Archive;
use crate::support::{Workspace, cohort};
use std::collections::BTreeMap;
use std::fs;

/// The synthetic cohort as an archive: fetched and prepared by and by, it trains a network.
#[test]
fn series_are_prepared_as_they_come_and_their_files_go() {
    let place = Workspace::new();
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
    assert!(again.code == 0 && again.stdout.contains("already complete"), "{}", again.stdout);
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
