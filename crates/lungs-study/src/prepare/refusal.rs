//! Reasons why an image is excluded in preparation.

use lungs_image::codes::ExclusionCode;
use lungs_image::dicom::SeriesRefusal;
use lungs_image::images::ImageRefusal;
use lungs_image::volume::{ResampleError, SegmentationError};

/// Why a series is excluded in preparation, with the value found and the limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The image does not form a volume.
    #[error(transparent)]
    Image(#[from] ImageRefusal),
    /// The distance between slices exceeds the limit.
    #[error("slices are {found_mm:.3} mm apart, expected at most {limit_mm} mm")]
    SliceSpacing {
        /// Distance between slices.
        found_mm: f64,
        /// Maximum distance.
        limit_mm: f64,
    },
    /// The slices are thicker than Sybil accepts.
    #[error(
        "SliceThickness (0018,0050) is {found_mm} mm, expected at most {limit_mm} mm for Sybil"
    )]
    Thickness {
        /// SliceThickness.
        found_mm: f64,
        /// Maximum thickness.
        limit_mm: f64,
    },
    /// The header has no thickness, which Sybil takes for the distance between slices.
    #[error("SliceThickness (0018,0050) is absent, expected millimetres: Sybil uses it as spacing")]
    NoThickness,
    /// The volume cannot be resampled.
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// The lungs were not found or are too small.
    #[error(transparent)]
    Lungs(#[from] SegmentationError),
    /// The volume was prepared with other settings, and its scan is not available.
    #[error(
        "prepared with other [preprocess] settings or another version of lungs, and the original scan is \
         not available; fetch it again with `lungs fetch … --prepare` and this spec"
    )]
    PreparedOtherwise,
    /// A panic while this series was prepared.
    #[error("preparing this series failed unexpectedly: {message}; please report it")]
    Defect {
        /// Message of the panic.
        message: String,
    },
}

impl From<SeriesRefusal> for Refusal {
    fn from(refusal: SeriesRefusal) -> Self {
        Self::Image(refusal.into())
    }
}

impl Refusal {
    /// The code of the reason, for tables.
    pub fn code(&self) -> ExclusionCode {
        match self {
            Self::Image(refusal) => refusal.code(),
            Self::SliceSpacing { .. } => ExclusionCode::WideSlices,
            Self::Thickness { .. } => ExclusionCode::ThickSlices,
            Self::NoThickness => ExclusionCode::BadTag,
            Self::Resample(_) => ExclusionCode::NotResampled,
            Self::Lungs(SegmentationError::NoBody) => ExclusionCode::NoBody,
            Self::Lungs(SegmentationError::TooSmall { .. }) => ExclusionCode::SmallLungs,
            Self::Lungs(SegmentationError::TooFewSlices { .. }) => ExclusionCode::TooShort,
            Self::Lungs(SegmentationError::BoxTooSmall { .. }) => ExclusionCode::SmallBox,
            Self::Lungs(_) => ExclusionCode::NoLungs,
            Self::PreparedOtherwise => ExclusionCode::PreparedOtherwise,
            Self::Defect { .. } => ExclusionCode::Defect,
        }
    }

    /// Whether the exclusion depends on the files' content and the settings alone, so that the same inputs are
    /// excluded again.
    pub(super) fn is_reproducible(&self) -> bool {
        !matches!(self, Self::Image(_) | Self::Defect { .. })
    }
}
