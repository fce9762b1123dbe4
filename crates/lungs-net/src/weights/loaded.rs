//! A network from a file, and why there is none.

use super::intake::set_input_channels;
use super::layout::Layout;
use super::residual_names::ResidualLayout;
use super::{ReadError, UnusedEntry};
use crate::model::{Metadata, NetworkConfig, Variable, is_head};
use lungs_base::text::counted;
use std::path::PathBuf;

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

/// The convention for the names and shapes of a network's arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkLayout {
    /// Of Inception-v1 or I3D.
    Inception(Layout),
    /// Of a residual network.
    Residual(ResidualLayout),
}

impl NetworkLayout {
    /// Whether its kernels have no depth.
    pub fn is_two_dimensional(self) -> bool {
        match self {
            Self::Inception(layout) => layout.is_two_dimensional(),
            Self::Residual(_) => false,
        }
    }
}

impl std::fmt::Display for NetworkLayout {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inception(layout) => layout.fmt(out),
            Self::Residual(layout) => layout.fmt(out),
        }
    }
}

impl From<Layout> for NetworkLayout {
    fn from(layout: Layout) -> Self {
        Self::Inception(layout)
    }
}

impl From<ResidualLayout> for NetworkLayout {
    fn from(layout: ResidualLayout) -> Self {
        Self::Residual(layout)
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
    pub layout: NetworkLayout,
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
         (.pt, .pth, .ckpt), a .safetensors file, or a run folder"
    )]
    NoKind {
        /// The requested path.
        path: PathBuf,
    },
    /// The file contains no known network.
    #[error(
        "{path} contains no known I3D, Inception-v1 or residual network: found {arrays}; expected the \
         first kernel under one of these names: {}, {}",
        Layout::first_kernels(),
        ResidualLayout::first_kernels()
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
    /// No network has the requested prefix.
    #[error(
        "{path} has no network with the prefix \"{requested}\"; expected one of: {}",
        .prefixes.iter().map(|prefix| format!("\"{prefix}\"")).collect::<Vec<_>>().join(", ")
    )]
    OtherPrefix {
        /// The file.
        path: PathBuf,
        /// The requested prefix.
        requested: String,
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
        layout: NetworkLayout,
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
