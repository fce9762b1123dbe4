//! All entries of a cache, whatever their settings.

use super::cache::Entry;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// An entry of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The settings that it was prepared with, with the version of the algorithm: `Settings::versioned_text`.
    pub settings: String,
    /// Name of the volume; empty if the series could not be prepared.
    pub cache_file: String,
    /// Its files. The first marks the entry as complete.
    pub files: Vec<PathBuf>,
    /// Bytes of the files.
    pub bytes: u64,
}

/// The complete entries of a cache, by name; empty if the folder cannot be read.
pub fn stored_entries(cache_folder: &Path) -> Vec<StoredEntry> {
    let files = fs::read_dir(cache_folder).into_iter().flatten().flatten();
    let mut marks: Vec<PathBuf> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    marks.sort();
    marks.iter().filter_map(|mark| entry_of(mark)).collect()
}

/// The entry that a file marks as complete; `None` for other JSON files.
fn entry_of(mark: &Path) -> Option<StoredEntry> {
    let entry: Entry = serde_json::from_slice(&fs::read(mark).ok()?).ok()?;
    let parts = ["png", "npz"].map(|extension| mark.with_extension(extension));
    let files: Vec<PathBuf> =
        [mark.to_owned()].into_iter().chain(parts).filter(|file| file.is_file()).collect();
    let bytes = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum();
    Some(StoredEntry {
        settings: format!("{} {}", entry.algorithm_version, entry.settings),
        cache_file: entry.row.cache_file,
        files,
        bytes,
    })
}

/// Whether a process prepares an image or runs a task in a cache.
pub fn is_cache_in_use(cache_folder: &Path) -> bool {
    let locks = fs::read_dir(cache_folder.join("claims")).into_iter().flatten().flatten();
    locks.filter_map(|lock| File::open(lock.path()).ok()).any(|file| {
        // A shared lock, so that checking processes do not see each other as holders.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    })
}

#[cfg(test)]
mod tests {
    use super::super::lock_task;
    use super::*;

    #[test]
    fn other_files_are_no_entries_and_a_lock_is_seen_while_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.json"), "{}").unwrap();
        assert_eq!(stored_entries(folder.path()), []);
        assert_eq!(stored_entries(&folder.path().join("missing")), []);
        assert!(!is_cache_in_use(folder.path()));
        let lock = lock_task(folder.path(), "index").unwrap();
        assert!(is_cache_in_use(folder.path()));
        drop(lock);
        assert!(!is_cache_in_use(folder.path()));
    }
}
