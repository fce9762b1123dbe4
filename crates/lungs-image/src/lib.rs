//! Chest CT images from files to volumes in Hounsfield units, and pure kernels on volumes.
//!
//! - [`images`] walks a folder and finds images of any kind, with an index of their headers.
//! - [`dicom`] makes one volume of each series, or says why not.
//! - [`formats`] reads files that are a volume already: NIfTI, MetaImage, `.npz`.
//! - [`codes`] are the reasons of exclusions and the flags of the tables, with their words.
//! - [`volume`] resamples, finds the lungs, crops and windows.
//!
//! Limits: CT only, one volume per series, at most 16 bits a sample; no network and no C library.

pub mod codes;
pub mod dicom;
pub mod formats;
pub mod images;
pub mod volume;
