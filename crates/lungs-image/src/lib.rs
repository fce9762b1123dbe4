//! Chest CT images from files to volumes in Hounsfield units, and pure kernels on volumes.
//!
//! - [`images`] walks a folder and finds images of any kind, with an index of their headers.
//! - [`dicom`] makes one volume of each series, or says why not.
//! - [`formats`] reads files that are a volume already: NIfTI, MetaImage, `.npz`.
//! - [`codes`] are the reasons of exclusions and the flags of the tables, with their words.
//! - [`volume`] resamples, finds the lungs, crops and windows.
//!
//! ```
//! use lungs_image::volume::{Geometry, Grid, Interpolation, Volume, Window, resample};
//! use ndarray::Array3;
//!
//! // Four slices, 3 mm apart, of 8 × 8 pixels of 0.75 mm.
//! let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
//! let geometry = Geometry { spacing_mm: [3.0, 0.75, 0.75], origin_mm: [0.0; 3], axes };
//! let ct = Volume { hu: Array3::from_elem((4, 8, 8), -800), geometry };
//!
//! let isotropic = resample(&ct, [1.5; 3], Interpolation::Cubic, Grid::Physical)?;
//! // The outer centres stay: 9 mm between the first and the last slice.
//! assert_eq!(isotropic.hu.shape(), [7, 4, 4]);
//! assert_eq!(isotropic.geometry.spacing_mm, [1.5; 3]);
//! # Ok::<(), lungs_image::volume::ResampleError>(())
//! ```
//!
//! From files: [`images::scan`] a folder, then [`images::read_volume`] of an image; for DICOM alone, [`dicom::scan`] and
//! [`dicom::read_volume`].
//!
//! Limits: CT only, one volume per series, at most 16 bits a sample; no network and no C library.

pub mod codes;
pub mod dicom;
pub mod formats;
pub mod images;
pub mod volume;
