//! What the tests of several crates share. Not part of the program.

pub mod browser;
#[cfg(feature = "dicom")]
pub mod dicom;
pub mod npy;

use std::path::{Path, PathBuf};

/// A file or folder of the shared test material: real CT series, reference values, the index of NLST.
///
/// The material is in the folder that `LUNGS_SHARED` names, else in `../shared` next to the repository.
pub fn shared(path: &str) -> PathBuf {
    let sibling = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("LUNGS_SHARED").map_or_else(sibling, PathBuf::from).join(path)
}
