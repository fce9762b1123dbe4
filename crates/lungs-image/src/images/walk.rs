//! Lists all files below a folder, by folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::skipped_files::{SkippedFiles, SkippedKind};
use crate::dicom::Problem;

/// Folders with the names of their files, both sorted.
pub(super) type Folders = BTreeMap<PathBuf, Vec<OsString>>;

/// Walks `root` (a folder of any nesting, or one file). Hidden files and folders (`.DS_Store`,
/// `._1.dcm`) are skipped, and so are folders marked as caches: prepared volumes in a folder of data
/// are not data. Links are followed, loops are detected.
pub(super) fn walk(
    root: &Path,
    problems: &mut Vec<Problem>,
    skipped: &mut SkippedFiles,
) -> Folders {
    let is_included = |entry: &DirEntry| {
        let kind = skipped_kind(entry);
        if let Some(kind) = kind {
            skipped.add(kind, entry.path().to_owned());
        }
        kind.is_none()
    };
    let mut folders = Folders::new();
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(is_included) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                let folder = entry.path().parent().unwrap_or(Path::new(""));
                let name = entry.file_name().to_owned();
                match folders.get_mut(folder) {
                    Some(names) => names.push(name),
                    None => {
                        folders.insert(folder.to_owned(), vec![name]);
                    }
                }
            }
            Ok(_) => {}
            // A link back to a folder above, whose files are listed anyway.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => problems.push(Problem {
                path: error.path().unwrap_or(root).to_owned(),
                reason: format!("cannot be read: {error}"),
            }),
        }
    }
    folders.values_mut().for_each(|names| names.sort_unstable());
    folders
}

/// The kind of an entry that the walk skips; `None` for other entries.
fn skipped_kind(entry: &DirEntry) -> Option<SkippedKind> {
    if entry.depth() == 0 {
        return None;
    }
    let folder = entry.file_type().is_dir();
    if !entry.file_name().as_encoded_bytes().starts_with(b".") {
        is_cache(entry).then_some(SkippedKind::CacheFolder)
    } else if folder {
        Some(SkippedKind::HiddenFolder)
    } else {
        Some(SkippedKind::HiddenFile)
    }
}

/// Whether a folder is marked as a cache (see <https://bford.info/cachedir/>).
fn is_cache(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && entry.path().join("CACHEDIR.TAG").is_file()
}
