//! Files of `torch.save`, read without PyTorch, and without executing anything in them.
//!
//! ```text
//! since 1.6   zip: <name>/data.pkl says what there is, <name>/data/<key> are the numbers
//! before      a stream: pickles of magic, version, machine, what there is, keys; then the numbers
//! ```
//!
//! A pickle is a program. Ours ([`pickle`]) knows the words that build dictionaries, and PyTorch's
//! that build tensors; what any other would call is kept as its name alone.

mod container;
mod flatten;
mod pickle;
mod rebuild;

use super::{Archive, LeftOut, ReadError};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How a pickle of the older stream begins behind its protocol: the magic number as a long.
const MAGIC: [u8; 12] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// Whether a file begins as those of `torch.save` do.
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

/// Every tensor of floating-point numbers, under its path in the nested dictionaries joined by
/// dots, and the names of everything else.
///
/// # Errors
/// [`ReadError`] when the file cannot be read, is damaged, or holds no tensors.
pub fn read(path: &Path) -> Result<Archive, ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    let wrong = |wrong: Wrong| match wrong {
        Wrong::Damaged(what) => ReadError::damaged(path, what),
        Wrong::Unsupported(what) => ReadError::unsupported(path, what),
    };
    let opened = if bytes.starts_with(&ZIP) {
        container::open_zip(&bytes)
    } else if is_stream(&bytes) {
        container::open_stream(&bytes)
    } else {
        Err(Wrong::Unsupported(
            "it is no file that torch.save has written since version 0.2; load it with the \
             PyTorch that wrote it, and torch.save(model.state_dict(), …) with a new one"
                .to_owned(),
        ))
    };
    let (machine, root, storages) = opened.map_err(wrong)?;
    let found = flatten::flatten(&machine, root).map_err(wrong)?;
    let mut archive = Archive { left_out: found.others, ..Archive::default() };
    // Each number of a tensor is one of the file's, so that views cannot make more than there are.
    let mut left = bytes.len();
    for (name, tensor) in found.tensors {
        let Some(kind) = tensor.floats() else {
            archive.left_out.push(LeftOut { name, what: "numbers of another type".to_owned() });
            continue;
        };
        let values = tensor.numbers(kind, &storages, &mut left);
        let values = values.map_err(|e| ReadError::damaged(path, format!("{name}: {e}")))?;
        archive.arrays.push(crate::model::Variable { name, shape: tensor.shape.clone(), values });
    }
    if archive.arrays.is_empty() {
        return Err(ReadError::unsupported(
            path,
            "it holds no tensor of floating-point numbers in dictionaries; a whole model that was \
             pickled needs its program: load it there, and torch.save(model.state_dict(), …)",
        ));
    }
    archive.arrays.sort_by(|one, other| one.name.cmp(&other.name));
    archive.left_out.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(archive)
}

/// What is wrong with a file; whoever calls knows its name.
#[derive(Debug, PartialEq)]
enum Wrong {
    Damaged(String),
    Unsupported(String),
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }
}
