use super::*;
use crate::prepare::{Limits, Status, load_prepared};
use lungs_image::codes::{ExclusionCode, Flag};
use lungs_image::images::{Scanner, scan};
use lungs_testing::dicom::{TestSlice, write_series};
use std::fs;
use std::path::PathBuf;

const SIDE: u16 = 72;
const SLICES: i32 = 60;

/// A body with two lungs, 5 mm voxels: an ellipse of water in air, two smaller ones inside.
fn chest(uid: &str) -> Vec<TestSlice> {
    let inside = |x: f64, y: f64, z: f64, centre: [f64; 3], radius: [f64; 3]| {
        let part = |value: f64, axis: usize| ((value - centre[axis]) / radius[axis]).powi(2);
        part(x, 0) + part(y, 1) + part(z, 2) < 1.0
    };
    (0..SLICES)
        .map(|number| {
            let mut slice = TestSlice::axial(number);
            slice.series_uid = uid.to_owned();
            (slice.rows, slice.columns, slice.spacing) = (SIDE, SIDE, [5.0, 5.0]);
            slice.position = [-180.0, -180.0, 5.0 * f64::from(number)];
            slice.pixels = (0..SIDE * SIDE)
                .map(|pixel| {
                    let x = 5.0 * f64::from(pixel % SIDE) - 180.0;
                    let y = 5.0 * f64::from(pixel / SIDE) - 180.0;
                    let z = 5.0 * f64::from(number) - 150.0;
                    let lung = inside(x, y, z, [-75.0, 0.0, 0.0], [55.0, 75.0, 110.0])
                        || inside(x, y, z, [75.0, 0.0, 0.0], [55.0, 75.0, 110.0]);
                    let body = inside(x, y, 0.0, [0.0; 3], [165.0, 120.0, 1.0]);
                    match (body, lung) {
                        (true, true) => -850,
                        (true, false) => 40,
                        (false, _) => -1000,
                    }
                })
                .collect();
            slice
        })
        .collect()
}

fn settings() -> Settings {
    Settings {
        spacing_mm: [5.0; 3],
        size: [48, 40, 56],
        limits: Limits { min_slices: 20, max_slice_spacing_mm: 5.0, min_lung_ml: 500.0 },
        ..Settings::default()
    }
}

/// A good series, one of another modality, one with a truncated file, another good one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_series(&folder.path().join("a"), &chest("1.1"));
    let mut other = chest("1.2");
    other.iter_mut().for_each(|slice| slice.modality = "MR".to_owned());
    write_series(&folder.path().join("b"), &other);
    write_series(&folder.path().join("c"), &chest("1.3"));
    let truncated = folder.path().join("c/image-003-1.3");
    let bytes = fs::read(&truncated).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() - 1000]).unwrap();
    let mut shifted = chest("1.4");
    shifted.iter_mut().for_each(|slice| slice.pixels.rotate_left(4));
    write_series(&folder.path().join("d"), &shifted);
    folder
}

fn prepare(folder: &Path, cache: &Path, threads: usize) -> Vec<Row> {
    let scan = scan(folder).unwrap();
    let images: Vec<&Image> = scan.images.iter().collect();
    let mut rows = prepare_all(&images, &settings(), cache, &|_| (), threads).unwrap();
    rows.iter_mut().for_each(|row| (row.seconds, row.new) = (0.0, false));
    rows
}

fn files(cache: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(cache)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(cache).unwrap().to_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_series_has_its_row_in_order_and_a_bad_one_does_not_stop_the_others() {
    let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
    let rows = prepare(folder.path(), cache.path(), 2);
    let codes: Vec<_> =
        rows.iter().map(|row| (row.series_uid.as_str(), row.code.clone())).collect();
    let (not_ct, truncated) = (Some(ExclusionCode::NotCt), Some(ExclusionCode::Truncated));
    assert_eq!(codes, [("1.1", None), ("1.2", not_ct), ("1.3", truncated), ("1.4", None)]);
    let good = &rows[0];
    assert_eq!((good.status, good.slices), (Status::Prepared, Some(60)));
    // Two ellipsoids of 4/3·π·55·75·110 mm³ = 1901 ml each.
    for lung_ml in [good.lung_left_ml, good.lung_right_ml] {
        assert!((lung_ml.unwrap() - 1901.0).abs() < 120.0, "{lung_ml:?}");
    }
    let crop = load_prepared(&cache.path().join(&good.cache_file)).unwrap();
    assert_eq!(crop.volume.hu.dim(), (48, 40, 56));
    // The middle between the lungs, in patient coordinates and in the crop.
    let middle = crop.volume.geometry.position_mm([24.0, 20.0, 28.0]);
    for (found, truth) in middle.iter().zip([0.0, 0.0, 150.0]) {
        assert!((found - truth).abs() <= 7.5, "{middle:?}");
    }
    assert!(cache.path().join(&good.cache_file).with_extension("png").is_file());
}

#[test]
fn rows_and_files_do_not_depend_on_threads() {
    let folder = folder();
    let caches = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = prepare(folder.path(), caches[0].path(), 1);
    assert_eq!(one, prepare(folder.path(), caches[1].path(), 4));
    assert!(files(caches[0].path()) == files(caches[1].path()));
}

#[test]
fn an_unchanged_folder_gives_the_same_rows_and_a_replaced_file_is_noticed() {
    let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
    let before = prepare(folder.path(), cache.path(), 2);
    assert_eq!(prepare(folder.path(), cache.path(), 2), before);
    // Different pixels with the same size and the same time of modification.
    let path = folder.path().join("a/image-003-1.1");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    fs::write(&path, &bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let after = prepare(folder.path(), cache.path(), 2);
    assert_ne!(after[0].cache_file, before[0].cache_file);
    assert_eq!(after[3], before[3]);
}

#[test]
fn moved_files_use_their_cache_entry_and_other_settings_do_not() {
    let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
    let before = prepare(folder.path(), cache.path(), 2);
    fs::rename(folder.path().join("a"), folder.path().join("z")).unwrap();
    let entry = cache.path().join(&before[0].cache_file).with_extension("json");
    let written = fs::metadata(&entry).unwrap().modified().unwrap();
    assert_eq!(prepare(folder.path(), cache.path(), 2), before);
    assert_eq!(fs::metadata(&entry).unwrap().modified().unwrap(), written);
    let scan = scan(folder.path()).unwrap();
    let other = Settings { upper_hu: 300.0, ..settings() };
    let rows = prepare_all(&[&scan.images[0]], &other, cache.path(), &|_| (), 1).unwrap();
    assert_ne!(rows[0].cache_file, before[0].cache_file);
}

#[test]
fn damaged_entries_are_prepared_again() {
    let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
    let before = prepare(folder.path(), cache.path(), 2);
    let intact = files(cache.path());
    let npz = cache.path().join(&before[0].cache_file);
    let damage: [(&str, &[u8]); 3] = [("npz", b"PK"), ("json", b"{\"row\": "), ("json", b"{}")];
    for (extension, bytes) in damage {
        fs::write(npz.with_extension(extension), bytes).unwrap();
        assert_eq!(prepare(folder.path(), cache.path(), 2), before);
        assert!(files(cache.path()) == intact);
    }
    for extension in ["png", "npz"] {
        fs::remove_file(npz.with_extension(extension)).unwrap();
        prepare(folder.path(), cache.path(), 2);
        assert!(files(cache.path()) == intact);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = prepare_all(&[], &settings(), &file, &|_| (), 1).unwrap_err();
    assert!(error.to_string().contains("CACHEDIR.TAG"), "{error}");
}

#[test]
fn a_tilted_chest_is_corrected_or_excluded_by_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut slices = chest("1.1");
    let (sin, cos) = 6_f64.to_radians().sin_cos();
    slices.iter_mut().for_each(|slice| slice.orientation = [1.0, 0.0, 0.0, 0.0, cos, sin]);
    write_series(folder.path(), &slices);
    let scan = scan(folder.path()).unwrap();
    let row = crate::prepare::prepare_image(&scan.images[0], &settings()).row;
    assert_eq!((row.status, row.reason.as_str()), (Status::Prepared, ""));
    assert_eq!(row.flags[0], Flag::TiltResheared);
    let gantry_tilt = lungs_image::dicom::GantryTilt::Refuse;
    let stacks = lungs_image::dicom::StackRules { gantry_tilt, ..settings().stacks };
    let strict = Settings { stacks, ..settings() };
    let scan = Scanner::default().with_stack_rules(stacks).scan(folder.path()).unwrap();
    let row = crate::prepare::prepare_image(&scan.images[0], &strict).row;
    assert_eq!(row.code, Some(ExclusionCode::GantryTilt));
    assert!(row.reason.starts_with("gantry tilt of 6.0 degrees"), "{}", row.reason);
}

#[test]
fn exclusions_by_limits_have_the_value_and_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), &chest("1.1"));
    let scan = scan(folder.path()).unwrap();
    let row_with = |limits| {
        let settings = Settings { limits, ..settings() };
        crate::prepare::prepare_image(&scan.images[0], &settings).row
    };
    let limits = settings().limits;
    let row = row_with(Limits { min_slices: 61, ..limits });
    assert_eq!((row.code, row.slices), (Some(ExclusionCode::TooFewSlices), Some(60)));
    assert_eq!(row.reason, "60 slices, expected at least 61");
    let row = row_with(Limits { max_slice_spacing_mm: 2.5, ..limits });
    assert_eq!(row.reason, "slices are 5.000 mm apart, expected at most 2.5 mm");
    let row = row_with(Limits { min_lung_ml: 9000.0, ..limits });
    assert_eq!(row.code, Some(ExclusionCode::SmallLungs));
}
