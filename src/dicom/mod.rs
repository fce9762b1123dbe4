//! A folder of files becomes series, and a series becomes one volume in Hounsfield units with its
//! true geometry, or a reason why not.
//!
//! ```text
//! folder ──scan──▶ Scan { series, problems, skipped }
//!                    │  (headers only, never the pixels)
//!                    ▼
//! Series ──stack──▶ Stack    slice order, spacing and orientation from the positions alone
//!        ──read_volume──▶ (Volume, SeriesFacts)   or a SeriesRefusal
//! ```
//!
//! File names, folder names, file order, InstanceNumber and SliceThickness are never trusted:
//! a slice lies where ImagePositionPatient and ImageOrientationPatient say. What cannot be
//! established is refused with the value found and the value expected; nothing is filled in.

mod decode;
mod error;
mod geometry;
mod header;
mod hounsfield;
mod meta;
mod pixels;
mod scan;
#[cfg(test)]
pub(crate) mod testing;
mod turn;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::{DicomError, SeriesRefusal};
pub use geometry::{Stack, stack};
pub(crate) use header::{Kind as FileKind, read as read_header};
pub use hounsfield::HuRule;
pub use pixels::{SeriesFacts, read_volume};
pub use scan::scan;
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

/// Files that share a SeriesInstanceUID. The texts are those of the first file by path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
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
    /// The files, ordered by path.
    pub slices: Vec<SliceFile>,
}

/// A header value, or what was found in its place (`"absent"`, or the text that does not parse).
pub type Found<T> = Result<T, String>;

/// What the header of one file says about its slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceFile {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last modified, nanoseconds since 1970.
    pub modified_ns: u128,
    /// SOPInstanceUID (0008,0018).
    pub instance_uid: String,
    /// InstanceNumber (0020,0013).
    pub instance_number: Option<i64>,
    /// ImageType (0008,0008) has the value `LOCALIZER`.
    pub localizer: bool,
    /// NumberOfFrames (0028,0008), 1 when absent.
    pub frames: u32,
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
    /// How stored values become Hounsfield units.
    pub values: ValueHeader,
    /// TransferSyntaxUID (0002,0010).
    pub transfer_syntax: String,
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
    /// BitsAllocated (0028,0100).
    pub bits_allocated: Found<u32>,
    /// PixelRepresentation (0028,0103) is 1: stored values are two's complement.
    pub signed: bool,
    /// SamplesPerPixel (0028,0002), 1 when absent.
    pub samples: u32,
    /// PixelPaddingValue (0028,0120) as 16 stored bits, whatever sign its representation gives.
    pub padding: Option<u16>,
    /// PixelPaddingRangeLimit (0028,0121), likewise.
    pub padding_limit: Option<u16>,
}
