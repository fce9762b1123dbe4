//! LevelDB tables: blocks of sorted keys and values. The index block lists their offsets; the footer
//! (the last 48 bytes) gives the offset of the index block.

use super::checksum;
use super::proto::{take, varint};
use std::borrow::Cow;

/// The last eight bytes of a table.
pub(crate) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Length of the footer in bytes.
pub(crate) const FOOTER: usize = 48;
/// Longest accepted key in bytes; names in checkpoints are far shorter.
const LONGEST_KEY: u64 = 4096;
/// Largest accepted block in bytes; a block is usually a few kilobytes, and one array at most.
const LARGEST_BLOCK: usize = 1 << 26;
/// Bytes after each block: compression method and checksum.
const TRAILER: u64 = 5;

/// Offset and length of a block.
#[derive(Debug, Clone, Copy)]
struct Handle {
    offset: u64,
    length: u64,
}

impl Handle {
    fn take(bytes: &mut &[u8]) -> Result<Self, String> {
        Ok(Self { offset: varint(bytes)?, length: varint(bytes)? })
    }
}

/// Whether a file that ends with these bytes is a table.
pub(crate) fn has_footer(end: &[u8]) -> bool {
    end.len() >= FOOTER && end.ends_with(&MAGIC.to_le_bytes())
}

/// Calls `each` with every key and value of a table, in order.
///
/// # Errors
/// The fault and its offset, or an error of `each`.
pub(super) fn for_each(
    table: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    if !has_footer(table) {
        return Err("it has no table footer: the file is truncated, or not a checkpoint".to_owned());
    }
    let mut footer = &table[table.len() - FOOTER..];
    Handle::take(&mut footer)?;
    let index = Handle::take(&mut footer)?;
    let index = block(table, index)?;
    // Each byte belongs to one block, so that a forged index cannot cause endless work.
    let mut unread = table.len() as u64;
    entries(&index, |_, mut value| {
        let handle = Handle::take(&mut value)?;
        unread =
            unread.checked_sub(handle.length.saturating_add(TRAILER)).ok_or("blocks overlap")?;
        entries(&block(table, handle)?, &mut each)
    })
}

/// A block, verified and decompressed.
fn block(table: &[u8], Handle { offset, length }: Handle) -> Result<Cow<'_, [u8]>, String> {
    let size = table.len();
    let outside =
        || format!("a block of {length} bytes at offset {offset} exceeds the file of {size} bytes");
    let mut rest =
        usize::try_from(offset).ok().and_then(|offset| table.get(offset..)).ok_or_else(outside)?;
    let block = take(&mut rest, length.saturating_add(1)).map_err(|_| outside())?;
    let stored = rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(outside)?;
    let actual = checksum::masked(crc32c::crc32c(block));
    if !checksum::agrees(actual, stored) {
        return Err(format!(
            "the block at offset {offset} has checksum {actual:08x}, expected {stored:08x}"
        ));
    }
    let (content, method) = block.split_at(block.len() - 1);
    match method {
        [0] => Ok(Cow::Borrowed(content)),
        [1] => unpack(content)
            .map_err(|error| format!("the block at offset {offset}: {error}"))
            .map(Cow::Owned),
        other => Err(format!(
            "the block at offset {offset} has compression method {}, expected 0 or 1",
            other[0]
        )),
    }
}

/// Decompresses snappy data, up to a limit that depends on its length.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let length = snap::raw::decompress_len(packed).map_err(|e| e.to_string())?;
    let most = LARGEST_BLOCK.min(packed.len().saturating_mul(100));
    if length > most {
        return Err(format!("its decompressed length is {length} bytes, expected at most {most}"));
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|e| e.to_string())
}

/// Calls `each` with the keys and values of a decompressed block.
fn entries(
    block: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    // The restart offsets serve searching; here only their number matters.
    let restarts =
        block.last_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or("empty block")?;
    let words = (restarts as usize).checked_add(1).and_then(|words| words.checked_mul(4));
    let end = words.and_then(|bytes| block.len().checked_sub(bytes));
    let mut rest = &block[..end
        .ok_or_else(|| format!("block of {} bytes with {restarts} restarts", block.len()))?];
    let mut key: Vec<u8> = vec![];
    while !rest.is_empty() {
        let [shared, unshared, length] =
            [varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?];
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= key.len());
        let shared = shared.ok_or("a key shares more bytes than the previous key has")?;
        key.truncate(shared);
        key.extend_from_slice(take(&mut rest, unshared.min(LONGEST_KEY + 1))?);
        if key.len() as u64 > LONGEST_KEY {
            return Err(format!("a key has more than {LONGEST_KEY} bytes"));
        }
        each(&key, take(&mut rest, length)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one block, compressed with snappy if `packed`.
    fn table(pairs: &[(&[u8], &[u8])], packed: bool) -> Vec<u8> {
        let mut bytes = vec![];
        let content = block_of(pairs);
        let data = put(&mut bytes, &content, packed);
        let index = block_of(&[(b"z", &data)]);
        let index = put(&mut bytes, &index, false);
        let mut footer = vec![0, 0];
        footer.extend(index);
        footer.resize(FOOTER - 8, 0);
        bytes.extend(footer);
        bytes.extend(MAGIC.to_le_bytes());
        bytes
    }

    fn block_of(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut block = vec![];
        for (key, value) in pairs {
            block.extend([0, key.len() as u8, value.len() as u8]);
            block.extend_from_slice(key);
            block.extend_from_slice(value);
        }
        block.extend([0, 0, 0, 0, 1, 0, 0, 0]);
        block
    }

    /// Appends a block. Returns its handle.
    fn put(bytes: &mut Vec<u8>, content: &[u8], packed: bool) -> Vec<u8> {
        let start = bytes.len();
        let mut block = if packed {
            snap::raw::Encoder::new().compress_vec(content).unwrap()
        } else {
            content.to_vec()
        };
        let length = block.len();
        block.push(packed.into());
        let crc = checksum::masked(crc32c::crc32c(&block));
        bytes.extend(block);
        bytes.extend(crc.to_le_bytes());
        assert!(start < 128 && length < 128, "one byte each");
        vec![start as u8, length as u8]
    }

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn pairs_of(table: &[u8]) -> Result<Pairs, String> {
        let mut pairs = vec![];
        for_each(table, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(pairs)
    }

    #[test]
    fn a_table_is_read_with_and_without_compression() {
        let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"one"), (b"b", b"")];
        for packed in [false, true] {
            let read = pairs_of(&table(&pairs, packed)).unwrap();
            assert_eq!(read, [(b"a".to_vec(), b"one".to_vec()), (b"b".to_vec(), vec![])]);
        }
    }

    #[test]
    fn every_damaged_byte_of_a_block_is_detected() {
        let intact = table(&[(b"a", b"one")], true);
        for index in 0..intact.len() - FOOTER {
            let mut damaged = intact.clone();
            damaged[index] ^= 1;
            assert!(pairs_of(&damaged).is_err(), "byte {index}");
        }
        for length in 0..intact.len() {
            assert!(pairs_of(&intact[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn absurd_lengths_and_cycles_are_errors() {
        // The index is its own and only block.
        let mut cycle = block_of(&[(b"z", &[0, 20])]);
        assert_eq!(cycle.len(), 14);
        let mut bytes = vec![];
        cycle = block_of(&[(b"z", &[0, 14]), (b"y", &[0, 14])]);
        put(&mut bytes, &cycle, false);
        bytes.extend([0, 0, 0, cycle.len() as u8]);
        bytes.resize(cycle.len() + 5 + FOOTER - 8, 0);
        bytes.extend(MAGIC.to_le_bytes());
        assert!(pairs_of(&bytes).is_err());
        // A block of 2^60 bytes.
        let mut bytes = vec![0, 0, 0];
        bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
        bytes.resize(FOOTER - 8, 0);
        bytes.extend(MAGIC.to_le_bytes());
        assert!(pairs_of(&bytes).unwrap_err().contains("exceeds the file"));
        // A compressed block with a decompressed length of gigabytes.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(unpack(&claim).unwrap_err().contains("decompressed length"));
    }
}
