//! The volume functions compared with the original program on two real series.
//!
//! Needs the reference values and the series in `LUNGS_SHARED` or `../shared`; without them the tests
//! print a note and pass.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use lungs_image::volume::{
    Geometry, Grid, Interpolation, Volume, crop_original, resample, segment_lungs,
    segment_lungs_original,
};
use lungs_testing::shared;
use ndarray::{Array1, Array3, ArrayView3, s};
use ndarray_npy::NpzReader;
use serde_json::Value;
use sha2::{Digest, Sha256};

const LIDC: (&str, &str) = ("lidc-idri-0003.tar.xz", "lidc-idri-0003-tf115");
const LUNGDX: (&str, &str) = ("lungdx-A0001-s2.tar.xz", "lungdx-A0001-s2-tf115");

/// Data of one series that the tests share; read once.
struct Reference {
    /// Hounsfield units as the original computes them.
    original: Volume,
    resampled: Volume,
    expected: Value,
    arrays: PathBuf,
}

fn reference((archive, name): (&str, &str)) -> Reference {
    let fixtures = shared("fixtures/original_preprocessing");
    let expected = File::open(fixtures.join(format!("{name}.json"))).unwrap();
    let original = read_series(&shared("ct").join(archive));
    let resampled = resample(&original, [1.5; 3], Interpolation::Cubic, Grid::AlignedEnds).unwrap();
    Reference {
        original,
        resampled,
        expected: serde_json::from_reader(expected).unwrap(),
        arrays: fixtures.join(format!("{name}.npz")),
    }
}

fn lidc() -> &'static Reference {
    static SERIES: OnceLock<Reference> = OnceLock::new();
    SERIES.get_or_init(|| reference(LIDC))
}

fn lungdx() -> &'static Reference {
    static SERIES: OnceLock<Reference> = OnceLock::new();
    SERIES.get_or_init(|| reference(LUNGDX))
}

fn both() -> impl Iterator<Item = &'static Reference> {
    [lidc(), lungdx()].into_iter()
}

/// A series with the original's Hounsfield units: int16, −2000 to 0, then slope and intercept.
fn read_series(archive: &Path) -> Volume {
    let unpacked = lzma_rust2::XzReader::new(File::open(archive).unwrap(), true);
    let mut slices: BTreeMap<i64, (Vec<i16>, InMemDicomObject)> = BTreeMap::new();
    for entry in tar::Archive::new(unpacked).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().extension().is_none_or(|extension| extension != "dcm") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let dicom = dicom_object::from_reader(&bytes[..]).unwrap().into_inner();
        let slope = number(&dicom, tags::RESCALE_SLOPE, 0);
        let intercept = number(&dicom, tags::RESCALE_INTERCEPT, 0) as i16;
        let pixels = dicom.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
        let hu = pixels
            .chunks_exact(2)
            .map(|pair| match i16::from_le_bytes([pair[0], pair[1]]) {
                -2000 => 0,
                raw => raw,
            })
            .map(|raw| ((slope * f64::from(raw)) as i16).wrapping_add(intercept))
            .collect();
        let z_mm = number(&dicom, tags::IMAGE_POSITION_PATIENT, 2);
        slices.insert((z_mm * 1000.0).round() as i64, (hu, dicom));
    }
    let (_, first) = slices.values().next().unwrap();
    let rows = number(first, tags::ROWS, 0) as usize;
    let columns = number(first, tags::COLUMNS, 0) as usize;
    let geometry = Geometry {
        spacing_mm: [
            number(first, tags::SLICE_THICKNESS, 0),
            number(first, tags::PIXEL_SPACING, 0),
            number(first, tags::PIXEL_SPACING, 1),
        ],
        origin_mm: [0, 1, 2].map(|i| number(first, tags::IMAGE_POSITION_PATIENT, i)),
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    let hu = slices.values().flat_map(|(hu, _)| hu.iter().copied()).collect();
    Volume { hu: Array3::from_shape_vec((slices.len(), rows, columns), hu).unwrap(), geometry }
}

fn number(dicom: &InMemDicomObject, tag: dicom_core::Tag, index: usize) -> f64 {
    dicom.element(tag).unwrap().to_multi_float64().unwrap()[index]
}

fn numbers<const N: usize>(value: &Value) -> [usize; N] {
    std::array::from_fn(|i| value[i].as_u64().unwrap() as usize)
}

fn array(reference: &Reference, name: &str) -> Array3<i16> {
    let mut npz = NpzReader::new(File::open(&reference.arrays).unwrap()).unwrap();
    npz.by_name(name).unwrap()
}

/// Largest difference away from the faces, and anywhere.
fn differences(found: ArrayView3<i16>, expected: ArrayView3<i16>, face: usize) -> [i32; 2] {
    assert_eq!(found.dim(), expected.dim());
    let largest = |found: ArrayView3<i16>, expected: ArrayView3<i16>| {
        let pairs = found.into_iter().zip(expected);
        pairs.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap()
    };
    let (d, h, w) = found.dim();
    let inner = s![face..d - face, face..h - face, face..w - face];
    [largest(found.slice(inner), expected.slice(inner)), largest(found, expected)]
}

#[test]
#[ignore = "needs shared/fixtures and shared/ct"]
fn the_test_reads_hounsfield_units_as_the_original_did() {
    for reference in both() {
        let mut hash = Sha256::new();
        for hu in &reference.original.hu {
            hash.update(hu.to_le_bytes());
        }
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, reference.expected["hu"]["sha256"].as_str().unwrap());
    }
}

#[test]
#[ignore = "needs shared/fixtures and shared/ct"]
fn resampling_equals_the_original_within_one_hounsfield_unit() {
    for reference in both() {
        let shape: [usize; 3] = reference.resampled.hu.dim().into();
        assert_eq!(shape, numbers(&reference.expected["resampled"]["shape"]));
        let every_fourth = reference.resampled.hu.slice(s![..;4, ..;4, ..;4]);
        let expected = array(reference, "resampled_sub4");
        let [inside, anywhere] = differences(every_fourth, expected.view(), 2);
        eprintln!("resampled: {inside} HU inside, {anywhere} HU anywhere");
        assert!(inside <= 1, "{inside} HU more than 8 voxels from the faces");
        assert!(anywhere <= 1, "{anywhere} HU at the faces");
    }
}

#[test]
#[ignore = "needs shared/fixtures and shared/ct"]
fn the_original_segmentation_is_the_original_to_the_voxel() {
    for reference in both() {
        let lungs = segment_lungs_original(&reference.resampled).unwrap();
        let expected = &reference.expected["mask"];
        let [z0, z1, y0, y1, x0, x1] = numbers(&expected["bbox_zyx_inclusive"]);
        assert_eq!(lungs.bounding_box, [[z0, z1], [y0, y1], [x0, x1]]);
        assert_eq!(lungs.centre_voxel, numbers(&expected["center"]));

        let mut npz = NpzReader::new(File::open(&reference.arrays).unwrap()).unwrap();
        let packed: Array1<u8> = npz.by_name("mask_packbits").unwrap();
        let bits = packed.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        let found = lungs.mask.to_array();
        let different = found.iter().zip(bits).filter(|(a, b)| **a != *b).count();
        eprintln!("mask: {different} of {} voxels differ", lungs.mask.count());
        // A few resampled voxels are rounded differently in f32, some of them at the threshold.
        assert!(different <= 4, "{different} voxels differ");
        let expected = expected["voxels"].as_u64().unwrap() as usize;
        assert!(lungs.mask.count().abs_diff(expected) <= 4);
    }
}

#[test]
#[ignore = "needs shared/fixtures and shared/ct"]
fn the_original_crop_equals_the_original() {
    for reference in both() {
        let lungs = segment_lungs_original(&reference.resampled).unwrap();
        let crop = crop_original(&reference.resampled, lungs.centre_voxel, [224; 3]);
        let expected = array(reference, "crop_sub4");
        let [_, anywhere] = differences(crop.hu.slice(s![..;4, ..;4, ..;4]), expected.view(), 2);
        assert!(anywhere <= 1, "{anywhere} HU");
        let mean = crop.hu.iter().map(|&hu| f64::from(hu)).sum::<f64>() / crop.hu.len() as f64;
        assert!((mean - reference.expected["crop"]["mean"].as_f64().unwrap()).abs() < 0.01);
    }
}

#[test]
#[ignore = "needs shared/fixtures and shared/ct"]
fn the_lungs_of_the_series_lie_where_the_original_is_right() {
    // The original's boxes reach up with the trachea, to the last slice, and once down with a
    // thread of one to four voxels. Counting the voxels in each slice of its masks, the lungs begin
    // and end at these slices of its grid.
    for (reference, heights) in [(lidc(), [10, 203]), (lungdx(), [4, 187])] {
        let volume =
            resample(&reference.original, [1.5; 3], Interpolation::Cubic, Grid::Physical).unwrap();
        let lungs = segment_lungs(&volume).unwrap();
        let mut expected = segment_lungs_original(&reference.resampled).unwrap().bounding_box;
        expected[0] = heights;
        for end in 0..2 {
            let corner = |of: [[usize; 2]; 3]| of.map(|range| range[end] as f64);
            let found_mm = volume.geometry.position_mm(corner(lungs.bounding_box));
            let expected_mm = reference.resampled.geometry.position_mm(corner(expected));
            for axis in 0..3 {
                let off_mm = (found_mm[axis] - expected_mm[axis]).abs();
                assert!(off_mm <= 3.01, "{:?} is not {expected:?}", lungs.bounding_box);
            }
        }
        assert!((2000.0..3500.0).contains(&lungs.left_ml), "{} ml", lungs.left_ml);
        assert!((2000.0..3500.0).contains(&lungs.right_ml), "{} ml", lungs.right_ml);
        assert!(lungs.flags.is_empty(), "neither scan is cut, and both show the trachea");
    }
}
