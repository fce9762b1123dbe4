//! Small arrays in NumPy's files, as f64.

use std::path::Path;

/// The values of an `.npy` file of floats or integers, in the order of the file.
///
/// # Panics
/// The file is not one of these.
pub fn read_npy(path: &Path) -> Vec<f64> {
    values(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The values of the array `name` of an uncompressed `.npz` file.
///
/// # Panics
/// The file has no such array, or a compressed one.
pub fn read_npz(path: &Path, name: &str) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = format!("{name}.npy");
    let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let is_entry = |&at: &usize| {
        bytes[at..].starts_with(b"PK\x03\x04") && bytes[at + 30..].starts_with(name.as_bytes())
    };
    let entry = (0..bytes.len().saturating_sub(30)).find(is_entry).expect("the array");
    assert_eq!(short(entry + 8), 0, "{name} is compressed");
    values(&bytes[entry + 30 + short(entry + 26) + short(entry + 28)..])
}

fn values(bytes: &[u8]) -> Vec<f64> {
    assert!(bytes.starts_with(b"\x93NUMPY\x01"), "an array of version 1");
    let (header, data) =
        bytes[10..].split_at(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])));
    let header = std::str::from_utf8(header).unwrap();
    let after = |key: &str| header.split_once(key).unwrap().1;
    let shape = after("'shape': (").split_once(')').unwrap().0;
    let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
    let count: usize = lengths.map(|length| length.parse::<usize>().unwrap()).product();
    let descr = after("'descr': '").split_once('\'').unwrap().0;
    match descr {
        "<f4" => numbers(data, count, |bytes| f64::from(f32::from_le_bytes(bytes))),
        "<f8" => numbers(data, count, f64::from_le_bytes),
        "<i4" => numbers(data, count, |bytes| f64::from(i32::from_le_bytes(bytes))),
        "<i8" => numbers(data, count, |bytes| i64::from_le_bytes(bytes) as f64),
        _ => panic!("an array of {descr}"),
    }
}

fn numbers<const SIZE: usize>(
    data: &[u8],
    count: usize,
    number: impl Fn([u8; SIZE]) -> f64,
) -> Vec<f64> {
    data[..count * SIZE].chunks_exact(SIZE).map(|chunk| number(chunk.try_into().unwrap())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array as NumPy writes it.
    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_are_read_whatever_their_type() {
        assert_eq!(values(&npy("<i4", "(2,)", &[1, 0, 0, 0, 255, 255, 255, 255])), [1.0, -1.0]);
        assert_eq!(values(&npy("<f4", "(1, 1)", &1.5f32.to_le_bytes())), [1.5]);
        assert_eq!(values(&npy("<f8", "()", &0.1f64.to_le_bytes())), [0.1]);
        let bytes = [(-7i64).to_le_bytes(), 9i64.to_le_bytes()].concat();
        assert_eq!(values(&npy("<i8", "(2,)", &bytes)), [-7.0, 9.0]);
    }
}
