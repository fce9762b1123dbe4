//! Volumes in formats other than DICOM, with the same commands.

use super::support::{Workspace, cohort};
use lungs_image::dicom::{HuRule, StackRules};
use lungs_image::images::{read_volume, scan};
use lungs_image::volume::Volume;
use lungs_study::prepare::load_prepared;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const SETTINGS: [&str; 6] = [
    "--set",
    "preprocess.spacing_mm=6",
    "--set",
    "preprocess.size=[40,48,56]",
    "--set",
    "data.select.min_slices=40",
];

/// The axial series of the cohort's first exam: its UID and its volume.
fn an_exam() -> (String, Volume) {
    let found = scan(&cohort().join("P0001/P0001-1/2-axial")).unwrap();
    let (volume, _) =
        read_volume(&found.images[0], HuRule::Standard, StackRules::default()).unwrap();
    (found.images[0].series_uid.clone(), volume)
}

fn values(volume: &Volume) -> Vec<u8> {
    volume.hu.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A NIfTI-2 file as most programs write it: rows to the right, columns to the front (RAS).
pub(crate) fn nifti(volume: &Volume) -> Vec<u8> {
    let mut turned = volume.hu.clone();
    turned.invert_axis(ndarray::Axis(1));
    turned.invert_axis(ndarray::Axis(2));
    let (d, h, w) = turned.dim();
    let [z, y, x] = volume.geometry.spacing_mm;
    let corner = volume.geometry.position_mm([0.0, (h - 1) as f64, (w - 1) as f64]);
    let mut bytes = vec![0; 544];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &540_i32.to_le_bytes());
    put(4, b"n+2\0\r\n\x1a\n");
    put(12, &4_i16.to_le_bytes());
    put(14, &16_i16.to_le_bytes());
    for (index, length) in [3, w, h, d, 1, 1, 1, 1].into_iter().enumerate() {
        put(16 + 8 * index, &(length as i64).to_le_bytes());
    }
    put(168, &544_i64.to_le_bytes());
    put(348, &1_i32.to_le_bytes());
    let rows = [[x, 0.0, 0.0, -corner[0]], [0.0, y, 0.0, -corner[1]], [0.0, 0.0, z, corner[2]]];
    for (index, value) in rows.as_flattened().iter().enumerate() {
        put(400 + 8 * index, &value.to_le_bytes());
    }
    bytes.extend(turned.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// A MetaImage as LUNA16 has it.
pub(crate) fn write_metaimage(folder: &Path, name: &str, volume: &Volume) {
    let (d, h, w) = volume.hu.dim();
    let [z, y, x] = volume.geometry.spacing_mm;
    let [a, b, c] = volume.geometry.origin_mm;
    let text = format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = {a} {b} {c}\n\
         CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = {x} {y} {z}\n\
         DimSize = {w} {h} {d}\nElementType = MET_SHORT\nElementDataFile = {name}.raw\n"
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{name}.mhd")), text).unwrap();
    fs::write(folder.join(format!("{name}.raw")), values(volume)).unwrap();
}

/// Prepares a folder or file and returns its rows and the one crop.
fn prepared(workspace: &Workspace, input: &str, out: &str) -> (BTreeMap<String, String>, Volume) {
    let done = workspace.lungs(&[&["prepare", input, "--out", out], &SETTINGS[..]].concat());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let mut table = csv::Reader::from_path(workspace.path(out).join("preparation.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(Result::unwrap).collect();
    let row = rows.into_iter().find(|row| row["status"] == "prepared").unwrap();
    let crop = load_prepared(&workspace.path(out).join(&row["cache_file"])).unwrap();
    (row, crop.volume)
}

fn assert_same(found: &Volume, expected: &Volume) {
    assert_eq!(found.hu.dim(), expected.hu.dim());
    let difference = |(a, b): (&i16, &i16)| a.abs_diff(*b);
    let worst = found.hu.iter().zip(&expected.hu).map(difference).max();
    // Distances are decimal texts in one and binary numbers in the other.
    assert!(worst <= Some(1), "{worst:?}");
    for (a, b) in found.geometry.origin_mm.iter().zip(expected.geometry.origin_mm) {
        assert!((a - b).abs() < 1e-4);
    }
}

#[test]
fn nifti_and_metaimage_folders_and_files_prepare_as_the_dicom_series_does() {
    let workspace = Workspace::new();
    let (uid, volume) = an_exam();
    let (_, expected) = prepared(&workspace, "ct/P0001/P0001-1", "from-dicom");
    fs::create_dir(workspace.path("nifti")).unwrap();
    fs::write(workspace.path(&format!("nifti/{uid}.nii")), nifti(&volume)).unwrap();
    write_metaimage(&workspace.path("meta/subset0"), &uid, &volume);
    let file = format!("meta/subset0/{uid}.mhd");
    for (input, out) in [("nifti", "a"), ("meta", "b"), (file.as_str(), "c")] {
        let (row, crop) = prepared(&workspace, input, out);
        assert_eq!(row["series_uid"], uid, "{input}");
        assert_same(&crop, &expected);
    }
    // A prepared volume is not resampled again and is unchanged.
    let (row, again) = prepared(&workspace, "from-dicom", "d");
    assert!(row["flags"].ends_with("prepared-before"), "{}", row["flags"]);
    assert_eq!(again.hu, expected.hu);
    // A volume that is not CT is an error.
    let mask = Volume { hu: volume.hu.mapv(|hu| i16::from(hu > 0)), ..volume };
    fs::create_dir(workspace.path("mask")).unwrap();
    fs::write(workspace.path("mask/m.nii"), nifti(&mask)).unwrap();
    let done = workspace.lungs(&[&["prepare", "mask", "--out", "e"], &SETTINGS[..]].concat());
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("not-hounsfield: mask/m.nii: values run from 0 to 1"));
}

#[test]
fn a_study_of_volume_files_takes_patients_and_exams_from_its_labels() {
    let workspace = Workspace::new();
    let (_, volume) = an_exam();
    let mut text = String::from("path,patient_id,exam_id,label\n");
    for patient in 0..6 {
        write_metaimage(&workspace.path("luna"), &format!("1.2.{patient}"), &volume);
        if patient < 5 {
            text += &format!("luna/1.2.{patient}.mhd,P{patient},E{patient},{}\n", patient % 2);
        }
    }
    workspace.write("labels.csv", &text);
    let luna = ["--set", "data.root=luna", "--set", "data.labels=labels.csv"];
    let done = workspace.lungs(&[&["check", "small.toml", "--json"], &luna[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(plan["cohort"]["chosen"], 5);
    assert_eq!(plan["cohort"]["excluded"][0]["count"], 1);
    let reason = plan["cohort"]["excluded"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("no-label"), "{reason}");
    let mut arguments = vec!["prepare", "small.toml"];
    arguments.extend(luna);
    let done = workspace.lungs(&arguments);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let table = fs::read_to_string(workspace.path("prepared/preparation.csv")).unwrap();
    assert!(table.contains("P4,E4,1.2.4,prepared"), "{table}");
    assert!(workspace.path("prepared/index").is_file());
}
