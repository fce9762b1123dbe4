//! Weights files: a file of any supported format → named arrays → the network's variables.
//!
//! ```text
//! TensorFlow checkpoint (V2 bundle, V1 file) ─┐
//! PyTorch .pt / .pth (zip, older stream) ─────┼─▶ Archive ─▶ recognised layout ─▶ variables
//! safetensors, a run ─────────────────────────┘
//! ```
//!
//! Files are untrusted input. Every length is checked against the size of the file before memory of
//! that length is allocated, nothing in a file is executed, and every error names its position.

mod archive;
mod export;
mod fold;
mod intake;
mod layout;
mod load;
mod loaded;
mod numbers;
pub mod pytorch;
mod residual;
mod residual_names;
pub mod safetensors;
mod show;
pub mod tensorflow;

pub use archive::{Archive, ReadError, UnusedEntry};
pub use export::{ExportError, Target, export};
pub use layout::Layout;
pub use load::{load, read_archive};
pub use loaded::{FileKind, LoadError, LoadedNetwork, NetworkLayout};
/// The choice of [`load`] between the classifier of a file and a new one.
pub use lungs_base::network::Head;
pub use residual_names::ResidualLayout;
pub use show::{ArraySummary, head_compatibility, unused_by_kind};
