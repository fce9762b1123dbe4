//! Locks between processes that share a cache: the process that prepares an image holds a lock on a
//! small file for it. The operating system releases the lock of a killed process, and the file is
//! removed with the lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock on an image or a task of the cache, released when dropped.
#[must_use]
pub struct CacheLock {
    path: PathBuf,
    /// The open file, which has the lock.
    _file: File,
}

impl CacheLock {
    /// Acquires the lock file `path`; `None` when another process has the lock.
    pub(super) fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        Self::acquire_with(path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Acquires the lock file `path`, waiting until no other process has the lock.
    pub(super) fn acquire(path: &Path) -> io::Result<Option<Self>> {
        Self::acquire_with(path, |file| file.lock().map(|()| true))
    }

    fn acquire_with(
        path: &Path,
        lock: impl Fn(&File) -> io::Result<bool>,
    ) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            if !lock(&file)? {
                return Ok(None);
            }
            // The previous holder may have removed this file, and another process may have created a new one.
            if is_same_file(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), _file: file }));
            }
        }
    }
}

/// Waits for the lock of a task that processes with a shared cache folder run one after the other, such as
/// reading a million headers: the next process finds them in the index. `None` on a file system without
/// locks; the task then runs twice, which is harmless.
pub fn lock_task(cache_folder: &Path, task: &str) -> Option<CacheLock> {
    CacheLock::acquire(&cache_folder.join("claims").join(task)).ok().flatten()
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        // Before the lock is released, so that a waiting process notices that the file was removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether `path` still refers to this open file.
#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    let is_open =
        |current: fs::Metadata| (current.dev(), current.ino()) == (open.dev(), open.ino());
    Ok(fs::metadata(path).is_ok_and(is_open))
}

/// Open files cannot be removed on these systems.
#[cfg(not(unix))]
fn is_same_file(_: &File, path: &Path) -> io::Result<bool> {
    Ok(path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_lock_at_a_time_and_no_file_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims/a");
        let first = CacheLock::try_acquire(&path).unwrap().unwrap();
        assert!(CacheLock::try_acquire(&path).unwrap().is_none());
        drop(first);
        assert!(CacheLock::try_acquire(&path).unwrap().is_some());
        assert!(!path.exists());

        let (holders, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _lock = CacheLock::acquire(&path).unwrap().unwrap();
                        most.fetch_max(
                            holders.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        holders.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(!path.exists());
    }
}
