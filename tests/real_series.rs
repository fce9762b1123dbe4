//! Real CT series through `dicom` and `prepare`, against values computed by the original program
//! and its libraries. Runs when the material is at `LUNGS_SHARED` or `../shared`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lungs::dicom::{HuRule, Scan, Series, SeriesRefusal, read_volume, scan};
use sha2::{Digest, Sha256};

/// The folder of fixtures and real series, when this machine has it.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("LUNGS_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if folder.join("ct").is_dir() && folder.join("fixtures").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no fixtures");
    None
}

/// Unpacks an archive of `ct/` once, beside the build.
fn unpacked(archive: &str) -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let source = shared()?.join("ct").join(archive);
    let name = Path::new(archive).file_name().unwrap().to_str().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.trim_end_matches(".tar.xz"));
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !target.exists() {
        let whole = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = File::open(source).unwrap();
        let unxz = lzma_rust2::XzReader::new(std::io::BufReader::new(file), true);
        tar::Archive::new(unxz).unpack(whole.path()).unwrap();
        std::fs::rename(whole.keep(), &target).unwrap();
    }
    Some(target)
}

fn only_series(folder: &Path) -> Series {
    let mut found = scan(folder).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.series.len(), 1);
    found.series.remove(0)
}

/// Archive and reference values of the two whole series.
const WHOLE_SERIES: [(&str, &str); 2] = [
    ("lidc-idri-0003.tar.xz", "lidc-idri-0003-tf115"),
    ("lungdx-A0001-s2.tar.xz", "lungdx-A0001-s2-tf115"),
];

fn reference(name: &str) -> serde_json::Value {
    let path = shared().unwrap().join(format!("fixtures/original_preprocessing/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_originals_hounsfield_volumes_are_reproduced_to_the_bit() {
    for (archive, name) in WHOLE_SERIES {
        let Some(folder) = unpacked(archive) else { return };
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
fn the_standard_rule_floors_at_air_and_keeps_tissue() {
    let Some(folder) = unpacked(WHOLE_SERIES[0].0) else { return };
    let series = only_series(&folder);
    let (original, _) = read_volume(&series, HuRule::Lungs015).unwrap();
    let (volume, facts) = read_volume(&series, HuRule::Standard).unwrap();
    assert_eq!((facts.hu_min, facts.hu_max), (-1024, 5892));
    for (&ours, &theirs) in volume.hu.iter().zip(&original.hu) {
        // Padding is stored as −2000, which the original takes for water.
        assert!(ours == theirs.max(-1024) || (ours == -1024 && theirs == 0));
    }
}

/// What each file of a folder becomes when read as a series of its own (slice and a copy 1 mm on).
fn each_file(found: &Scan) -> Vec<(String, Result<Vec<i16>, SeriesRefusal>)> {
    let mut results = Vec::new();
    for series in &found.series {
        for slice in &series.slices {
            let mut pair = series.clone();
            let mut second = slice.clone();
            second.position_mm = slice.position_mm.clone().map(|mut position| {
                position.iter_mut().for_each(|value| *value += 1.0);
                position
            });
            pair.slices = vec![slice.clone(), second];
            // One image says nothing of tilt: move the copy along its normal.
            if let (Ok(at), Ok([r0, r1, r2, c0, c1, c2])) =
                (slice.position_mm.clone(), slice.orientation.clone())
            {
                let normal = [r1 * c2 - r2 * c1, r2 * c0 - r0 * c2, r0 * c1 - r1 * c0];
                pair.slices[1].position_mm = Ok(std::array::from_fn(|xyz| at[xyz] + normal[xyz]));
            }
            let name = slice.path.file_name().unwrap().to_str().unwrap().to_owned();
            let read = read_volume(&pair, HuRule::Standard).map(|(volume, _)| {
                let pixels = slice.rows.clone().unwrap() * slice.columns.clone().unwrap();
                volume.hu.iter().copied().take(pixels as usize).collect()
            });
            results.push((name, read));
        }
    }
    results
}

#[test]
fn every_transfer_syntax_decodes_to_the_same_pixels_or_is_named() {
    let Some(folder) = unpacked("edge/ts-matrix-ctimage.tar.xz") else { return };
    let found = scan(&folder).unwrap();
    assert_eq!(found.problems, []);
    let results = each_file(&found);
    assert_eq!(results.len(), 16); // 15 syntaxes and the file they were made from
    let of = |uid: &str| {
        let ending = format!("_{uid}.dcm");
        results.iter().find(|(name, _)| name.ends_with(&ending)).map(|(_, read)| read).unwrap()
    };
    let plain = of("1.2.840.10008.1.2").as_ref().unwrap();
    assert!(plain.iter().any(|&value| value > 0) && plain.iter().any(|&value| value < -900));
    // Explicit, big endian, deflated, JPEG lossless (two predictors), JPEG 2000, RLE.
    for uid in ["1.2.1", "1.2.2", "1.2.1.99", "1.2.4.57", "1.2.4.70", "1.2.4.90", "1.2.5"] {
        let read = of(&format!("1.2.840.10008.{uid}"));
        assert!(read.as_ref().unwrap_or_else(|refusal| panic!("{refusal}")) == plain, "{uid}");
    }
    let lossy = of("1.2.840.10008.1.2.4.91").as_ref().unwrap();
    assert!(lossy.iter().zip(plain).all(|(a, b)| (a - b).abs() <= 5));
    for (name, read) in &results {
        if let Err(refusal) = read {
            let uid = name.rsplit('_').next().unwrap().trim_end_matches(".dcm");
            assert!(refusal.to_string().contains(name), "{refusal}");
            eprintln!("{uid}: {} {refusal}", refusal.code());
        }
    }
}

#[test]
fn odd_series_are_refused_with_their_reason() {
    let refused = |archive: &str| -> Option<Vec<String>> {
        let found = scan(&unpacked(archive)?).unwrap();
        Some(
            found
                .series
                .iter()
                .map(|series| match read_volume(series, HuRule::Standard) {
                    Ok(_) => "read".to_owned(),
                    Err(refusal) => format!("{}: {refusal}", refusal.code()),
                })
                .chain(found.problems.iter().map(|problem| problem.reason.clone()))
                .collect(),
        )
    };
    let Some(tilted) = refused("edge/gantry-tilt-ge-variable-spacing.tar.xz") else { return };
    assert_eq!(
        tilted,
        ["gantry-tilt: gantry tilt of 18.5 degrees, expected at most 0.5"],
        "{tilted:#?}"
    );
    for archive in [
        "edge/enhanced-ct.tar.xz",
        "edge/legacy-converted-enhanced-ct.tar.xz",
        "edge/encapsulation-fragments.tar.xz",
    ] {
        let results = refused(archive).unwrap();
        eprintln!("{archive}: {results:#?}");
        assert!(!results.is_empty());
    }
}
