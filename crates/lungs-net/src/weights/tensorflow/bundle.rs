//! V2: an index of all arrays, and shards with their numbers.

use super::super::numbers::Kind;
use super::super::{Archive, ReadError, UnusedEntry};
use super::files::{index_of, shard_of};
use super::kind::{kind_of, shape};
use super::proto::{Value, fields};
use super::{checksum, readable, table};
use crate::model::Variable;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Largest index in bytes; an index of a million arrays is smaller.
const LARGEST_INDEX: u64 = 1 << 28;
const MOST_SHARDS: u64 = 4096;

/// The index entry of one array.
#[derive(Default)]
struct Entry {
    dtype: u64,
    shape: Vec<usize>,
    count: usize,
    shard: u64,
    offset: u64,
    size: u64,
    checksum: u32,
    partitioned: bool,
}

/// An open shard.
struct Shard {
    path: PathBuf,
    file: File,
    size: u64,
    /// Bytes that no array has used yet: arrays do not overlap.
    unread: u64,
}

pub(super) fn read(prefix: &Path) -> Result<Archive, ReadError> {
    let index = index_of(prefix);
    let (count, entries) = entries(&index)?;
    let mut archive = Archive::default();
    let mut shards = BTreeMap::new();
    for (name, entry) in entries {
        let kind = kind_of(entry.dtype);
        if entry.partitioned {
            return Err(ReadError::unsupported(
                &index,
                format!(
                    "{name} was saved in parts by a partitioned variable; save it again without a \
                     partitioner"
                ),
            ));
        }
        if let Kind::Other(description) = kind {
            let description = description.to_owned();
            archive.unused_entries.push(UnusedEntry { name, description });
            continue;
        }
        if entry.shard >= count {
            let message =
                format!("{name} is in shard {}, expected a number below {count}", entry.shard);
            return Err(ReadError::damaged(&index, message));
        }
        let expected = (entry.count as u64).checked_mul(kind.size() as u64);
        if expected != Some(entry.size) {
            let message = format!(
                "{name} has shape {:?} and {} bytes, expected {}",
                entry.shape,
                entry.size,
                expected.map_or("a smaller shape".to_owned(), |bytes| format!("{bytes} bytes"))
            );
            return Err(ReadError::damaged(&index, message));
        }
        let shard = match shards.entry(entry.shard) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(Shard::open(shard_of(prefix, entry.shard, count))?)
            }
        };
        let values = kind.numbers(&shard.bytes(&name, &entry)?);
        archive.arrays.push(Variable { name, shape: entry.shape, values });
    }
    Ok(archive)
}

/// Number of shards, and the index entry of each array.
fn entries(index: &Path) -> Result<(u64, Vec<(String, Entry)>), ReadError> {
    let size = fs::metadata(index).map_err(|e| ReadError::io(index, e))?.len();
    if size > LARGEST_INDEX {
        let message = format!("the index has {size} bytes, expected at most {LARGEST_INDEX}");
        return Err(ReadError::damaged(index, message));
    }
    let bytes = fs::read(index).map_err(|e| ReadError::io(index, e))?;
    let (mut shards, mut big_endian, mut entries) = (None, false, vec![]);
    let read = table::for_each(&bytes, |key, value| {
        match key {
            [] => {
                let (count, endianness) = header(value)?;
                shards = Some(count);
                big_endian = endianness != 0;
            }
            // A slice of a partitioned variable; the variable has its own entry.
            [0, ..] => {}
            name => {
                let entry = entry(value).map_err(|e| format!("{}: {e}", readable(name)))?;
                entries.push((readable(name), entry));
            }
        }
        Ok(())
    });
    read.map_err(|message| ReadError::damaged(index, message))?;
    if big_endian {
        return Err(ReadError::unsupported(
            index,
            "its numbers are big-endian; load it with TensorFlow on a little-endian machine and \
             save it there again",
        ));
    }
    match shards {
        Some(count @ 1..=MOST_SHARDS) => Ok((count, entries)),
        Some(count) => {
            let message = format!("the header gives {count} shards, expected 1 to {MOST_SHARDS}");
            Err(ReadError::damaged(index, message))
        }
        None => Err(ReadError::unsupported(
            index,
            "the table has no bundle header, so it is not a V2 checkpoint",
        )),
    }
}

/// Number of shards and endianness.
fn header(message: &[u8]) -> Result<(u64, u64), String> {
    let (mut shards, mut endianness) = (0, 0);
    for field in fields(message) {
        match field? {
            (1, value) => shards = value.number("the number of shards")?,
            (2, value) => endianness = value.number("the endianness")?,
            _ => {}
        }
    }
    Ok((shards, endianness))
}

fn entry(message: &[u8]) -> Result<Entry, String> {
    let mut entry = Entry { count: 1, ..Entry::default() };
    for field in fields(message) {
        match field? {
            (1, value) => entry.dtype = value.number("the type")?,
            (2, value) => (entry.shape, entry.count) = shape(value.bytes("the shape")?)?,
            (3, value) => entry.shard = value.number("the shard")?,
            (4, value) => entry.offset = value.number("the offset")?,
            (5, value) => entry.size = value.number("the size")?,
            (6, Value::Four(bytes)) => entry.checksum = u32::from_le_bytes(bytes),
            (7, _) => entry.partitioned = true,
            _ => {}
        }
    }
    Ok(entry)
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, ReadError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((size, file)) => Ok(Self { path, file, size, unread: size }),
            Err(source) => Err(ReadError::io(&path, source)),
        }
    }

    /// The bytes of an array, verified by their checksum.
    fn bytes(&mut self, name: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let Entry { offset, size, .. } = *entry;
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.size);
        if !inside || self.unread < size {
            let message = format!(
                "{name} should have {size} bytes at offset {offset}, but the shard has {} bytes; is \
                 this the shard of another checkpoint?",
                self.size
            );
            return Err(ReadError::damaged(&self.path, message));
        }
        self.unread -= size;
        let mut bytes = vec![0; size as usize];
        let read = self.file.seek(SeekFrom::Start(offset));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| ReadError::io(&self.path, e))?;
        let actual = checksum::masked(crc32c::crc32c(&bytes));
        if !checksum::agrees(actual, entry.checksum) {
            let message =
                format!("{name} has checksum {actual:08x}, expected {:08x}", entry.checksum);
            return Err(ReadError::damaged(&self.path, message));
        }
        Ok(bytes)
    }
}
