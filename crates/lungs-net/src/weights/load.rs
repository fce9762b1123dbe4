//! From a path to the network's arrays.

use super::intake::{ExtractedNetwork, extract, set_input_channels};
use super::layout::{Layout, NetworkLocation, recognise};
use super::residual;
use super::{Archive, ReadError, UnusedEntry, pytorch, safetensors, tensorflow};
use crate::model::{Metadata, NetworkConfig, Variable, is_head};
use lungs_base::network::Head;
use lungs_base::text::counted;
use std::path::{Path, PathBuf};

/// Format of a weights file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A TensorFlow checkpoint.
    TensorFlow,
    /// A file of `torch.save`.
    PyTorch,
    /// A safetensors file.
    Safetensors,
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::TensorFlow => "TensorFlow checkpoint",
            Self::PyTorch => "PyTorch file",
            Self::Safetensors => "safetensors file",
        })
    }
}

/// A network from a file, in this program's names and shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedNetwork {
    /// The file.
    pub path: PathBuf,
    /// The file's format.
    pub kind: FileKind,
    /// The layout of the network's names and shapes.
    pub layout: Layout,
    /// The prefix of every name.
    pub prefix: String,
    /// Architecture, pool, input channels, width and, if there is a classifier, outputs.
    pub config: NetworkConfig,
    /// The arrays, in the order of a forward pass.
    pub variables: Vec<Variable>,
    /// Entries of the file that the network does not use.
    pub unused_entries: Vec<UnusedEntry>,
    /// The file's own metadata.
    pub metadata: Metadata,
}

/// A network cannot be loaded from a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file's format is unknown.
    #[error(
        "{path} is not a known weights file: expected a TensorFlow checkpoint \
         (model.ckpt-123, its .index file, or their folder), a PyTorch file \
         (.pt, .pth), a .safetensors file, or a run folder"
    )]
    NoKind {
        /// The requested path.
        path: PathBuf,
    },
    /// The file contains no known network.
    #[error(
        "{path} contains no known I3D or Inception-v1: found {arrays}; expected the first kernel \
         under one of these names: {}",
        Layout::first_kernels()
    )]
    NoNetwork {
        /// The file.
        path: PathBuf,
        /// The arrays of the file, in words.
        arrays: String,
    },
    /// The file contains several networks.
    #[error(
        "{path} contains several networks; choose one with --prefix:\n{}",
        .prefixes.iter().map(|prefix| format!("  --prefix '{prefix}'")).collect::<Vec<_>>().join("\n")
    )]
    SeveralNetworks {
        /// The file.
        path: PathBuf,
        /// The prefix of each network's names.
        prefixes: Vec<String>,
    },
    /// Arrays are missing or wrong.
    #[error(
        "{path} ({layout}) does not fit the network: {} missing or wrong\n{}",
        counted(.problems.len(), "array is", "arrays are"),
        problem_list(.problems)
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The recognised layout.
        layout: Layout,
        /// One line for each array, with the expected and the found shape.
        problems: Vec<String>,
    },
}

/// Largest number of problems in a message.
const MOST_LISTED: usize = 40;

fn problem_list(problems: &[String]) -> String {
    let mut lines: Vec<String> =
        problems.iter().take(MOST_LISTED).map(|problem| format!("  {problem}")).collect();
    if problems.len() > MOST_LISTED {
        lines.push(format!("  … and {} more", problems.len() - MOST_LISTED));
    }
    lines.join("\n")
}

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

impl LoadedNetwork {
    /// Whether the file has a classifier.
    pub fn has_head(&self) -> bool {
        self.variables.iter().any(is_head)
    }

    /// Changes the number of input channels. All channels see the same image; the output stays the
    /// same.
    #[must_use]
    pub fn with_channels(mut self, channels: usize) -> Self {
        if let Some(first) = self.variables.first_mut() {
            let kernel = std::mem::replace(
                first,
                Variable { name: String::new(), shape: vec![], values: vec![] },
            );
            *first = set_input_channels(kernel, channels);
            self.config.in_channels = channels;
        }
        self
    }

    /// BLAKE3 over names, shapes and values, as hexadecimal digits. It does not depend on the file's
    /// format.
    pub fn fingerprint(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for Variable { name, shape, values } in &self.variables {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            hash.update(format!("{name} {}\n", shape.join("x")).as_bytes());
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
        hash.finalize().to_string()
    }

    /// Number of values in all arrays.
    pub fn count(&self) -> usize {
        self.variables.iter().map(|variable| variable.values.len()).sum()
    }
}
