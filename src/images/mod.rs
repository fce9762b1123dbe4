//! Images of any kind: a DICOM series or a volume file, found by one walk over a folder.
//!
//! ```text
//! folder ──walk──▶ files ──look──▶ what each is ──group──▶ Found { images, problems, skipped }
//!                           │ ▲
//!                           ▼ │  files whose size and times are unchanged are not opened
//!                      <cache>/index
//!
//! Image ──read_volume──▶ (Volume, SeriesFacts)   or an ImageRefusal
//! ```
//!
//! An [`Image`] is what the cohort and the tables need, from headers alone. The headers of single
//! slices are dropped once their series is stacked, and read again when its volume is: so a
//! million files take memory for their names, and little else.

mod facts;
mod group;
mod index;
mod passed_over;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dicom::{Problem, SeriesRefusal};
use crate::formats::{Format, FormatRefusal, VolumeHeader};
use crate::volume::Geometry;

pub use passed_over::{PassedOver, PassedOverKind, Tally, counted};
pub use read::read_volume;
pub use scan::Scanner;

/// The folder as a whole could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The path given does not exist or cannot be opened.
    #[error("cannot look for CT images in {path}: {source}; give an existing file or folder")]
    Root {
        /// The path given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// What a folder holds, in an order that depends on the files' contents and names alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Every image, ordered by patient, date, exam, series UID and path.
    pub images: Vec<Image>,
    /// Files that claim to be images, or look like it, and cannot be used; ordered by path.
    pub problems: Vec<Problem>,
    /// Files that are no image or are not looked into, by kind.
    pub passed_over: PassedOver,
    /// How many files had to be opened; the others were known from the index.
    pub opened: usize,
}

/// One CT image: a DICOM series, or a file that is a volume already.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// What it is.
    pub kind: Kind,
    /// SeriesInstanceUID; for a volume file its name without the extension, with the folders below
    /// the root where different files share a name.
    pub series_uid: String,
    /// PatientID; empty when the image does not say.
    pub patient_id: String,
    /// StudyInstanceUID; empty when the image does not say.
    pub exam_id: String,
    /// StudyDate as written, `YYYYMMDD`; empty when the image does not say.
    pub study_date: String,
    /// Reconstruction kernel as the scanner names it; empty when the image does not say.
    pub kernel: String,
    /// Manufacturer; empty when the image does not say.
    pub manufacturer: String,
    /// Folder of the series' first file, or the volume file.
    pub path: PathBuf,
    /// Slices of the volume; for what makes no volume, the files of the series.
    pub slices: usize,
    /// Where the voxels lie, or why there is no volume.
    pub grid: Result<Grid, ImageRefusal>,
    /// The files, in order.
    pub files: Vec<ImageFile>,
    /// What was noticed and is safe, short stable words.
    pub flags: Vec<String>,
    /// Parts of the series that are not in the volume.
    pub left_out: Vec<LeftOut>,
}

/// Images of a series that are not in its volume, such as scout views and other stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub slices: usize,
    /// A short word, a colon, and a sentence.
    pub reason: String,
}

/// What an image is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A DICOM series.
    Dicom,
    /// A volume file; its header, unless that is unusable.
    File(Option<Box<VolumeHeader>>),
}

impl Kind {
    /// A short stable word for tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dicom => "dicom",
            Self::File(Some(header)) => match header.format {
                Format::Nifti => "nifti",
                Format::MetaImage => "metaimage",
                Format::Prepared => "prepared",
            },
            Self::File(None) => "file",
        }
    }
}

/// The voxel grid of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The canonical volume's place in the patient.
    pub geometry: Geometry,
    /// Slices as stored; of a prepared volume whose scan is known, those of the scan, and so are the
    /// next three.
    pub slices: usize,
    /// Rows of each slice.
    pub rows: usize,
    /// Columns of each slice.
    pub columns: usize,
    /// Distance between neighbouring slices, whichever axis they are stacked along.
    pub slice_spacing_mm: f64,
}

impl Grid {
    /// Distance from the centre of the first slice to that of the last.
    pub fn coverage_mm(&self) -> f64 {
        self.slices.saturating_sub(1) as f64 * self.slice_spacing_mm
    }
}

/// One file of an image, as it was when the folder was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFile {
    /// Its folder, shared by all files in it.
    pub folder: Arc<Path>,
    /// Its name.
    pub name: OsString,
    /// Its size.
    pub bytes: u64,
    /// When it was last modified, nanoseconds since 1970.
    pub modified_ns: u128,
    /// When anything about it changed, which no program can set (0 where there is no such time).
    pub changed_ns: i64,
}

impl ImageFile {
    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// Why an image does not become a volume.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImageRefusal {
    /// A DICOM series.
    #[error(transparent)]
    Series(#[from] SeriesRefusal),
    /// A volume file.
    #[error(transparent)]
    File(#[from] FormatRefusal),
}

impl ImageRefusal {
    /// The reason as a short stable word for tables.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Series(refusal) => refusal.code(),
            Self::File(refusal) => refusal.code(),
        }
    }
}

/// Finds every image under `root`, without an index.
///
/// # Errors
/// Only when `root` itself cannot be opened.
pub fn scan(root: &Path) -> Result<Found, ImagesError> {
    Scanner::default().scan(root)
}
