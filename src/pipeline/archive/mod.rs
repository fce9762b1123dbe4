//! A model as one file that can be given away: what predicts, what it was measured to do, and what it
//! is not for.
//!
//! ```text
//! demo.lungs.zip
//!   lungs-model.json      format, and where each network is
//!   MODEL_CARD.md         intended use, data, figures with intervals, limits (Mitchell et al. 2019)
//!   spec.toml             the experiment
//!   preprocessing.toml    how series are prepared for the weights
//!   evaluation.json       or cross-validation.json
//!   provenance.json       version, commit, hashes, machine; no name of a host
//!   weights.safetensors   of a cross-validation fold-1/weights.safetensors, …
//!   calibration.json      where the spec asks for one; beside each network's weights
//!   SHA256SUMS            of all of these: `sha256sum -c SHA256SUMS`
//! ```
//!
//! Nothing of single exams or patients is in it. The same run gives the same bytes.

mod card;
mod read;
mod write;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use read::{Unpacked, is_archive, unpack};
pub use write::{Export, export};

/// The file that makes a ZIP file a model of ours.
const MANIFEST: &str = "lungs-model.json";
/// Checksums of all other files.
const CHECKSUMS: &str = "SHA256SUMS";
/// The number of this layout.
const FORMAT: u32 = 1;

/// `lungs-model.json`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// The layout.
    format: u32,
    /// The experiment.
    name: String,
    /// Version of the program that wrote it.
    version: String,
    /// Folders inside the file that hold a network each, empty for the top.
    networks: Vec<String>,
}

/// A model archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is damaged or was changed.
    #[error("{path}: {found}; take the file again from where it came from")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// The file is of a newer version.
    #[error(
        "{path} has layout {found}, this version of lungs reads layouts up to {FORMAT}; update lungs"
    )]
    Newer {
        /// The archive.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// A file of the run cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing can be unpacked.
    #[error("cannot unpack {path} into a temporary folder: {source}")]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
