//! What an image holds, as text that says whether another one holds the same.

use std::fs;
use std::path::Path;

use crate::dicom::HuRule;
use crate::files::write_bytes;
use crate::images::{Image, read_volume};

use super::cache::{Cache, inputs_text};
use super::{Settings, prepared};

/// The contents of an image as text: the same for equal contents, wherever they lie and whenever they
/// were written. Files are read only where they changed since they were last looked at; what is found
/// is kept in the cache folder, where there is one. `None` when a file cannot be read.
pub fn content_of(image: &Image, settings: &Settings, cache_folder: &Path) -> Option<String> {
    if let Some(source) = prepared::source(image) {
        let bytes: u64 = image.files.iter().map(|file| file.bytes).sum();
        return Some(format!("prepared from {}, {bytes} bytes", source.inputs));
    }
    let cache = Cache { folder: cache_folder, settings };
    let seen = cache.seen_path(image);
    let seen_files = seen.with_extension("files");
    if let Ok(known) = fs::read_to_string(&seen).or_else(|_| fs::read_to_string(&seen_files)) {
        return Some(known);
    }
    let rule = if settings.compat { HuRule::Lungs015 } else { HuRule::Standard };
    let (file, content) = match read_volume(image, rule, settings.stacks) {
        Ok((_, facts)) => (seen, inputs_text(&facts)),
        // What makes no volume is told apart by its bytes.
        Err(_) => (seen_files, hash_of_files(image)?),
    };
    if cache_folder.is_dir() {
        // Without it, the files are read again the next time.
        let _ = write_bytes(&file, content.as_bytes());
    }
    Some(content)
}

/// BLAKE3 of the files' bytes, whatever their names and order.
fn hash_of_files(image: &Image) -> Option<String> {
    let hash = |path: &Path| {
        let mut hasher = blake3::Hasher::new();
        std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
        std::io::Result::Ok(*hasher.finalize().as_bytes())
    };
    let hashes = image.files.iter().map(|file| hash(&file.path()).ok());
    let mut hashes: Vec<[u8; 32]> = hashes.collect::<Option<_>>()?;
    hashes.sort_unstable();
    Some(format!("files {}", blake3::hash(hashes.as_flattened()).to_hex()))
}
