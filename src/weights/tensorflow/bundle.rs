//! V2: a table of what lies where, and shards of numbers.

use super::super::numbers::Kind;
use super::super::{Archive, LeftOut, ReadError};
use super::kind::{kind_of, shape};
use super::place::{index_of, shard_of};
use super::proto::{Value, fields};
use super::{checksum, shown, table};
use crate::model::Variable;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// An index of a million arrays is smaller.
const LARGEST_INDEX: u64 = 1 << 28;
const MOST_SHARDS: u64 = 4096;

/// What the index says of one array.
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
    /// Bytes that no array has claimed: arrays do not overlap.
    left: u64,
}

pub fn read(prefix: &Path) -> Result<Archive, ReadError> {
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
        if let Kind::Other(what) = kind {
            archive.left_out.push(LeftOut { name, what: what.to_owned() });
            continue;
        }
        if entry.shard >= count {
            let what = format!("{name} is in shard {}, and there are {count}", entry.shard);
            return Err(ReadError::damaged(&index, what));
        }
        let expected = (entry.count as u64).checked_mul(kind.size() as u64);
        if expected != Some(entry.size) {
            let what = format!(
                "{name} has the shape {:?} and {} bytes, expected {}",
                entry.shape,
                entry.size,
                expected.map_or("fewer numbers".to_owned(), |bytes| format!("{bytes} bytes"))
            );
            return Err(ReadError::damaged(&index, what));
        }
        let shard = match shards.entry(entry.shard) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Shard::open(shard_of(prefix, entry.shard, count))?)
            }
        };
        let values = kind.numbers(&shard.bytes(&name, &entry)?);
        archive.arrays.push(Variable { name, shape: entry.shape, values });
    }
    Ok(archive)
}

/// Number of shards, and what the index says of each array.
fn entries(index: &Path) -> Result<(u64, Vec<(String, Entry)>), ReadError> {
    let size = fs::metadata(index).map_err(|e| ReadError::io(index, e))?.len();
    if size > LARGEST_INDEX {
        let what = format!("it has {size} bytes, which no index of a network has");
        return Err(ReadError::damaged(index, what));
    }
    let bytes = fs::read(index).map_err(|e| ReadError::io(index, e))?;
    let (mut shards, mut big_endian, mut found) = (None, false, vec![]);
    let read = table::for_each(&bytes, |key, value| {
        match key {
            [] => {
                let (count, endianness) = header(value)?;
                shards = Some(count);
                big_endian = endianness != 0;
            }
            // Parts of a partitioned variable, which its own entry tells of.
            [0, ..] => {}
            name => {
                let entry = entry(value).map_err(|e| format!("{}: {e}", shown(name)))?;
                found.push((shown(name), entry));
            }
        }
        Ok(())
    });
    read.map_err(|what| ReadError::damaged(index, what))?;
    if big_endian {
        return Err(ReadError::unsupported(
            index,
            "its numbers are big-endian; load it with TensorFlow on a little-endian machine and \
             save it there again",
        ));
    }
    match shards {
        Some(count @ 1..=MOST_SHARDS) => Ok((count, found)),
        Some(count) => Err(ReadError::damaged(index, format!("it speaks of {count} shards"))),
        None => Err(ReadError::unsupported(
            index,
            "it is a table without a bundle's header: it is no checkpoint of this kind",
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
            (1, value) => entry.dtype = value.number("its type")?,
            (2, value) => (entry.shape, entry.count) = shape(value.bytes("its shape")?)?,
            (3, value) => entry.shard = value.number("its shard")?,
            (4, value) => entry.offset = value.number("its offset")?,
            (5, value) => entry.size = value.number("its size")?,
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
            Ok((size, file)) => Ok(Self { path, file, size, left: size }),
            Err(source) => Err(ReadError::io(&path, source)),
        }
    }

    /// The bytes of an array, checked.
    fn bytes(&mut self, name: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let Entry { offset, size, .. } = *entry;
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.size);
        if !inside || self.left < size {
            let what = format!(
                "{name} is to have {size} bytes at {offset}, and there are {} bytes; is this the \
                 shard of another checkpoint?",
                self.size
            );
            return Err(ReadError::damaged(&self.path, what));
        }
        self.left -= size;
        let mut bytes = vec![0; size as usize];
        let read = self.file.seek(SeekFrom::Start(offset));
        read.and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|e| ReadError::io(&self.path, e))?;
        let found = checksum::masked(crc32c::crc32c(&bytes));
        if !checksum::agrees(found, entry.checksum) {
            let what =
                format!("{name} has the checksum {found:08x}, expected {:08x}", entry.checksum);
            return Err(ReadError::damaged(&self.path, what));
        }
        Ok(bytes)
    }
}
