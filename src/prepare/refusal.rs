//! Why an image was not prepared.

use crate::dicom::SeriesRefusal;
use crate::images::ImageRefusal;
use crate::volume::{ResampleError, SegmentationError};

/// Why a series was not prepared: the value found and the limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The image makes no volume.
    #[error(transparent)]
    Image(#[from] ImageRefusal),
    /// Slices too far apart for what is asked of the images.
    #[error("slices are {found_mm:.3} mm apart, expected at most {limit_mm} mm")]
    SliceSpacing {
        /// The spacing found.
        found_mm: f64,
        /// The most that is accepted.
        limit_mm: f64,
    },
    /// The volume cannot be resampled.
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// No lungs were found, or too little of them.
    #[error(transparent)]
    Lungs(#[from] SegmentationError),
    /// The volume was prepared otherwise, and its scan is not here.
    #[error(
        "it was prepared with other settings of [preprocess], or by another version of this program, \
         and its scan is not here; fetch it again with `lungs fetch … --prepare` and this spec"
    )]
    PreparedOtherwise,
    /// A defect of this program, kept to the one series.
    #[error("preparing this series failed unexpectedly: {message}; please report it")]
    Defect {
        /// What the panic said.
        message: String,
    },
}

impl From<SeriesRefusal> for Refusal {
    fn from(refusal: SeriesRefusal) -> Self {
        Self::Image(refusal.into())
    }
}

impl Refusal {
    /// The reason as a short stable word for tables.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Image(refusal) => refusal.code(),
            Self::SliceSpacing { .. } => "wide-slices",
            Self::Resample(_) => "not-resampled",
            Self::Lungs(SegmentationError::NoBody) => "no-body",
            Self::Lungs(SegmentationError::TooSmall { .. }) => "small-lungs",
            Self::Lungs(SegmentationError::TooFewSlices { .. }) => "too-short",
            Self::Lungs(SegmentationError::BoxTooSmall { .. }) => "small-box",
            Self::Lungs(_) => "no-lungs",
            Self::PreparedOtherwise => "prepared-otherwise",
            Self::Defect { .. } => "defect",
        }
    }

    /// Whether the refusal follows from the files' contents and the settings alone, so that the
    /// same inputs will be refused again.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Self::Image(_) | Self::Defect { .. })
    }
}
