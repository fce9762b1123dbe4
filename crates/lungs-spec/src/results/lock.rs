//! The lock of a run folder, for one process at a time.

use super::ResultsError;
use super::clock::now_utc;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// Number of attempts to take a lock that another process holds.
const TRIES: usize = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The lock `run.lock`, held until dropped. The operating system releases it when the process ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    pub(super) fn take(root: &Path) -> Result<Self, ResultsError> {
        let path = root.join("run.lock");
        let error = |source| ResultsError::CannotCreate { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(error)?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Another process may hold the lock briefly, to check for a holder.
                Err(TryLockError::WouldBlock) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = holder.trim().to_owned();
                    return Err(ResultsError::InUse { path: root.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(error(source)),
            }
        }
        let holder = format!("process {}, since {}", std::process::id(), now_utc());
        let result =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
        result.map_err(error)?;
        Ok(Self { _file: file })
    }

    /// The text of the lock file about its holder; `None` if no process holds the lock.
    pub(super) fn holder(root: &Path) -> Option<String> {
        let mut file = File::open(root.join("run.lock")).ok()?;
        // A shared lock, so that checking processes do not see each other as holders.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Some(holder.trim().to_owned())
            }
            _ => None,
        }
    }
}
