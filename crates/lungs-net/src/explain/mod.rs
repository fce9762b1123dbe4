//! Heatmaps: attribution of a prediction to regions of the prepared volume, also on the voxels of the original
//! CT.
//!
//! ```text
//! windowed volume ──heatmap──▶ Field (weights on a lattice) ──mean over models──▶ Field
//!     voxel of the original CT ──position in mm──▶ voxel of the prepared volume ──Field::at──▶ weight
//! ```
//!
//! A [`Field`](lungs_image::volume::Field) belongs to `lungs-image`. This module reads and writes no files.

mod camera;
mod heatmap;
mod occlusion;

pub use camera::CamKind;
pub use heatmap::{HeatmapError, InputVolume, Method, heatmap};
pub use occlusion::{Blocks, Length};
