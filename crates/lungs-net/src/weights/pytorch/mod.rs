//! Files of `torch.save`, read without PyTorch and without executing anything in them.
//!
//! ```text
//! since 1.6   zip: <name>/data.pkl describes the contents, <name>/data/<key> are the numbers
//! before      a stream: pickles of magic, version, system, contents, keys; then the numbers
//! ```
//!
//! A pickle is a program. The interpreter here ([`pickle`]) supports the opcodes that build
//! dictionaries and the calls that build PyTorch's tensors. Of any other call it keeps only the name.

mod container;
mod error;
mod flatten;
mod pickle;
mod rebuild;

use super::{Archive, ReadError, UnusedEntry};
use error::FormatError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Start of the older stream after its protocol bytes: the magic number as a long.
const MAGIC: [u8; 12] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// Whether a file starts like a file of `torch.save`, or is named like one.
pub fn is_one(path: &Path) -> bool {
    let mut start = [0; 14];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let by_name = path.extension().is_some_and(|ending| {
        ["pt", "pth", "tar"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    path.is_file() && (by_name || (read.is_ok() && (start.starts_with(&ZIP) || is_stream(&start))))
}

fn is_stream(start: &[u8]) -> bool {
    start.len() > 2 && start[0] == 0x80 && start[2..].starts_with(&MAGIC)
}

/// Every floating-point tensor, named by its path in the nested dictionaries joined by dots, and the
/// names of all other entries.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, is damaged, or contains no tensors.
pub fn read(path: &Path) -> Result<Archive, ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    let with_path = |error: FormatError| match error {
        FormatError::Damaged(message) => ReadError::damaged(path, message),
        FormatError::Unsupported(message) => ReadError::unsupported(path, message),
    };
    let contents = if bytes.starts_with(&ZIP) {
        container::open_zip(&bytes)
    } else if is_stream(&bytes) {
        container::open_stream(&bytes)
    } else {
        let found = if bytes.is_empty() {
            "the file is empty"
        } else {
            "found neither a zip archive nor a pickle of PyTorch 0.2 or newer"
        };
        Err(FormatError::Unsupported(format!(
            "{found}; compare its size and checksum with those of its source, or save it again with a newer \
             PyTorch: torch.save(model.state_dict(), …)"
        )))
    };
    let (machine, root, storages) = contents.map_err(with_path)?;
    let contents = flatten::flatten(&machine, root).map_err(with_path)?;
    let mut archive = Archive { unused_entries: contents.other_entries, ..Archive::default() };
    // Limits memory: overlapping views cannot expand to more numbers than the file has bytes.
    let mut remaining = bytes.len();
    for (name, tensor) in contents.tensors {
        let Some(kind) = tensor.float_kind() else {
            let description = "unsupported number type".to_owned();
            archive.unused_entries.push(UnusedEntry { name, description });
            continue;
        };
        let values = tensor.numbers(kind, &storages, &mut remaining);
        let values = values.map_err(|e| ReadError::damaged(path, format!("{name}: {e}")))?;
        archive.arrays.push(crate::model::Variable { name, shape: tensor.shape.clone(), values });
    }
    if archive.arrays.is_empty() {
        return Err(ReadError::unsupported(
            path,
            "it contains no floating-point tensor in dictionaries; if it is a pickled model, load it \
             with its own program, then call torch.save(model.state_dict(), …)",
        ));
    }
    archive.arrays.sort_by(|one, other| one.name.cmp(&other.name));
    archive.unused_entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(archive)
}

impl From<&str> for FormatError {
    fn from(message: &str) -> Self {
        Self::Damaged(message.to_owned())
    }
}
