//! Errors of volume files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::codes::ExclusionCode;

/// The reason why a volume file is excluded: the value found and the value expected.
///
/// [`FormatRefusal::code`] is the code for tables; `Display` is the sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum FormatRefusal {
    /// A header value is absent or impossible.
    #[error("{path}: {field} is {found}, expected {expected}")]
    BadHeader {
        /// The file.
        path: PathBuf,
        /// The field of the header.
        field: String,
        /// Value in the header.
        found: String,
        /// Expected value.
        expected: String,
    },
    /// More or fewer dimensions, or several values per voxel.
    #[error("{path}: {found}, expected one value per voxel of a 3-D volume")]
    NotOneVolume {
        /// The file.
        path: PathBuf,
        /// Value in the header.
        found: String,
    },
    /// A layout that is not supported.
    #[error("{path}: {found} is not supported; {advice}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The layout.
        found: String,
        /// How to convert the file.
        advice: String,
    },
    /// The header names a data file outside its folder.
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
        /// The largest difference between a right angle and the angle of two axes.
        degrees: f64,
        /// Upper limit.
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
        /// Upper limit.
        limit_degrees: f64,
    },
    /// The values end early.
    #[error("{path}: {found} bytes of voxels, expected {expected}: the file is cut short")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes present (an upper bound for compressed files).
        found: u64,
        /// Bytes that the voxels need.
        expected: u64,
    },
    /// Damaged compressed data.
    #[error("{path}: the voxels cannot be decompressed: {message}")]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// Message of the decoder.
        message: String,
    },
    /// Values that are not Hounsfield units of a chest.
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
        /// At least one value must be below this.
        air_hu: f32,
        /// At least one value must be above this.
        tissue_hu: f32,
    },
    /// Values that are not finite numbers.
    #[error(
        "{path}: found {count} voxel values that are not finite numbers, expected Hounsfield units"
    )]
    NotNumbers {
        /// The file.
        path: PathBuf,
        /// Number of voxels.
        count: u64,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        message: String,
    },
}

impl FormatRefusal {
    /// Code for tables.
    pub fn code(&self) -> ExclusionCode {
        match self {
            Self::BadHeader { .. } => ExclusionCode::BadHeader,
            Self::NotOneVolume { .. } => ExclusionCode::NotOneVolume,
            Self::Unsupported { .. } => ExclusionCode::UnsupportedFormat,
            Self::Outside { .. } => ExclusionCode::DataOutside,
            Self::Sheared { .. } => ExclusionCode::GantryTilt,
            Self::Oblique { .. } => ExclusionCode::Oblique,
            Self::Truncated { .. } => ExclusionCode::Truncated,
            Self::Undecodable { .. } => ExclusionCode::Undecodable,
            Self::NotHounsfield { .. } | Self::NotNumbers { .. } => ExclusionCode::NotHounsfield,
            Self::Unreadable { .. } => ExclusionCode::Unreadable,
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
