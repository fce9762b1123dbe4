//! A cohort that cannot be selected.

use super::{LabelsError, ListError, SplitError};
use lungs_base::text::counted;
use lungs_image::images::ImagesError;
use std::path::PathBuf;

/// The cohort could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// A folder could not be searched.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A folder that the spec names could not be searched.
    #[error("{key}: {source}")]
    Root {
        /// The key of the spec.
        key: &'static str,
        /// The error.
        source: ImagesError,
    },
    /// A folder that the spec names does not exist.
    #[error("{key}: {path} does not exist; give an existing file or folder")]
    NoRoot {
        /// The key of the spec.
        key: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A folder or file of a list could not be searched.
    #[error(
        "{list}, line {line}: {source}; relative paths of a list start at the working directory"
    )]
    ListedPath {
        /// The list.
        list: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The error.
        source: ImagesError,
    },
    /// The labels are invalid.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// A `.list` file is invalid.
    #[error(transparent)]
    List(#[from] ListError),
    /// The patients cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// No images.
    #[error(
        "no CT images in {root} ({}, {problems} damaged); expected a \
         folder with DICOM series, NIfTI, MetaImage or prepared .npz files, at any \
         depth{first_problem}{hint}{}", counted(*.skipped, "other file", "other files"), .skipped_files.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    NoImages {
        /// The folder.
        root: PathBuf,
        /// Files of other kinds.
        skipped: usize,
        /// Damaged image files.
        problems: usize,
        /// The first damaged file, as a sentence.
        first_problem: String,
        /// The remedy, if known.
        hint: String,
        /// A line for each kind of file that can contain images but is not read.
        skipped_files: Vec<String>,
    },
    /// No series can be used.
    #[error(
        "found {series} series, none of which can be used; excluded: {reasons}. First cases:{first}{damaged}{unmatched}"
    )]
    NoneChosen {
        /// Number of series.
        series: usize,
        /// Reasons of the series with their counts.
        reasons: String,
        /// The first series, one line each.
        first: String,
        /// The damaged files, as a line.
        damaged: String,
        /// The labels without a series, as lines.
        unmatched: String,
    },
}

impl CohortError {
    /// The error of a folder that a key of the spec names.
    pub fn root(key: &'static str, source: ImagesError) -> Self {
        let ImagesError::Root { path, source: error } = &source;
        if error.kind() == std::io::ErrorKind::NotFound {
            Self::NoRoot { key, path: path.clone() }
        } else {
            Self::Root { key, source }
        }
    }
}
