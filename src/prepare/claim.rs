//! Who prepares what, when several processes share a cache: an image is claimed by a lock on a
//! small file named after it. The operating system gives the lock back when its holder dies, so a
//! killed process claims nothing, and the file is removed when the work is done.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A claimed image, or a turn; given back when dropped.
#[must_use]
pub struct Claim {
    path: PathBuf,
    // Holds the lock.
    _file: File,
}

impl Claim {
    /// Claims what `path` stands for; `None` when somebody else has it.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        Self::take_by(path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Claims what `path` stands for, waiting until nobody else has it.
    pub(super) fn wait_for(path: &Path) -> io::Result<Option<Self>> {
        Self::take_by(path, |file| file.lock().map(|()| true))
    }

    fn take_by(path: &Path, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            if !lock(&file)? {
                return Ok(None);
            }
            // The holder before may have removed the file that was waited for.
            if is_at(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), _file: file }));
            }
        }
    }
}

/// Waits for, and takes, what processes that share a cache folder do one after the other, as looking
/// into a million files: whoever comes next finds them in the index. `None` where the file system
/// knows no locks: then it is done twice, which does no harm.
pub fn turn(cache_folder: &Path, what: &str) -> Option<Claim> {
    Claim::wait_for(&cache_folder.join("claims").join(what)).ok().flatten()
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock is given back: who waits for it sees that this file is gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether `path` still names this very file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let here = file.metadata()?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino())))
}

/// Files in use cannot be removed there.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    Ok(path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_holder_at_a_time_and_no_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims/a");
        let first = Claim::try_take(&path).unwrap().unwrap();
        assert!(Claim::try_take(&path).unwrap().is_none());
        drop(first);
        assert!(Claim::try_take(&path).unwrap().is_some());
        assert!(!path.exists());

        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _claim = Claim::wait_for(&path).unwrap().unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(!path.exists());
    }
}
