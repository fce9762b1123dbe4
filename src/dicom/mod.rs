//! A folder of files becomes series, and a series becomes one volume in Hounsfield units with its
//! true geometry, or a reason why not.
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
//! a slice lies where ImagePositionPatient and ImageOrientationPatient say. What cannot be
//! established is refused with the value found and the value expected; nothing is filled in.

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
#[cfg(test)]
pub(crate) mod testing;
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

pub use error::{DicomError, SeriesRefusal};
pub(crate) use header::{Kind as FileKind, read as read_header};
pub use hounsfield::HuRule;
pub use pixels::{SeriesFacts, read_slice, read_volume, read_volume_by};
pub use scan::scan;
pub use shares::{Shared, StackShare};
pub use shear::Shear;
pub use split::{LeftOut, Stack, stack, stack_by};
pub use turn::Turn;

/// What a folder holds, in an order that depends on the files' contents and names alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Every series found, ordered by patient, study date, study and series UID.
    pub series: Vec<Series>,
    /// Files that claim to be DICOM, or look like it, and cannot be used; ordered by path.
    pub problems: Vec<Problem>,
    /// How many files were plainly something else (tables, archives, pictures, DICOMDIR).
    pub skipped: usize,
}

/// A file that wants to be DICOM and is not usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What was found and what was expected.
    pub reason: String,
}

/// What becomes of stacks that are not plain axial ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackRules {
    /// Stacks acquired with a tilted gantry.
    pub gantry_tilt: GantryTilt,
    /// Stacks of sagittal or coronal images.
    pub orientation: Orientation,
}

/// What becomes of a stack acquired with a tilted gantry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GantryTilt {
    /// Its rows are moved onto an untilted grid.
    #[default]
    Reshear,
    /// It is refused with the angle.
    Refuse,
}

/// What becomes of a stack of sagittal or coronal images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// The volume is turned to axial order; no voxel changes.
    #[default]
    Reformat,
    /// It is refused.
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

/// What a header says of the patient, the exam and the series. Files of one series may say
/// different things: what counts is what the slices of the volume say ([`Stack::origin`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// SeriesInstanceUID (0020,000E).
    pub series_uid: String,
    /// StudyInstanceUID (0020,000D); empty when absent.
    pub study_uid: String,
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
    /// StudyDate (0008,0020) as written, `YYYYMMDD`.
    pub study_date: String,
}

/// A header value, or what was found in its place (`"absent"`, or the text that does not parse).
pub type Found<T> = Result<T, String>;

/// What the header of one file says about one slice: the file's only one, or one of its frames.
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
    /// What the image shows.
    pub content: Content,
    /// NumberOfFrames (0028,0008), 1 when absent.
    pub frames: u32,
    /// Which of the file's frames this is, from 0.
    pub frame: u32,
    /// Rows (0028,0010): the image's height in pixels.
    pub rows: Found<u32>,
    /// Columns (0028,0011): the image's width in pixels.
    pub columns: Found<u32>,
    /// ImagePositionPatient (0020,0032): the centre of the first pixel, x y z in mm.
    pub position_mm: Found<[f64; 3]>,
    /// ImageOrientationPatient (0020,0037): directions of increasing column, then row.
    pub orientation: Found<[f64; 6]>,
    /// PixelSpacing (0028,0030): distance between rows, then between columns.
    pub pixel_spacing_mm: Found<[f64; 2]>,
    /// What can tell stacks of one series apart.
    pub marks: Marks,
    /// How stored values become Hounsfield units.
    pub values: ValueHeader,
    /// Where PixelData (7FE0,0010) is.
    pub pixels: Found<PixelPlace>,
    /// TransferSyntaxUID (0002,0010).
    pub transfer_syntax: String,
}

/// What an image shows.
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
    /// SamplesPerPixel (0028,0002) or PhotometricInterpretation (0028,0004) say colour.
    Colour,
    /// Modality (0008,0060) is not `CT` but this.
    OtherModality(String),
}

/// Header values that differ between the stacks which scanners put under one SeriesInstanceUID.
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

/// Where a file keeps its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelPlace {
    /// First byte of the value, in the file (of a deflated file: in the inflated data set).
    pub offset: u64,
    /// The length that the header states; `None` when the pixels are encapsulated in fragments.
    pub length: Option<u64>,
}

/// What the header says of the stored pixel values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueHeader {
    /// RescaleSlope (0028,1053).
    pub slope: Found<f64>,
    /// RescaleIntercept (0028,1052).
    pub intercept: Found<f64>,
    /// RescaleType (0028,1054), empty when absent.
    pub rescale_type: String,
    /// Units of RealWorldValueMappingSequence (0040,9096), empty when absent.
    pub units: String,
    /// BitsAllocated (0028,0100).
    pub bits_allocated: Found<u32>,
    /// BitsStored (0028,0101).
    pub bits_stored: Found<u32>,
    /// HighBit (0028,0102).
    pub high_bit: Found<u32>,
    /// PixelRepresentation (0028,0103) is 1: stored values are two's complement.
    pub signed: bool,
    /// PixelPaddingValue (0028,0120) as 16 stored bits, whatever sign its representation gives.
    pub padding: Option<u16>,
    /// PixelPaddingRangeLimit (0028,0121), likewise.
    pub padding_limit: Option<u16>,
}
