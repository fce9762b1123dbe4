//! From a path to the network's arrays.

use super::intake::{ExtractedNetwork, extract};
use super::layout::{NetworkLocation, recognise};
use super::loaded::{FileKind, LoadError, LoadedNetwork};
use super::residual;
use super::{Archive, ReadError, pytorch, safetensors, tensorflow};
use lungs_base::network::Head;
use lungs_base::text::counted;
use std::path::Path;

/// Every array of a file in any supported format.
///
/// # Errors
/// [`LoadError::NoKind`] or [`LoadError::Read`].
pub fn read_archive(path: &Path) -> Result<(FileKind, Archive), LoadError> {
    if !path.is_dir() && safetensors::is_one(path) {
        return Ok((FileKind::Safetensors, safetensors::read(path)?));
    }
    if !path.is_dir() && pytorch::is_one(path) {
        return Ok((FileKind::PyTorch, pytorch::read(path)?));
    }
    if tensorflow::is_one(path) {
        return Ok((FileKind::TensorFlow, tensorflow::read(path)?));
    }
    match std::fs::metadata(path) {
        Err(source) => Err(ReadError::Io { path: path.to_owned(), source }.into()),
        Ok(_) => Err(LoadError::NoKind { path: path.to_owned() }),
    }
}

/// Loads the network in a file, inflates it if it is two-dimensional, and folds its gammas into the
/// kernels.
///
/// `prefix` selects one of several networks.
///
/// # Errors
/// [`LoadError`] with every missing or wrong array.
pub fn load(path: &Path, prefix: Option<&str>, head: Head) -> Result<LoadedNetwork, LoadError> {
    let (kind, archive) = read_archive(path)?;
    if let Some(config) = residual::config_of(&archive) {
        return residual::extract(path, kind, archive, config, head);
    }
    let NetworkLocation { layout, prefix } = choose(path, &archive, prefix)?;
    let extracted = extract(&archive, &NetworkLocation { layout, prefix: prefix.clone() }, head);
    let ExtractedNetwork { config, variables, unused_entries } = extracted
        .map_err(|problems| LoadError::Mismatch { path: path.to_owned(), layout, problems })?;
    let config = config.into();
    let Archive { metadata, .. } = archive;
    let path = path.to_owned();
    Ok(LoadedNetwork { path, kind, layout, prefix, config, variables, unused_entries, metadata })
}

fn choose(
    path: &Path,
    archive: &Archive,
    prefix: Option<&str>,
) -> Result<NetworkLocation, LoadError> {
    let mut networks = recognise(archive);
    if let Some(prefix) = prefix {
        networks.retain(|network| network.prefix == prefix);
    }
    match networks.len() {
        1 => Ok(networks.remove(0)),
        0 => Err(LoadError::NoNetwork { path: path.to_owned(), arrays: array_overview(archive) }),
        _ => Err(LoadError::SeveralNetworks {
            path: path.to_owned(),
            prefixes: networks.into_iter().map(|network| network.prefix).collect(),
        }),
    }
}

/// The number of arrays and a few of their names, for an error message.
fn array_overview(archive: &Archive) -> String {
    let names: Vec<&str> = archive.arrays.iter().map(|array| &*array.name).take(3).collect();
    match archive.arrays.len() {
        0 => "no floating-point array".to_owned(),
        count => format!("{}, for example {}", counted(count, "array", "arrays"), names.join(", ")),
    }
}
