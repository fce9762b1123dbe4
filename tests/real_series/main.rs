//! Real CT series in `dicom` and `prepare`, compared with values of the original program and its
//! libraries. Runs if the data is in `LUNGS_SHARED` or `../shared`.

mod encoder;
mod lung_masks;
#[allow(dead_code, reason = "real series do not use the description of phantoms")]
#[path = "../sybil_input/expected.rs"]
mod sybil_expected;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lungs_image::dicom::{HuRule, Scan, Series, SeriesRefusal, read_slice, read_volume, scan};
use lungs_image::images::{self, Image};
use lungs_image::volume::{Grid, Interpolation, Volume, resample};
use lungs_spec::spec::Compat;
use lungs_study::prepare::{Row, Settings, Status, load_prepared, prepare_all, prepare_image};
use lungs_testing::shared;
use ndarray::{Array3, s};
use ndarray_npy::NpzReader;
use sha2::{Digest, Sha256};

/// Unpacks an archive of `ct/` once, into the target folder.
fn unpacked(archive: &str) -> PathBuf {
    static UNPACK_LOCK: Mutex<()> = Mutex::new(());
    let source = shared("ct").join(archive);
    let name = Path::new(archive).file_name().unwrap().to_str().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.trim_end_matches(".tar.xz"));
    let _guard = UNPACK_LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !target.exists() {
        let unpacked_folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = File::open(source).unwrap();
        let unxz = lzma_rust2::XzReader::new(std::io::BufReader::new(file), true);
        tar::Archive::new(unxz).unpack(unpacked_folder.path()).unwrap();
        std::fs::rename(unpacked_folder.keep(), &target).unwrap();
    }
    target
}

fn only_series(folder: &Path) -> Series {
    let mut found = scan(folder).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.series.len(), 1);
    found.series.remove(0)
}

fn only_image(folder: &Path) -> Image {
    let mut found = images::scan(folder).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.images.len(), 1);
    found.images.remove(0)
}

/// Archive and reference values of the two whole series.
const WHOLE_SERIES: [(&str, &str); 2] = [
    ("lidc-idri-0003.tar.xz", "lidc-idri-0003-tf115"),
    ("lungdx-A0001-s2.tar.xz", "lungdx-A0001-s2-tf115"),
];

fn reference(name: &str) -> serde_json::Value {
    let path = shared(&format!("fixtures/original_preprocessing/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
#[ignore = "needs shared/ct"]
fn the_originals_hounsfield_volumes_are_reproduced_to_the_bit() {
    for (archive, name) in WHOLE_SERIES {
        let folder = unpacked(archive);
        let expected = reference(name);
        let (volume, facts) = read_volume(&only_series(&folder), HuRule::Lungs015).unwrap();
        let hu = &expected["hu"];
        let (d, h, w) = volume.hu.dim();
        assert_eq!(serde_json::json!([d, h, w]), hu["shape"]);
        assert_eq!(serde_json::json!(facts.hu_min), hu["min"]);
        assert_eq!(serde_json::json!(facts.hu_max), hu["max"]);
        let sum: i64 = volume.hu.iter().map(|&value| i64::from(value)).sum();
        assert_eq!(serde_json::json!(sum), hu["sum"]);
        let bytes: Vec<u8> = volume.hu.iter().flat_map(|value| value.to_le_bytes()).collect();
        let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(serde_json::json!(digest), hu["sha256"]);
        assert_eq!(serde_json::json!(volume.geometry.spacing_mm[0]), expected["z_gap_median"]);
        assert_eq!(serde_json::json!(volume.geometry.origin_mm[2]), expected["z_first"]);
    }
}

#[test]
#[ignore = "needs shared/ct"]
fn the_standard_rule_floors_at_air_and_keeps_tissue() {
    let folder = unpacked(WHOLE_SERIES[0].0);
    let series = only_series(&folder);
    let (original, _) = read_volume(&series, HuRule::Lungs015).unwrap();
    let (volume, facts) = read_volume(&series, HuRule::Standard).unwrap();
    assert_eq!((facts.hu_min, facts.hu_max), (-1024, 5892));
    for (&ours, &theirs) in volume.hu.iter().zip(&original.hu) {
        // Padding is stored as −2000, which the original takes for water.
        assert!(ours == theirs.max(-1024) || (ours == -1024 && theirs == 0));
    }
}

fn reference_array(name: &str, array: &str) -> Array3<i16> {
    let path = shared(&format!("fixtures/original_preprocessing/{name}.npz"));
    NpzReader::new(File::open(path).unwrap()).unwrap().by_name(array).unwrap()
}

/// Compares every fourth voxel with the reference where it is more than 8 voxels from every face.
fn assert_interior_within_1_hu(name: &str, what: &str, ours: &Volume, theirs: &Array3<i16>) {
    let sub = ours.hu.slice(s![..;4, ..;4, ..;4]);
    assert_eq!(sub.dim(), theirs.dim(), "{name} {what}");
    let dim: [usize; 3] = ours.hu.dim().into();
    let (mut worst, mut compared) = (0, 0);
    for ((index, &a), &b) in sub.indexed_iter().zip(theirs) {
        let index = <[usize; 3]>::from(index);
        if (0..3).all(|axis| (9..dim[axis] - 9).contains(&(4 * index[axis]))) {
            worst = worst.max((i32::from(a) - i32::from(b)).abs());
            compared += 1;
        }
    }
    assert!(compared > 10_000 && worst <= 1, "{name} {what}: {worst} HU over {compared} voxels");
}

#[test]
#[ignore = "needs shared/ct"]
fn compat_reproduces_the_originals_resampling_box_and_crop() {
    for (archive, name) in WHOLE_SERIES {
        let folder = unpacked(archive);
        let series = only_series(&folder);
        let expected = reference(name);
        let (volume, _) = read_volume(&series, HuRule::Lungs015).unwrap();
        let resampled =
            resample(&volume, [1.5; 3], Interpolation::Cubic, Grid::AlignedEnds).unwrap();
        let theirs = reference_array(name, "resampled_sub4");
        assert_interior_within_1_hu(name, "resampled", &resampled, &theirs);

        let settings = Settings { compat: Compat::Lungs015, ..Settings::default() };
        let cache = tempfile::tempdir().unwrap();
        let image = only_image(&folder);
        let row = prepare_all(&[&image], &settings, cache.path(), &|_| (), 0).unwrap().remove(0);
        assert_eq!(row.reason, "");
        let ours = [row.box_z0, row.box_z1, row.box_y0, row.box_y1, row.box_x0, row.box_x1];
        assert_eq!(serde_json::json!(ours), expected["mask"]["bbox_zyx_inclusive"], "{name}");
        let centre = [row.centre_z, row.centre_y, row.centre_x];
        assert_eq!(serde_json::json!(centre), expected["mask"]["center"], "{name}");
        let crop = load_prepared(&cache.path().join(&row.cache_file)).unwrap();
        let theirs = reference_array(name, "crop_sub4");
        assert_interior_within_1_hu(name, "crop", &crop.volume, &theirs);
    }
}

#[test]
#[ignore = "needs shared/ct"]
fn the_input_of_sybil_equals_its_libraries() {
    let expected = sybil_expected::expected();
    for name in ["lidc-idri-0001", "lidc-idri-0003", "lungdx-A0001-s2", "qin-lsc-0064"] {
        let image = only_image(&unpacked(&format!("{name}.tar.xz")));
        let outcome = prepare_image(&image, &sybil_expected::settings());
        let (prepared, picture) =
            outcome.result.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        sybil_expected::assert_equal(name, &prepared, &expected[name]);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sybil-{name}.png"));
        std::fs::write(&path, picture.to_png()).unwrap();
        eprintln!("look at {}", path.display());
    }
}

#[test]
#[ignore = "needs shared/ct"]
fn default_preparation_finds_the_lungs_of_the_real_series() {
    // z0, z1, y0, y1, x0, x1 in 1.5 mm voxels, by visual inspection of the previews: from the tips of
    // the lungs to the lowest recess behind the diaphragm, without trachea.
    let judged = [[11, 202, 89, 221, 28, 239], [6, 186, 88, 230, 48, 234]];
    for ((archive, name), judged) in WHOLE_SERIES.into_iter().zip(judged) {
        let folder = unpacked(archive);
        let image = only_image(&folder);
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prepared-{name}"));
        std::fs::remove_dir_all(&cache).ok();
        let prepare = || -> Row {
            let settings = Settings::default();
            prepare_all(&[&image], &settings, &cache, &|_| (), 0).unwrap().remove(0)
        };
        let row = prepare();
        assert_eq!((row.status, row.reason.as_str()), (Status::Prepared, ""));
        let found = [row.box_z0, row.box_z1, row.box_y0, row.box_y1, row.box_x0, row.box_x1];
        for (found, judged) in found.iter().zip(judged) {
            assert!(found.unwrap().abs_diff(judged) <= 4, "{name}: {found:?}, {judged}");
        }
        for ml in [row.lung_left_ml, row.lung_right_ml] {
            assert!((1500.0..4000.0).contains(&ml.unwrap()), "{name}: {ml:?}");
        }
        let crop = load_prepared(&cache.join(&row.cache_file)).unwrap();
        assert_eq!(crop.volume.hu.dim(), (224, 224, 224));
        assert_eq!(prepare().cache_file, row.cache_file);
        eprintln!("look at {}", cache.join(&row.cache_file).with_extension("png").display());
    }
}

/// The pixels or the refusal of each slice of a folder's files, with file name and frame.
fn each_slice(found: &Scan) -> Vec<(String, u32, Result<Vec<i16>, SeriesRefusal>)> {
    let slices = found.series.iter().flat_map(|series| &series.slices);
    let read = slices.map(|slice| {
        let name = slice.path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, slice.frame, read_slice(slice, HuRule::Standard))
    });
    read.collect()
}

fn most_and_mean_difference(a: &[i16], b: &[i16]) -> (i32, f64) {
    assert_eq!(a.len(), b.len());
    let off = a.iter().zip(b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs());
    (off.clone().max().unwrap(), f64::from(off.sum::<i32>()) / a.len() as f64)
}

#[test]
#[ignore = "needs shared/ct"]
fn every_transfer_syntax_decodes_to_the_same_pixels_or_is_named() {
    let folder = unpacked("edge/ts-matrix-ctimage.tar.xz");
    let found = scan(&folder).unwrap();
    assert_eq!(found.problems, []);
    let results = each_slice(&found);
    assert_eq!(results.len(), 16); // 15 syntaxes and the file they were made from
    let of = |uid: &str| {
        let ending = format!("_1.2.840.10008.{uid}.dcm");
        let mut results = results.iter();
        results.find(|(name, ..)| name.ends_with(&ending)).map(|(.., read)| read).unwrap()
    };
    let plain = of("1.2").as_ref().unwrap();
    assert!(plain.iter().any(|&value| value > 0) && plain.iter().any(|&value| value < -900));
    // Explicit, big endian, deflated, JPEG lossless (two predictors), JPEG-LS, JPEG 2000, RLE.
    for uid in
        ["1.2.1", "1.2.2", "1.2.1.99", "1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90", "1.2.5"]
    {
        let read = of(uid).as_ref().unwrap_or_else(|refusal| panic!("{uid}: {refusal}"));
        assert_eq!(most_and_mean_difference(read, plain), (0, 0.0), "{uid}");
    }
    // Lossy: the largest difference and the mean one, in HU. The JPEG files store other values
    // (8 bits with a slope of 32 HU, 12 bits with a slope of 2).
    for (uid, most, mean) in
        [("1.2.4.81", 1, 1.0), ("1.2.4.91", 5, 2.0), ("1.2.4.51", 36, 4.0), ("1.2.4.50", 64, 14.0)]
    {
        let read = of(uid).as_ref().unwrap_or_else(|refusal| panic!("{uid}: {refusal}"));
        let found = most_and_mean_difference(read, plain);
        eprintln!("{uid}: {found:?}");
        assert!(found.0 <= most && found.1 <= mean, "{uid}: {found:?}");
    }
    for (uid, name) in
        [("1.2.4.53", "JPEG Spectral Selection"), ("1.2.4.55", "JPEG Full Progression")]
    {
        let refusal = of(uid).as_ref().unwrap_err();
        assert_eq!(refusal.code(), "unsupported-transfer-syntax", "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains(name) && text.contains(uid), "{refusal}");
    }
}

#[test]
#[ignore = "needs shared/ct"]
fn fragments_and_offset_tables_do_not_matter() {
    let folder = unpacked("edge/encapsulation-fragments.tar.xz");
    let found = scan(&folder).unwrap();
    let results = each_slice(&found);
    assert_eq!(results.len(), 5);
    for (name, _, read) in &results {
        let read = read.as_ref().unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert!(read == results[0].2.as_ref().unwrap(), "{name}");
    }
}

#[test]
#[ignore = "needs shared/ct"]
fn enhanced_ct_decodes_in_every_encapsulation_and_a_perfusion_map_is_refused() {
    let folder = unpacked("edge/enhanced-ct.tar.xz");
    let found = scan(&folder).unwrap();
    assert_eq!(found.problems, []);
    let results = each_slice(&found);
    assert_eq!(results.len(), 22); // 11 files of 2 frames
    let plain: Vec<&Vec<i16>> = results
        .iter()
        .filter(|(name, ..)| name.contains("explicit_little_endian"))
        .map(|(.., read)| read.as_ref().unwrap())
        .collect();
    assert!(plain[0] != plain[1]);
    for (name, frame, read) in &results {
        let read = read.as_ref().unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        // The writer of the 12-bit JPEG moved all values by 1023 and left the intercept.
        let moved = if name.ends_with(".51.dcm") { -1023 } else { 0 };
        let read: Vec<i16> = read.iter().map(|value| value + moved).collect();
        let found = most_and_mean_difference(&read, plain[*frame as usize]);
        let most = match name.rsplit('.').nth(1) {
            Some("51") => 14,
            Some("81") => 10,
            _ => 0,
        };
        assert!(found.0 <= most, "{name} {frame}: {found:?}");
    }
    assert_eq!(found.series.len(), 1);
    let refusal = read_volume(&found.series[0], HuRule::Standard).unwrap_err();
    assert_eq!(refusal.code(), "not-hounsfield", "{refusal}");
    assert!(refusal.to_string().contains("\"ml/100ml/s\", expected \"[hnsf'U]\""), "{refusal}");
}

#[test]
#[ignore = "needs shared/ct"]
fn a_legacy_converted_file_equals_the_single_frames_it_came_from() {
    let folder = unpacked("edge/legacy-converted-enhanced-ct.tar.xz");
    let found = scan(&folder).unwrap();
    assert_eq!(found.problems, []);
    let of = |frames: u32| {
        let mut all = found.series.iter();
        let series =
            all.find(|one| one.origin().modality == "CT" && one.slices[0].frames == frames);
        read_volume(series.unwrap(), HuRule::Standard).unwrap()
    };
    let ((single, a), (multiple, b)) = (of(1), of(3));
    assert_eq!(single.hu, multiple.hu);
    for axis in 0..3 {
        let (a, b) = (&single.geometry, &multiple.geometry);
        assert!((a.spacing_mm[axis] - b.spacing_mm[axis]).abs() < 1e-6);
        assert!((a.origin_mm[axis] - b.origin_mm[axis]).abs() < 1e-3);
    }
    assert_eq!((a.slices, b.slices), (3, 3));
    let others: Vec<_> = found
        .series
        .iter()
        .filter_map(|series| read_volume(series, HuRule::Standard).err())
        .map(|refusal| refusal.to_string())
        .collect();
    assert_eq!(others, ["Modality (0008,0060) is \"SEG\", expected \"CT\""]);
    assert!(found.skipped >= 2, "pictures are skipped");
}

#[test]
#[ignore = "needs shared/ct"]
fn odd_series_are_refused_with_their_reason() {
    let refused = |archive: &str| -> Vec<String> {
        let found = scan(&unpacked(archive)).unwrap();
        found
            .series
            .iter()
            .map(|series| match read_volume(series, HuRule::Standard) {
                Ok(_) => "read".to_owned(),
                Err(refusal) => format!("{}: {refusal}", refusal.code()),
            })
            .chain(found.problems.iter().map(|problem| problem.reason.clone()))
            .collect()
    };
    let tilted = refused("edge/gantry-tilt-ge-variable-spacing.tar.xz");
    let [tilted] = tilted.as_slice() else { panic!("{tilted:#?}") };
    assert!(tilted.starts_with("uneven-spacing: uneven slice spacing: the gap after"), "{tilted}");
    assert!(tilted.ends_with("; the gantry is tilted by 18.5 degrees"), "{tilted}");
    let codes = |archive: &str| -> Vec<String> {
        let reasons = refused(archive);
        reasons.iter().map(|text| text.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(codes("edge/encapsulation-fragments.tar.xz"), ["too-few-slices"]);
}

#[test]
#[ignore = "needs shared/ct"]
fn compressed_files_cut_short_are_refused_and_never_filled_in() {
    let folder = unpacked("edge/ts-matrix-ctimage.tar.xz");
    let whole = scan(&folder).unwrap();
    let results = each_slice(&whole);
    let plain = results.iter().find(|(name, ..)| name.ends_with("1.2.840.10008.1.2.dcm")).unwrap();
    let plain = plain.2.as_ref().unwrap();
    for uid in ["1.2.1.99", "1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90", "1.2.5"] {
        let ending = format!("_1.2.840.10008.{uid}.dcm");
        let slices = whole.series.iter().flat_map(|series| &series.slices);
        let path =
            slices.map(|slice| &slice.path).find(|path| path.to_str().unwrap().ends_with(&ending));
        let bytes = std::fs::read(path.unwrap()).unwrap();
        let cut = tempfile::tempdir().unwrap();
        for kept in [0.1, 0.4, 0.8, 0.95, 0.99].map(|part| (part * bytes.len() as f64) as usize) {
            std::fs::write(cut.path().join("cut.dcm"), &bytes[..kept]).unwrap();
            let found = scan(cut.path()).unwrap();
            let read = each_slice(&found);
            assert_eq!(found.problems.len() + read.len(), 1, "{uid} {kept}");
            for (.., read) in read {
                match read {
                    Ok(pixels) => assert!(pixels == *plain, "{uid}: filled in after byte {kept}"),
                    Err(refusal) => assert!(refusal.to_string().contains("cut.dcm"), "{refusal}"),
                }
            }
        }
    }
}
