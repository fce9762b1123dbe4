//! Reads an uncompressed, single-shard TensorFlow checkpoint (V2, "tensor bundle"): enough for
//! the reference weights. `.index` is a LevelDB table of name → `BundleEntryProto`; `.data-…`
//! holds raw little-endian tensors.

use std::collections::BTreeMap;

/// An array as the checkpoint has it.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// A protocol buffer's fields: number, and either a number or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

fn fields(bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let (mut at, mut fields) = (0, vec![]);
    while at < bytes.len() {
        let tag = varint(bytes, &mut at);
        let field = match tag & 7 {
            0 => Field::Number(varint(bytes, &mut at)),
            2 => {
                let length = varint(bytes, &mut at) as usize;
                at += length;
                Field::Bytes(&bytes[at - length..at])
            }
            5 => {
                at += 4;
                Field::Other
            }
            wire => panic!("unexpected wire type {wire}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// One block's keys and values; each key repeats the beginning of the one before.
fn block(file: &[u8], handle: (u64, u64)) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (start, length) = (handle.0 as usize, handle.1 as usize);
    assert_eq!(file[start + length], 0, "the block is compressed");
    let block = &file[start..start + length];
    let restarts = u32::from_le_bytes(block[length - 4..].try_into().unwrap()) as usize;
    let end = length - 4 - 4 * restarts;
    let (mut at, mut key, mut entries) = (0, Vec::new(), vec![]);
    while at < end {
        let [shared, fresh, value]: [usize; 3] =
            std::array::from_fn(|_| varint(block, &mut at) as usize);
        key.truncate(shared);
        key.extend_from_slice(&block[at..at + fresh]);
        at += fresh;
        entries.push((key.clone(), block[at..at + value].to_vec()));
        at += value;
    }
    entries
}

/// Every 32-bit float array of a checkpoint, by name.
pub fn read(index: &[u8], data: &[u8]) -> BTreeMap<String, Array> {
    let footer = &index[index.len() - 48..];
    assert_eq!(footer[40..], 0xdb47_7524_8b80_fb57_u64.to_le_bytes(), "not a table");
    let mut at = 0;
    let [_, _, start, length]: [u64; 4] = std::array::from_fn(|_| varint(footer, &mut at));
    let mut arrays = BTreeMap::new();
    for (_, handle) in block(index, (start, length)) {
        let mut at = 0;
        let handle = (varint(&handle, &mut at), varint(&handle, &mut at));
        for (key, entry) in block(index, handle) {
            if key.is_empty() {
                continue; // the bundle's header
            }
            let (mut shape, mut offset, mut size) = (vec![], 0, 0);
            for (number, field) in fields(&entry) {
                match (number, field) {
                    (1, Field::Number(dtype)) => assert_eq!(dtype, 1, "not 32-bit floats"),
                    (2, Field::Bytes(dimensions)) => {
                        for (_, dimension) in fields(dimensions) {
                            let Field::Bytes(dimension) = dimension else { continue };
                            let length = fields(dimension).into_iter().find_map(|(n, f)| match f {
                                Field::Number(length) if n == 1 => Some(length as usize),
                                _ => None,
                            });
                            shape.push(length.unwrap_or(0));
                        }
                    }
                    (4, Field::Number(number)) => offset = number as usize,
                    (5, Field::Number(number)) => size = number as usize,
                    _ => {}
                }
            }
            let (numbers, _) = data[offset..offset + size].as_chunks::<4>();
            let values = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            arrays.insert(String::from_utf8(key).unwrap(), Array { shape, values });
        }
    }
    arrays
}
