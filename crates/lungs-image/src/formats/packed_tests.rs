//! Compressed containers: read to their end or refused.

use super::testing::{TestVolume, gzip, npy, write_npz, zlib};
use super::*;
use crate::volume::Volume;
use proptest::prelude::*;

fn read(name: &str, bytes: &[u8]) -> Result<Volume, FormatRefusal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    // A file that damage makes unrecognisable as a volume is skipped and counted.
    let message = "no volume".to_owned();
    let no_volume = FormatRefusal::Unreadable { path: path.clone(), message };
    let header = read_header(&path).unwrap_or(Err(no_volume))?;
    Ok(read_volume(&path, &header, Rounding::Standard)?.volume)
}

/// Containers of one volume with trailing bytes after the voxels: name and content.
fn containers(trailing: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let volume = TestVolume::axial();
    let voxels = [volume.bytes(), trailing.to_vec()].concat();
    let head = volume.metaimage("LOCAL").replace("CompressedData = False", "CompressedData = True");
    let local = |packed: Vec<u8>| [head.clone().into_bytes(), packed].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    write_npz(&path, &[("data", npy("<i2", "False", "(5, 4, 6)", &voxels))]);
    [
        ("a.nii.gz", gzip(&[volume.nifti().one(), trailing.to_vec()].concat())),
        ("zlib.mha", local(zlib(&voxels))),
        ("gzip.mha", local(gzip(&voxels))),
        ("a.npz", std::fs::read(&path).unwrap()),
    ]
}

#[test]
fn bytes_after_the_voxels_are_read_to_the_checksum_or_refused() {
    for (name, bytes) in containers(&[0; 16]) {
        match (name, read(name, &bytes)) {
            ("a.nii.gz", found) => assert!(found.is_ok(), "{name} {found:?}"),
            (_, found) => assert_eq!(found.unwrap_err().code(), "undecodable", "{name}"),
        }
    }
    // The checksum follows those bytes.
    let (name, mut bytes) = containers(&[0; 16])[0].clone();
    let checksum = bytes.len() - 6;
    bytes[checksum] ^= 1;
    assert_eq!(read(name, &bytes).unwrap_err().code(), "undecodable");
}

#[test]
fn zeros_after_a_gzip_member_are_padding_and_other_bytes_are_damage() {
    let (name, bytes) = containers(&[])[0].clone();
    let expected = read(name, &bytes).unwrap();
    let padded = [bytes.clone(), vec![0; 100_000]].concat();
    assert_eq!(read(name, &padded).unwrap().hu, expected.hu);
    let damaged = [&bytes[..], b"junk"].concat();
    assert_eq!(read(name, &damaged).unwrap_err().code(), "undecodable");
}

#[test]
fn a_scale_that_is_not_a_number_is_ignored() {
    let volume = TestVolume::axial();
    let expected = read("a.nii", &volume.nifti().one()).unwrap().hu;
    for slope in [[f64::NAN, 0.0], [f64::NAN, f64::NAN], [2.0, f64::NAN], [f64::INFINITY, 3.0]] {
        let mut nifti = volume.nifti();
        nifti.slope = slope;
        assert_eq!(read("a.nii", &nifti.one()).unwrap().hu, expected, "{slope:?}");
        assert_eq!(read("a.nii", &nifti.two()).unwrap().hu, expected, "{slope:?}");
    }
    let mut nifti = volume.nifti();
    nifti.slope = [1.0, f64::INFINITY];
    let refusal = read("a.nii", &nifti.one()).unwrap_err();
    assert!(refusal.to_string().contains("scl_inter"), "{refusal}");
}

proptest! {
    #[test]
    fn a_flipped_bit_is_an_error_or_changes_no_voxel(
        kind in 0usize..4, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let (name, mut bytes) = containers(&[])[kind].clone();
        let expected = read(name, &bytes).unwrap();
        // The text of a MetaImage has no checksum.
        let start = bytes.windows(6).position(|word| word == b"LOCAL\n").map_or(0, |at| at + 6);
        let at = start + at.index(bytes.len() - start);
        bytes[at] ^= 1 << bit;
        if let Ok(found) = read(name, &bytes) {
            prop_assert_eq!(found.hu, expected.hu);
        }
    }
}
