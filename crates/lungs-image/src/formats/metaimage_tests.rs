//! MetaImage files that ITK reads, with the same values (compared with SimpleITK 2.5).

use super::testing::{TestVolume, zlib};
use super::*;
use crate::volume::Volume;

/// Reads a header and data files of these names.
fn read(head: &str, files: &[(&str, Vec<u8>)]) -> Result<Volume, FormatRefusal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mhd");
    std::fs::write(&path, head).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let header = read_header(&path).expect("a volume file")?;
    Ok(read_volume(&path, &header, Rounding::Standard)?.volume)
}

/// Reads a header with its data in the same file.
fn local(head: &str, data: &[u8]) -> Result<Volume, FormatRefusal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mha");
    std::fs::write(&path, [head.as_bytes(), data].concat()).unwrap();
    let header = read_header(&path).expect("a volume file")?;
    Ok(read_volume(&path, &header, Rounding::Standard)?.volume)
}

fn expected() -> Volume {
    let volume = TestVolume::axial();
    local(&volume.metaimage("LOCAL"), &volume.bytes()).unwrap()
}

#[test]
fn names_of_data_files_are_read_as_in_itk() {
    let volume = TestVolume::axial();
    for (data_file, name) in [
        ("./a.raw", "a.raw"),
        ("././a.raw", "a.raw"),
        ("a b.raw", "a b.raw"),
        ("100%.raw", "100%.raw"),
        ("a%20b.raw", "a%20b.raw"),
    ] {
        let found = read(&volume.metaimage(data_file), &[(name, volume.bytes())]).unwrap();
        assert_eq!(found, expected(), "{data_file}");
    }
    let refusal = read(&volume.metaimage("./../a.raw"), &[]).unwrap_err();
    assert_eq!(refusal.code(), "data-outside");
}

#[test]
fn truth_values_begin_with_t_or_1() {
    let volume = TestVolume::axial();
    let swapped: Vec<u8> = volume.bytes().chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    for word in ["True", "true", "T", "t", "1"] {
        let order = format!("BinaryDataByteOrderMSB = {word}");
        let head = volume.metaimage("LOCAL").replace("BinaryDataByteOrderMSB = False", &order);
        assert_eq!(local(&head, &swapped).unwrap(), expected(), "{word}");
        let packed = format!("CompressedData = {word}");
        let head = volume.metaimage("LOCAL").replace("CompressedData = False", &packed);
        assert_eq!(local(&head, &zlib(&volume.bytes())).unwrap(), expected(), "{word}");
    }
    for word in ["F", "0", "no"] {
        let order = format!("BinaryDataByteOrderMSB = {word}");
        let head = volume.metaimage("LOCAL").replace("BinaryDataByteOrderMSB = False", &order);
        assert_eq!(local(&head, &volume.bytes()).unwrap(), expected(), "{word}");
    }
}

#[test]
fn comments_colons_and_lines_without_a_value_are_accepted() {
    let volume = TestVolume::axial();
    let head = volume.metaimage("LOCAL");
    for head in [
        format!("# by hand\n\nno value here\n{head}"),
        format!("Comment = DimSize = 9 9 9\n{head}"),
        head.replace(" = ", ": "),
        head.replace(" = ", "="),
        head.replace('\n', "\r\n"),
    ] {
        assert_eq!(local(&head, &volume.bytes()).unwrap(), expected(), "{head}");
    }
}

#[test]
fn every_integer_type_of_itk_is_read() {
    let volume = TestVolume::axial();
    let wide = |each: &dyn Fn(i16) -> Vec<u8>| -> Vec<u8> {
        volume.stored().iter().flat_map(|value| each(*value)).collect()
    };
    let int = wide(&|value| i32::from(value).to_le_bytes().to_vec());
    let long = wide(&|value| i64::from(value).to_le_bytes().to_vec());
    for (name, bytes) in [("MET_INT", &int), ("MET_LONG", &int), ("MET_LONG_LONG", &long)] {
        let head = volume.metaimage("LOCAL").replace("MET_SHORT", name);
        assert_eq!(local(&head, bytes).unwrap(), expected(), "{name}");
    }
    // Unsigned values without an offset cannot be Hounsfield units of air.
    for (name, size) in [("MET_UINT", 4), ("MET_ULONG", 4), ("MET_ULONG_LONG", 8)] {
        let head = volume.metaimage("LOCAL").replace("MET_SHORT", name);
        let bytes = vec![0; volume.stored().len() * size];
        assert_eq!(local(&head, &bytes).unwrap_err().code(), "not-hounsfield", "{name}");
        assert_eq!(local(&head, &bytes[1..]).unwrap_err().code(), "truncated", "{name}");
    }
}

#[test]
fn a_fourth_axis_of_one_voxel_is_ignored() {
    let volume = TestVolume::axial();
    let head = volume.metaimage("LOCAL");
    let line = |key: &str| head.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let numbers = |key: &str| line(key).split_once(" = ").unwrap().1.to_owned();
    let matrix = numbers("TransformMatrix");
    let rows: Vec<&str> = matrix.split(' ').collect();
    let wide = rows.chunks(3).map(|row| row.join(" ") + " 0 ").collect::<String>() + "0 0 0 1";
    let four = |length: usize| {
        head.replace("NDims = 3", "NDims = 4")
            .replace(&line("TransformMatrix"), &format!("TransformMatrix = {wide}"))
            .replace(&line("Offset"), &format!("Offset = {} 0", numbers("Offset")))
            .replace(&line("ElementSpacing"), &format!("{} 1", line("ElementSpacing")))
            .replace(&line("DimSize"), &format!("{} {length}", line("DimSize")))
    };
    assert_eq!(local(&four(1), &volume.bytes()).unwrap(), expected());
    let refusal = local(&four(2), &volume.bytes()).unwrap_err();
    assert_eq!(refusal.code(), "not-one-volume");
}

#[test]
fn a_header_size_gives_the_start_of_local_data() {
    let volume = TestVolume::axial();
    let head = |size: &str| {
        volume
            .metaimage("LOCAL")
            .replace("ElementType", &format!("HeaderSize = {size}\nElementType"))
    };
    let padded = |size: &str, length: usize| {
        let gap = vec![b'\n'; length - head(size).len()];
        local(&head(size), &[gap, volume.bytes()].concat())
    };
    assert_eq!(padded("1024", 1024).unwrap(), expected());
    assert_eq!(padded("-1", 999).unwrap(), expected());
    assert_eq!(local(&head("0"), &volume.bytes()).unwrap(), expected());
    let inside = local(&head("10"), &volume.bytes()).unwrap_err();
    assert!(inside.to_string().contains("HeaderSize"), "{inside}");
    let packed = head("-1").replace("CompressedData = False", "CompressedData = True");
    assert_eq!(local(&packed, &zlib(&volume.bytes())).unwrap_err().code(), "bad-header");
}
