//! The input of Sybil (`preprocess.compat = "sybil"`) from DICOM files, compared with `docs/pytorch/sybil_input.py`:
//! NumPy, OpenCV and TorchIO.

mod expected;

use expected::{Expected, assert_equal, expected, settings};
use lungs_image::images::{self, Image};
use lungs_spec::spec::Compat;
use lungs_study::prepare::prepare_image;
use lungs_testing::dicom::{TestSlice, write_series};

/// The stored values of the script's phantoms.
fn stored([z, y, x]: [i64; 3]) -> i16 {
    let wave = (z * 37 + y * 11 + x * 7) % 2000;
    let texture = (x * x * 3 + y * y * 5 + z * z * 7 + x * y + y * z) % 1001 - 500;
    ((wave - 1000).abs() * 2 - 1000 + texture) as i16
}

fn image_of(folder: &std::path::Path) -> Image {
    let mut found = images::scan(folder).unwrap();
    assert_eq!((found.images.len(), &found.problems[..]), (1, &[][..]));
    found.images.remove(0)
}

fn write_phantom(folder: &std::path::Path, expected: &Expected) {
    let [slices, rows, columns] = expected.shape;
    let [row_mm, column_mm, thickness_mm, distance_mm] = expected.spacing_mm;
    for z in 0..slices {
        let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| stored([z, y, x])));
        let slice = TestSlice {
            position: [-170.0, -160.0, -300.0 + distance_mm * z as f64],
            spacing: [row_mm, column_mm],
            rows: rows as u16,
            columns: columns as u16,
            slope: expected.rescale[0],
            intercept: expected.rescale[1],
            acquired: vec![("SliceThickness", thickness_mm.to_string())],
            pixels: pixels.collect(),
            ..TestSlice::axial(z as i32)
        };
        // The order of names is not that of positions.
        slice.write(&folder.join(format!("image-{:03}", z * 7 % 311)));
    }
}

#[test]
fn phantoms_equal_the_libraries_of_sybil() {
    let expected = expected();
    let phantoms: Vec<_> = expected.iter().filter(|(_, one)| one.shape[0] > 0).collect();
    assert_eq!(phantoms.len(), 5);
    for (name, expected) in phantoms {
        let folder = tempfile::tempdir().unwrap();
        write_phantom(folder.path(), expected);
        let outcome = prepare_image(&image_of(folder.path()), &settings());
        let (prepared, picture) =
            outcome.result.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_equal(name, &prepared, expected);
        assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
        assert_eq!((outcome.row.crop_d, outcome.row.box_z0), (Some(200), None));
    }
}

#[test]
fn thick_slices_and_slices_without_thickness_are_excluded() {
    let reason = |thickness: Option<&str>| {
        let slices: Vec<TestSlice> = (0..50)
            .map(|number| TestSlice {
                acquired: thickness
                    .map(|mm| ("SliceThickness", mm.to_owned()))
                    .into_iter()
                    .collect(),
                pixels: vec![-1000; 24],
                ..TestSlice::axial(number)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write_series(folder.path(), &slices);
        prepare_image(&image_of(folder.path()), &settings()).row.reason
    };
    assert_eq!(reason(Some("5")), "");
    let text = "SliceThickness (0018,0050) is 5.5 mm, expected at most 5 mm for Sybil";
    assert_eq!(reason(Some("5.5")), text);
    assert!(reason(None).starts_with("SliceThickness (0018,0050) is absent"), "{}", reason(None));
}

/// A prepared volume of an unknown mode cannot become Sybil's input.
#[test]
fn a_prepared_volume_is_excluded() {
    let (scan, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let slices: Vec<TestSlice> = (0..50)
        .map(|number| TestSlice {
            acquired: vec![("SliceThickness", "2.5".to_owned())],
            pixels: vec![-1000; 24],
            ..TestSlice::axial(number)
        })
        .collect();
    write_series(scan.path(), &slices);
    let image = image_of(scan.path());
    let prepare = |image: &Image, cache: &std::path::Path| {
        let rows = lungs_study::prepare::prepare_all(&[image], &settings(), cache, &|_| (), 1);
        rows.unwrap().remove(0)
    };
    let row = prepare(&image, cache.path());
    assert_eq!(row.reason, "");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(cache.path().join(&row.cache_file), copy.path().join("scan.npz")).unwrap();
    let prepared = image_of(copy.path());
    let reason = prepare(&prepared, cache.path()).reason;
    assert!(reason.starts_with("prepared with other [preprocess] settings"), "{reason}");
    assert_eq!(settings().compat, Compat::Sybil);
}
