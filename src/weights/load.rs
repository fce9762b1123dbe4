//! From a path to the network's arrays.

use super::intake::{Intake, set_input_channels, take};
use super::layout::{Layout, Recognised, recognise};
use super::{Archive, LeftOut, ReadError, pytorch, safetensors, tensorflow};
use crate::model::{I3dConfig, Metadata, Variable, is_head};
use std::path::{Path, PathBuf};

/// What a file is written as.
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

/// A network as a file holds it, in this program's names and shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Where it is from.
    pub path: PathBuf,
    /// What the file is.
    pub kind: FileKind,
    /// How it names the network.
    pub layout: Layout,
    /// What stands before every name.
    pub prefix: String,
    /// Input channels, width and, where there is a classifier, classes.
    pub config: I3dConfig,
    /// The arrays, in the order of a forward pass.
    pub variables: Vec<Variable>,
    /// What the file holds besides.
    pub left_out: Vec<LeftOut>,
    /// What the file says about itself.
    pub metadata: Metadata,
}

/// A network cannot be taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no file of a known kind.
    #[error(
        "{path} is no file of weights that is known: expected a TensorFlow checkpoint \
         (model.ckpt-123, its .index file, or the folder with both), a PyTorch file \
         (.pt, .pth), a .safetensors file, or the folder of a run"
    )]
    NoKind {
        /// What was given.
        path: PathBuf,
    },
    /// The file holds arrays, and no network that is known.
    #[error(
        "{path} holds no I3D or Inception-v1 that is known: {found}; a network is known by the \
         name of its first kernel, {}",
        Layout::first_kernels()
    )]
    NoNetwork {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        found: String,
    },
    /// The file holds several networks.
    #[error(
        "{path} holds several networks; say which one with --prefix:\n{}",
        .prefixes.iter().map(|prefix| format!("  --prefix '{prefix}'")).collect::<Vec<_>>().join("\n")
    )]
    SeveralNetworks {
        /// The file.
        path: PathBuf,
        /// What stands before the names of each.
        prefixes: Vec<String>,
    },
    /// Arrays are missing or wrong.
    #[error(
        "{path} ({layout}) does not fit the network: {} of its arrays missing or wrong\n{}",
        .problems.len(),
        listed(.problems)
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        layout: Layout,
        /// Each array with what was expected and found.
        problems: Vec<String>,
    },
}

/// At most this many problems are listed one by one.
const LISTED: usize = 40;

fn listed(problems: &[String]) -> String {
    let mut lines: Vec<String> =
        problems.iter().take(LISTED).map(|problem| format!("  {problem}")).collect();
    if problems.len() > LISTED {
        lines.push(format!("  … and {} more", problems.len() - LISTED));
    }
    lines.join("\n")
}

/// Every array of a file, whatever its kind.
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

/// Whether a file's classifier is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// It is taken where there is one.
    Keep,
    /// It is left out; what it would have read keeps the scale that it had in the file.
    Drop,
}

/// The network in a file, inflated if it is two-dimensional, its gammas folded away.
///
/// `prefix` chooses where a file holds several networks.
///
/// # Errors
/// [`LoadError`] with everything that is missing or wrong.
pub fn load(path: &Path, prefix: Option<&str>, head: Head) -> Result<Loaded, LoadError> {
    let (kind, archive) = read_archive(path)?;
    let Recognised { layout, prefix } = choose(path, &archive, prefix)?;
    let taken = take(&archive, &Recognised { layout, prefix: prefix.clone() }, head);
    let Intake { config, variables, left_out } = taken.map_err(|problems| LoadError::Mismatch {
        path: path.to_owned(),
        layout,
        problems,
    })?;
    let Archive { metadata, .. } = archive;
    let path = path.to_owned();
    Ok(Loaded { path, kind, layout, prefix, config, variables, left_out, metadata })
}

fn choose(path: &Path, archive: &Archive, wanted: Option<&str>) -> Result<Recognised, LoadError> {
    let mut found = recognise(archive);
    if let Some(wanted) = wanted {
        found.retain(|one| one.prefix == wanted);
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(LoadError::NoNetwork { path: path.to_owned(), found: some_names(archive) }),
        _ => Err(LoadError::SeveralNetworks {
            path: path.to_owned(),
            prefixes: found.into_iter().map(|one| one.prefix).collect(),
        }),
    }
}

fn some_names(archive: &Archive) -> String {
    let names: Vec<&str> = archive.arrays.iter().map(|array| &*array.name).take(3).collect();
    match archive.arrays.len() {
        0 => "it holds no array of floating-point numbers".to_owned(),
        count => format!("{count} arrays, for example {}", names.join(", ")),
    }
}

impl Loaded {
    /// Whether the file has a classifier.
    pub fn has_head(&self) -> bool {
        self.variables.iter().any(is_head)
    }

    /// For so many input channels that see the same image, with the same output.
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

    /// BLAKE3 over names, shapes and numbers, as hexadecimal digits: the same for the same network,
    /// whatever kind of file holds it.
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

    /// How many numbers the arrays hold.
    pub fn count(&self) -> usize {
        self.variables.iter().map(|variable| variable.values.len()).sum()
    }
}
