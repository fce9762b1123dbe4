//! The contents of a weights file, whatever its format.

use std::path::{Path, PathBuf};

use crate::model::{Metadata, Variable};

/// The arrays of a file, with the file's names and shapes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Archive {
    /// Floating-point arrays (16, 32 or 64 bits in the file, 32 bits in memory), sorted by name.
    pub arrays: Vec<Variable>,
    /// Every other entry of the file, sorted by name.
    pub unused_entries: Vec<UnusedEntry>,
    /// The file's own metadata.
    pub metadata: Metadata,
}

/// An entry of a file that the network does not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedEntry {
    /// Name in the file.
    pub name: String,
    /// Kind of the entry, for example `integers` or `optimizer state`.
    pub description: String,
}

/// A weights file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Reading failed in the operating system.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The content is inconsistent or truncated.
    #[error(
        "{path} is damaged: {message}; download or copy the file again, and verify its size and \
         checksum"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found, where, and what was expected.
        message: String,
    },
    /// The file appears intact, but its format or content is not supported.
    #[error("{path} cannot be used: {message}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found, what is supported instead, and what to do.
        message: String,
    },
}

impl ReadError {
    /// [`ReadError::Io`] for a path.
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// [`ReadError::Damaged`] for a path.
    pub(super) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), message: message.into() }
    }

    /// [`ReadError::Unsupported`] for a path.
    pub(super) fn unsupported(path: &Path, message: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), message: message.into() }
    }
}
