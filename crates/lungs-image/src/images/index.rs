//! The index of file contents in the cache folder, so that unchanged files are not opened again.
//!
//! `<cache>/index` is a magic word, the version of its layout, the version of the program, a
//! BLAKE3 hash, and the folders in [postcard](https://docs.rs/postcard)'s encoding. It is replaced
//! as a whole and atomically: of two processes that write it, the later one wins, which costs
//! only time. A file that is damaged or of another version is ignored.

use std::collections::BTreeMap;
use std::path::Path;

use super::facts::FolderFacts;
use lungs_base::files::{WriteError, write_bytes};

/// Increases whenever the meaning of the stored values changes.
const LAYOUT_VERSION: u32 = 6;

/// Known folders by their absolute path.
pub(super) type Known = BTreeMap<String, FolderFacts>;

/// Reads the index; empty without a usable one.
pub(super) fn load(path: &Path) -> Known {
    let bytes = std::fs::read(path).unwrap_or_default();
    parse(&bytes).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<Known> {
    let rest = bytes.strip_prefix(head().as_bytes())?;
    let (hash, body) = rest.split_at_checked(blake3::OUT_LEN)?;
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let known: Known = postcard::from_bytes(body).ok()?;
    known.values().all(FolderFacts::has_all_templates).then_some(known)
}

/// Writes the index.
pub(super) fn save(path: &Path, known: &Known) -> Result<(), WriteError> {
    let body = postcard::to_stdvec(known).map_err(|error| WriteError {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    let mut bytes = head().into_bytes();
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    write_bytes(path, &bytes)
}

fn head() -> String {
    format!("lungs index {LAYOUT_VERSION} {}\n", env!("CARGO_PKG_VERSION"))
}
