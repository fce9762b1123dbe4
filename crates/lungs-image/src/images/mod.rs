//! CT images of any kind (a DICOM series or a volume file), found by one walk over a folder.
//!
//! ```text
//! folder ──walk──▶ files ──inspect──▶ contents ──group──▶ ScanResult { images, problems, skipped }
//!                           │ ▲
//!                           ▼ │  files with unchanged size and times are not opened
//!                      <cache>/index
//!
//! Image ──read_volume──▶ (Volume, SeriesFacts)   or an ImageRefusal
//! ```
//!
//! An [`Image`] holds the header values for the cohort and the tables. The headers of single slices
//! are dropped once their series is stacked, and read again with its volume: a million files take
//! little more memory than their names.

mod facts;
mod group;
mod index;
mod read;
mod scan;
mod skipped_files;
#[cfg(test)]
mod tests;
mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codes::{Exclusion, ExclusionCode, Flag};
use crate::dicom::{Acquisition, Problem, SeriesRefusal};
use crate::formats::{Format, FormatRefusal, VolumeHeader};
use crate::volume::Geometry;

pub use read::read_volume;
pub use scan::Scanner;
pub use skipped_files::{SkippedFiles, SkippedKind, Tally, counted_files};

/// An error that concerns the whole folder.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The path does not exist or cannot be opened.
    #[error("cannot look for CT images in {path}: {source}; give an existing file or folder")]
    Root {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// The contents of a folder, in an order that depends only on the contents and names of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanResult {
    /// All images, ordered by patient, date, exam, series UID and path.
    pub images: Vec<Image>,
    /// Unusable files that claim to be images or look like it, ordered by path.
    pub problems: Vec<Problem>,
    /// Files that are not images or are not opened, by kind.
    pub skipped: SkippedFiles,
    /// Number of files that were opened; the others were in the index.
    pub opened: usize,
}

/// One CT image: a DICOM series or a volume file.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The kind of image.
    pub kind: Kind,
    /// SeriesInstanceUID; for a volume file its name without the extension, with the folders below
    /// the root where different files share a name.
    pub series_uid: String,
    /// PatientID; empty when absent.
    pub patient_id: String,
    /// StudyInstanceUID; empty when absent.
    pub exam_id: String,
    /// StudyDate as written, `YYYYMMDD`; empty when absent.
    pub study_date: String,
    /// Reconstruction kernel as the scanner names it; empty when absent.
    pub kernel: String,
    /// Manufacturer; empty when absent.
    pub manufacturer: String,
    /// How the volume was acquired, and of whom.
    pub acquisition: Acquisition,
    /// Folder of the series' first file, or the volume file.
    pub path: PathBuf,
    /// Slices of the volume; without a volume, the files of the series.
    pub slices: usize,
    /// The voxel grid, or the reason why there is no volume.
    pub grid: Result<Grid, ImageRefusal>,
    /// The files, in order.
    pub files: Vec<ImageFile>,
    /// Peculiarities that do not exclude the image.
    pub flags: Vec<Flag>,
    /// Images of the series that are not in the volume.
    pub excluded: Vec<ExcludedImages>,
}

/// Images of a series that are not in its volume, such as scout views and other stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedImages {
    /// Number of images.
    pub slices: usize,
    /// Why they are not in the volume.
    pub exclusion: Exclusion,
}

/// The kind of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A DICOM series.
    Dicom,
    /// A volume file; its header, unless that is unusable.
    File(Option<Box<VolumeHeader>>),
}

impl Kind {
    /// Short stable code for tables.
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
    /// Position of the canonical volume in the patient.
    pub geometry: Geometry,
    /// Slices as stored; for a prepared volume with a known scan, those of the scan (as are the next
    /// three fields).
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

/// One file of an image, as it was when the folder was scanned.
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
    /// Time of the last change of its inode, which programs cannot set (0 if unavailable).
    pub changed_ns: i64,
}

impl ImageFile {
    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

/// The reason why an image is excluded.
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
    /// Code for tables.
    pub fn code(&self) -> ExclusionCode {
        match self {
            Self::Series(refusal) => refusal.code(),
            Self::File(refusal) => refusal.code(),
        }
    }
}

/// Finds all images under `root`, without an index.
///
/// # Errors
/// `root` itself cannot be opened.
pub fn scan(root: &Path) -> Result<ScanResult, ImagesError> {
    Scanner::default().scan(root)
}
