//! `lungs fetch --prepare`.

use super::{BUCKET, fetch, files_below, manifest, states, uuid};
use crate::archive::Archive;
use crate::support::{Workspace, cohort};
use std::collections::BTreeMap;
use std::fs;

/// The synthetic cohort as an archive, fetched and prepared.
#[test]
fn series_are_prepared_as_they_come_and_their_files_go() {
    let workspace = Workspace::new();
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
    workspace.write("manifest.s5cmd", &manifest(series));
    let prepare = ["--prepare", "small.toml", "--set", "data.root=data"];
    let done = fetch(&workspace, &archive, &prepare);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let rows = states(&workspace);
    assert_eq!(rows.len(), series);
    assert!(rows.iter().all(|(state, _)| state == "prepared" || state == "refused"), "{rows:?}");
    let files = files_below(&workspace.path("data"));
    let is_product = |name: &String| name.ends_with(".npz") || name.ends_with(".json");
    assert!(files.keys().all(is_product), "{:?}", files.keys());
    archive.take_requests();

    // Nothing is fetched or prepared again.
    let again = fetch(&workspace, &archive, &prepare);
    assert!(again.code == 0 && again.stdout.contains("already complete"), "{}", again.stdout);
    assert_eq!(archive.take_requests().len(), 0);

    // The fetched folder gives the same rows as the files, and the volumes of the cache are reused: nothing is
    // prepared again. (The cohort also contains volume files.)
    let volumes = || {
        let files =
            fs::read_dir(workspace.path("prepared")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "npz")).count()
    };
    let prepared_rows = |root: &str, summary: &str| -> Vec<String> {
        let root = format!("data.root={root}");
        let done = workspace.lungs(&["prepare", "small.toml", "--set", &root]);
        assert!(done.stdout.contains(summary), "{}{}", done.stdout, done.stderr);
        let table = fs::read_to_string(workspace.path("prepared/preparation.csv")).unwrap();
        let rows = table.lines().filter(|line| line.contains(",prepared,"));
        rows.map(str::to_owned).collect()
    };
    let before = volumes();
    let fetched = prepared_rows("data", " 0 new");
    assert_eq!(volumes(), before);
    let original = prepared_rows("ct", "17 volumes");
    assert!(fetched.len() >= 10, "{fetched:?}");
    assert!(fetched.iter().all(|row| original.contains(row)), "{original:#?}\n{fetched:#?}");

    // Verifying does not change prepared series.
    for option in [&["--verify"][..], &[]] {
        let options = if option.is_empty() { Vec::new() } else { [&prepare[..], option].concat() };
        let done = fetch(&workspace, &archive, &options);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let refused = rows.iter().filter(|(state, _)| state == "refused").count();
        assert!(refused < series);
    }
    let requests = archive.take_requests();
    let prepared: Vec<String> =
        (0..series).filter(|one| rows[*one].0 == "prepared").map(uuid).collect();
    assert!(requests.iter().all(|request| prepared.iter().all(|uuid| !request.key.contains(uuid))));

    // With other settings, prepared volumes are excluded and not resampled again.
    let other = ["prepare", "small.toml", "--set", "data.root=data", "--set", "data.cache=other"];
    let done = workspace.lungs(&[&other[..], &["--set", "preprocess.spacing_mm=12"]].concat());
    assert!(done.stdout.contains("prepared-otherwise"), "{}{}", done.stdout, done.stderr);
    assert_eq!(
        fs::read_dir(workspace.path("other"))
            .unwrap()
            .filter(|file| {
                file.as_ref().unwrap().path().extension().is_some_and(|end| end == "npz")
            })
            .count(),
        0
    );
    let check = ["check", "small.toml", "--set", "data.root=data", "--set", "data.cache=other"];
    let check = workspace.lungs(&[&check[..], &["--set", "preprocess.spacing_mm=12"]].concat());
    assert!(check.code == 1 && check.stderr.contains("prepared-otherwise"), "{}", check.stderr);
    // With the same settings and another cache, prepared volumes are used.
    let done = workspace.lungs(&other);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);

    // With --keep-raw and other settings, all files are fetched again.
    let kept = [&prepare[..], &["--keep-raw", "--set", "preprocess.spacing_mm=12"]].concat();
    let done = fetch(&workspace, &archive, &kept);
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let dicom_files =
        files_below(&workspace.path("data")).keys().filter(|name| name.ends_with(".dcm")).count();
    assert!(dicom_files > 0);
    // They are kept, although the next command would not keep them.
    let done = fetch(
        &workspace,
        &archive,
        &[&prepare[..], &["--set", "preprocess.spacing_mm=11"]].concat(),
    );
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    let dicom_files_after =
        files_below(&workspace.path("data")).keys().filter(|name| name.ends_with(".dcm")).count();
    assert_eq!(dicom_files_after, dicom_files);
}
