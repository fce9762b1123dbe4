//! What is done, kept as it happens: `.fetched` in the target folder, a line of JSON for each series.
//! With it a new start asks the archive nothing about series that are complete, and knows of those
//! whose raw files are gone because they are prepared.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{FetchError, State};
use crate::files::WriteError;

/// Its name in the target folder.
const NAME: &str = ".fetched";

/// A series that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its place, as text.
    pub place: String,
    /// Where its files are, below the target folder.
    pub folder: PathBuf,
    pub files: usize,
    pub bytes: u64,
    pub state: State,
    pub reason: String,
    /// What it was prepared by; empty when it was not.
    pub prepared_by: String,
    /// What preparation left, below the target folder.
    pub products: Vec<PathBuf>,
    /// Its files are to stay, whatever is made of them.
    #[serde(default)]
    pub raw_wanted: bool,
}

impl Entry {
    /// Whether it is prepared so, or refused, and what was made of it is there.
    pub fn is_prepared_by(&self, name: &str, target: &Path) -> bool {
        self.prepared_by == name
            && self.products.iter().all(|product| target.join(product).is_file())
    }

    /// Whether prepared volumes stand for its files, which were not kept.
    pub fn stands_for_files(&self, target: &Path) -> bool {
        !self.products.is_empty() && self.is_prepared_by(&self.prepared_by, target)
    }
}

/// The open ledger; nobody else has it until it is dropped.
pub(super) struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    done: BTreeMap<String, Entry>,
}

impl Ledger {
    /// Opens the ledger of a folder, which is made where it is missing.
    pub fn open(target: &Path) -> Result<Self, FetchError> {
        crate::files::make_folder(target)?;
        let path = target.join(NAME);
        let failed = |source| WriteError { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = follow_no_link(&mut options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(FetchError::Busy { folder: target.to_owned() });
            }
            // Where the file system knows no locks, nothing keeps two apart.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        // A kill may have cut the last line short: it counts for nothing, and the next is a new line.
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        let done = read_entries(&bytes);
        Ok(Self { path, file: Mutex::new(file), done })
    }

    /// What was known of a place when the ledger was opened.
    pub fn entry(&self, place: &str) -> Option<&Entry> {
        self.done.get(place)
    }

    /// Keeps what became of a series.
    pub fn keep(&self, entry: &Entry) -> Result<(), WriteError> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(|poison| poison.into_inner());
        let kept = file.write_all(&line).and_then(|()| file.sync_data());
        kept.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// The entries of a folder's ledger, without opening it for anything else.
pub(super) fn peek(target: &Path) -> BTreeMap<String, Entry> {
    read_entries(&std::fs::read(target.join(NAME)).unwrap_or_default())
}

/// The last line of a place counts; lines that are no entries do not.
fn read_entries(bytes: &[u8]) -> BTreeMap<String, Entry> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    entries.map(|entry| (entry.place.clone(), entry)).collect()
}

/// A link in place of a file is an error, not a way to another file.
pub(super) fn follow_no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options
}

/// Bytes that may still be written in a folder, or in the nearest folder above it that there is.
#[cfg(unix)]
pub fn disk_free_bytes(folder: &Path) -> Option<u64> {
    let whole = std::path::absolute(folder).ok()?;
    let facts = whole.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// Not known on this system.
#[cfg(not(unix))]
pub fn disk_free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(place: &str, files: usize) -> Entry {
        Entry {
            place: place.to_owned(),
            folder: PathBuf::from("a"),
            files,
            bytes: 10,
            state: State::Fetched,
            reason: String::new(),
            prepared_by: String::new(),
            products: Vec::new(),
            raw_wanted: true,
        }
    }

    #[test]
    fn a_line_that_was_cut_short_counts_for_nothing_and_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.keep(&entry("a", 1)).unwrap();
        ledger.keep(&entry("b", 2)).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(FetchError::Busy { .. })));
        drop(ledger);
        let path = folder.path().join(NAME);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!((ledger.entry("a"), ledger.entry("b")), (Some(&entry("a", 1)), None));
        ledger.keep(&entry("b", 3)).unwrap();
        ledger.keep(&entry("a", 4)).unwrap();
        drop(ledger);
        let again = Ledger::open(folder.path()).unwrap();
        assert_eq!(again.entry("a"), Some(&entry("a", 4)));
        assert_eq!(again.entry("b"), Some(&entry("b", 3)));
    }

    #[test]
    fn the_disk_of_a_folder_to_come_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let free = disk_free_bytes(&folder.path().join("not/yet"));
        assert!(free.is_none_or(|free| free > 0));
    }
}
