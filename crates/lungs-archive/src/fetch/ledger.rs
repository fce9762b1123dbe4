//! The ledger of finished series: `.fetched` in the target folder, a line of JSON per series, written as soon as
//! the series is finished. With it a new start sends no requests for complete series, and recognises prepared
//! series whose raw files were removed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{FetchError, FetchStatus};
use lungs_base::files::WriteError;

/// Name of the ledger in the target folder.
const NAME: &str = ".fetched";

/// A finished series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LedgerEntry {
    /// Its address in the archive, as text.
    #[serde(rename = "place")]
    pub address: String,
    /// Folder of its files, below the target folder.
    pub folder: PathBuf,
    pub files: usize,
    pub bytes: u64,
    pub state: FetchStatus,
    pub reason: String,
    /// Name of its preparation; empty if it was not prepared.
    pub prepared_by: String,
    /// Products of its preparation, below the target folder.
    pub products: Vec<PathBuf>,
    /// Whether its raw files must be kept after preparation.
    #[serde(default)]
    pub raw_wanted: bool,
}

impl LedgerEntry {
    /// Whether this preparation has processed it (also by excluding it), and its products exist.
    pub(crate) fn is_prepared_by(&self, name: &str, target: &Path) -> bool {
        self.prepared_by == name
            && self.products.iter().all(|product| target.join(product).is_file())
    }

    /// Whether prepared volumes exist instead of its raw files.
    pub(crate) fn is_volume_only(&self, target: &Path) -> bool {
        !self.products.is_empty() && self.is_prepared_by(&self.prepared_by, target)
    }
}

/// The open and locked ledger; the lock is released on drop.
pub(super) struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    entries: BTreeMap<String, LedgerEntry>,
}

impl Ledger {
    /// Opens and locks the ledger of a folder, which is created if missing.
    pub(super) fn open(target: &Path) -> Result<Self, FetchError> {
        lungs_base::files::make_folder(target)?;
        let path = target.join(NAME);
        let failed = |source| WriteError { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = forbid_links(&mut options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(FetchError::Busy { folder: target.to_owned() });
            }
            // Without locks of the file system, two processes cannot be kept apart.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        // A kill may have truncated the last line: it is ignored, and the next entry starts a new line.
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        let entries = read_entries(&bytes);
        Ok(Self { path, file: Mutex::new(file), entries })
    }

    /// The entry of an address, as of the opening of the ledger.
    pub(super) fn entry(&self, address: &str) -> Option<&LedgerEntry> {
        self.entries.get(address)
    }

    /// Appends an entry, durably.
    pub(super) fn append(&self, entry: &LedgerEntry) -> Result<(), WriteError> {
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(|poison| poison.into_inner());
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// The entries of a folder's ledger, without locking it.
pub(super) fn read_ledger(target: &Path) -> BTreeMap<String, LedgerEntry> {
    read_entries(&std::fs::read(target.join(NAME)).unwrap_or_default())
}

/// Parses entries by address: the last line of an address is used, invalid lines are ignored.
fn read_entries(bytes: &[u8]) -> BTreeMap<String, LedgerEntry> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice::<LedgerEntry>(line).ok());
    entries.map(|entry| (entry.address.clone(), entry)).collect()
}

/// Makes opening a symbolic link an error.
pub(super) fn forbid_links(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options
}

/// Free bytes in a folder, or in its nearest existing ancestor.
#[cfg(unix)]
pub fn disk_free_bytes(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let status = absolute.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Free bytes are unknown on this system.
#[cfg(not(unix))]
pub fn disk_free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(address: &str, files: usize) -> LedgerEntry {
        LedgerEntry {
            address: address.to_owned(),
            folder: PathBuf::from("a"),
            files,
            bytes: 10,
            state: FetchStatus::Fetched,
            reason: String::new(),
            prepared_by: String::new(),
            products: Vec::new(),
            raw_wanted: true,
        }
    }

    #[test]
    fn a_truncated_line_is_ignored_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.append(&entry("a", 1)).unwrap();
        ledger.append(&entry("b", 2)).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(FetchError::Busy { .. })));
        drop(ledger);
        let path = folder.path().join(NAME);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!((ledger.entry("a"), ledger.entry("b")), (Some(&entry("a", 1)), None));
        ledger.append(&entry("b", 3)).unwrap();
        ledger.append(&entry("a", 4)).unwrap();
        drop(ledger);
        let again = Ledger::open(folder.path()).unwrap();
        assert_eq!(again.entry("a"), Some(&entry("a", 4)));
        assert_eq!(again.entry("b"), Some(&entry("b", 3)));
    }

    #[test]
    fn free_space_is_known_for_a_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        let free = disk_free_bytes(&folder.path().join("not/yet"));
        assert!(free.is_none_or(|free| free > 0));
    }
}
