//! Reads folders of DICOM files as series, and a series as one volume in Hounsfield units with its
//! true geometry, or as a [`SeriesRefusal`].
//!
//! ```text
//! folder ──scan──▶ Scan { series, problems, skipped }
//!                    │  (headers only, never the pixels; a multi-frame file is many slices)
//!                    ▼
//! Series ──stack──▶ Stack    which slices, in which order, where: from positions alone
//!        ──read_volume──▶ (Volume, SeriesFacts)   or a SeriesRefusal
//! ```
//!
//! File names, folder names, file order, InstanceNumber and SliceThickness are never trusted:
//! ImagePositionPatient and ImageOrientationPatient give the position of a slice. A series without a
//! reliable geometry is excluded with the value found and the value expected; no data is filled in.

mod acquisition;
mod codec;
mod decode;
mod elements;
mod error;
mod fragments;
mod frames;
mod header;
mod hounsfield;
mod marks;
mod meta;
mod origin;
mod parts;
mod pixels;
mod plane;
mod scan;
mod shares;
mod shear;
mod split;
mod stacking;
mod text;
mod turn;
mod units;

#[cfg(test)]
mod frames_tests;
#[cfg(test)]
mod origin_tests;
#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod pixels_tests;
#[cfg(test)]
mod shear_tests;
#[cfg(test)]
mod split_tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use acquisition::{Acquisition, Sex};
pub use error::{DicomError, SeriesRefusal};
pub(crate) use header::{Kind as FileKind, read as read_header};
pub use hounsfield::HuRule;
pub(crate) use pixels::read_volume_by;
pub use pixels::{SeriesFacts, read_slice, read_volume};
pub use scan::scan;
pub use shares::{StackSummary, ValueCount};
pub use shear::Shear;
pub(crate) use split::stack_by;
pub use split::{ExcludedSlices, Stack, stack};
pub use turn::Turn;

/// The contents of a folder, in an order that depends only on the contents and names of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// All series, ordered by patient, study date, study and series UID.
    pub series: Vec<Series>,
    /// Unusable files that claim to be DICOM or look like it, ordered by path.
    pub problems: Vec<Problem>,
    /// Number of files of other kinds (tables, archives, pictures, DICOMDIR).
    pub skipped: usize,
}

/// An unusable file that claims to be DICOM or looks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The value found and the value expected; a verb phrase whose subject is the file.
    pub reason: String,
}

/// How to handle stacks other than plain axial ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackRules {
    /// Stacks acquired with a tilted gantry.
    pub gantry_tilt: GantryTilt,
    /// Stacks of sagittal or coronal images.
    pub orientation: Orientation,
}

/// How to handle a stack acquired with a tilted gantry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GantryTilt {
    /// Resample the rows onto an untilted grid (up to 30°), and set the flag `tilt-resheared`.
    #[default]
    Reshear,
    /// Exclude the series, with the angle in the reason.
    Refuse,
}

/// How to handle a stack of sagittal or coronal images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// Reorder the voxels to axial slices, and set the flag `reformatted-from-sagittal` or
    /// `reformatted-from-coronal`.
    #[default]
    Reformat,
    /// Exclude the series.
    Refuse,
}

/// Files that share a SeriesInstanceUID.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// SeriesInstanceUID (0020,000E).
    pub series_uid: String,
    /// The images, ordered by path and frame.
    pub slices: Vec<SliceFile>,
}

/// Patient, exam and series of a header. Files of one series may differ in these values; those of
/// the slices in the volume are used ([`Stack::origin`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// SeriesInstanceUID (0020,000E).
    pub series_uid: String,
    /// StudyInstanceUID (0020,000D); empty when absent.
    pub exam_id: String,
    /// PatientID (0010,0020); empty when absent.
    pub patient_id: String,
    /// Modality (0008,0060), for example `CT`.
    pub modality: String,
    /// SeriesDescription (0008,103E).
    pub description: String,
    /// ConvolutionKernel (0018,1210), for example `STANDARD` or `B30f`.
    pub kernel: String,
    /// Manufacturer (0008,0070).
    pub manufacturer: String,
    /// ManufacturerModelName (0008,1090).
    pub scanner_model: String,
    /// StudyDate (0008,0020) as written, `YYYYMMDD`.
    pub study_date: String,
    /// PatientAge (0010,1010) as written, such as `061Y`.
    pub patient_age: String,
    /// PatientSex (0010,0040) as written.
    pub patient_sex: String,
}

/// A parsed header value, or the text found instead (`"absent"`, or a text that does not parse).
pub type HeaderValue<T> = Result<T, String>;

/// The header values of one slice: the only slice of a file, or one of its frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceFile {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last modified, nanoseconds since 1970.
    pub modified_ns: u128,
    /// Patient, exam and series.
    pub origin: Origin,
    /// SOPInstanceUID (0008,0018).
    pub instance_uid: String,
    /// InstanceNumber (0020,0013).
    pub instance_number: Option<i64>,
    /// Content of the image.
    pub content: Content,
    /// NumberOfFrames (0028,0008), 1 when absent.
    pub frames: u32,
    /// Index of the frame in the file, from 0.
    pub frame: u32,
    /// Rows (0028,0010): the image's height in pixels.
    pub rows: HeaderValue<u32>,
    /// Columns (0028,0011): the image's width in pixels.
    pub columns: HeaderValue<u32>,
    /// ImagePositionPatient (0020,0032): the centre of the first pixel, x y z in mm.
    pub position_mm: HeaderValue<[f64; 3]>,
    /// ImageOrientationPatient (0020,0037): directions of increasing column, then row.
    pub orientation: HeaderValue<[f64; 6]>,
    /// PixelSpacing (0028,0030): distance between rows, then between columns.
    pub pixel_spacing_mm: HeaderValue<[f64; 2]>,
    /// Header values that distinguish the stacks of one series.
    pub marks: Marks,
    /// Current, exposure and dose, which a scanner may change from slice to slice.
    pub exposure: Exposure,
    /// Conversion of stored values to Hounsfield units.
    pub values: ValueHeader,
    /// Location of PixelData (7FE0,0010).
    pub pixels: HeaderValue<PixelLocation>,
    /// TransferSyntaxUID (0002,0010).
    pub transfer_syntax: String,
}

/// The content of an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Content {
    /// A slice of the body.
    Slice,
    /// A scout view (ImageType (0008,0008) has `LOCALIZER` or the like).
    Localizer,
    /// A table of doses (ImageType has `DOSE` or the like).
    DosePage,
    /// A picture of the screen (ImageType has `SCREEN SAVE` or the like).
    ScreenSave,
    /// A projection of many slices (ImageType has `MIP`, `MINIP`, `PROJECTION IMAGE` or the like).
    Projection,
    /// SOPClassUID (0008,0016) is one of Secondary Capture.
    SecondaryCapture,
    /// SamplesPerPixel (0028,0002) or PhotometricInterpretation (0028,0004) indicates colour.
    Colour,
    /// Modality (0008,0060) is not `CT` but this.
    OtherModality(String),
}

/// Header values that differ between stacks that share a SeriesInstanceUID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// TemporalPositionIdentifier (0020,0100) or Index (0020,9128), with
    /// NominalPercentageOfCardiacPhase (0020,9241).
    pub temporal: String,
    /// ConvolutionKernel (0018,1210).
    pub kernel: String,
    /// KVP (0018,0060).
    pub kilovolts: String,
    /// SliceThickness (0018,0050): a mark only, never a distance between slices.
    pub thickness_mm: String,
    /// ImageType (0008,0008), or FrameType (0008,9007).
    pub image_type: String,
    /// AcquisitionNumber (0020,0012), or FrameAcquisitionNumber (0020,9156).
    pub acquisition: Option<i64>,
    /// AcquisitionDateTime (0008,002A), or AcquisitionDate (0008,0022) and AcquisitionTime
    /// (0008,0032), or FrameAcquisitionDateTime (0018,9074); with TriggerTime (0018,1060).
    pub acquired: String,
    /// StackID (0020,9056).
    pub stack: String,
    /// FrameOfReferenceUID (0020,0052).
    pub frame_of_reference: String,
}

/// Current, exposure and dose of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// XRayTubeCurrent (0018,1151), or XRayTubeCurrentInmA (0018,9330).
    pub tube_current_ma: Option<f32>,
    /// Exposure (0018,1152), or ExposureInuAs (0018,1153), or ExposureInmAs (0018,9332).
    pub exposure_mas: Option<f32>,
    /// CTDIvol (0018,9345).
    pub ctdi_vol_mgy: Option<f32>,
}

/// Location of a file's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelLocation {
    /// First byte of the value, in the file (of a deflated file: in the inflated data set).
    pub offset: u64,
    /// The length that the header states; `None` when the pixels are encapsulated in fragments.
    pub length: Option<u64>,
}

/// Header values that give stored pixel values their meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueHeader {
    /// RescaleSlope (0028,1053).
    pub slope: HeaderValue<f64>,
    /// RescaleIntercept (0028,1052).
    pub intercept: HeaderValue<f64>,
    /// RescaleType (0028,1054), empty when absent.
    pub rescale_type: String,
    /// Units of RealWorldValueMappingSequence (0040,9096), empty when absent.
    pub units: String,
    /// BitsAllocated (0028,0100).
    pub bits_allocated: HeaderValue<u32>,
    /// BitsStored (0028,0101).
    pub bits_stored: HeaderValue<u32>,
    /// HighBit (0028,0102).
    pub high_bit: HeaderValue<u32>,
    /// PixelRepresentation (0028,0103) is 1: stored values are two's complement.
    pub signed: bool,
    /// PixelPaddingValue (0028,0120) as 16 stored bits, regardless of sign.
    pub padding: Option<u16>,
    /// PixelPaddingRangeLimit (0028,0121), as 16 stored bits.
    pub padding_limit: Option<u16>,
}
