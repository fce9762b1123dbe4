//! Errors of reading folders and series.

use lungs_base::text::counted;
use std::io;
use std::path::PathBuf;

use crate::codes::ExclusionCode;

use super::shares::{StackSummary, ValueCount, list_stacks, list_values};

/// Largest angle between slice normal and stack direction that does not count as gantry tilt.
pub(super) const TILT_LIMIT_DEGREES: f64 = 0.5;

/// An error that concerns the whole folder.
#[derive(Debug, thiserror::Error)]
pub enum DicomError {
    /// The path does not exist or cannot be opened.
    #[error("cannot look for DICOM files in {path}: {source}; give an existing file or folder")]
    Root {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The reason why a series is excluded: the value found and the value expected.
///
/// [`SeriesRefusal::code`] is the code for tables; `Display` is the sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SeriesRefusal {
    /// Another kind of image, or no image at all.
    #[error("Modality (0008,0060) is {found:?}, expected \"CT\"")]
    NotCt {
        /// The modality found.
        found: String,
    },
    /// Every image of the series is a scout view.
    #[error("{} (ImageType (0008,0008) contains LOCALIZER)", all_localizers(.images))]
    Localizer {
        /// Number of images.
        images: usize,
    },
    /// The series has only dose pages, screen saves, captures and the like.
    #[error("{}, none of which is a CT slice: {kinds}", counted(*.images, "image", "images"))]
    NoSlices {
        /// Number of images.
        images: usize,
        /// Their kinds.
        kinds: String,
    },
    /// Images of too many planes under one UID.
    #[error(
        "images of more than {limit} sizes, spacings or orientations under one SeriesInstanceUID \
         (0020,000E), expected one stack of slices"
    )]
    TooManyStacks {
        /// Upper limit.
        limit: usize,
    },
    /// Slices of several patients under one UID.
    #[error(
        "slices of {} patients under one SeriesInstanceUID (0020,000E), expected one: PatientID \
         (0010,0020) is {}; assign a separate SeriesInstanceUID to the files of each patient",
        .patients.len(), list_values(.patients)
    )]
    SeveralPatients {
        /// The ids, in order of their first file.
        patients: Vec<ValueCount>,
    },
    /// Slices of several exams under one UID.
    #[error(
        "slices of {} exams under one SeriesInstanceUID (0020,000E), expected one: \
         StudyInstanceUID (0020,000D) is {}; assign a separate SeriesInstanceUID to the files of \
         each exam",
        .exams.len(), list_values(.exams)
    )]
    SeveralExams {
        /// The UIDs, in order of their first file.
        exams: Vec<ValueCount>,
    },
    /// Several stacks under one UID, none of which stands for the series.
    #[error(
        "slices of {} stacks under one SeriesInstanceUID (0020,000E), expected one evenly spaced \
         stack that covers the others: {}; move the files of one scan to a separate folder",
        .stacks.len(), list_stacks(.stacks)
    )]
    SeveralStacks {
        /// The stacks.
        stacks: Vec<StackSummary>,
    },
    /// More voxels than any CT has.
    #[error("{slices} slices of {rows} × {columns} pixels, expected at most {limit} voxels")]
    TooLarge {
        /// Slices of the stack.
        slices: usize,
        /// Rows of each.
        rows: usize,
        /// Columns of each.
        columns: usize,
        /// Upper limit.
        limit: usize,
    },
    /// A needed header value is absent or impossible.
    #[error("{path}: {tag} is {found}, expected {expected}")]
    BadTag {
        /// The file.
        path: PathBuf,
        /// Tag and name.
        tag: &'static str,
        /// Value in the header.
        found: String,
        /// Expected value.
        expected: String,
    },
    /// A value that must be the same on every slice is not.
    #[error("{path}: {tag} is {found}, expected {expected} as in the first slice of the series")]
    Inconsistent {
        /// The file that differs.
        path: PathBuf,
        /// Tag and name.
        tag: &'static str,
        /// Value of this slice.
        found: String,
        /// Value of the first slice.
        expected: String,
    },
    /// The header names another quantity than attenuation.
    #[error("{path}: {tag} is {found:?}, expected {expected}; the values are not Hounsfield units")]
    NotHounsfield {
        /// The file.
        path: PathBuf,
        /// Tag and name.
        tag: &'static str,
        /// Value in the header.
        found: String,
        /// Value for Hounsfield units.
        expected: &'static str,
    },
    /// The header does not name Hounsfield units, and the values are out of their range.
    #[error(
        "{path}: RescaleType (0028,1054) is {found:?}, expected \"HU\", and values are {least} to \
         {most}, expected some below {air_hu} (air) and some above {tissue_hu} (tissue); the values \
         are not Hounsfield units"
    )]
    NotHounsfieldRange {
        /// The first file with this type.
        path: PathBuf,
        /// Value in the header.
        found: String,
        /// The least value.
        least: i16,
        /// The greatest value.
        most: i16,
        /// At least one value must be below this.
        air_hu: i16,
        /// At least one value must be above this.
        tissue_hu: i16,
    },
    /// Too few images for a volume.
    #[error("{}, expected at least {limit}", counted(*.found, "slice", "slices"))]
    TooFewSlices {
        /// Number of images.
        found: usize,
        /// Lower limit.
        limit: usize,
    },
    /// All images show one position.
    #[error(
        "{images} images, all at {position_mm:.2} mm along the slice normal, expected at least 2 \
         positions; a series at one position, such as bolus timing or perfusion, is not a volume"
    )]
    OnePosition {
        /// Number of images.
        images: usize,
        /// Their position along the slice normal.
        position_mm: f64,
    },
    /// Two different images at one position: several acquisitions in one series.
    #[error(
        "{first} and {second} both lie at {position_mm:.2} mm along the slice normal and have \
         different pixels, expected one image per position"
    )]
    DuplicateSlices {
        /// First image.
        first: PathBuf,
        /// Second image.
        second: PathBuf,
        /// Position of both along the slice normal.
        position_mm: f64,
    },
    /// Slices are missing in an otherwise even stack.
    #[error(
        "{} missing: the gap after {after} is {gap_mm:.3} mm, expected \
         {spacing_mm:.3} mm{}",
        counted(*.missing, "slice is", "slices are"),
        tilt_note(.tilt_degrees)
    )]
    MissingSlices {
        /// Number of missing slices in the whole stack.
        missing: usize,
        /// The slice before the first gap that is too wide.
        after: PathBuf,
        /// Width of that gap.
        gap_mm: f64,
        /// The median gap.
        spacing_mm: f64,
        /// The gantry's tilt.
        tilt_degrees: f64,
    },
    /// Gaps differ.
    #[error(
        "uneven slice spacing: the gap after {after} is {gap_mm:.3} mm, expected \
         {spacing_mm:.3} ± {tolerance_mm:.3} mm; gaps range from {least_mm:.3} to \
         {most_mm:.3} mm{}",
        tilt_note(.tilt_degrees)
    )]
    UnevenSpacing {
        /// The slice before the first bad gap.
        after: PathBuf,
        /// That gap.
        gap_mm: f64,
        /// The median gap.
        spacing_mm: f64,
        /// Largest accepted difference of a gap from the median.
        tolerance_mm: f64,
        /// The smallest gap.
        least_mm: f64,
        /// The widest gap.
        most_mm: f64,
        /// The gantry's tilt.
        tilt_degrees: f64,
    },
    /// Gaps change little by little.
    #[error(
        "uneven slice spacing: {path} lies {off_mm:.3} mm from its position on an even grid with \
         gaps of {even_mm:.3} mm, expected at most {limit_mm:.3} mm; gaps range from {least_mm:.3} \
         to {most_mm:.3} mm{}",
        tilt_note(.tilt_degrees)
    )]
    DriftingSpacing {
        /// The slice farthest from its position on the even grid.
        path: PathBuf,
        /// Its distance from that position.
        off_mm: f64,
        /// Upper limit.
        limit_mm: f64,
        /// The mean gap.
        even_mm: f64,
        /// The smallest gap.
        least_mm: f64,
        /// The widest gap.
        most_mm: f64,
        /// The gantry's tilt.
        tilt_degrees: f64,
    },
    /// Slices are sheared against each other.
    #[error("gantry tilt of {degrees:.1} degrees, expected at most {limit_degrees:.1}{hint}")]
    GantryTilt {
        /// Angle between the slice normal and the line through the slices' positions.
        degrees: f64,
        /// Upper limit.
        limit_degrees: f64,
        /// The key of the spec that excludes tilted stacks, if any.
        hint: &'static str,
    },
    /// Slices are sheared in a direction other than that of gantry tilt.
    #[error(
        "slices are sheared by {degrees:.1} degrees in a direction other than that of gantry tilt \
         (about the left-right axis of axial images), expected at most {limit_degrees:.1}"
    )]
    Sheared {
        /// Angle between the slice normal and the line through the slices' positions.
        degrees: f64,
        /// Upper limit.
        limit_degrees: f64,
    },
    /// Sagittal or coronal images, which the spec excludes.
    #[error("{plane} images, expected axial ones (preprocess.orientation = \"refuse\")")]
    NotAxial {
        /// `"sagittal"` or `"coronal"`.
        plane: &'static str,
    },
    /// Slices do not lie on one line: several stacks in one series.
    #[error(
        "{path} lies {off_mm:.1} mm off the line through the first and last slice, expected at most \
         {limit_mm:.1} mm"
    )]
    ScatteredSlices {
        /// The farthest slice.
        path: PathBuf,
        /// Its distance from the line through the first and last slice.
        off_mm: f64,
        /// Upper limit.
        limit_mm: f64,
    },
    /// Too far from the body's axes.
    #[error(
        "slices are {degrees:.0} degrees oblique to the body axes, expected at most {limit_degrees:.0}"
    )]
    Oblique {
        /// The largest angle between an image axis and its body axis.
        degrees: f64,
        /// Upper limit.
        limit_degrees: f64,
    },
    /// The pixel data ends early.
    #[error(
        "{path}: PixelData (7FE0,0010) has {found} bytes, expected {expected}: the file is cut short"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes present.
        found: u64,
        /// Bytes that rows × columns need.
        expected: u64,
    },
    /// No decoder for the file's transfer syntax.
    #[error(
        "{path}: TransferSyntaxUID (0002,0010) is {uid} ({name}), which has no decoder; convert the \
         files, for example to Explicit VR Little Endian"
    )]
    UnsupportedSyntax {
        /// The file.
        path: PathBuf,
        /// TransferSyntaxUID.
        uid: String,
        /// Its name in the standard.
        name: String,
    },
    /// The decoder failed.
    #[error("{path}: PixelData (7FE0,0010) cannot be decoded as {name}: {message}")]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The transfer syntax.
        name: String,
        /// Message of the decoder.
        message: String,
    },
    /// The file cannot be read, or has changed since the folder was scanned.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        message: String,
    },
}

impl SeriesRefusal {
    /// Code for tables.
    pub fn code(&self) -> ExclusionCode {
        match self {
            Self::NotCt { .. } => ExclusionCode::NotCt,
            Self::Localizer { .. } => ExclusionCode::Localizer,
            Self::NoSlices { .. } => ExclusionCode::NoSlices,
            Self::TooManyStacks { .. } => ExclusionCode::TooManyStacks,
            Self::SeveralPatients { .. } => ExclusionCode::SeveralPatients,
            Self::SeveralExams { .. } => ExclusionCode::SeveralExams,
            Self::SeveralStacks { .. } => ExclusionCode::SeveralStacks,
            Self::TooLarge { .. } => ExclusionCode::TooLarge,
            Self::Sheared { .. } => ExclusionCode::Sheared,
            Self::NotAxial { .. } => ExclusionCode::NotAxial,
            Self::BadTag { .. } => ExclusionCode::BadTag,
            Self::Inconsistent { .. } => ExclusionCode::InconsistentSlices,
            Self::NotHounsfield { .. } | Self::NotHounsfieldRange { .. } => {
                ExclusionCode::NotHounsfield
            }
            Self::TooFewSlices { .. } | Self::OnePosition { .. } => ExclusionCode::TooFewSlices,
            Self::DuplicateSlices { .. } => ExclusionCode::DuplicateSlices,
            Self::MissingSlices { .. } => ExclusionCode::MissingSlices,
            Self::UnevenSpacing { .. } | Self::DriftingSpacing { .. } => {
                ExclusionCode::UnevenSpacing
            }
            Self::GantryTilt { .. } => ExclusionCode::GantryTilt,
            Self::ScatteredSlices { .. } => ExclusionCode::ScatteredSlices,
            Self::Oblique { .. } => ExclusionCode::Oblique,
            Self::Truncated { .. } => ExclusionCode::Truncated,
            Self::UnsupportedSyntax { .. } => ExclusionCode::UnsupportedTransferSyntax,
            Self::Undecodable { .. } => ExclusionCode::Undecodable,
            Self::Unreadable { .. } => ExclusionCode::Unreadable,
        }
    }
}

fn all_localizers(images: &usize) -> String {
    match images {
        1 => "the only image is a localizer".to_owned(),
        images => format!("all {images} images are localizers"),
    }
}

/// The suffix of errors of a tilted stack; empty without tilt.
fn tilt_note(degrees: &f64) -> String {
    if *degrees > TILT_LIMIT_DEGREES {
        format!("; the gantry is tilted by {degrees:.1} degrees")
    } else {
        String::new()
    }
}
