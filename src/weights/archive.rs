//! What a file of weights holds, whatever its kind.

use std::path::{Path, PathBuf};

use crate::model::{Metadata, Variable};

/// The arrays of a file under the file's own names and shapes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Archive {
    /// Arrays of floating-point numbers (of 16, 32 or 64 bits, here as 32), sorted by name.
    pub arrays: Vec<Variable>,
    /// What is in the file and is no such array, sorted by name.
    pub left_out: Vec<LeftOut>,
    /// What the file says about itself besides.
    pub metadata: Metadata,
}

/// Something in a file that is no array of floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// What it is, for example `64-bit integer`.
    pub what: String,
}

/// A file of weights cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system does not give it.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is not what it claims to be, or it is cut short.
    #[error("{path} is damaged: {what}; get the file again, and compare its size and checksum")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found where, and what was expected.
        what: String,
    },
    /// It is sound, as far as can be told, and of a kind that is not read.
    #[error("{path} cannot be used: {what}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found, what is read instead, and what to do.
        what: String,
    },
}

impl ReadError {
    /// [`ReadError::Io`] for a path.
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// [`ReadError::Damaged`] for a path.
    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    /// [`ReadError::Unsupported`] for a path.
    pub(super) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), what: what.into() }
    }
}
