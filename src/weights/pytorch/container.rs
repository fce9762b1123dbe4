//! The two containers: zip, and the older stream.

use super::Wrong;
use super::pickle::{Id, Machine, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

/// Bytes of numbers by key.
pub type Storages<'a> = HashMap<String, Cow<'a, [u8]>>;

/// What is said of the file, where that begins, and the numbers.
type Opened<'a> = (Machine, Id, Storages<'a>);

/// A zip of torch 1.6 and later.
pub fn open_zip(bytes: &[u8]) -> Result<Opened<'static>, Wrong> {
    let damaged = |e: zip::result::ZipError| Wrong::Damaged(format!("it is no sound zip: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let names: HashSet<String> = archive.file_names().map(str::to_owned).collect();
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("/constants.pkl") || names.iter().any(|name| name.contains("/code/")) {
        return Err(Wrong::Unsupported(
            "it is a TorchScript archive; load it with torch.jit.load, and \
             torch.save(model.state_dict(), …)"
                .to_owned(),
        ));
    }
    let Some(said) =
        names.iter().find(|name| name.as_str() == "data.pkl" || name.ends_with("/data.pkl"))
    else {
        return Err(Wrong::Unsupported(
            "it is a zip without data.pkl: torch.save did not write it".to_owned(),
        ));
    };
    // Entries of a sound file do not overlap: together they are not more than the file.
    let mut left = bytes.len() as u64;
    let mut read = |name: &str| -> Result<Vec<u8>, Wrong> {
        let mut entry = archive.by_name(name).map_err(damaged)?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(Wrong::Unsupported(format!(
                "{name} in it is compressed, which torch.save does not do; load it and save it again"
            )));
        }
        left = left
            .checked_sub(entry.size())
            .ok_or_else(|| Wrong::Damaged(format!("{name} in it is larger than the file")))?;
        let mut content = Vec::with_capacity(entry.size() as usize);
        entry
            .read_to_end(&mut content)
            .map_err(|e| Wrong::Damaged(format!("{name} in it: {e}")))?;
        Ok(content)
    };
    let folder = said.trim_end_matches("data.pkl").to_owned();
    let order = format!("{folder}byteorder");
    if names.contains(&order) && read(&order)?.starts_with(b"big") {
        return Err(big_endian());
    }
    let code = read(said)?;
    let mut machine = Machine::default();
    let root = machine.run(&mut &code[..])?;
    let mut storages = Storages::new();
    for value in &machine.values {
        let Value::Storage(storage) = value else { continue };
        let name = format!("{folder}data/{}", storage.key);
        if !storages.contains_key(&storage.key) && names.contains(&name) {
            storages.insert(storage.key.clone(), Cow::Owned(read(&name)?));
        }
    }
    Ok((machine, root, storages))
}

/// A stream of torch before 1.6.
pub fn open_stream(bytes: &[u8]) -> Result<Opened<'_>, Wrong> {
    let mut rest = bytes;
    let mut machine = Machine::default();
    let _magic = machine.run(&mut rest)?;
    let _version = machine.run(&mut rest)?;
    let facts = machine.run(&mut rest)?;
    if says_big_endian(&machine, facts) {
        return Err(big_endian());
    }
    let root = machine.run(&mut rest)?;
    let sizes: HashMap<String, usize> = machine
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key.clone(), size_of(&storage.class)?)),
            _ => None,
        })
        .collect();
    let keys = machine.run(&mut rest)?;
    let keys = match machine.get(keys) {
        Value::List(keys) => keys.clone(),
        _ => return Err("a list of storages that is no list".into()),
    };
    let mut storages = Storages::new();
    for key in keys {
        let key = machine.shown(key);
        let cut = || format!("it ends within storage {key}");
        let (count, after) = rest.split_first_chunk().ok_or_else(cut)?;
        let count = u64::from_le_bytes(*count);
        let size =
            *sizes.get(&key).ok_or_else(|| format!("storage {key} is of an unknown type"))?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
        let content = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key, Cow::Borrowed(content.0));
        rest = content.1;
    }
    Ok((machine, root, storages))
}

fn says_big_endian(machine: &Machine, facts: Id) -> bool {
    let Value::Dict(pairs) = machine.get(facts) else { return false };
    pairs.iter().any(|&(key, value)| {
        machine.shown(key) == "little_endian" && *machine.get(value) == Value::Bool(false)
    })
}

fn big_endian() -> Wrong {
    Wrong::Unsupported(
        "its numbers are big-endian; load it on a little-endian machine and save it there again"
            .to_owned(),
    )
}

/// Bytes of one number of a storage.
fn size_of(class: &str) -> Option<usize> {
    Some(match class {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "CharStorage" | "ByteStorage" | "BoolStorage" | "UntypedStorage" => 1,
        _ => return None,
    })
}
