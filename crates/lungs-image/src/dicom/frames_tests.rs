//! Multi-frame files.

use super::{HuRule, read_volume, scan};
use lungs_testing::dicom::{TestSlice, write_frames, write_series};

fn axial(numbers: impl Iterator<Item = i32>) -> Vec<TestSlice> {
    numbers.map(TestSlice::axial).collect()
}

#[test]
fn frames_of_several_files_make_one_volume_in_the_order_of_their_positions() {
    let mut slices = axial(0..9);
    slices[4].slope = 2.0;
    let single = tempfile::tempdir().unwrap();
    write_series(single.path(), &slices);
    let (expected, _) =
        read_volume(&scan(single.path()).unwrap().series[0], HuRule::Standard).unwrap();
    for syntax in ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"] {
        slices.iter_mut().for_each(|slice| slice.transfer_syntax = syntax);
        let folder = tempfile::tempdir().unwrap();
        // One file with every second slice, from the top; one with the others.
        let even: Vec<TestSlice> = slices.iter().rev().step_by(2).cloned().collect();
        let odd: Vec<TestSlice> = slices.iter().skip(1).step_by(2).cloned().collect();
        write_frames(&folder.path().join("a"), &even);
        write_frames(&folder.path().join("b"), &odd);
        let found = scan(folder.path()).unwrap();
        assert_eq!((found.problems.len(), found.series.len()), (0, 1));
        assert_eq!(found.series[0].slices.len(), 9);
        let (volume, facts) = read_volume(&found.series[0], HuRule::Standard).unwrap();
        assert_eq!(volume, expected, "{syntax}");
        // Each of the two files was read and hashed once.
        let mut hashes: Vec<[u8; 32]> = ["a", "b"]
            .map(|name| *blake3::hash(&std::fs::read(folder.path().join(name)).unwrap()).as_bytes())
            .to_vec();
        hashes.sort_unstable();
        assert_eq!(facts.content_hash, *blake3::hash(&hashes.concat()).as_bytes());
    }
}

#[test]
fn frame_counts_that_contradict_each_other_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    write_frames(&path, &axial(0..3));
    let whole = std::fs::read(&path).unwrap();
    let at = whole.windows(10).position(|bytes| bytes == b"\x28\0\x08\0IS\x02\x003 ").unwrap();
    let with = |digit: u8| {
        let mut bytes = whole.clone();
        bytes[at + 8] = digit;
        std::fs::write(&path, bytes).unwrap();
        scan(folder.path()).unwrap()
    };
    assert_eq!(with(b'3').problems, []);
    let reason = &with(b'4').problems[0].reason;
    assert!(reason.starts_with("NumberOfFrames (0028,0008) is 4, expected 3"), "{reason}");
}

#[test]
fn a_multi_frame_file_cut_short_is_refused_before_memory_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    write_frames(&path, &axial(0..3));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let found = scan(folder.path()).unwrap();
    let refusal = read_volume(&found.series[0], HuRule::Standard).unwrap_err();
    assert_eq!(refusal.code(), "truncated");
    assert!(refusal.to_string().contains("has 143 bytes, expected 144"), "{refusal}");
}

#[test]
fn frames_without_positions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    TestSlice::axial(0).write(&path);
    let whole = std::fs::read(&path).unwrap();
    let rows = whole.windows(4).position(|bytes| bytes == b"\x28\0\x10\0").unwrap();
    let frames = b"\x28\0\x08\0IS\x02\x005 ".as_slice();
    std::fs::write(&path, [&whole[..rows], frames, &whole[rows..]].concat()).unwrap();
    let found = scan(folder.path()).unwrap();
    let refusal = read_volume(&found.series[0], HuRule::Standard).unwrap_err();
    assert!(
        refusal.to_string().contains(
            "ImagePositionPatient (0020,0032) is absent for each of the 5 frames, expected"
        ),
        "{refusal}"
    );
}
