//! Where the network looked: maps of weight in the prepared volume, and what they are on the
//! original CT.
//!
//! ```text
//! windowed volume ──look──▶ Field (weights on a lattice) ──mean over models──▶ Field
//!     Field at a place in the patient = Field at the voxel of the prepared volume that lies there
//! ```
//!
//! Nothing here reads or writes files.

mod camera;
mod field;
mod look;
mod occlusion;

pub use camera::{Camera, class_activation};
pub use field::Field;
pub use look::{LEVELS, LookError, Method, Seen, look};
pub use occlusion::{Blocks, Length, occlude};
