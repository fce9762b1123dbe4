//! Checkpoints that TensorFlow wrote (tests/vectors/checkpoints), compared with what TensorFlow reads
//! from them, intact and damaged.

use lungs_net::weights::{ReadError, tensorflow};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/checkpoints").join(name)
}

/// Compares every array of floats (shape and values) and the names of all other entries.
fn is_as_expected(path: &Path, folder: &Path) {
    let archive = tensorflow::read(path).unwrap();
    let text = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let expected = expected.as_object().unwrap();
    for (name, expected) in expected {
        let Some(shape) = expected.get("shape") else {
            assert!(archive.unused_entries.iter().any(|entry| entry.name == *name), "{name}");
            continue;
        };
        let array = archive.arrays.iter().find(|array| array.name == *name);
        let array = array.unwrap_or_else(|| panic!("{name} is not in {}", path.display()));
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        let shape: Vec<usize> = numbers(shape).iter().map(|side| *side as usize).collect();
        let values: Vec<f64> = array.values.iter().map(|value| f64::from(*value)).collect();
        assert_eq!((&array.shape, values), (&shape, numbers(&expected["values"])), "{name}");
    }
    assert_eq!(archive.arrays.len() + archive.unused_entries.len(), expected.len());
}

#[test]
fn every_kind_of_checkpoint_is_read_as_by_tensorflow() {
    for kind in ["v2", "v2-adam-shards"] {
        let folder = vectors(kind);
        // By the folder, the common name, the index, and a shard.
        is_as_expected(&folder, &folder);
        is_as_expected(&folder.join("model.ckpt-5"), &folder);
        is_as_expected(&folder.join("model.ckpt-5.index"), &folder);
        is_as_expected(&folder.join("model.ckpt-5.meta"), &folder);
    }
    for kind in ["v1", "v1-partitioned"] {
        is_as_expected(&vectors(kind).join("model.ckpt-5"), &vectors(kind));
    }
    let shards = vectors("v1-shards");
    is_as_expected(&shards.join("model.ckpt-5-00001-of-00003"), &shards);
}

#[test]
fn a_partitioned_variable_of_a_bundle_is_an_error() {
    let error = tensorflow::read(&vectors("v2-partitioned")).unwrap_err();
    assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("was saved in parts by a partitioned variable"), "{error}");
}

/// A copy of a test vector for damaging.
fn copy(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(vectors(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

#[test]
fn every_damaged_bit_and_every_truncation_is_detected() {
    for (name, file) in [
        ("v1", "model.ckpt-5"),
        ("v2", "model.ckpt-5.index"),
        ("v2-adam-shards", "model.ckpt-5.data-00000-of-00002"),
        ("v2-adam-shards", "model.ckpt-5.data-00001-of-00002"),
    ] {
        let copy = copy(name);
        let path = copy.path().join(file);
        let intact = fs::read(&path).unwrap();
        let expected = tensorflow::read(&path).unwrap();
        for index in 0..intact.len() {
            let mut damaged = intact.clone();
            damaged[index] ^= 1 << (index % 8);
            fs::write(&path, &damaged).unwrap();
            // A change in padding or in an unused array has no effect.
            match tensorflow::read(&path) {
                Ok(archive) => assert_eq!(archive, expected, "byte {index} of {file}"),
                Err(error) => assert!(error.to_string().contains("model.ckpt-5"), "{error}"),
            }
            fs::write(&path, &intact[..index]).unwrap();
            if let Ok(archive) = tensorflow::read(&path) {
                assert_eq!(archive, expected, "{file} cut to {index}");
            }
        }
    }
}

#[test]
fn shards_of_other_checkpoints_and_missing_shards_are_errors() {
    let copy = copy("v2-adam-shards");
    let shard = |number| copy.path().join(format!("model.ckpt-5.data-0000{number}-of-00002"));
    let (first, second) = (fs::read(shard(0)).unwrap(), fs::read(shard(1)).unwrap());
    fs::write(shard(0), &second).unwrap();
    fs::write(shard(1), &first).unwrap();
    let error = tensorflow::read(copy.path()).unwrap_err().to_string();
    assert!(error.contains("checksum") || error.contains("another checkpoint"), "{error}");
    fs::write(shard(1), &second).unwrap();
    fs::write(shard(0), &first[..4]).unwrap();
    let error = tensorflow::read(copy.path()).unwrap_err().to_string();
    assert!(error.contains("is this the shard of another checkpoint?"), "{error}");
    fs::remove_file(shard(0)).unwrap();
    let error = tensorflow::read(copy.path()).unwrap_err().to_string();
    assert!(error.contains("model.ckpt-5.data-00000-of-00002"), "{error}");
}

#[test]
fn a_folder_of_several_checkpoints_asks_which_one() {
    let copy = copy("v2");
    fs::remove_file(copy.path().join("checkpoint")).unwrap();
    assert!(tensorflow::is_one(copy.path()));
    assert!(tensorflow::read(copy.path()).is_ok());
    fs::write(copy.path().join("other.index"), "").unwrap();
    let error = tensorflow::read(copy.path()).unwrap_err().to_string();
    assert!(error.contains("several checkpoints"), "{error}");
}

#[test]
fn big_endian_numbers_are_an_error_with_advice() {
    let copy = copy("v2");
    let index = copy.path().join("model.ckpt-5.index");
    let mut bytes = fs::read(&index).unwrap();
    // The header has one shard and a version. Replace it by one shard, big-endian, no version.
    let header = [0x08, 1, 0x1a, 2, 0x08, 1];
    let start = bytes.windows(6).position(|window| window == header).unwrap();
    bytes[start..start + 6].copy_from_slice(&[0x08, 1, 0x10, 1, 0x1a, 0]);
    // Find the first block's end by its valid checksum, then write the new checksum.
    let intact = fs::read(&index).unwrap();
    let masked = |bytes: &[u8]| {
        crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let end = (1..intact.len() - 4).find(|&end| masked(&intact[..end]) == intact[end..end + 4]);
    let end = end.unwrap();
    assert!(end > start);
    let checksum = masked(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&checksum);
    fs::write(&index, bytes).unwrap();
    let error = tensorflow::read(copy.path()).unwrap_err();
    assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("its numbers are big-endian"), "{error}");
}
