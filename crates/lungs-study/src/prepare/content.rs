//! The content of an image as a key: equal for images with equal content.

use std::fs;
use std::path::Path;

use lungs_base::files::write_bytes;
use lungs_image::images::{Image, read_volume};

use super::cache::{Cache, inputs_text};
use super::{Settings, prepared};

/// The content of an image as a key that is independent of paths and times. Files are read only when they have
/// changed since the last call; the key is stored in the index of the cache folder, if that folder exists.
/// `None` when a file cannot be read.
pub fn content_of(image: &Image, settings: &Settings, cache_folder: &Path) -> Option<String> {
    if let Some(source) = prepared::source(image) {
        let bytes: u64 = image.files.iter().map(|file| file.bytes).sum();
        return Some(format!("prepared from {}, {bytes} bytes", source.inputs));
    }
    let cache = Cache { folder: cache_folder, settings };
    let volume_entry = cache.index_path(image);
    let files_entry = volume_entry.with_extension("files");
    let indexed = fs::read_to_string(&volume_entry).or_else(|_| fs::read_to_string(&files_entry));
    if let Ok(content) = indexed {
        return Some(content);
    }
    let (file, content) = match read_volume(image, settings.hu_rule(), settings.stacks) {
        Ok((_, facts)) => (volume_entry, inputs_text(&facts)),
        // Images without a volume are compared by the bytes of their files.
        Err(_) => (files_entry, hash_of_files(image)?),
    };
    if cache_folder.is_dir() {
        // If the entry cannot be written, the files are read again next time.
        let _ = write_bytes(&file, content.as_bytes());
    }
    Some(content)
}

/// BLAKE3 of the files' bytes, independent of their names and order.
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
