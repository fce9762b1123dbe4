//! Weights from elsewhere: a file of any known kind → named arrays → the network's variables.
//!
//! ```text
//! TensorFlow checkpoint (V2 bundle, V1 file) ─┐
//! PyTorch .pt / .pth (zip, older stream) ─────┼─▶ Archive ─▶ recognised layout ─▶ variables
//! safetensors, a run ─────────────────────────┘
//! ```
//!
//! Files are what strangers send: every length in them is checked against the size of the file
//! before anything of that length is made, nothing in them is executed, and whatever is wrong with
//! them is said with its place.

mod archive;
mod export;
mod fold;
mod intake;
mod layout;
mod load;
mod numbers;
pub mod pytorch;
pub mod safetensors;
mod show;
pub mod tensorflow;

pub use archive::{Archive, LeftOut, ReadError};
pub use export::{ExportError, Target, export};
pub use layout::Layout;
pub use load::{FileKind, Head, LoadError, Loaded, load, read_archive};
pub use show::{Figures, fate_of_head, left_out_by_kind};
