//! Model archives: one ZIP file with the networks, their metrics and a model card.
//!
//! ```text
//! demo.lungs.zip
//!   lungs-model.json      format, and the folder of each network
//!   MODEL_CARD.md         intended use, data, metrics with intervals, limits (Mitchell et al. 2019)
//!   spec.toml             the experiment
//!   preprocessing.toml    the preprocessing
//!   evaluation.json       or cross-validation.json
//!   provenance.json       version, commit, hashes, machine; without the host name
//!   weights.safetensors   for a cross-validation fold-1/weights.safetensors, …
//!   calibration.json      with evaluate.recalibrate, next to the weights of each network
//!   SHA256SUMS            checksums of all files: `sha256sum -c SHA256SUMS`
//! ```
//!
//! An archive has no data of single exams or patients. The same run gives the same bytes.

mod card;
mod read;
mod write;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use read::{Unpacked, is_archive, unpack};
pub use write::{Export, export};

/// The file that identifies a model archive.
const MANIFEST: &str = "lungs-model.json";
/// The file of checksums of all other files.
const CHECKSUMS: &str = "SHA256SUMS";
/// The version of the format.
const FORMAT: u32 = 1;

/// `lungs-model.json`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// Version of the format.
    format: u32,
    /// Name of the experiment.
    name: String,
    /// Version of the program.
    version: String,
    /// Prefixes of the files of each network; empty for the top folder.
    networks: Vec<String>,
}

/// A model archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is damaged or was changed.
    #[error("{path} is not a valid model archive: {problem}; get a new copy of the file")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file has a newer format.
    #[error("{path} has format {format}, expected at most {FORMAT}; update lungs to read it")]
    Newer {
        /// The archive.
        path: PathBuf,
        /// Version of its format.
        format: u32,
    },
    /// A file of the run cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The archive cannot be unpacked.
    #[error("cannot unpack {path} into a temporary folder: {source}")]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
