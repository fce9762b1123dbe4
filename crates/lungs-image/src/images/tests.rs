use super::*;
use crate::dicom::{HuRule, StackRules};
use crate::formats::testing::{TestVolume, gzip, npy, write_npz};
use crate::volume::Volume;
use lungs_testing::dicom::{TestSlice, write_series};
use std::fs;
use std::time::{Duration, SystemTime};

fn axial(uid: &str, count: i32) -> Vec<TestSlice> {
    (0..count)
        .map(|number| TestSlice { series_uid: uid.to_owned(), ..TestSlice::axial(number) })
        .collect()
}

/// Two series, a NIfTI, a MetaImage pair, a prepared volume, and other files.
fn mixed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_series(&at("p1"), &axial("1.2.1", 4));
    write_series(&at("p2/deep"), &axial("1.2.2", 5));
    let volume = TestVolume::axial();
    fs::write(at("p2/scan.nii.gz"), gzip(&volume.nifti().one())).unwrap();
    volume.write_metaimage(&at("luna"), "1.3.6");
    write_npz(&at("old.npz"), &[("data", npy("<i2", "False", "(5, 4, 6)", &volume.bytes()))]);
    fs::write(at("labels.csv"), "label\n").unwrap();
    fs::write(at("empty.dcm"), "").unwrap();
    fs::write(at("cut.nii"), "short").unwrap();
    folder
}

fn summary(found: &ScanResult) -> Vec<String> {
    let line = |image: &Image| {
        let code = image.grid.as_ref().err().map_or(String::new(), |it| format!(" {}", it.code()));
        format!("{} {} {}{code}", image.kind.name(), image.series_uid, image.slices)
    };
    found.images.iter().map(line).collect()
}

#[test]
fn one_walk_finds_images_of_every_kind() {
    let folder = mixed();
    let found = scan(folder.path()).unwrap();
    assert_eq!(
        summary(&found),
        [
            "metaimage 1.3.6 5",
            "file cut 0 bad-header",
            "prepared old 5",
            "nifti scan 5",
            "dicom 1.2.1 4",
            "dicom 1.2.2 5",
        ]
    );
    // The table of labels is skipped, the data file of the MetaImage is not.
    assert_eq!(found.skipped.counts(), "1 table");
    let problems: Vec<_> = found.problems.iter().map(|p| p.path.file_name().unwrap()).collect();
    assert_eq!(problems, ["empty.dcm"]);
    let volumes: Vec<Volume> = found
        .images
        .iter()
        .filter(|image| ["metaimage", "nifti"].contains(&image.kind.name()))
        .map(|image| read_volume(image, HuRule::Standard, StackRules::default()).unwrap().0)
        .collect();
    assert_eq!(volumes[0].hu, volumes[1].hu);
}

#[test]
fn a_dicom_image_reads_as_its_series_does() {
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &axial("1.2.1", 4));
    let series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
    let expected = crate::dicom::read_volume(&series, HuRule::Standard).unwrap();
    let image = scan(folder.path()).unwrap().images.remove(0);
    assert_eq!(read_volume(&image, HuRule::Standard, StackRules::default()).unwrap(), expected);
    assert_eq!((image.patient_id.as_str(), image.exam_id.as_str()), ("P1", "1.2"));
    let grid = image.grid.clone().unwrap();
    assert_eq!((grid.slice_spacing_mm, grid.coverage_mm()), (2.5, 7.5));
    // A file that grew, and one that now belongs to another series.
    let path = image.files[1].path();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [whole.clone(), vec![0; 10]].concat()).unwrap();
    let message =
        read_volume(&image, HuRule::Standard, StackRules::default()).unwrap_err().to_string();
    assert!(message.contains("the file has changed since the folder was scanned"), "{message}");
    TestSlice { series_uid: "1.9".into(), ..TestSlice::axial(1) }.write(&path);
    assert_eq!(
        read_volume(&image, HuRule::Standard, StackRules::default()).unwrap_err().code(),
        "unreadable"
    );
}

#[test]
fn a_scan_accepts_one_file() {
    let folder = mixed();
    for name in ["luna/1.3.6.mhd", "p2/scan.nii.gz", "old.npz"] {
        let found = scan(&folder.path().join(name)).unwrap();
        assert_eq!(found.images.len(), 1, "{name}");
        assert!(found.images[0].grid.is_ok());
    }
}

#[test]
fn a_scan_does_not_depend_on_threads_or_on_the_order_of_files() {
    let folder = mixed();
    let expected = scan(folder.path()).unwrap();
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| scan(folder.path())).unwrap(), expected);
    }
    // Created in the other order, the file system lists files differently.
    let copy = tempfile::tempdir().unwrap();
    let mut files: Vec<_> = walkdir::WalkDir::new(folder.path())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .collect();
    files.sort();
    for file in files.iter().rev() {
        let target = copy.path().join(file.strip_prefix(folder.path()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    assert_eq!(summary(&scan(copy.path()).unwrap()), summary(&expected));
}

#[test]
fn files_of_one_name_are_named_by_their_folders_and_copies_are_used_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b", "c"] {
        fs::create_dir(at(name)).unwrap();
    }
    let volume = TestVolume::axial();
    let other = TestVolume { origin_mm: [0.0; 3], ..volume.clone() };
    fs::write(at("a/ct.nii"), volume.nifti().one()).unwrap();
    fs::write(at("b/ct.nii"), other.nifti().one()).unwrap();
    fs::write(at("c/ct.nii"), volume.nifti().one()).unwrap();
    let found = scan(folder.path()).unwrap();
    let named: Vec<_> =
        found.images.iter().map(|image| (image.series_uid.as_str(), image.flags.clone())).collect();
    assert_eq!(named, [("a/ct", vec![Flag::CopiesCountedOnce]), ("b/ct", vec![])]);
    let reasons: Vec<_> =
        found.images[0].excluded.iter().map(|part| part.exclusion.to_string()).collect();
    let [c, a] = ["c/ct.nii", "a/ct.nii"].map(|name| at(name).display().to_string());
    assert_eq!(
        reasons,
        [format!("copies: {c} holds the same volume as {a}; the volume is used once")]
    );
    fs::remove_file(at("b/ct.nii")).unwrap();
    assert_eq!(scan(folder.path()).unwrap().images[0].series_uid, "ct");
}

#[test]
fn a_series_in_two_folders_is_one_image_with_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    write_series(&folder.path().join("a"), &axial("1.2.1", 4));
    write_series(&folder.path().join("b"), &axial("1.2.1", 4));
    let image = scan(folder.path()).unwrap().images.remove(0);
    assert_eq!(image.slices, 4);
    assert_eq!(image.flags, ["duplicates-dropped", "copies-counted-once"]);
    let [copies] = image.excluded.as_slice() else { panic!("{:?}", image.excluded) };
    let b = folder.path().join("b").display().to_string();
    let reason = format!(
        "copies: {b} holds 4 slices identical to slices in another folder; each slice is used once"
    );
    assert_eq!((copies.slices, copies.exclusion.to_string()), (4, reason));
    assert_eq!(
        read_volume(&image, HuRule::Standard, StackRules::default()).unwrap().1.flags,
        image.flags
    );
    // Slices at one position with different pixels are refused when their pixels are read.
    let mut changed = axial("1.2.1", 4);
    changed[2].pixels[0] += 1;
    write_series(&folder.path().join("b"), &changed);
    let image = scan(folder.path()).unwrap().images.remove(0);
    assert_eq!(
        read_volume(&image, HuRule::Standard, StackRules::default()).unwrap_err().code(),
        "duplicate-slices"
    );
}

#[test]
fn facts_of_an_image_come_from_the_slices_of_its_volume() {
    let folder = tempfile::tempdir().unwrap();
    let mut scout = axial("1.2.1", 1);
    scout[0].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER".into();
    (scout[0].kernel, scout[0].patient_id) = ("T20s", String::new());
    scout[0].acquired = vec![("KVP", "80".into()), ("XRayTubeCurrent", "500".into())];
    write_series(&folder.path().join("a"), &scout);
    let mut slices = axial("1.2.1", 4);
    for (current, slice) in [40, 60, 80, 100].into_iter().zip(&mut slices) {
        slice.kernel = "B30f";
        let current = current.to_string();
        slice.acquired = vec![("KVP", "120".into()), ("XRayTubeCurrent", current)];
    }
    write_series(&folder.path().join("b"), &slices);
    let image = scan(folder.path()).unwrap().images.remove(0);
    assert_eq!((image.kernel.as_str(), image.patient_id.as_str()), ("B30f", "P1"));
    let acquisition = &image.acquisition;
    assert_eq!((acquisition.kilovolts, acquisition.tube_current_ma), (Some(120.0), Some(70.0)));
    // The same from an index.
    let cache = tempfile::tempdir().unwrap();
    indexed(folder.path(), cache.path());
    let again = indexed(folder.path(), cache.path());
    assert_eq!((again.opened, &again.images[0]), (0, &image));
    assert_eq!((image.slices, image.path), (4, folder.path().join("b")));
    assert_eq!(image.flags, ["localizers-left-out"]);
}

#[test]
fn slices_of_two_patients_under_one_uid_are_refused_and_other_images_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write_series(&folder.path().join("a"), &axial("1.2.1", 4));
    let mut other = axial("1.2.1", 4);
    other.iter_mut().for_each(|slice| slice.patient_id = "P2".into());
    write_series(&folder.path().join("b"), &other);
    write_series(&folder.path().join("c"), &axial("1.2.2", 4));
    let found = scan(folder.path()).unwrap();
    assert_eq!(summary(&found), ["dicom 1.2.1 8 several-patients", "dicom 1.2.2 4"]);
    let refusal = found.images[0].grid.clone().unwrap_err().to_string();
    assert!(refusal.contains("\"P1\" in 4") && refusal.contains("\"P2\" in 4"), "{refusal}");
}

#[test]
fn prepared_volumes_in_a_cache_folder_are_not_data() {
    let folder = mixed();
    let expected = summary(&scan(folder.path()).unwrap()).len();
    let cache = folder.path().join("prepared");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("CACHEDIR.TAG"), "").unwrap();
    fs::copy(folder.path().join("old.npz"), cache.join("0123.npz")).unwrap();
    assert_eq!(scan(folder.path()).unwrap().images.len(), expected);
    assert_eq!(scan(&cache).unwrap().images.len(), 1, "a cache is scanned if it is the root");
}

/// Scans with the index in `cache` and keeps it.
fn indexed(folder: &Path, cache: &Path) -> ScanResult {
    let mut scanner = Scanner::with_index(cache);
    let found = scanner.scan(folder).unwrap();
    scanner.save().unwrap();
    found
}

#[test]
fn an_unchanged_folder_opens_no_file_and_finds_the_same() {
    let (folder, cache) = (mixed(), tempfile::tempdir().unwrap());
    let first = indexed(folder.path(), cache.path());
    assert_eq!(first.opened, 16);
    let written = fs::read(cache.path().join("index")).unwrap();
    let second = indexed(folder.path(), cache.path());
    assert_eq!(second.opened, 0);
    assert_eq!(ScanResult { opened: 16, ..second }, first);
    assert_eq!(ScanResult { opened: 16, ..scan(folder.path()).unwrap() }, first);
    assert_eq!(fs::read(cache.path().join("index")).unwrap(), written);
}

#[test]
fn changed_new_and_removed_files_are_detected() {
    let (folder, cache) = (mixed(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    indexed(folder.path(), cache.path());
    let check = |opened: usize| {
        let found = indexed(folder.path(), cache.path());
        assert_eq!(found.opened, opened);
        let fresh = scan(folder.path()).unwrap();
        assert_eq!(ScanResult { opened: fresh.opened, ..found }, fresh);
        fresh
    };
    // New.
    axial("1.2.1", 6)[5].write(&at("p1/late"));
    axial("1.2.7", 1)[0].write(&at("p9"));
    check(2);
    // Removed: a file, a folder.
    fs::remove_file(at("p1/late")).unwrap();
    fs::remove_dir_all(at("p2")).unwrap();
    let found = check(0);
    assert_eq!(found.images.iter().filter(|image| image.kind == Kind::Dicom).count(), 2);
    // Changed with another size.
    fs::write(at("empty.dcm"), "now it has a line").unwrap();
    check(1);
    // Changed with the same size, and the time set back.
    let path = at("p1").join("image-003-1.2.1");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut slice = axial("1.2.1", 1).remove(0);
    slice.patient_id = "P2".into();
    slice.write(&path);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    check(usize::from(cfg!(unix)));
    // Touched.
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    check(1);
    // Nothing.
    check(0);
}

#[test]
fn a_removed_folder_leaves_the_index_and_another_root_stays_in_it() {
    let (a, b, cache) = (mixed(), mixed(), tempfile::tempdir().unwrap());
    indexed(a.path(), cache.path());
    indexed(b.path(), cache.path());
    assert_eq!(indexed(a.path(), cache.path()).opened, 0);
    let size = || fs::metadata(cache.path().join("index")).unwrap().len();
    let before = size();
    fs::remove_dir_all(a.path().join("p1")).unwrap();
    assert_eq!(indexed(a.path(), cache.path()).opened, 0);
    assert!(size() < before);
    assert_eq!(indexed(b.path(), cache.path()).opened, 0);
}

#[test]
fn a_damaged_or_foreign_index_is_ignored_and_rewritten() {
    let (folder, cache) = (mixed(), tempfile::tempdir().unwrap());
    let first = indexed(folder.path(), cache.path());
    let file = cache.path().join("index");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let old = [b"lungs index 0 0.0.1\n".as_slice(), &whole[20..]].concat();
    for damaged in [flipped, old, whole[..whole.len() - 1].to_vec(), vec![], vec![0xff; 4096]] {
        fs::write(&file, damaged).unwrap();
        let found = indexed(folder.path(), cache.path());
        assert_eq!(found, first);
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
}

#[test]
fn two_processes_may_keep_the_index_at_once() {
    let (folder, cache) = (mixed(), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut scanner = Scanner::with_index(cache.path());
                    scanner.scan(folder.path()).unwrap();
                    scanner.save().unwrap();
                    fs::remove_file(cache.path().join("index")).ok();
                    scanner = Scanner::with_index(cache.path());
                    scanner.scan(folder.path()).unwrap();
                    scanner.save().unwrap();
                }
            });
        }
    });
    indexed(folder.path(), cache.path());
    assert_eq!(indexed(folder.path(), cache.path()).opened, 0);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[test]
fn shared_values_of_slices_are_stored_once() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_series(folder.path(), &axial("1.2.1", 100));
    indexed(folder.path(), cache.path());
    let bytes = fs::metadata(cache.path().join("index")).unwrap().len();
    assert!(bytes < 100 * 120, "{bytes} bytes for 100 files");
}
