//! From a path to the network's arrays.

use super::intake::{ExtractedNetwork, extract};
use super::layout::{NetworkLocation, recognise};
use super::loaded::{FileKind, LoadError, LoadedNetwork, NetworkLayout};
use super::residual;
use super::residual_names::{self, ResidualLocation};
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

/// Loads the network in a file, inflates it if it is two-dimensional, and folds the gammas of
/// Inception-v1 into the kernels.
///
/// `prefix` selects one of several networks.
///
/// # Errors
/// [`LoadError`] with every missing or wrong array.
pub fn load(path: &Path, prefix: Option<&str>, head: Head) -> Result<LoadedNetwork, LoadError> {
    let (kind, mut archive) = read_archive(path)?;
    let location = choose(path, &archive, prefix)?;
    let metadata = std::mem::take(&mut archive.metadata);
    let (layout, prefix) = (location.layout(), location.prefix().to_owned());
    let extracted = match location {
        Location::Inception(location) => extract(&archive, &location, head),
        Location::Residual(location) => residual::extract(archive, &location, head),
    };
    let path = path.to_owned();
    match extracted {
        Ok(ExtractedNetwork { config, variables, unused_entries }) => Ok(LoadedNetwork {
            path,
            kind,
            layout,
            prefix,
            config,
            variables,
            unused_entries,
            metadata,
        }),
        Err(problems) => Err(LoadError::Mismatch { path, layout, problems }),
    }
}

/// A network in a file.
enum Location {
    Inception(NetworkLocation),
    Residual(ResidualLocation),
}

impl Location {
    fn layout(&self) -> NetworkLayout {
        match self {
            Self::Inception(location) => location.layout.into(),
            Self::Residual(location) => location.layout.into(),
        }
    }

    fn prefix(&self) -> &str {
        match self {
            Self::Inception(location) => &location.prefix,
            Self::Residual(location) => &location.prefix,
        }
    }
}

fn choose(path: &Path, archive: &Archive, prefix: Option<&str>) -> Result<Location, LoadError> {
    let inceptions = recognise(archive).into_iter().map(Location::Inception);
    let residual = residual_names::recognise(archive).into_iter().map(Location::Residual);
    let mut networks: Vec<Location> = inceptions.chain(residual).collect();
    if let Some(requested) = prefix {
        let prefixes: Vec<String> = networks.iter().map(|it| it.prefix().to_owned()).collect();
        networks.retain(|network| network.prefix() == requested);
        if networks.is_empty() && !prefixes.is_empty() {
            let (path, requested) = (path.to_owned(), requested.to_owned());
            return Err(LoadError::OtherPrefix { path, requested, prefixes });
        }
    }
    match networks.len() {
        1 => Ok(networks.remove(0)),
        0 => Err(LoadError::NoNetwork { path: path.to_owned(), arrays: array_overview(archive) }),
        _ => Err(LoadError::SeveralNetworks {
            path: path.to_owned(),
            prefixes: networks.iter().map(|network| network.prefix().to_owned()).collect(),
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
