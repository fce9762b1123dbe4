//! One process works in a run folder at a time.

use super::ResultsError;
use super::provenance::now_utc;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim().to_owned();
                return Err(ResultsError::InUse { path: root.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(broken(source)),
        }
        let holder = format!("process {}, since {}", std::process::id(), now_utc());
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
        written.map_err(broken)?;
        Ok(Self { _file: file })
    }
}
