//! The two containers of `torch.save`: zip, and the older stream.

use super::FormatError;
use super::pickle::{Id, Machine, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

/// Raw bytes of each storage, by key.
pub(crate) type Storages<'a> = HashMap<String, Cow<'a, [u8]>>;

/// The unpickled values, the root value, and the storages.
type Contents<'a> = (Machine, Id, Storages<'a>);

/// Reads a zip file of torch 1.6 and later.
pub(crate) fn open_zip(bytes: &[u8]) -> Result<Contents<'static>, FormatError> {
    let damaged = |e: zip::result::ZipError| FormatError::Damaged(format!("invalid zip file: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let names: HashSet<String> = archive.file_names().map(str::to_owned).collect();
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("/constants.pkl") || names.iter().any(|name| name.contains("/code/")) {
        return Err(FormatError::Unsupported(
            "it is a TorchScript archive; load it with torch.jit.load, then call \
             torch.save(model.state_dict(), …)"
                .to_owned(),
        ));
    }
    let Some(pickle_name) =
        names.iter().find(|name| name.as_str() == "data.pkl" || name.ends_with("/data.pkl"))
    else {
        return Err(FormatError::Unsupported(
            "the zip file has no data.pkl, so torch.save did not write it".to_owned(),
        ));
    };
    // Entries of a valid file do not overlap: together they are at most as large as the file.
    let mut unread = bytes.len() as u64;
    let mut read = |name: &str| -> Result<Vec<u8>, FormatError> {
        let mut entry = archive.by_name(name).map_err(damaged)?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(FormatError::Unsupported(format!(
                "its entry {name} is compressed, expected uncompressed; load it with PyTorch and save \
                 it again"
            )));
        }
        unread = unread.checked_sub(entry.size()).ok_or_else(|| {
            FormatError::Damaged(format!("its entry {name} is larger than the file"))
        })?;
        let mut content = Vec::with_capacity(entry.size() as usize);
        entry
            .read_to_end(&mut content)
            .map_err(|e| FormatError::Damaged(format!("its entry {name}: {e}")))?;
        Ok(content)
    };
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    let byte_order = format!("{folder}byteorder");
    if names.contains(&byte_order) && read(&byte_order)?.starts_with(b"big") {
        return Err(big_endian_error());
    }
    let code = read(pickle_name)?;
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

/// Reads a stream of torch before 1.6.
pub(crate) fn open_stream(bytes: &[u8]) -> Result<Contents<'_>, FormatError> {
    let mut rest = bytes;
    let mut machine = Machine::default();
    let _magic = machine.run(&mut rest)?;
    let _version = machine.run(&mut rest)?;
    let system = machine.run(&mut rest)?;
    if is_big_endian(&machine, system) {
        return Err(big_endian_error());
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
        _ => return Err("the list of storage keys is not a list".into()),
    };
    let mut storages = Storages::new();
    for key in keys {
        let key = machine.name(key);
        let truncated = || format!("the file ends within storage {key}");
        let (count, after_count) = rest.split_first_chunk().ok_or_else(truncated)?;
        let count = u64::from_le_bytes(*count);
        let size = *sizes.get(&key).ok_or_else(|| format!("storage {key} has an unknown type"))?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
        let content =
            length.and_then(|length| after_count.split_at_checked(length)).ok_or_else(truncated)?;
        storages.insert(key, Cow::Borrowed(content.0));
        rest = content.1;
    }
    Ok((machine, root, storages))
}

/// Whether the dictionary of system information gives big-endian numbers.
fn is_big_endian(machine: &Machine, system: Id) -> bool {
    let Value::Dict(pairs) = machine.get(system) else { return false };
    pairs.iter().any(|&(key, value)| {
        machine.name(key) == "little_endian" && *machine.get(value) == Value::Bool(false)
    })
}

fn big_endian_error() -> FormatError {
    FormatError::Unsupported(
        "its numbers are big-endian; load it with PyTorch on a little-endian machine and save it \
         there again"
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
