//! Why a volume file is not used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why a file does not become a volume: the value found, the value expected.
///
/// [`FormatRefusal::code`] is the short stable name for tables; `Display` is the sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum FormatRefusal {
    /// A header value is absent or impossible.
    #[error("{path}: {field} is {found}, expected {expected}")]
    BadHeader {
        /// The file.
        path: PathBuf,
        /// The header's field.
        field: String,
        /// What the header says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// More or fewer dimensions, or several values per voxel.
    #[error("{path}: {found}, expected one value per voxel of a 3-D volume")]
    NotOneVolume {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: String,
    },
    /// A layout that is not read.
    #[error("{path}: {found} is not supported; {advice}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What to do instead.
        advice: String,
    },
    /// The data would lie outside the header's folder.
    #[error(
        "{path}: ElementDataFile is {found:?}, expected a file in the header's own folder (no \
         absolute path, no \"..\")"
    )]
    Outside {
        /// The header.
        path: PathBuf,
        /// The file it names.
        found: String,
    },
    /// Axes that are not perpendicular.
    #[error(
        "{path}: the axes are sheared by {degrees:.1} degrees (gantry tilt?), expected at most \
         {limit_degrees:.1}"
    )]
    Sheared {
        /// The file.
        path: PathBuf,
        /// The largest difference of the angle between two axes from a right one.
        degrees: f64,
        /// The most that is accepted.
        limit_degrees: f64,
    },
    /// Too far from the body's axes.
    #[error(
        "{path}: the volume is {degrees:.0} degrees oblique to the body axes, expected at most \
         {limit_degrees:.0}"
    )]
    Oblique {
        /// The file.
        path: PathBuf,
        /// The largest angle between an image axis and its body axis.
        degrees: f64,
        /// The most that is accepted.
        limit_degrees: f64,
    },
    /// The values end early.
    #[error("{path}: {found} bytes of voxels, expected {expected}: the file is cut short")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes present (the most there can be, for compressed files).
        found: u64,
        /// Bytes that the voxels need.
        expected: u64,
    },
    /// Compressed data that does not unpack.
    #[error("{path}: the voxels cannot be decompressed: {message}")]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        message: String,
    },
    /// Values that cannot be the Hounsfield units of a chest.
    #[error(
        "{path}: values run from {least} to {greatest}, expected Hounsfield units of a chest (air \
         below {air_hu}, tissue above {tissue_hu})"
    )]
    NotHounsfield {
        /// The file.
        path: PathBuf,
        /// The least value.
        least: f32,
        /// The greatest value.
        greatest: f32,
        /// There must be something below.
        air_hu: f32,
        /// There must be something above.
        tissue_hu: f32,
    },
    /// Values that are no numbers.
    #[error("{path}: {count} voxels are not finite numbers, expected Hounsfield units")]
    NotNumbers {
        /// The file.
        path: PathBuf,
        /// How many.
        count: u64,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        message: String,
    },
}

impl FormatRefusal {
    /// The reason as a short stable word for tables.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadHeader { .. } => "bad-header",
            Self::NotOneVolume { .. } => "not-one-volume",
            Self::Unsupported { .. } => "unsupported-format",
            Self::Outside { .. } => "data-outside",
            Self::Sheared { .. } => "gantry-tilt",
            Self::Oblique { .. } => "oblique",
            Self::Truncated { .. } => "truncated",
            Self::Undecodable { .. } => "undecodable",
            Self::NotHounsfield { .. } | Self::NotNumbers { .. } => "not-hounsfield",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    pub(super) fn bad(
        path: &Path,
        field: &str,
        found: impl std::fmt::Display,
        expected: &str,
    ) -> Self {
        let found: String = found.to_string().chars().take(120).collect();
        let (path, field) = (path.to_owned(), field.to_owned());
        Self::BadHeader { path, field, found, expected: expected.to_owned() }
    }

    pub(super) fn unreadable(path: &Path, error: &dyn std::error::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), message: error.to_string() }
    }
}
