//! One process works in a run folder at a time.

use super::ResultsError;
use super::provenance::now_utc;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// How often a lock is tried that somebody has.
const TRIES: usize = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Holds `run.lock` until dropped. The operating system releases it when the process dies.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    pub(super) fn take(root: &Path) -> Result<Self, ResultsError> {
        let path = root.join("run.lock");
        let broken = |source| ResultsError::CannotCreate { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(broken)?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody may only have looked whether there is a holder.
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
                Err(TryLockError::Error(source)) => return Err(broken(source)),
            }
        }
        let holder = format!("process {}, since {}", std::process::id(), now_utc());
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
        written.map_err(broken)?;
        Ok(Self { _file: file })
    }

    /// What the lock file says of its holder, where there is one now.
    pub(super) fn holder(root: &Path) -> Option<String> {
        let mut file = File::open(root.join("run.lock")).ok()?;
        // Shared, so that those who only look do not see each other.
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
