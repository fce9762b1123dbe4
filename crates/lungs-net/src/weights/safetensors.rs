//! Safetensors files: a JSON header and raw bytes.

use super::numbers::Kind;
use super::{Archive, ReadError, UnusedEntry};
use crate::model::Variable;
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Whether a file starts like a safetensors file (a length within the file, then JSON), or is named
/// like one.
pub fn is_one(path: &Path) -> bool {
    let read_start = || -> std::io::Result<([u8; 9], u64)> {
        let mut file = File::open(path)?;
        let mut start = [0; 9];
        file.read_exact(&mut start)?;
        Ok((start, file.metadata()?.len()))
    };
    let by_name = path.extension().is_some_and(|ending| ending == "safetensors");
    path.is_file()
        && (by_name
            || read_start().is_ok_and(|(start, size)| {
                let [length @ .., brace] = start;
                brace == b'{' && u64::from_le_bytes(length) < size
            }))
}

/// Every floating-point array of a safetensors file, and the names of all other entries.
///
/// # Errors
/// [`ReadError`] when the file cannot be read or is damaged.
pub fn read(path: &Path) -> Result<Archive, ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    let damaged = |e: safetensors::SafeTensorError| ReadError::damaged(path, e.to_string());
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let mut archive = Archive { metadata, ..Archive::default() };
    for (name, tensor) in tensors.iter() {
        let name = name.to_owned();
        let kind = match tensor.dtype() {
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            Dtype::BOOL => Kind::Other("booleans"),
            _ => Kind::Other("unsupported number type"),
        };
        match kind {
            Kind::Other(description) => archive
                .unused_entries
                .push(UnusedEntry { name, description: description.to_owned() }),
            kind => archive.arrays.push(Variable {
                name,
                shape: tensor.shape().to_vec(),
                values: kind.numbers(tensor.data()),
            }),
        }
    }
    archive.arrays.sort_by(|one, other| one.name.cmp(&other.name));
    archive.unused_entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(archive)
}
