//! A table of LevelDB's kind: blocks of sorted keys and values, found through a block of their
//! places, found through the last 48 bytes.

use super::checksum;
use super::proto::{take, varint};
use std::borrow::Cow;

/// What a table ends with.
pub const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Bytes of the end.
pub const FOOTER: usize = 48;
/// No name of a checkpoint is nearly as long.
const LONGEST_KEY: u64 = 4096;
/// A block is a few kilobytes as a rule, and one array at most.
const LARGEST_BLOCK: usize = 1 << 26;
/// Compression byte and checksum behind each block.
const TRAILER: u64 = 5;

/// Where a block is.
#[derive(Debug, Clone, Copy)]
struct Handle {
    start: u64,
    length: u64,
}

impl Handle {
    fn take(bytes: &mut &[u8]) -> Result<Self, String> {
        Ok(Self { start: varint(bytes)?, length: varint(bytes)? })
    }
}

/// Whether a file of which this is the end is a table.
pub fn ends_like_one(end: &[u8]) -> bool {
    end.len() >= FOOTER && end.ends_with(&MAGIC.to_le_bytes())
}

/// Calls `each` with every key and value of a table, in order.
///
/// # Errors
/// What is damaged, and where; or what `each` says.
pub fn for_each(
    table: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    if !ends_like_one(table) {
        return Err("it does not end as a table does: it is cut short, or no checkpoint".to_owned());
    }
    let mut footer = &table[table.len() - FOOTER..];
    Handle::take(&mut footer)?;
    let index = Handle::take(&mut footer)?;
    let index = block(table, index)?;
    // Each byte of the file is in one block, so that no list of places can make endless work.
    let mut left = table.len() as u64;
    entries(&index, |_, mut place| {
        let handle = Handle::take(&mut place)?;
        left = left
            .checked_sub(handle.length.saturating_add(TRAILER))
            .ok_or("its blocks overlap: its index is damaged")?;
        entries(&block(table, handle)?, &mut each)
    })
}

/// The block at a place, checked and unpacked.
fn block(table: &[u8], Handle { start, length }: Handle) -> Result<Cow<'_, [u8]>, String> {
    let size = table.len();
    let outside =
        || format!("a block of {length} bytes at {start} is beyond its end ({size} bytes)");
    let mut rest =
        usize::try_from(start).ok().and_then(|start| table.get(start..)).ok_or_else(outside)?;
    let whole = take(&mut rest, length.saturating_add(1)).map_err(|_| outside())?;
    let stored = rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(outside)?;
    let found = checksum::masked(crc32c::crc32c(whole));
    if !checksum::agrees(found, stored) {
        return Err(format!(
            "the block at {start} has the checksum {found:08x}, expected {stored:08x}"
        ));
    }
    let (content, kind) = whole.split_at(whole.len() - 1);
    match kind {
        [0] => Ok(Cow::Borrowed(content)),
        [1] => unpack(content)
            .map_err(|wrong| format!("the block at {start}: {wrong}"))
            .map(Cow::Owned),
        other => {
            Err(format!("the block at {start} is packed by method {}, expected 0 or 1", other[0]))
        }
    }
}

/// Unpacks snappy, within limits.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let length = snap::raw::decompress_len(packed).map_err(|e| e.to_string())?;
    let most = LARGEST_BLOCK.min(packed.len().saturating_mul(100));
    if length > most {
        return Err(format!("it claims to unpack to {length} bytes, at most {most} are believed"));
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(|e| e.to_string())
}

/// Calls `each` with the keys and values of an unpacked block.
fn entries(
    block: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    // The places where keys begin anew are for searching: only their number is needed.
    let restarts =
        block.last_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or("an empty block")?;
    let words = (restarts as usize).checked_add(1).and_then(|words| words.checked_mul(4));
    let end = words.and_then(|bytes| block.len().checked_sub(bytes));
    let mut rest = &block[..end
        .ok_or_else(|| format!("{restarts} restarts in a block of {} bytes", block.len()))?];
    let mut key: Vec<u8> = vec![];
    while !rest.is_empty() {
        let [shared, fresh, length] = [varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?];
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= key.len());
        let shared = shared.ok_or("a key repeats more than the key before it has")?;
        key.truncate(shared);
        key.extend_from_slice(take(&mut rest, fresh.min(LONGEST_KEY + 1))?);
        if key.len() as u64 > LONGEST_KEY {
            return Err(format!("a name of more than {LONGEST_KEY} bytes"));
        }
        each(&key, take(&mut rest, length)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one block; `packed` by snappy.
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

    /// Adds a block; its handle.
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
        let mut found = vec![];
        for_each(table, |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_table_gives_its_pairs_packed_or_not() {
        let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"one"), (b"b", b"")];
        for packed in [false, true] {
            let found = pairs_of(&table(&pairs, packed)).unwrap();
            assert_eq!(found, [(b"a".to_vec(), b"one".to_vec()), (b"b".to_vec(), vec![])]);
        }
    }

    #[test]
    fn every_damaged_byte_of_a_block_is_found() {
        let whole = table(&[(b"a", b"one")], true);
        for at in 0..whole.len() - FOOTER {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(pairs_of(&damaged).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(pairs_of(&whole[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn absurd_lengths_and_circles_are_refused() {
        // The index is its own and only block.
        let mut circle = block_of(&[(b"z", &[0, 20])]);
        assert_eq!(circle.len(), 14);
        let mut bytes = vec![];
        circle = block_of(&[(b"z", &[0, 14]), (b"y", &[0, 14])]);
        put(&mut bytes, &circle, false);
        bytes.extend([0, 0, 0, circle.len() as u8]);
        bytes.resize(circle.len() + 5 + FOOTER - 8, 0);
        bytes.extend(MAGIC.to_le_bytes());
        assert!(pairs_of(&bytes).is_err());
        // A block of 2^60 bytes.
        let mut bytes = vec![0, 0, 0];
        bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
        bytes.resize(FOOTER - 8, 0);
        bytes.extend(MAGIC.to_le_bytes());
        assert!(pairs_of(&bytes).unwrap_err().contains("beyond its end"));
        // A packed block that claims gigabytes.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(unpack(&claim).unwrap_err().contains("claims to unpack"));
    }
}
