//! From files to volumes.

use dicom_dictionary_std::uids;

use super::{HuRule, SeriesFacts, SeriesRefusal, read_volume};
use crate::volume::Volume;
use lungs_testing::dicom::{TestSlice, write_series};

fn volume_of(slices: &[TestSlice]) -> Result<(Volume, SeriesFacts), SeriesRefusal> {
    let folder = tempfile::tempdir().unwrap();
    write_series(folder.path(), slices);
    let scan = crate::dicom::scan(folder.path()).unwrap();
    read_volume(&scan.series[0], HuRule::Standard)
}

#[test]
fn a_series_is_read_in_order_with_its_rescale_per_slice() {
    let mut slices: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
    slices[3].slope = 2.0;
    slices[3].intercept = -7.0;
    let (volume, facts) = volume_of(&slices).unwrap();
    assert_eq!(volume.hu.dim(), (5, 4, 6));
    assert_eq!(volume.hu[[0, 0, 0]], 0);
    assert_eq!(volume.hu[[2, 1, 4]], 210);
    assert_eq!(volume.hu[[3, 0, 1]], 2 * 301 - 7);
    assert_eq!((facts.hu_min, facts.hu_max), (0, 2 * 323 - 7));
}

#[test]
fn every_syntax_and_file_order_gives_the_same_volume() {
    let plain: Vec<TestSlice> = (0..4).map(TestSlice::axial).collect();
    let (expected, facts) = volume_of(&plain).unwrap();
    for syntax in [uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"] {
        let mut slices = plain.clone();
        slices.reverse();
        for slice in &mut slices {
            slice.transfer_syntax = syntax;
        }
        let (volume, other) = volume_of(&slices).unwrap();
        assert_eq!(volume, expected, "{syntax}");
        assert_ne!(other.content_hash, facts.content_hash);
    }
    let mut reversed = plain;
    reversed.reverse();
    assert_eq!(volume_of(&reversed).unwrap().1, facts);
}

#[test]
fn flipped_and_sagittal_stacks_become_the_same_axial_volume() {
    let axial: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
    let (expected, _) = volume_of(&axial).unwrap();
    // Rows and columns both run backwards: same normal, first pixel at the other corner.
    let mut turned = axial.clone();
    for slice in &mut turned {
        slice.orientation = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
        slice.position[0] += 5.0 * 0.8;
        slice.position[1] += 3.0 * 0.7;
        slice.pixels.reverse();
    }
    let (volume, facts) = volume_of(&turned).unwrap();
    assert_eq!(volume.hu, expected.hu);
    assert_eq!(volume.geometry.axes, expected.geometry.axes);
    assert_eq!(facts.flags, ["reoriented"]);
    for (a, b) in volume.geometry.origin_mm.iter().zip(expected.geometry.origin_mm) {
        assert!((a - b).abs() < 1e-9);
    }
    // The same voxels stored as sagittal images: columns run to the back, rows to the feet.
    let sagittal: Vec<TestSlice> = (0..6)
        .map(|x| {
            let mut slice = TestSlice::axial(x);
            (slice.rows, slice.columns) = (5, 4);
            slice.spacing = [2.5, 0.7];
            slice.orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
            slice.position = [-10.0 + 0.8 * f64::from(x), -20.0, -90.0];
            slice.pixels = (0..5)
                .rev()
                .flat_map(|z| (0..4).map(move |y| (z, y)))
                .map(|(z, y)| expected.hu[[z, y, x as usize]])
                .collect();
            slice
        })
        .collect();
    let (volume, _) = volume_of(&sagittal).unwrap();
    assert_eq!(volume.hu, expected.hu);
    for (a, b) in volume.geometry.spacing_mm.iter().zip(expected.geometry.spacing_mm) {
        assert!((a - b).abs() < 1e-9);
    }
    assert_eq!(volume.geometry.axes, expected.geometry.axes);
}

#[test]
fn a_coronal_stack_becomes_the_same_axial_volume() {
    let axial: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
    let (expected, _) = volume_of(&axial).unwrap();
    // Columns run to the left, rows to the feet, slices to the back.
    let coronal: Vec<TestSlice> = (0..4)
        .map(|y| {
            let mut slice = TestSlice::axial(y);
            (slice.rows, slice.columns) = (5, 6);
            slice.spacing = [2.5, 0.8];
            slice.orientation = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0];
            slice.position = [-10.0, -20.0 + 0.7 * f64::from(y), -90.0];
            slice.pixels = (0..5)
                .rev()
                .flat_map(|z| (0..6).map(move |x| (z, x)))
                .map(|(z, x)| expected.hu[[z, y as usize, x]])
                .collect();
            slice
        })
        .collect();
    let (volume, facts) = volume_of(&coronal).unwrap();
    assert_eq!(volume.hu, expected.hu);
    assert_eq!(facts.flags, ["reformatted-from-coronal"]);
    for (a, b) in volume.geometry.spacing_mm.iter().zip(expected.geometry.spacing_mm) {
        assert!((a - b).abs() < 1e-9);
    }
    assert_eq!(volume.geometry.axes, expected.geometry.axes);
}

#[test]
fn equal_duplicates_are_dropped_and_different_ones_refused() {
    let mut slices: Vec<TestSlice> = (0..5).map(TestSlice::axial).collect();
    slices.push(TestSlice::axial(2));
    let (volume, facts) = volume_of(&slices).unwrap();
    assert_eq!(volume.hu.dim().0, 5);
    assert_eq!(facts.flags, ["duplicates-dropped"]);
    slices[5].pixels[3] += 1;
    let refusal = volume_of(&slices).unwrap_err();
    assert_eq!(refusal.code(), "duplicate-slices");
    assert!(refusal.to_string().contains("both lie at -95.00 mm"), "{refusal}");
}

#[test]
fn a_slice_cut_short_anywhere_refuses_the_series() {
    for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN] {
        let folder = tempfile::tempdir().unwrap();
        let mut slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
        for slice in &mut slices {
            slice.transfer_syntax = syntax;
        }
        write_series(folder.path(), &slices);
        let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for kept in [1, 2, 30, 47, 48] {
            std::fs::write(&path, &whole[..whole.len() - kept]).unwrap();
            let scan = crate::dicom::scan(folder.path()).unwrap();
            let refusal = read_volume(&scan.series[0], HuRule::Standard).unwrap_err();
            assert_eq!(refusal.code(), "truncated", "{syntax} {kept}");
            let found = format!("has {} bytes, expected 48", 48 - kept);
            assert!(refusal.to_string().contains(&found), "{refusal}");
        }
        // Within the header: a problem or refusal of the file, not an error of the scan.
        for length in (0..whole.len() - 60).step_by(7) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let scan = crate::dicom::scan(folder.path()).unwrap();
            let refused =
                scan.series.iter().any(|series| read_volume(series, HuRule::Standard).is_err());
            // Without the first 132 bytes, the file is not recognisable as DICOM.
            let is_reported = refused || !scan.problems.is_empty() || scan.skipped == 1;
            assert!(is_reported, "{syntax} {length}");
        }
    }
}

#[test]
fn values_that_are_not_hounsfield_units_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
    write_series(folder.path(), &slices);
    let mut series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
    series.slices[1].values.rescale_type = "mL/100mL".to_owned();
    let refusal = read_volume(&series, HuRule::Standard).unwrap_err();
    assert_eq!(refusal.code(), "not-hounsfield");
    series.slices[1].values.rescale_type = "HU".to_owned();
    series.slices[1].values.slope = Err("absent".to_owned());
    let refusal = read_volume(&series, HuRule::Standard).unwrap_err();
    assert!(refusal.to_string().ends_with("RescaleSlope (0028,1053) is absent, expected a number"));
}

#[test]
fn spellings_of_hounsfield_are_accepted_and_other_words_depend_on_the_values() {
    let folder = tempfile::tempdir().unwrap();
    let read = |types: &str, lowest: i16| {
        let mut slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
        slices[0].pixels[0] = lowest;
        write_series(folder.path(), &slices);
        let mut series = crate::dicom::scan(folder.path()).unwrap().series.remove(0);
        series.slices.iter_mut().for_each(|slice| slice.values.rescale_type = types.to_owned());
        read_volume(&series, HuRule::Standard)
    };
    let hounsfield = ["HU", "hu", "Hounsfield", "HOUNSFIELD UNITS", "Houndsfield Unit", "HU_MOD"];
    for known in ["", "US"].into_iter().chain(hounsfield) {
        assert!(read(known, 0).is_ok(), "{known}");
    }
    for unknown in ["UNSPECIFIED", "normalized", "mL/100mL"] {
        assert!(read(unknown, -900).is_ok(), "{unknown}");
        let refusal = read(unknown, 0).unwrap_err();
        assert_eq!(refusal.code(), "not-hounsfield");
        let text = refusal.to_string();
        assert!(text.contains(unknown) && text.contains("values are 0 to 223"), "{text}");
    }
    for other in ["OD", "Z_EFF", "pct"] {
        assert_eq!(read(other, -900).unwrap_err().code(), "not-hounsfield", "{other}");
    }
}

#[test]
fn rescale_values_that_cannot_give_hounsfield_units_are_refused() {
    for (slope, intercept, message) in [
        (0.0, 0.0, "RescaleSlope (0028,1053) is 0, expected a number other than 0, at most 10000"),
        (1e300, 0.0, "expected a number other than 0, at most 10000"),
        (f64::NAN, 0.0, "RescaleSlope (0028,1053) is NaN, expected a number"),
        (1.0, f64::INFINITY, "RescaleIntercept (0028,1052) is inf, expected a number"),
        (1.0, -1e300, "expected a number, at most 10000000"),
    ] {
        let mut slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
        (slices[1].slope, slices[1].intercept) = (slope, intercept);
        let refusal = volume_of(&slices).unwrap_err();
        assert_eq!(refusal.code(), "bad-tag");
        assert!(refusal.to_string().ends_with(message), "{refusal}");
    }
}

#[test]
fn sizes_larger_than_the_file_are_refused_before_memory_is_allocated() {
    let mut slices: Vec<TestSlice> = (0..3).map(TestSlice::axial).collect();
    slices.iter_mut().for_each(|slice| (slice.rows, slice.columns) = (4096, 4096));
    let refusal = volume_of(&slices).unwrap_err();
    assert!(refusal.to_string().contains("has 48 bytes, expected 33554432"), "{refusal}");
    slices.iter_mut().for_each(|slice| slice.rows = 65_535);
    let refusal = volume_of(&slices).unwrap_err();
    assert!(refusal.to_string().ends_with("is 65535, expected 1 to 4096 pixels"), "{refusal}");
}
